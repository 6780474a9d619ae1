"""The Data tab: what the doctor's report looks like, and what its buttons make of the plan."""

import importlib
import json
import shutil
from types import SimpleNamespace

import gradio as gr
import pytest

from tests.ui.fake_store import Click
from workbench import presets
from workbench.data import FIXES, bundled
from workbench.ui import asking, data_form, data_report, data_sources, data_tab, page, quickstart
from workbench.ui import plan as plans
from workbench.ui.live_plan import current_plan
from workbench.uploads import keep_upload


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


def plan_of(source, **more):
    return {**plans.empty_plan(), "model": "", "data": {"source": source, **more}}


def after(updates):
    """All updates of a handler's generator as one: what the page shows in the end."""
    shown = {}
    for update in updates:
        shown |= update
    return shown


def text_of(update):
    return update["value"] if isinstance(update, dict) else update


@pytest.fixture
def reviews(tmp_path):
    lines = ["review,stars"]
    lines += [
        f"this one was {word} and number {i},{label}"
        for i in range(40)
        for word, label in (("good", "yes"), ("bad", "no"))
    ]
    lines += [",yes", "a last one,yess"]
    path = tmp_path / "my reviews.csv"
    path.write_text("\n".join(lines))
    return path


def reader(session):
    return SimpleNamespace(session_hash=session, username=None, cookies={}, headers={})


def test_data_chosen_while_the_empty_tab_is_sent_stay_on_the_page(handlers, tab):
    _, made = tab
    page_of = reader("first")
    opening = made.refresh(plans.empty_plan(), page_of)
    next(opening)
    chosen = SimpleNamespace(action="choose", key="identity")
    after(handlers["choose_bundled"](plans.empty_plan(), chosen, page_of))
    shown = after(opening)
    assert shown[made.parts["look"]]["report"]["preview"]
    assert 'data-key="generation" aria-pressed="true"' in shown[made.parts["task"]]


def test_what_was_looked_at_does_not_come_back_over_what_was_chosen_since(handlers, tab):
    context, made = tab
    page_of = reader("second")
    choose = handlers["choose_bundled"]
    slow = choose(plans.empty_plan(), SimpleNamespace(action="choose", key="reviews"), page_of)
    next(slow)
    next(slow)
    after(choose(plans.empty_plan(), SimpleNamespace(action="choose", key="intents"), page_of))
    shown = after(slow)
    assert context.plan not in shown or shown[context.plan]["data"]["source"] == "intents"
    assert "intents" in str(shown[made.parts["report"]])
    assert current_plan(plans.empty_plan(), page_of)["data"]["source"] == "intents"


def test_rows_that_a_clean_up_took_are_prepared_again(tab, store):
    _, made = tab
    plan = plan_of("reviews")
    kept = store.data_folder(after(made.refresh(plan, None))[made.parts["look"]]["spec"]["fingerprint"])
    assert kept.is_dir()
    shutil.rmtree(kept)
    after(made.refresh(plan, None))
    assert kept.is_dir()


def test_without_data_there_is_one_sentence_and_one_action(tab):
    _, made = tab
    shown = after(made.refresh(plans.empty_plan(), None))
    assert "No data chosen yet" in text_of(shown[made.parts["report"]])


def test_a_report_names_line_field_and_fix(tab, reviews, store):
    context, made = tab
    source = keep_upload(store, reviews, reviews.name, None)
    shown = after(made.refresh(plan_of(source, title="my reviews.csv"), None))
    html = shown[made.parts["report"]]
    assert "my reviews.csv" in html
    assert "line 82" in html
    assert "Column review" in html
    assert 'data-action="fix" data-key="drop_empty"' in html
    assert "Training waits" in html
    assert context.plan in shown
    assert shown[context.plan]["data"]["fingerprint"] is None


def test_fixes_are_recorded_and_free_the_way(tab, reviews, store):
    context, made = tab
    plan = plan_of(keep_upload(store, reviews, reviews.name, None))
    report = after(made.refresh(plan, None))[made.parts["look"]]["report"]
    plan = data_tab.mended(plan, report, "fix-all", "")
    assert "drop_empty" in plan["data"]["fixes"]
    shown = after(made.refresh(plan, None))
    data = shown[context.plan]["data"]
    assert data["fingerprint"]
    assert data["labels"] == 2
    assert "Undo" in shown[made.parts["report"]]
    assert store.data_folder(data["fingerprint"]).is_dir()


def test_a_file_that_is_gone_is_said_and_nothing_is_lost(tab):
    context, made = tab
    shown = after(made.refresh(plan_of("upload:0123456789abcdef/gone.csv"), None))
    assert "upload it again" in shown[made.parts["report"]]
    assert context.plan not in shown


