"""The Inference tab: panes for base, runs and TF-IDF; a label only where there is one to trust."""

import json
import time

import gradio as gr
import pytest

from tests.ui import fake_store
from tests.ui.fake_store import Click
from workbench import background
from workbench.store import Store
from workbench.ui import inference_tab
from workbench.ui.explain_card import explain_html
from workbench.ui.loaded_note import loaded_note
from workbench.ui.panes import agreement, panes_for, panes_html
from workbench.ui.prompts import Known, examples_of

ROWS = {
    text: Known((label,), label)
    for text, label in (
        ("good", "positive"),
        ("bad", "negative"),
        ("fine", "positive"),
        ("x" * 300, "negative"),
    )
}
DECODING = (False, 64, 0.8, 0.95, 0, 0)
EVIL = "<script>alert(1)</script>"


def _answer(label="positive", share=0.8, **changes):
    other = "negative" if label == "positive" else "positive"
    return {
        "label": label, "probabilities": {label: share, other: 1 - share}, "ms": 8.0, "live": True,
        "truncated": False, "reason": None,
    } | changes  # fmt: skip


def _told(answers):
    return {"answers": answers, "contents": None}


class Page:
    def __init__(self, store: Store) -> None:
        with gr.Blocks():
            self.context = fake_store.page_context(store)
            self.tab = inference_tab.build(self.context)
        self.handlers = self.tab.refresh.__self__

    def ask(self, ticked, text, *, mode="one", hide=False, turns=None):
        return self.handlers.ask_all(ticked, text, {}, True, mode, hide, turns or {}, *DECODING, None)

    def refresh(self, *, setting_id=None, drawn="", ticked=(), every=False) -> dict:
        values = self.tab.refresh(setting_id, drawn, list(ticked), every, None)
        assert len(values) == len(self.tab.outputs)
        return dict(zip(inference_tab._PARTS, values))


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_tab, "test_rows", lambda folder: ROWS)


def test_no_finished_run_shows_one_sentence(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0,), running=1)
    drawn = Page(store).refresh()
    assert drawn["empty"]["visible"]
    assert not drawn["body"]["visible"]


def test_the_best_seed_of_each_method_is_ticked_and_every_seed_can_be(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0, 1, 2))
    page = Page(store)
    drawn = page.refresh()
    best = set()
    for label in ("Full fine-tuning", "LoRA"):
        runs = [run for run in store.runs() if run.label == label]
        best.add(max(runs, key=lambda run: run.result.metrics["accuracy"]).id)
    assert set(drawn["runs"]["value"]) == {*best, "tfidf"}
    assert len(drawn["runs"]["choices"]) == 3
    assert drawn["run"]["value"] == "Run in 4 panes"
    assert drawn["every_seed"]["visible"]
    assert len(page.refresh(every=True)["runs"]["choices"]) == 7


def test_ticks_stay_when_another_run_finishes(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,), running=1)
    page = Page(store)
    first = page.refresh()
    chosen = first["runs"]["value"][:1]
    (running,) = store.runs(states=("running",))
    fake_store.write_outcomes(store.run_folder(running.id), [])
    store.change_state(running.id, "finished")
    again = page.refresh(drawn=first["drawn"], ticked=chosen)
    assert again["runs"]["value"] == chosen
    assert again["answers"] == gr.skip()
    assert page.refresh(drawn=again["drawn"])["runs"] == gr.skip()


def test_a_method_that_finishes_later_is_ticked_unless_the_reader_chose(store: Store):
    fake_store.fill(store, methods=("full", "lora", "head"), seeds=(0,))
    late = next(run for run in store.runs() if run.label == "LoRA")
    page = Page(store)
    everyone = page.refresh()["runs"]["value"]
    drawn = page.refresh()["drawn"].replace(" " + late.id, "")
    early = [name for name in everyone if name != late.id]
    assert set(page.refresh(drawn=drawn, ticked=early)["runs"]["value"]) == set(everyone)
    assert page.refresh(drawn=drawn, ticked=early[:1])["runs"]["value"] == early[:1]


