"""Rate answers: who wrote which is not told before, ratings are kept, and the button makes them the plan's data."""

import gradio as gr
import pytest

from tests.ui import fake_generation
from tests.ui.fake_store import Click, page_context
from workbench import background, feedback
from workbench.feedback import Pair, Said
from workbench.result import Run
from workbench.ui import feedback_panel, inference_tab, prompts
from workbench.ui.feedback_panel import Asked
from workbench.ui.plan import empty_plan
from workbench.ui.prompts import Known

PROMPTS = ("Tell of an inn.", "Tell of a fox.", "<script>alert(1)</script>")


class Card:
    """The card in a page of its own, with models that are never loaded."""

    def __init__(self, store, monkeypatch) -> None:
        self.store, self.asked = store, []
        monkeypatch.setattr(feedback_panel, "_prompts", lambda folder: PROMPTS)
        monkeypatch.setattr(background, "call", self.answer)
        with gr.Blocks():
            self.context = page_context(store)
            self.parts = inference_tab.build(self.context).parts
        self.h = feedback_panel._Handlers(self.context, self.parts)
        self.shown = self.named(self.h.offer_rating(None, [], Asked(), None))
        self.who = self.shown["fb_who"]["value"]

    def answer(self, function, folder, who, run_id, prompt, options, pool):
        assert (function, pool) == ("workbench.side_by_side:ask", "inference")
        self.asked.append((who, prompt, options["decoding_seed"]))
        return {"text": f" An answer of {who}, drawn with {options['decoding_seed']}. "}

    def named(self, updates):
        return {name: updates[part] for name, part in self.parts.items() if part in updates}

    def last(self, steps):
        *_, found = steps
        return self.named(found)

    def pair(self, who=None, now=None):
        return self.last(self.h.show_pair(None, who or self.who, now or Asked(), None))


@pytest.fixture
def runs(store) -> list[Run]:
    fake_generation.fill(store, seeds=(0,))
    return store.runs()


@pytest.fixture
def card(store, runs, monkeypatch) -> Card:
    return Card(store, monkeypatch)


def test_the_card_offers_the_base_and_every_method(card, runs):
    assert card.shown["fb_card"]["visible"]
    assert [key for _, key in card.shown["fb_who"]["choices"]] == ["base", *[run.id for run in runs]]
    assert "Nothing rated yet" in card.shown["fb_state"]
    assert not card.shown["fb_use"]["visible"]


def test_without_prompts_there_is_no_card(card, monkeypatch):
    monkeypatch.setattr(feedback_panel, "_prompts", lambda folder: ())
    assert not card.named(card.h.offer_rating(None, [], Asked(), None))["fb_card"]["visible"]


def test_a_pair_is_shown_without_names_and_a_model_alone_is_asked_twice(card, runs):
    drawn = card.pair([runs[0].id])
    assert {who for who, _, _ in card.asked} == {runs[0].id}
    assert len({seed for _, _, seed in card.asked}) == 2
    html = drawn["fb_pair"].replace(f"An answer of {runs[0].id}", "")
    assert runs[0].id not in html
    assert runs[0].label not in html
    assert "<script" not in html
    for action in ("first", "second", "tie", "skip"):
        assert f'data-action="{action}"' in html
    assert drawn["fb_now"].pair.first.text == drawn["fb_now"].pair.first.text.strip()


def test_a_rating_is_kept_and_tells_who_was_who_and_the_next_pair_comes(card, runs):
    both = [runs[0].id, runs[1].id]
    first = card.pair(both)["fb_now"]
    drawn = card.last(card.h.rate_pair(None, both, first, Click("second"), None))
    (kept,) = feedback.ratings(card.store, first.fingerprint, None)
    assert (kept.pair, kept.verdict) == (first.pair, "second")
    assert runs[0].label in drawn["fb_pair"]
    assert runs[1].label in drawn["fb_pair"]
    assert drawn["fb_now"].pair.prompt != first.pair.prompt
    counted = card.named(card.h.offer_rating(None, both, drawn["fb_now"], None))
    assert "1 rated" in counted["fb_state"]
    assert "100 %" in counted["fb_state"]
    assert counted["fb_use"]["value"] == "Use 1 pair as data set"
    assert not counted["fb_use"]["interactive"]
    assert "needs 3 different prompts" in counted["fb_state"]
    for place in range(2):
        pair = Pair(f"another {place}", Said("base", "a"), Said("base", "b"))
        feedback.add(card.store, first.fingerprint, None, feedback.Rating(pair, "first"))
    assert card.named(card.h.offer_rating(None, both, first, None))["fb_use"]["interactive"]


def test_passing_on_keeps_nothing_and_taking_back_shows_the_pair_again(card):
    first = card.pair()["fb_now"]
    passed = card.last(card.h.rate_pair(None, card.who, first, Click("skip"), None))["fb_now"]
    assert feedback.ratings(card.store, first.fingerprint, None) == []
    assert passed.pair.prompt != first.pair.prompt
    rated = card.last(card.h.rate_pair(None, card.who, passed, Click("first"), None))
    back = card.named(card.h.take_back(None, card.who, rated["fb_now"], None))
    assert back["fb_now"].pair == passed.pair
    assert not back["fb_undo"]["visible"]


def test_answers_that_are_alike_are_not_shown(card, monkeypatch):
    monkeypatch.setattr(background, "call", lambda *a, **k: {"text": "The same."})
    drawn = card.pair()
    assert drawn["fb_now"].pair is None
    assert "Every prompt was shown" in drawn["fb_pair"]


def test_every_prompt_passed_over_begins_anew(card):
    now = card.pair()["fb_now"]
    for _ in PROMPTS:
        drawn = card.last(card.h.rate_pair(None, card.who, now, Click("skip"), None))
        now = drawn["fb_now"]
    assert "Every prompt was shown" in drawn["fb_pair"]
    assert card.pair(now=now)["fb_now"].pair is not None


def test_the_button_makes_the_ratings_the_plans_data(card):
    now = card.pair()["fb_now"]
    card.last(card.h.rate_pair(None, card.who, now, Click("first"), None))
    plan, tabs = card.h.use_as_data(empty_plan(), None, None)
    assert plan["task"] == "preference"
    assert plan["data"]["source"].startswith("upload:")
    assert plan["data"]["title"].endswith(".jsonl")
    assert tabs.selected == "data"


def test_the_better_answer_of_a_preference_row_is_the_right_one_to_show():
    row = {"prompt": "Tell of a fox.", "chosen": "It shared.", "rejected": "It bit.", "kind": "fox"}
    assert prompts._known(row) == ("Tell of a fox.", Known(("It shared.",), "fox"))


def test_what_can_not_be_rated_says_so(card, monkeypatch):
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    list(card.h.rate_pair(None, card.who, Asked(), Click("first"), None))
    now = card.pair()["fb_now"]
    list(card.h.rate_pair(None, card.who, now, Click("perhaps"), None))
    list(card.h.show_pair(None, [], Asked(), None))
    monkeypatch.setattr(background, "call", lambda *a, **k: {"text": None, "reason": "It is not live."})
    list(card.h.show_pair(None, card.who, Asked(), None))
    assert [words.split(":")[0] for words in warned] == [
        "There is no pair on show",
        "This is no way to rate a pair.",
        "tick at least one that shall answer",
        "It is not live.",
    ]
    assert feedback.ratings(card.store, now.fingerprint, None) == []
