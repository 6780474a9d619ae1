"""The Inference tab: panes for base, runs and TF-IDF; a label only where there is one to trust."""

import gradio as gr
import pytest

from tests.ui import fake_store
from tests.ui.fake_store import Click
from workbench import background
from workbench.store import Store
from workbench.ui import inference_tab
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


class Page:
    def __init__(self, store: Store) -> None:
        with gr.Blocks():
            self.context = fake_store.page_context(store)
            self.tab = inference_tab.build(self.context)
        self.handlers = self.tab.refresh.__self__

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
    (running,) = store.runs(states=("running",))
    fake_store.write_outcomes(store.run_folder(running.id), [])
    store.change_state(running.id, "finished")
    again = page.refresh(drawn=first["drawn"], ticked=first["runs"]["value"])
    assert again["runs"]["value"] == first["runs"]["value"]
    assert again["answers"] == gr.skip()
    assert page.refresh(drawn=again["drawn"])["runs"] == gr.skip()


def test_every_pane_is_asked_once_and_shows_what_came(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full", "prefix"), seeds=(0,))
    asked = []

    def call(function, folder, who, run_id, text, options, stop_file, pool):
        asked.append((function, who, text, pool))
        if who == "base":
            return _answer(label=None, probabilities={}, ms=None, live=None, reason="It has no trained head.")
        if who != "tfidf" and store.run(who).spec.choice.method == "prefix":
            return _answer(label=None, probabilities={}, ms=None, live=False, reason="It changes nothing.")
        return _answer("positive" if who != "tfidf" else "negative")

    monkeypatch.setattr(background, "call", call)
    page = Page(store)
    ids = [run.id for run in store.runs()]
    steps = list(page.handlers.ask_all([*ids, "tfidf"], "  good ", {}, True, *DECODING, None))
    assert [who for _, who, _, _ in asked] == ["base", *ids, "tfidf"]
    assert {(f, text, pool) for f, _, text, pool in asked} == {
        ("workbench.side_by_side:ask", "good", "inference")
    }
    assert steps[1][1]["value"] == "Asking Full fine-tuning"
    assert "wb-dim" in steps[1][0]
    panes, button, stop, summary, answers, right = steps[-1]
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


def test_one_that_cannot_answer_leaves_the_others_theirs(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full",), seeds=(0,))

    def call(function, folder, who, run_id, text, options, stop_file, pool):
        if who == "tfidf":
            raise ValueError("the rows are gone")
        return _answer()

    monkeypatch.setattr(background, "call", call)
    asked = Page(store).handlers.ask_all([store.runs()[0].id, "tfidf"], "good", {}, True, *DECODING, None)
    *_, (panes, *_) = asked
    assert "the rows are gone" in panes
    assert panes.count("wb-said") == 2


def test_bad_input_is_one_sentence(store: Store, monkeypatch: pytest.MonkeyPatch):
    fake_store.fill(store, methods=("full",), seeds=(0,))
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    page = Page(store)
    run_id = store.runs()[0].id
    for ticked, text in (([run_id], "   "), ([run_id], "x" * 20_001), ([], "good"), (["nobody"], "good")):
        list(page.handlers.ask_all(ticked, text, {}, True, *DECODING, None))
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
    list(Page(store).handlers.ask_all([store.runs()[0].id], "good", {}, True, *DECODING, None))
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