def test_every_pane_is_asked_once_and_shows_what_came(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full", "prefix"), seeds=(0,))
    asked = []

    def answer(who):
        if who == "base":
            return _answer(label=None, probabilities={}, ms=None, live=None, reason="It has no trained head.")
        if who != "tfidf" and store.run(who).spec.choice.method == "prefix":
            return _answer(label=None, probabilities={}, ms=None, live=False, reason="It changes nothing.")
        return _answer("positive" if who != "tfidf" else "negative")

    def call(function, folder, questions, options, stop_file, told_file, pool):
        asked.extend((function, q["key"], q["text"], pool) for q in questions)
        with open(told_file, "a") as file:
            file.write(json.dumps({"loading": questions[1]["key"]}) + "\n")
        time.sleep(0.3)
        return _told({q["key"]: answer(q["key"]) for q in questions})

    monkeypatch.setattr(background, "call", call)
    page = Page(store)
    ids = [run.id for run in store.runs()]
    steps = list(page.ask([*ids, "tfidf"], "  good "))
    assert [who for _, who, _, _ in asked] == ["base", *ids, "tfidf"]
    assert {(f, text, pool) for f, _, text, pool in asked} == {
        ("workbench.side_by_side:ask_all", "good", "inference")
    }
    assert steps[1][1]["value"] == "Loading Full fine-tuning"
    assert "wb-dim" in steps[1][0]
    panes, button, stop, summary, answers, right = steps[-1][:6]
    assert not stop["visible"]
    assert right == ("positive",)
    assert button["interactive"]
    assert "they disagree: 1 positive, 1 negative" in str(summary)
    assert "A row of the test part" in str(summary)
    assert panes.count("No label is shown.") == 2
    assert "not live" in panes
    assert "untrained head" in panes
    assert "It changes nothing." in panes
    assert set(answers) == {"base", "tfidf", *ids}
    assert panes.count("</svg>right<") == 1
    assert panes.count("</svg>wrong<") == 1


def test_a_background_that_fails_says_so_in_every_pane(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full",), seeds=(0,))

    def call(*arguments, pool):
        raise ValueError("the rows are gone")

    monkeypatch.setattr(background, "call", call)
    *_, (panes, *_) = Page(store).ask([store.runs()[0].id, "tfidf"], "good")
    assert panes.count("the rows are gone") == 3
    assert "wb-said" not in panes


def test_bad_input_is_one_sentence(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full",), seeds=(0,))
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    page = Page(store)
    run_id = store.runs()[0].id
    for ticked, text in (([run_id], "   "), ([run_id], "x" * 20_001), ([], "good"), (["nobody"], "good")):
        list(page.ask(ticked, text))
    assert [words.split(":")[0].split(";")[0] for words in warned] == [
        "The text is empty",
        "The text has 20,001 characters",
        "No run is ticked",
        "There is no run 'nobody' here",
    ]


def test_another_visitors_run_gives_no_answer(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full",), seeds=(0,), owner="b" * 32)
    monkeypatch.setattr(inference_tab, "owner_of", lambda request: "a" * 32)
    monkeypatch.setattr(background, "call", lambda *_, **__: pytest.fail("asked"))
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    list(Page(store).ask([store.runs()[0].id], "good"))
    assert "There is no run" in warned[0]


def test_examples_come_from_the_test_part_one_label_after_the_other(store: Store):
    assert examples_of(ROWS) == ["bad", "good", "fine"]
    fake_store.fill(store, methods=("full",), seeds=(0,))
    page = Page(store)
    assert "bad" in page.refresh()["examples"]
    assert page.handlers.take_example(None, Click("example", "1"), None) == "good"


def test_agreement_counts_labels_alone(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,))
    panes = panes_for(store.runs())
    keys = [pane.key for pane in panes]
    both = dict(zip(keys, (_answer(label=None), _answer(), _answer(), _answer())))
    assert "all 3 say positive" in str(agreement(both, panes))
    assert str(agreement({}, panes)) == ""


def test_labels_and_reasons_stay_text(store: Store):
    fake_store.fill(store, methods=("full",), seeds=(0,))
    panes = panes_for(store.runs())
    answers = {panes[1].key: _answer(EVIL), "base": _answer(label=None, reason=EVIL)}
    html = str(panes_html(panes, answers))
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 2


def test_a_live_badge_says_what_was_measured(store: Store):
    fake_store.fill(store, methods=("full",), seeds=(0,))
    panes = panes_for(store.runs())
    html = str(panes_html(panes, {panes[1].key: _answer(difference=4.2, off_difference=0.0)}))
    assert "moves the logits by up to 4.2; with it off they are equal" in html


def test_explanations_stand_side_by_side_and_stay_text(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,))
    runs = store.runs()
    found = [
        {"run_id": runs[0].id, "label": "positive", "reason": None,
         "tokens": [{"text": EVIL, "score": 0.75}, {"text": " dull", "score": -0.25}]},
        {"run_id": runs[1].id, "label": None, "reason": "No gradient.", "tokens": []},
    ]  # fmt: skip
    html = str(explain_html(found, runs))
    assert "<script" not in html
    assert 'class="wb-for"' in html
    assert 'class="wb-against"' in html
    assert "dull -25%" in html
    assert "No gradient." in html


def test_what_is_loaded_is_said_once_a_base(store: Store):
    runs = [{"run_id": "a", "bytes": 2**20, "kind": "adapter", "mixes": True}]
    base = {"model": "embedded:fable-8m", "few_bits": False, "bytes": 32 * 2**20, "runs": runs}
    words = str(
        loaded_note(
            {"bases": [base], "bytes": 33 * 2**20, "budget_bytes": 2**32, "device": "cpu"}, {"a": "LoRA"}
        )
    )
    assert "fable-8m loaded once, 32.0\u00a0MiB, with 1 run, 1.0\u00a0MiB" in words or "loaded once" in words
    assert "LoRA" in words
    assert "shares batches" in words
    assert str(loaded_note(None, {})) == ""
