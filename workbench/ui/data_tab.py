"""The Data tab: choosing data fills the doctor's report, whose buttons, fields and search change what is shown and planned."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.data.records.single_ratings import RATED
from workbench.ui import (
    asking,
    data_browser,
    data_form,
    data_report,
    data_sources,
    data_tools,
    fill_form,
    quickstart,
    sheet,
    task_switch,
)
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, say_errors, sentence_of
from workbench.ui.controls import html_block
from workbench.ui.frame import model_title
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.plan import Plan, change_setting, empty_plan, setting_value
from workbench.ui.plan_task import change_task
from workbench.uploads import PREFIX, keep_upload, shown_source

_ASKS_FOR_MORE = ("columns", "format", "encoding", "split")
_SHOWN = (
    "task", "format_line", "browse", "find_set", "bundled", "kind", "upload_panel", "named_panel", "name", "report", "more", "charts", "rows_panel", "columns_line",
    "search", "rows", "fingerprint", "next", "look",
)  # fmt: skip
TO_THE_TOP = "() => window.scrollTo({ top: 0 })"
Updates = dict[Any, Any]


def build(context: PageContext) -> Tab:
    """Draw the tab inside the current gr.Tab and wire its own events."""
    at: dict[str, Any] = {"plan": context.plan}
    quickstart.draw_start(context, at)
    at["task"] = html_block(task_switch.switch(empty_plan()["task"]))
    data_sources.draw_sources(context, at)
    _draw_report(at)
    quickstart.wire_start(context, at)
    _wire_data(context, at)

    def show_data(plan: Plan, request: gr.Request) -> Iterator[Updates]:
        yield from _shown(context, at, current_plan(plan, request), request, keep=True)

    if "removed" in at:  # everything of the visitor's: nothing of it stays on show
        at["removed"].change(say_errors(show_data), [context.plan], _outputs(context, at), **QUIET)
    return Tab(say_errors(show_data), [context.plan], _outputs(context, at), parts=at)


def _draw_report(at: dict[str, Any]) -> None:
    at["look"] = gr.State(None)
    at["format_line"] = html_block("")
    fill_form.draw_fill(at)
    at["report"] = html_block(data_report.nothing_chosen())
    data_form.draw_form(at)
    data_tools.draw(at)
    at["charts"] = html_block("")
    with gr.Column(visible=False, elem_classes="wb-card wb-flush wb-rows-card") as at["rows_panel"]:
        with gr.Row(elem_classes="wb-line wb-rows-head"):
            at["columns_line"] = html_block("")
            at["search"] = gr.Textbox(
                label="Search the rows", show_label=False, placeholder="Search the rows", max_lines=1, max_length=200,
                elem_classes="wb-search",
            )  # fmt: skip
        at["rows"] = html_block("")
    with gr.Row(elem_classes="wb-line"):
        at["fingerprint"] = html_block("")
        at["next"] = gr.Button(
            "Next: choose methods", variant="primary", elem_classes="wb-end", visible=False
        )


def _outputs(context: PageContext, at: dict[str, Any]) -> list[Any]:
    own = [at[name] for name in (*_SHOWN, *data_form.ORDER)]
    more = [at["roles"], *fill_form.fill_outputs(at), *data_tools.outputs(at)]
    return [context.plan, *own, *more, *at["set"].outputs]


def _wire_data(context: PageContext, at: dict[str, Any]) -> None:
    outputs = _outputs(context, at)

    def show_source_kind(kind: str) -> Updates:
        return data_sources.panels(at, kind)

    @say_errors
    def choose_bundled(plan: Plan, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        if event.action == data_browser.CARD:
            yield data_browser.open_card(at["set"], event.key)
            return
        yield sheet.closed(at["set"])
        if event.action == sheet.CLOSE:
            return
        now = current_plan(plan, request)
        if (now["data"] or {}).get("source") == event.key:
            yield from _shown(context, at, now, request, keep=True)
            return
        task = data_sources.bundled_task(event.key)
        chosen = {"task": task, "data": {"source": event.key}}
        new = change_plan(plan, request, lambda newest: {**newest, **chosen})
        yield from _shown(context, at, new, request, why=task_switch.because_bundled(event.key, task))

    @say_errors
    def choose_task(plan: Plan, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        new = change_plan(plan, request, lambda newest: change_task(newest, event.key))
        yield {context.plan: new, at["task"]: str(task_switch.switch(new["task"]))}
        yield from _shown(context, at, new, request)

    @say_errors
    def fill_in(plan: Plan, look: Any, request: gr.Request, *words: str) -> Iterator[Updates]:
        report = (look or {}).get("report")
        new = change_plan(plan, request, lambda newest: fill_form.with_fill(newest, report, words))
        yield from _shown(context, at, new, request)

    def find_sets(words: str, plan: Plan, request: gr.Request) -> str:
        return data_sources.bundled_cards(current_plan(plan, request), words or "")

    def brought(plan: Plan, data: dict[str, Any], request: gr.Request) -> Iterator[Updates]:
        """Data of the reader's own: they themselves say which task they are for, and the reader may say otherwise."""
        title = data.get("title") or data["source"]
        yield {at["report"]: str(data_report.working(f"Finding out what {title} is made for"))}
        try:
            guess = asking.guess_task(context.store, data, owner_of(request))
        except Exception as error:  # what is wrong with the data the report says next
            yield {at["report"]: str(data_report.refused(sentence_of(error)))}
            guess = None
        now = current_plan(plan, request)["task"]
        task = guess["task"] if guess else now
        new = change_plan(plan, request, lambda newest: {**newest, "task": task, "data": data})
        why = task_switch.because_guessed(guess, task)
        yield from _shown(context, at, new, request, anew=True, why=why)

    @say_errors
    def take_upload(path: str | None, plan: Plan, request: gr.Request) -> Iterator[Updates]:
        if not path:
            return
        owner = owner_of(request)
        name = Path(path).name
        data = {"source": keep_upload(context.store, Path(path), name, owner), "title": name}
        yield from brought(plan, data, request)

    @say_errors
    def look_up_name(name: str, plan: Plan, request: gr.Request) -> Iterator[Updates]:
        source = (name or "").strip()
        if not source:
            raise ValueError(
                "Type the name of a Hub data set such as stanfordnlp/sst2, or the path of a file."
            )
        if source.startswith(PREFIX):
            raise ValueError("An uploaded file is chosen under “Upload a file”.")
        yield from brought(plan, {"source": source}, request)

    @say_errors
    def mend(plan: Plan, look: Any, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        report = (look or {}).get("report")
        new = change_plan(plan, request, lambda newest: mended(newest, report, event.action, event.key))
        yield from _shown(context, at, new, request)

    @say_errors
    def look_again(plan: Plan, look: Any, request: gr.Request, *values: Any) -> Iterator[Updates]:
        report = (look or {}).get("report")
        fields = dict(zip(data_form.ORDER, values))
        new = change_plan(plan, request, lambda newest: data_form.with_fields(newest, dict(fields), report))
        yield from _shown(context, at, new, request)

    @say_errors
    def search_rows(words: str, look: Any) -> Any:
        if not look or not look.get("spec"):
            return gr.skip()
        if not (words or "").strip():
            return str(data_report.first_rows(look["report"]["preview"][:5], look["report"]))
        found = asking.find_rows(context.store, look["spec"]["fingerprint"], words.strip(), look["model"])
        return str(data_report.first_rows(found["rows"], look["report"], found["found"], words.strip()))

    at["kind"].input(
        show_source_kind, at["kind"], [at["browse"], at["upload_panel"], at["named_panel"]], **QUIET
    )
    for block in (at["bundled"], at["set"].head):
        block.action(choose_bundled, context.plan, outputs, trigger_mode="once", **QUIET)
    at["find_set"].input(
        find_sets, [at["find_set"], context.plan], at["bundled"], trigger_mode="always_last", **QUIET
    )
    at["upload"].upload(take_upload, [at["upload"], context.plan], outputs, **QUIET)
    for event in (at["look_up"].click, at["name"].submit):
        event(look_up_name, [at["name"], context.plan], outputs, trigger_mode="once", **QUIET)
    for block in (at["report"], at["format_line"]):
        block.action(mend, [context.plan, at["look"]], outputs, trigger_mode="once", **QUIET)
    fields = [at[name] for name in data_form.ORDER]
    at["apply"].click(look_again, [context.plan, at["look"], *fields], outputs, trigger_mode="once", **QUIET)
    at["task"].action(choose_task, context.plan, outputs, trigger_mode="once", **QUIET)
    words = [at[name] for name in fill_form.ORDER]
    asked = [context.plan, at["look"], *words]
    at["fill_in"].click(fill_in, asked, outputs, trigger_mode="once", **QUIET)
    for field in words:
        field.submit(fill_in, asked, outputs, trigger_mode="once", **QUIET)
    at["search"].change(
        search_rows, [at["search"], at["look"]], at["rows"], trigger_mode="always_last", **QUIET
    )
    at["next"].click(open_methods, None, context.tabs, **QUIET).then(None, None, None, js=TO_THE_TOP)

    def redraw(plan: Plan, request: gr.Request) -> Iterator[Updates]:
        yield from _shown(context, at, plan, request)

    data_tools.wire(context, at, outputs, redraw)


def open_methods() -> Any:
    return gr.Tabs(selected="methods")


def _shown(
    context: PageContext,
    at: dict[str, Any],
    plan: Plan,
    request: gr.Request,
    *,
    keep: bool = False,
    anew: bool = False,
    why: str = "",
) -> Iterator[Updates]:
    """The whole tab for this plan: first what is being done, then what was found. `keep` leaves the plan untouched
    unless its data turn out to be others than it says; `why` says how its task was chosen.

    Until what was sent last is the newest: between reading the plan and sending it another event may have changed it and sent
    its own first; the older sending would then stand on the page."""
    while True:
        drawn = yield from _shown_once(context, at, plan, request, keep=keep, anew=anew, why=why)
        newest = current_plan(drawn, request)
        if all(newest[part] == drawn[part] for part in ("data", "task", "model")):
            return
        plan, anew, why = newest, False, ""


def _shown_once(
    context: PageContext,
    at: dict[str, Any],
    plan: Plan,
    request: gr.Request,
    *,
    keep: bool,
    anew: bool,
    why: str,
) -> Generator[Updates, None, Plan]:
    """Returns the plan as it was drawn."""
    data, owner = plan["data"], owner_of(request)
    chosen = (data or {}).get("source")
    start: Updates = {at["bundled"]: data_sources.bundled_cards(plan), at["find_set"]: ""}
    start[at["task"]] = str(task_switch.switch(plan["task"], why))
    if why:
        start |= fill_form.cleared(at)
    if data is None:
        yield start | _empty(at)
        return plan
    if keep:
        start |= data_sources.panels(at, data_sources.source_kind(chosen)) | {
            at["kind"]: data_sources.source_kind(chosen)
        }
    title = data.get("title") or shown_source(str(chosen)).rstrip("/").split("/")[-1]
    work = f"Reading {title} and counting its lengths in tokens of {model_title(plan['model'])}"
    max_length = setting_value(plan, "max_length")
    asked = {**data, "task": plan["task"]}
    if anew or not asking.is_data_known(context.store, asked, plan["model"], max_length, owner):
        start |= {at["report"]: str(data_report.working(work)), at["next"]: gr.Button(visible=False)}
    yield start
    try:
        look = asking.look_at_data(context.store, asked, plan["model"], max_length, owner, anew=anew)
    except Exception as error:
        yield _empty(at) | {at["report"]: str(data_report.refused(sentence_of(error)))}
        return plan
    report, spec = look["report"], look["spec"]
    facts: dict[str, Any] = {"title": title, "fingerprint": None, "labels": None, "rows": None}
    if spec is not None:
        facts |= {
            "fingerprint": spec["fingerprint"],
            "labels": len(spec["labels"]) or None,
            "rows": dict(report["parts"]),
        }
        if (report["format"] or {}).get("name") in RATED:
            facts["rated_singly"] = True
    new = _with_facts(plan, request, facts)
    if (new["task"], (new["data"] or {}).get("source")) != (plan["task"], data["source"]):
        return plan  # chosen otherwise meanwhile
    yield {
        **({} if keep and new == plan else {context.plan: new}),
        **_found(at, new, report, {**look, "model": plan["model"]}),
        **data_tools.updates(at, context, new, look, owner),
    }
    return new


def _with_facts(plan: Plan, request: gr.Request, facts: dict[str, Any]) -> Plan:
    """The newest plan, with what was found of the data if it is still the data that were looked at."""

    def add(newest: Plan) -> Plan:
        same = (newest["task"], newest["data"]) == (plan["task"], plan["data"])
        return {**newest, "data": {**newest["data"], **facts}} if same else newest

    return change_plan(plan, request, add)


def _found(at: dict[str, Any], plan: Plan, report: dict[str, Any], look: dict[str, Any]) -> Updates:
    asks = any(fault["blocks"] and fault["code"] in _ASKS_FOR_MORE for fault in report["faults"])
    usable = look["spec"] is not None
    title = str(plan["data"]["title"])
    return {
        at["format_line"]: str(task_switch.format_line(report)),
        at["report"]: str(data_report.report_card(report, title, plan["data"].get("fixes") or ())),
        at["more"]: gr.Accordion(visible=True, open=True) if asks else gr.Accordion(visible=True),
        at["charts"]: str(data_report.charts(report, model_title(plan["model"]))),
        at["rows_panel"]: gr.Column(visible=bool(report["preview"])),
        at["columns_line"]: str(data_report.rows_head(report)),
        at["search"]: gr.Textbox(value="", visible=usable),
        at["rows"]: str(data_report.first_rows(report["preview"][:5], report)) if report["preview"] else "",
        at["fingerprint"]: str(data_report.fingerprint_line(report)),
        at["next"]: gr.Button(visible=usable),
        at["look"]: look,
        **data_form.field_updates(at, plan, report),
        **fill_form.fill_updates(at, plan, report),
    }


def _empty(at: dict[str, Any]) -> Updates:
    return {
        at["format_line"]: "",
        at["fill_panel"]: gr.Column(visible=False),
        at["report"]: str(data_report.nothing_chosen()),
        at["more"]: gr.Accordion(visible=False),
        at["tools"]: gr.Accordion(visible=False),
        at["charts"]: "",
        at["rows_panel"]: gr.Column(visible=False),
        at["fingerprint"]: "",
        at["next"]: gr.Button(visible=False),
        at["look"]: None,
    }


def mended(plan: Plan, report: dict[str, Any] | None, action: str, key: str) -> Plan:
    """The plan after a button of the doctor's report: a fix applied or undone, all of them, or a setting changed."""
    if plan["data"] is None:
        raise ValueError("Choose data first.")
    data = dict(plan["data"])
    fixes = list(data.get("fixes") or [])
    if action == "setting":
        name, _, value = key.partition("=")
        if not value.isdecimal():
            raise ValueError(f"{name} is a whole number, not {value!r:.40}")
        return change_setting(plan, name, int(value))
    if action == "format":
        kept = {name: value for name, value in data.items() if name not in ("text", "label", "columns")}
        return {**plan, "data": {**kept, "format": key}}
    if action == "fix-all":
        wanted = [f["fix"] for f in (report or {}).get("faults", []) if f["fix"] and f["severity"] == "fix"]
    elif action == "undo":
        fixes = [fix for fix in fixes if fix != key]
        wanted = []
    else:
        wanted = [key]
    if "skip_broken" in wanted:
        data["skip_broken"] = True
    fixes += [fix for fix in wanted if fix not in (*fixes, "skip_broken")]
    data["fixes"] = fixes
    return {**plan, "data": data}
