"""Generated texts on Inference and Compare: what differs from the base is marked, decoding is sent, a stop is heeded, and
scores carry their own name."""

import json
import time
from pathlib import Path

import gradio as gr
import pytest

from tests.ui import fake_generation
from tests.ui.fake_store import Click, page_context
from workbench import background, compare, votes
from workbench.metric import metric
from workbench.store import Store
from workbench.ui import compare_tab, example_explorer, inference_cards, inference_tab, prompts, train_tab
from workbench.ui.answer_panes import text_body, text_foot
from workbench.ui.comparison_table import comparison_table
from workbench.ui.differences import differences, marked
from workbench.ui.pane_asking import NOT_ASKED
from workbench.ui.prompts import Known
from workbench.ui.queue_matrix import queue_table
from workbench.ui.run_detail import detail_html
from workbench.ui.run_log import events_card
from workbench.ui.setting_facts import facts_card
from workbench.ui.verdicts import verdicts_card

EVIL = "<script>alert(1)</script>"
PROMPT = fake_generation.PROMPTS[0]
ROWS = {PROMPT: Known(tuple(fake_generation.REFERENCES[0]), "short")}
DECODING = (False, 64, 0.8, 0.95, 0, 0)


@pytest.fixture
def written(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(compare, "reference_records", fake_generation.references)
    monkeypatch.setattr(inference_tab, "test_rows", lambda folder: ROWS)
    fake_generation.fill(store)
    return store


def _answer(text: str, **changes):
    return {
        "label": None, "probabilities": {}, "text": text, "tokens": 4, "ended": True, "ms": 80.0, "live": True,
        "truncated": False, "reason": None,
    } | changes  # fmt: skip


def _told(answers):
    return {"answers": answers, "contents": None}


def _ask(handlers, ticked, text, *decoding, mode="one", hide=False, turns=None):
    return handlers.ask_all(ticked, text, {}, True, mode, hide, turns or {}, *decoding, None)


def _inference(store: Store):
    with gr.Blocks():
        context = page_context(store)
        tab = inference_tab.build(context)
    return tab.refresh.__self__, tab


def test_words_that_differ_are_marked_and_stay_text():
    assert differences("the cat sat", "the dog sat") == [
        ("same", "the "), ("removed", "cat "), ("added", "dog "), ("same", "sat"),
    ]  # fmt: skip
    assert marked("the cat sat", "the dog sat") == "the <del>cat</del> <ins>dog</ins> sat"
    assert marked("the cat sat", "the dog sat", removed=False) == "the <ins>dog</ins> sat"
    assert marked("a b", "a b c") == "a b <ins>c</ins>"
    assert (
        marked("line one\nline two", "line one\nline three")
        == "line one\nline <del>two</del> <ins>three</ins>"
    )
    assert marked("你好吗", "你好吧") == "你好<del>吗</del><ins>吧</ins>"
    assert "<script" not in marked("a", f"a {EVIL}")


def test_a_pane_says_what_its_text_lacks_and_how_fast_it_came():
    far = str(text_body(_answer("wholly other words here"), "the cat sat on a mat", differences=True))
    assert "<ins>" not in far
    assert "Another text altogether" in far
    assert "Word for word what the base says." in text_body(_answer("a b"), "a b", differences=True)
    assert "<ins>" not in text_body(_answer("a c"), "a b", differences=False)
    assert "had not ended" in text_body(_answer("a", ended=False), None, differences=True)
    assert "Stopped by you" in text_body(_answer("a", ended=False, stopped=True), None, differences=True)
    assert "empty answer" in text_body(_answer(""), "a b", differences=True)
    foot = str(text_foot(_answer("a", judged="chrf", score=0.5)))
    assert "20.0\u00a0ms" in foot
    assert "50.0\u00a0%" in foot


def test_decoding_changes_alone_are_sent_and_the_right_answer_stands_beside(
    written: Store, monkeypatch: pytest.MonkeyPatch
):
    asked = []

    def call(function, folder, questions, options, stop_file, told_file, pool):
        asked.extend((q["key"], options) for q in questions)
        return _told(
            {
                q["key"]: _answer(
                    "A dog." if q["key"] == "base" else fake_generation.REFERENCES[0][0],
                    live=None if q["key"] in ("base", "nearest") else True,
                )
                for q in questions
            }
        )

    monkeypatch.setattr(background, "call", call)
    handlers, tab = _inference(written)
    drawn = dict(zip(inference_tab._PARTS, tab.refresh(None, "", [], False, None)))
    assert drawn["decoding"]["visible"]
    assert drawn["decoding_max_new_tokens"]["value"] == 64
    assert "{prompt}" in drawn["decoding_template"]
    assert drawn["differences"]["visible"]
    assert drawn["runs"]["value"][-1] == "nearest"
    ticked = drawn["runs"]["value"]
    steps = list(_ask(handlers, ticked, PROMPT, True, 8, 0.8, 0.95, 0, None))
    assert {who for who, _ in asked} == {"base", *ticked}
    assert all(options == {"do_sample": True, "max_new_tokens": 8} for _, options in asked)
    assert "Right answer" in steps[0][0]
    assert "0 of 4 answered" in steps[0][3]
    panes, _, _, summary, answers, right = steps[-1][:6]
    assert panes.count("wb-pane ") == 5
    assert right == tuple(fake_generation.REFERENCES[0])
    assert answers[ticked[0]]["score"] == 1.0
    assert "3 of 4 answers are the same" in summary
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    list(_ask(handlers, ticked, PROMPT, True, 0, 0.8, 0.95, 0, 0))
    assert "max_new_tokens" in warned[0]


def test_stop_ends_the_answers_under_way_and_asks_nobody_else(
    written: Store, monkeypatch: pytest.MonkeyPatch
):
    handlers, _ = _inference(written)
    seen = []

    def call(function, folder, questions, options, stop_file, told_file, pool):
        with open(told_file, "a") as file:
            file.write(json.dumps({"key": questions[0]["key"], "text": "A d", "tokens": 2}) + "\n")
        time.sleep(0.3)
        handlers.stop_asking(None)
        seen.append(Path(stop_file))
        assert seen[0].exists()
        return _told({questions[0]["key"]: _answer("A do", ended=False, live=None, finish="stopped")})

    monkeypatch.setattr(background, "call", call)
    run = written.runs()[0]
    *before, (panes, button, stop, _, answers, *_) = _ask(handlers, [run.id], PROMPT, *DECODING)
    assert any("writing" in step[0] and "A d<" in step[0] for step in before)
    assert not seen[0].exists()
    assert "Stopped by you" in panes
    assert answers[run.id]["reason"] == NOT_ASKED
    assert button["interactive"]
    assert not stop["visible"]
    assert handlers.asking == {}


def _answering(monkeypatch, texts):
    asked = []

    def call(function, folder, questions, options, stop_file, told_file, pool):
        asked.append(questions)
        return _told(
            {q["key"]: _answer(texts(q), live=None if q["key"] == "base" else True) for q in questions}
        )

    monkeypatch.setattr(background, "call", call)
    return asked


def test_a_chat_goes_on_with_what_each_pane_said(written: Store, monkeypatch: pytest.MonkeyPatch):
    handlers, _ = _inference(written)
    asked = _answering(monkeypatch, lambda q: f"{q['key'][:4]} {len(q['messages'])}")
    run = written.runs()[0]
    *_, last = _ask(handlers, [run.id, "nearest"], PROMPT, *DECODING, mode="chat")
    turns = last[6]
    assert set(turns) == {"base", run.id}, "a reference knows no chat"
    *_, last = _ask(handlers, [run.id], "And then?", *DECODING, mode="chat", turns=turns)
    assert [m["content"] for m in asked[-1][1]["messages"]] == [PROMPT, f"{run.id[:4]} 1", "And then?"]
    assert "And then?" in last[0]
    assert last[4] == {}


def test_a_blind_vote_hides_who_is_who_until_it_is_cast(written: Store, monkeypatch: pytest.MonkeyPatch):
    with gr.Blocks():
        context = page_context(written)
        tab = inference_tab.build(context)
    handlers = tab.refresh.__self__
    _answering(
        monkeypatch, lambda q: f"said by {q['key']}" if q["key"] == "base" else f"text {q['run_id'][:3]}"
    )
    ids = [run.id for run in written.runs()][:3]
    *before, last = _ask(handlers, ids, PROMPT, *DECODING, hide=True)
    assert all("wb-pane" not in step[0] for step in before)
    html, blind, answers = last[0], last[7], last[4]
    assert not any(run.label in html for run in written.runs())
    assert last[3] == ""
    assert sorted(blind.order) == sorted(["base", *ids])
    cards = inference_cards._Handlers(context, handlers.ticked)
    place = blind.order.index(ids[1])
    done = cards.keep_vote(ids, answers, (), True, blind, "Ann", None, Click("vote", str(place)), None)
    assert "your vote" in done[0]
    assert "1 vote" in done[4]
    (vote,) = votes.votes(written, written.runs()[0].spec.setting.id)
    assert vote.best == ids[1]
    assert vote.answers[ids[1]] == answers[ids[1]]["text"]
    (again,) = {cards.keep_vote(ids, answers, (), True, None, "", None, Click("vote", "0"), None)[1] is None}
    assert again is False
    cards.take_vote_back(None, None)
    assert votes.votes(written, vote.setting_id) == []


def test_test_prompts_come_kind_by_kind_and_leave_conversations_out():
    rows = {
        "a": Known(("x",), "one"), "b": Known(("x",), "one"), "c": Known(("x",), "two"), "y" * 400: Known(("x",), "two"),
    }  # fmt: skip
    assert prompts.examples_of(rows, texts=True) == ["a", "c", "b"]
    talk = {"prompt": "and then?", "completion": "no", "messages": [{"role": "user", "content": "hi"}]}
    assert prompts._known(talk)[0] == ""
    assert prompts._known({"prompt": "p", "completion": "c", "kind": "k"}) == ("p", Known(("c",), "k"))


def test_the_table_ranks_by_the_settings_own_score_and_says_its_name(written: Store):
    found = compare.comparison(written)
    html = str(comparison_table(found))
    assert 'data-column="chrf"' in html
    assert "chrF, %" in html
    assert 'data-column="accuracy"' not in html
    assert 'data-column="token_ms"' in html
    assert 'data-column="bleu"' not in html
    assert 'data-column="bleu"' in str(comparison_table(found, chosen=["bleu"]))
    assert "Copy the nearest example" in html
    told = str(verdicts_card(found))
    assert "chrF points" in told
    assert "Copy the nearest example" in told
    assert "difference in chrF, points" in told
    facts = str(facts_card(found))
    assert "greedy, at most 64 tokens" in facts
    assert "12 test rows" in facts
    assert metric("perplexity").better == "lower"


def test_train_draws_perplexity_and_offers_the_score_that_was_measured_beside_it(written: Store):
    runs = written.runs()
    update, value = train_tab.validation_choices(written, runs, None)
    assert (value, update["visible"]) == ("perplexity", True)
    assert [name for _, name in update["choices"]] == ["perplexity", "chrf"]
    assert train_tab.validation_choices(written, runs, "chrf")[1] == "chrf"
    queue = str(queue_table(runs))
    assert "chrF, %" in queue
    assert f"chrF {100 * runs[0].result.metrics['chrf']:.1f}" in queue
    assert "validation perplexity 2.5 at step 40" in str(events_card(written, runs))


def test_a_runs_detail_goes_by_kind_and_tells_its_notes(written: Store):
    html = str(detail_html(written.runs()[0]))
    assert html.index(">long<") < html.index(">All rows<")
    assert "12.0\u00a0ms" in html
    assert "Only 12 of 40 test rows" in html


def test_examples_are_paged_filtered_and_never_anybody_elses(written: Store, monkeypatch: pytest.MonkeyPatch):
    with gr.Blocks():
        context = page_context(written)
        tab = compare_tab.build(context)
    handlers = example_explorer._Handlers(context, tab.parts)
    drawn = {
        next(name for name, part in tab.parts.items() if part is key): value
        for key, value in handlers.offer_examples(None, [], "disagree", "every kind", None).items()
    }
    chosen = drawn["ex_voices"]["value"]
    assert len(chosen) == 3
    assert drawn["ex_kind"]["choices"] == ["every kind", "long", "short"]
    assert "page 1 of 3" in drawn["ex_rows"]
    assert "the methods differ on 6 of them" in drawn["ex_rows"]
    assert "<ins>" in drawn["ex_rows"]
    html, page = handlers.turn_page(None, chosen, "disagree", "every kind", 2, Click("next"), None)
    assert "page 3 of 3" in html
    html, page = handlers.turn_page(None, chosen, "disagree", "every kind", 1, Click("previous"), None)
    assert (page, "page 1 of 3" in html) == (0, True)
    html, _ = handlers.show_examples(None, chosen, "row", "short", None)
    assert html.count('<article class="wb-example"') == 5
    assert "row 2<" not in html
    html, _ = handlers.show_examples(None, [], "row", "short", None)
    assert "Nobody is chosen" in html
    monkeypatch.setattr(example_explorer, "owner_of", lambda request: "a" * 32)
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    handlers.show_examples(None, chosen, "row", "every kind", None)
    assert "No runs yet" in warned[0]