@pytest.mark.parametrize(
    "source", ["../../etc/passwd", "no such file.csv", "\0", "<script>alert(1)</script>"]
)
def test_a_bad_source_is_answered_in_the_report(tab, source):
    _, made = tab
    html = str(after(made.refresh(plan_of(source), None))[made.parts["report"]])
    assert "<script>" not in html
    assert "fix" in html or "can’t be read" in html


def test_hostile_cells_stay_text(tab, tmp_path, store):
    _, made = tab
    path = tmp_path / "x.csv"
    rows = [f'"<img src=x onerror=alert({i})> ${{1+1}}",{"a" if i % 2 else "<b>b</b>"}' for i in range(60)]
    path.write_text("text,label\n" + "\n".join(rows))
    shown = after(
        made.refresh(plan_of(keep_upload(store, path, "<script>.csv", None), title="<script>.csv"), None)
    )
    for name in ("report", "charts", "rows"):
        html = str(shown[made.parts[name]])
        assert "<img" not in html
        assert "<script>" not in html
        assert "<b>b</b>" not in html


def test_buttons_of_the_report_change_the_plan():
    plan = plan_of("reviews")
    plan = data_tab.mended(plan, None, "fix", "strip_html")
    plan = data_tab.mended(plan, None, "fix", "strip_html")
    assert plan["data"]["fixes"] == ["strip_html"]
    assert data_tab.mended(plan, None, "undo", "strip_html")["data"]["fixes"] == []
    assert data_tab.mended(plan, None, "fix", "skip_broken")["data"]["skip_broken"] is True
    assert data_tab.mended(plan, None, "setting", "max_length=302")["setting"]["max_length"] == 302
    with pytest.raises(ValueError, match="whole number"):
        data_tab.mended(plan, None, "setting", "max_length=x")
    with pytest.raises(ValueError, match="unknown setting"):
        data_tab.mended(plan, None, "setting", "owner=1")


def test_fields_that_say_the_default_are_left_out_of_the_plan():
    values = {"text": None, "label": "stars", "encoding": "", "validation_share": 0.15, "test_share": 0.3, "split_seed": 0,
              "max_length": 64, "train_rows": 100, "validation_rows": None, "test_rows": None}  # fmt: skip
    plan = data_form.with_fields(plan_of("reviews"), values)
    assert plan["data"] == {"source": "reviews", "label": "stars", "test_share": 0.3, "train_rows": 100}
    assert plan["setting"]["max_length"] == 64


def test_the_welcome_says_the_presets_own_figures():
    preset = presets.load("quickstart")
    card = next(card for card in bundled() if card.name == preset.data["source"])
    html = str(quickstart.welcome(preset, card))
    assert f"{card.total_rows:,}" in html
    assert f"{len(preset.methods)} runs" in html
    assert html.count("wb-chip") == len(preset.methods)


def test_every_other_preset_can_be_run_and_opened():
    others = [one for one in presets.shipped_presets() if one.name != "quickstart"]
    html = str(quickstart.ready_made(others))
    assert others
    for preset in others:
        assert f'data-action="run" data-key="{preset.name}"' in html
        assert (f'data-action="open" data-key="{preset.name}"' in html) is not bool(preset.chain)


def test_a_source_belongs_to_its_panel():
    assert data_sources.source_kind(None) == "bundled"
    assert data_sources.source_kind("reviews") == "bundled"
    assert data_sources.source_kind("upload:0123456789abcdef/x.csv") == "upload"
    assert data_sources.source_kind("stanfordnlp/sst2") == "named"


@pytest.fixture
def handlers(tab):
    """The tab's own handlers by name."""
    context, _ = tab
    blocks = context.plan.parent
    while blocks.parent is not None:
        blocks = blocks.parent
    return {fn.fn.__name__: fn.fn for fn in blocks.fns.values() if fn.fn is not None}


