"""Data tools on the page: what stands in the fields becomes the plan, the preview marks words, slow work goes on alone."""

import importlib
import threading
import time
from pathlib import Path

import gradio as gr
import pytest

from workbench.data import data_task
from workbench.ui import asking, data_tab, page, slow_augmentation, tool_values
from workbench.ui import plan as plans
from workbench.uploads import keep_upload, kept_uploads


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    """Background questions are answered here, so that no second process is needed."""

    def call(function, *arguments, **options):
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(*arguments)

    monkeypatch.setattr("workbench.background.call", call)
    asking.forget()


@pytest.fixture
def tab(store):
    with gr.Blocks():
        context, _ = page._frame(store, runner=None)
        with context.tabs.render(), gr.Tab("Data", id="data"):
            made = data_tab.build(context)
    return context, made


def shown_for(tab, **data):
    context, made = tab
    plan = {**plans.empty_plan(), "model": "", "data": {"source": "reviews", **data}}
    shown = {}
    for update in made.refresh(plan, None):
        shown |= update
    return {name: shown.get(part) for name, part in made.parts.items() if not isinstance(part, dict)}, shown[
        context.plan
    ]


def test_without_tools_the_section_is_there_and_says_nothing(tab):
    drawn, plan = shown_for(tab)
    assert drawn["tools"].visible
    assert drawn["tools"].label == "Data tools"
    assert drawn["tool"] == tool_values.NONE
    assert drawn["tool_shown"] == ""
    assert plan["data"]["rows"]["train"] == 1600


def test_new_rows_are_counted_and_the_report_has_them(tab):
    drawn, plan = shown_for(tab, augment={"synonyms": {"copies": 2, "share": 0.2}})
    assert "1 in use" in drawn["tools"].label
    assert drawn["tool"] == "synonyms"
    assert drawn["tool_synonyms_copies"] == 2
    assert drawn["tool_synonyms_keep"] == ""
    train = plan["data"]["rows"]["train"]
    assert train > 3000
    assert f"{train - 1600:,}" in drawn["tool_shown"]
    assert plan["data"]["fingerprint"].startswith(drawn["look"]["spec"]["fingerprint"])
    assert "New training rows" in str(drawn["look"]["report"]["notes"])


def test_a_learning_curve_multiplies_the_runs_and_every_size_is_prepared(tab):
    context, _ = tab
    drawn, plan = shown_for(tab, subsets=[10, 50])
    assert drawn["sizes"] == "10, 50"
    assert plan["data"]["rows"]["train"] == 50
    assert all(context.store.data_folder(one).is_dir() for one in drawn["look"]["fingerprints"])
    assert len(drawn["look"]["fingerprints"]) == 2
    plan = plans.tick_methods(plan, ["full", "lora"])
    assert plans.run_count(plan) == 4
    preset = plans.to_preset(plan)
    assert preset.data["subsets"] == [10, 50]
    assert preset.runs == 4


def test_a_mix_names_its_sources_with_a_way_out(tab):
    drawn, plan = shown_for(tab, mix=[{"source": "intents", "rows": 400, "prefix": "intent "}])
    assert 'data-action="remove" data-key="0"' in drawn["mix_list"]
    assert "400 training rows, 20%" in drawn["mix_list"]
    assert plan["data"]["labels"] > 2
    assert all(source != "reviews" for _, source in drawn["mix_source"].choices)
    assert ("Intents", "intents") in [tuple(choice) for choice in drawn["mix_source"].choices]


def test_what_can_not_be_done_is_said_in_the_report(tab):
    drawn, plan = shown_for(tab, mix=[{"source": "no such thing.csv"}])
    assert "The mix can" in drawn["report"] or "no such thing" in drawn["report"]
    assert plan["data"]["fingerprint"] is None
    drawn, _ = shown_for(tab, subsets=[10, 99999])
    assert "give sizes up to 1,600" in drawn["report"]


def test_one_s_own_upload_can_be_mixed_in(tab, store, tmp_path):
    path = tmp_path / "more.csv"
    path.write_text(
        "text,label\n"
        + "\n".join(f"a thing of its own {i},{'positive' if i % 2 else 'negative'}" for i in range(60))
    )
    reference = keep_upload(store, path, "more.csv", None)
    assert kept_uploads(store, None) == [("more.csv", reference)]
    assert kept_uploads(store, "somebody") == []
    entry = tool_values.read_entry(reference, "all", None, "")
    assert entry == {"source": reference, "name": "more.csv"}
    drawn, plan = shown_for(tab, mix=[entry])
    assert "more.csv" in drawn["mix_list"]
    assert plan["data"]["rows"]["train"] > 1600
    assert "source: more.csv" in plans.to_yaml(plans.tick(plan, "full"))