@pytest.fixture
def instructions(tmp_path):
    """Alpaca rows, one of them without an answer."""
    path = tmp_path / "ask.jsonl"
    rows = [
        {
            "instruction": f"Say {word} {i} times",
            "input": "",
            "output": f"{word} " * (i + 1),
            "kind": "repeat",
        }
        for i in range(20)
        for word in ("ping", "<b>pong</b>")
    ]
    rows.append({"instruction": "Say nothing", "input": "", "output": "", "kind": "other"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_file_says_itself_which_task_it_is_for(tab, handlers, instructions, reviews):
    context, made = tab
    shown = after(handlers["take_upload"](str(instructions), plans.empty_plan(), None))
    plan, html = shown[context.plan], shown[made.parts["task"]]
    assert plan["task"] == "generation"
    assert "for certain" in html
    assert "&#39;instruction&#39;" in html
    assert 'data-key="generation" aria-pressed="true"' in html
    back = after(handlers["take_upload"](str(reviews), plan, None))
    assert back[context.plan]["task"] == "classification"
    assert "most likely" in back[made.parts["task"]]


def test_rows_of_a_generation_are_read_as_the_page_says(tab, instructions, store):
    _, made = tab
    plan = {**plan_of(keep_upload(store, instructions, "ask.jsonl", None)), "task": "generation"}
    shown = after(made.refresh(plan, None))
    part = {
        name: str(text_of(shown[made.parts[name]])) for name in ("format_line", "report", "charts", "rows")
    }
    assert "Read as Alpaca" in part["format_line"]
    assert "certain" in part["format_line"]
    assert 'data-action="format" data-key="prompt_completion"' in part["format_line"]
    assert 'data-action="fix" data-key="drop_empty"' in part["report"]
    for title in ("Kinds of rows", "Length of a row", "Prompt", "Completion"):
        assert f"<h3>{title}</h3>" in part["charts"]
    assert "Say ping 0 times" in part["rows"]
    assert "&lt;b&gt;pong&lt;/b&gt;" in part["rows"]
    assert "<b>pong" not in part["rows"]
    assert "repeat" in part["rows"]


def test_another_format_may_be_chosen_and_columns_taken_for_the_first_are_let_go():
    plan = {**plan_of("x.jsonl", text="instruction", columns={"kind": "topic"}), "task": "generation"}
    data = data_tab.mended(plan, None, "format", "prompt_completion")["data"]
    assert data == {"source": "x.jsonl", "format": "prompt_completion"}


def test_only_columns_that_the_reader_chose_enter_the_plan():
    report = {
        "text": "q",
        "label": "a",
        "format": {"columns": {"prompt": "q", "completion": "a", "kind": "topic"}},
    }
    values = {"format": "", "text": "q", "label": "long", "role_kind": "topic", "role_answer": "number", "split_seed": 0,
              "validation_share": 0.15, "test_share": 0.2, "max_length": 64, "encoding": ""}  # fmt: skip
    plan = {**plan_of("x.jsonl"), "task": "generation"}
    data = data_form.with_fields(plan, dict(values), report)["data"]
    assert data == {"source": "x.jsonl", "label": "long", "columns": {"answer": "number"}}
    other = data_form.with_fields(plan, {**values, "format": "messages", "label": "a"}, report)["data"]
    assert other == {"source": "x.jsonl", "format": "messages", "columns": {"answer": "number"}}


def test_open_places_get_a_field_each_and_free_the_way(tab, handlers):
    context, made = tab
    plan = {**plan_of("identity"), "task": "generation"}
    shown = after(made.refresh(plan, None))
    assert shown[made.parts["fill_panel"]].visible
    assert [shown[made.parts[f"fill_{i}"]].label for i in (0, 1)] == ["{name}", "{maker}"]
    assert not shown[made.parts["fill_2"]].visible
    look = shown[made.parts["look"]]
    assert look["spec"] is None
    words = ["Robin", "the workshop", "", "", "", ""]
    filled = after(handlers["fill_in"](plan, look, None, *words))
    assert filled[context.plan]["data"]["fill"] == {"name": "Robin", "maker": "the workshop"}
    assert filled[context.plan]["data"]["fingerprint"]
    assert "Robin" in filled[made.parts["rows"]]
    assert "{name}" not in filled[made.parts["rows"]]


def test_the_switch_keeps_the_data_and_reads_them_as_the_other_task(tab, handlers):
    context, made = tab
    plan = plan_of("reviews", test_rows=50)
    shown = after(handlers["choose_task"](plan, Click("task", "generation"), None))
    assert shown[context.plan]["task"] == "generation"
    assert shown[context.plan]["data"]["test_rows"] == 50
    assert shown[context.plan]["data"]["labels"] is None
    assert "Read as prompt and completion" in shown[made.parts["format_line"]]
    back = after(handlers["choose_task"](shown[context.plan], Click("task", "classification"), None))
    assert back[context.plan]["data"]["labels"] == 2
    assert back[made.parts["format_line"]] == ""


def test_a_conversation_is_shown_by_turns():
    row = {"line": 3, "prompt": "And you?", "completion": "Fine.", "length": 9, "part": "train", "references": ["Fine.", "Good."],
           "messages": [{"role": "system", "content": "Be <b>kind</b>."}, {"role": "user", "content": "And you?"}]}  # fmt: skip
    report = {"task": "generation", "place": "line", "lengths": None}
    html = str(data_report.first_rows([row], report))
    assert html.index("system") < html.index("And you?") < html.index("Fine.")
    assert "Be &lt;b&gt;kind&lt;/b&gt;." in html
    assert "1 more reference counts" in html


def test_every_repair_of_every_task_has_words():
    assert all(data_report.fix_title(fix) for fix in FIXES)