def test_fields_become_options_and_wrong_ones_are_refused():
    names = tool_values.field_names()
    values = [None] * len(names)
    values[names.index(("synonyms", "copies"))] = 3
    values[names.index(("synonyms", "keep"))] = "film, hotel"
    values[names.index(("synonyms", "share"))] = 0.15
    assert tool_values.read_fields("synonyms", values) == {"copies": 3, "keep": ["film", "hotel"]}
    values[names.index(("synonyms", "copies"))] = 99
    with pytest.raises(ValueError, match="copies is a whole number of at least 1 and at most 16"):
        tool_values.read_fields("synonyms", values)


@pytest.mark.parametrize(
    ("words", "expected"), [("10, 50;100", [10, 50, 100]), ("", []), (" 100 10 ", [10, 100]), (None, [])]
)
def test_sizes_are_read_as_people_write_them(words, expected):
    assert tool_values.read_sizes(words) == expected


def test_wrong_words_are_answered_in_one_sentence():
    with pytest.raises(ValueError, match="whole numbers such as"):
        tool_values.read_sizes("ten")
    with pytest.raises(ValueError, match="Choose or type"):
        tool_values.read_entry(" ", "all", None, "")
    with pytest.raises(ValueError, match="a share such as"):
        tool_values.read_entry("intents", "share", None, "")
    with pytest.raises(ValueError, match="share is a number between 0 and 1"):
        tool_values.read_entry("intents", "share", 30, "")


def test_the_preview_marks_words_and_cells_stay_text(tab, store):
    drawn, _ = shown_for(tab)
    pairs = asking.preview_augmentation(store, drawn["look"]["spec"]["fingerprint"], {"synonyms": {}})
    assert len(pairs) == 3
    html = str(tool_values.before_and_after(pairs, "Synonyms"))
    assert html.count("<ins>") >= 3
    assert html.count("<del>") >= 3
    evil = [{"text": "<b>x</b>", "label": "<i>", "pieces": [("<script>", "new")], "tool": "synonyms"}]
    html = str(tool_values.before_and_after(evil, "Synonyms"))
    assert "<script" not in html
    assert "<b>" not in html
    assert "Nothing would change" in str(tool_values.before_and_after([], "Synonyms"))


def test_without_models_back_translation_says_why(monkeypatch):
    from workbench.data import translate
    from workbench.sources import ModelError

    def offline(ref):
        raise ModelError("the Hub can't be reached", "offline")

    monkeypatch.setattr(translate, "resolve", offline)
    assert asking.why_not_augment("back_translation", {}) == (
        "back-translation needs two translation models: the Hub can't be reached"
    )
    assert asking.why_not_augment("synonyms", {}) is None


def test_a_slow_job_runs_once_and_outlives_who_started_it(store, monkeypatch):
    go, calls = threading.Event(), []

    def call(function, *arguments, **options):
        calls.append(options["pool"])
        Path(arguments[-1]).write_text('{"name": "x", "done": 3, "total": 9}')
        go.wait(10)

    monkeypatch.setattr("workbench.background.call", call)
    data = {"source": "reviews", "augment": {"back_translation": {}}}
    job = slow_augmentation.start(store, data, None)
    assert slow_augmentation.start(store, data, None) is job
    deadline = time.monotonic() + 10
    while job.progress() != (3, 9) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert job.progress() == (3, 9)
    go.set()
    while job.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not job.running
    assert job.error == ""
    assert calls == ["augment"]


def test_a_failed_job_says_its_sentence(store, monkeypatch):
    def call(*arguments, **options):
        raise ValueError("the disk is full")

    monkeypatch.setattr("workbench.background.call", call)
    job = slow_augmentation.start(store, {"source": "reviews"}, None)
    deadline = time.monotonic() + 10
    while job.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert job.error == "the disk is full"


def test_augmented_rows_can_be_searched(tab, store):
    drawn, _ = shown_for(tab, augment={"synonyms": {}}, subsets=[20])
    found = asking.find_rows(store, drawn["look"]["spec"]["fingerprint"], "the", "")
    assert found["found"]
    assert data_task("classification").is_row({"text": "x", "label": "y", "augmented": "synonyms"})
