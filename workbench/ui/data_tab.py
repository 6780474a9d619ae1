"""The Data tab: the quickstart, choosing data, and the doctor's report with its fixes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import gradio as gr

from workbench import presets
from workbench.data import bundled
from workbench.data.limits import MEGABYTE
from workbench.data.limits import Limits as FileLimits
from workbench.hosted import Limits
from workbench.spec import DataSpec, Setting
from workbench.ui import asking, data_report
from workbench.ui.context import QUIET, PageContext, Tab, owner_of, say_errors, sentence_of
from workbench.ui.controls import html_block, segmented
from workbench.ui.frame import model_title
from workbench.ui.live_plan import change_plan, current_plan
from workbench.ui.plan import Plan, change_setting, from_preset, setting_value
from workbench.ui.queueing import queue
from workbench.uploads import PREFIX, keep_upload, shown_source

UPLOADS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx", ".gz", ".zip")
ENCODINGS = (
    ("Found by itself", ""),
    ("UTF-8", "utf-8"),
    ("Western European (latin-1)", "latin-1"),
    ("Windows Western (cp1252)", "cp1252"),
    ("UTF-16", "utf-16"),
    ("Cyrillic (cp1251)", "cp1251"),
    ("Chinese (gb18030)", "gb18030"),
    ("Japanese (shift_jis)", "shift_jis"),
    ("Korean (euc-kr)", "euc-kr"),
)
_SPLIT_DEFAULTS = {name: getattr(DataSpec, name) for name in ("validation_share", "test_share", "split_seed")}
_ASKS_FOR_MORE = ("columns", "encoding", "split")
Updates = dict[Any, Any]


def build(context: PageContext) -> Tab:
    """Draw the tab inside the current gr.Tab and wire its own events."""
    at: dict[str, Any] = {"plan": context.plan}
    _draw_start(context, at)
    _draw_sources(context, at)
    _draw_report(at)
    _wire_start(context, at)
    _wire_data(context, at)

    def show_data(plan: Plan, request: gr.Request) -> Iterator[Updates]:
        yield from _shown(context, at, current_plan(plan, request), request, keep=True)

    return Tab(say_errors(show_data), [context.plan], _outputs(context, at), parts=at)


def _draw_start(context: PageContext, at: dict[str, Any]) -> None:
    first, rest = _presets(context)
    at["form_key"] = gr.State(lambda: secrets.token_hex(8))
    if context.limits is not None:
        html_block(data_report.shared_notice(context.limits.sentence()))
    at["welcome"] = html_block(data_report.welcome(first, _card(str(first.data["source"]))))
    at["ready"] = html_block(data_report.ready_made(rest))


def _draw_sources(context: PageContext, at: dict[str, Any]) -> None:
    names = [("Bundled", "bundled"), ("Upload a file", "upload")]
    names += [("Hub data set" if context.hosted else "Path or Hub data set", "named")]
    with gr.Row(elem_classes="wb-line"):
        html_block('<div class="wb-title"><h2 class="wb-h2">Or bring your own data</h2></div>')
        at["kind"] = segmented(names, "bundled", label="Where the data come from")
    at["bundled"] = html_block(data_report.bundled_cards(bundled(), None))
    with gr.Column(visible=False, elem_classes="wb-source-panel") as at["upload_panel"]:
        megabytes = FileLimits().bytes // MEGABYTE
        stays = "Only you see it here." if context.hosted else "It stays on this machine."
        html_block(
            '<div class="wb-strong">Drop a CSV, TSV, JSON, JSON Lines, Parquet or Excel file, zipped or not</div>'
            f'<div class="wb-note">One text and one label per row. Up to {megabytes} MB. {stays}</div>'
        )
        at["upload"] = gr.File(
            label="Data file",
            show_label=False,
            type="filepath",
            file_types=list(UPLOADS),
            elem_classes="wb-upload",
        )
    with gr.Row(visible=False, elem_classes="wb-source-panel wb-line") as at["named_panel"]:
        hub = "owner/name, for example stanfordnlp/sst2"
        at["name"] = gr.Textbox(
            label="Hub data set" if context.hosted else "Path of a file or folder, or Hub data set",
            placeholder=hub if context.hosted else f"data/reviews.csv, or {hub}",
            max_lines=1,
            max_length=1000,
            elem_classes="wb-mono-input",
        )
        at["look_up"] = gr.Button("Look it up", elem_classes="wb-end")


def _draw_report(at: dict[str, Any]) -> None:
    at["look"] = gr.State(None)
    at["report"] = html_block(data_report.nothing_chosen())
    with gr.Accordion("Columns, split and rows", open=False, visible=False, elem_classes="wb-fold") as at[
        "more"
    ]:
        with gr.Row(elem_classes="wb-fields"):
            at["text"] = gr.Dropdown([], label="Text column", info="What the model reads.")
            at["label"] = gr.Dropdown([], label="Label column", info="What it shall answer.")
            at["encoding"] = gr.Dropdown(
                list(ENCODINGS),
                value="",
                label="Encoding",
                info="How the file writes letters. Only asked when unclear.",
            )
        with gr.Row(elem_classes="wb-fields"):
            at["validation_share"] = gr.Number(
                DataSpec.validation_share,
                label="Validation share",
                info="Picks the best moment of each run.",
                step=0.05,
            )
            at["test_share"] = gr.Number(
                DataSpec.test_share,
                label="Test share",
                info="Gives the figures of the table; no method sees it.",
                step=0.05,
            )
            at["split_seed"] = gr.Number(
                DataSpec.split_seed,
                label="Split seed",
                info="Another number draws other rows into the parts.",
                precision=0,
            )
            at["max_length"] = gr.Number(
                Setting.max_length, label="Longest input", info="Tokens; what is longer is cut.", precision=0
            )
        with gr.Row(elem_classes="wb-fields"):
            for part, word in (("train", "Training"), ("validation", "Validation"), ("test", "Test")):
                at[f"{part}_rows"] = gr.Number(
                    None,
                    label=f"{word} rows",
                    info="Empty takes all of them.",
                    precision=0,
                    placeholder="all",
                )
        at["apply"] = gr.Button("Look again with these", elem_classes="wb-start")
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


_FIELDS = (
    "text", "label", "encoding", "validation_share", "test_share", "split_seed", "max_length",
    "train_rows", "validation_rows", "test_rows",
)  # fmt: skip
_SHOWN = (
    "bundled", "kind", "upload_panel", "named_panel", "name", "report", "more", "charts", "rows_panel", "columns_line",
    "search", "rows", "fingerprint", "next", "look",
)  # fmt: skip


def _outputs(context: PageContext, at: dict[str, Any]) -> list[Any]:
    return [context.plan, *(at[name] for name in (*_SHOWN, *_FIELDS))]


def _wire_data(context: PageContext, at: dict[str, Any]) -> None:
    outputs = _outputs(context, at)

    def show_source_kind(kind: str) -> Updates:
        return _panels(at, kind)

    @say_errors
    def choose_bundled(plan: Plan, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        if (current_plan(plan, request)["data"] or {}).get("source") == event.key:
            yield {at["report"]: gr.skip()}
            return
        data = {"source": event.key}
        yield from _shown(context, at, _with_data(plan, request, data), request)

    @say_errors
    def take_upload(path: str | None, plan: Plan, request: gr.Request) -> Iterator[Updates]:
        if not path:
            return
        from pathlib import Path

        owner = owner_of(request)
        name = Path(path).name
        data = {"source": keep_upload(context.store, Path(path), name, owner), "title": name}
        yield from _shown(context, at, _with_data(plan, request, data), request)

    @say_errors
    def look_up_name(name: str, plan: Plan, request: gr.Request) -> Iterator[Updates]:
        source = (name or "").strip()
        if not source:
            raise ValueError(
                "Type the name of a Hub data set such as stanfordnlp/sst2, or the path of a file."
            )
        if source.startswith(PREFIX):
            raise ValueError("An uploaded file is chosen under “Upload a file”.")
        yield from _shown(context, at, _with_data(plan, request, {"source": source}), request, anew=True)

    @say_errors
    def mend(plan: Plan, look: Any, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        report = (look or {}).get("report")
        new = change_plan(plan, request, lambda newest: mended(newest, report, event.action, event.key))
        yield from _shown(context, at, new, request)

    @say_errors
    def look_again(plan: Plan, request: gr.Request, *values: Any) -> Iterator[Updates]:
        new = change_plan(plan, request, lambda newest: with_fields(newest, dict(zip(_FIELDS, values))))
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
        show_source_kind, at["kind"], [at["bundled"], at["upload_panel"], at["named_panel"]], **QUIET
    )
    at["bundled"].action(choose_bundled, context.plan, outputs, trigger_mode="once", **QUIET)
    at["upload"].upload(take_upload, [at["upload"], context.plan], outputs, **QUIET)
    for event in (at["look_up"].click, at["name"].submit):
        event(look_up_name, [at["name"], context.plan], outputs, trigger_mode="once", **QUIET)
    at["report"].action(mend, [context.plan, at["look"]], outputs, trigger_mode="once", **QUIET)
    fields = [at[name] for name in _FIELDS]
    at["apply"].click(look_again, [context.plan, *fields], outputs, trigger_mode="once", **QUIET)
    at["search"].change(
        search_rows, [at["search"], at["look"]], at["rows"], trigger_mode="always_last", **QUIET
    )
    at["next"].click(open_methods, None, context.tabs, **QUIET)


def open_methods() -> Any:
    return gr.Tabs(selected="methods")


def _wire_start(context: PageContext, at: dict[str, Any]) -> None:
    first, rest = _presets(context)
    outputs = [at["welcome"], at["ready"], context.setting_id, context.tabs, context.timer, context.plan]

    @say_errors
    def act_on_preset(
        plan: Plan, form_key: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[Updates]:
        preset = next((one for one in (first, *rest) if one.name == event.key), None)
        if preset is None:
            raise ValueError(f"There is no ready-made comparison called {event.key!r:.60}.")
        if event.action == "open":
            opened = change_plan(plan, request, lambda _: from_preset(preset))
            yield {context.plan: opened, context.tabs: gr.Tabs(selected="methods")}
            return
        calm = {at["welcome"]: _welcome(first), at["ready"]: str(data_report.ready_made(rest))}
        if preset is first:
            yield {at["welcome"]: _welcome(first, "Reading the data and queueing the runs")}
        else:
            yield {at["ready"]: str(data_report.ready_made(rest, preset.name))}
        try:
            queued = queue(context, preset, owner_of(request), f"{form_key}:{preset.name}")
        except Exception:
            yield calm
            raise
        plan = change_plan(plan, request, lambda p: p if p["data"] or p["choices"] else from_preset(preset))
        yield calm | {
            context.setting_id: queued.setting_id,
            context.tabs: gr.Tabs(selected="compare"),
            context.timer: gr.Timer(active=True),
            context.plan: plan,
        }

    inputs = [context.plan, at["form_key"]]
    for block in (at["welcome"], at["ready"]):
        block.action(act_on_preset, inputs, outputs, trigger_mode="once", concurrency_id="queueing", **QUIET)


def _welcome(preset: presets.Preset, busy: str = "") -> str:
    return str(data_report.welcome(preset, _card(str(preset.data["source"])), busy))


def _presets(context: PageContext) -> tuple[presets.Preset, list[presets.Preset]]:
    first, *rest = presets.shipped_presets()
    if context.limits is not None:
        rest = [preset for preset in rest if _is_within(preset, context.limits)]
    return first, rest


def _is_within(preset: presets.Preset, limits: Limits) -> bool:
    runs = len(preset.methods) * len(preset.seeds)
    return runs <= limits.runs and preset.setting.get("max_length", Setting.max_length) <= limits.max_length


def _card(name: str) -> Any:
    return next((card for card in bundled() if card.name == name), None)


def _shown(
    context: PageContext,
    at: dict[str, Any],
    plan: Plan,
    request: gr.Request,
    *,
    keep: bool = False,
    anew: bool = False,
) -> Iterator[Updates]:
    """The whole tab for this plan: first what is being done, then what was found. `keep` leaves the plan untouched
    unless its data turn out to be others than it says."""
    data, owner = plan["data"], owner_of(request)
    chosen = (data or {}).get("source")
    start: Updates = {at["bundled"]: str(data_report.bundled_cards(bundled(), chosen))}
    if data is None:
        yield start | _empty(at)
        return
    if keep:
        start |= _panels(at, source_kind(chosen)) | {at["kind"]: source_kind(chosen)}
        start[at["bundled"]] = gr.update(
            value=str(data_report.bundled_cards(bundled(), chosen)), visible=source_kind(chosen) == "bundled"
        )
    title = data.get("title") or shown_source(str(chosen)).rstrip("/").split("/")[-1]
    work = f"Reading {title} and counting its lengths in tokens of {model_title(plan['model'])}"
    max_length = setting_value(plan, "max_length")
    if anew or not asking.is_data_known(context.store, data, plan["model"], max_length, owner):
        start |= {at["report"]: str(data_report.working(work)), at["next"]: gr.Button(visible=False)}
    yield start
    try:
        look = asking.look_at_data(context.store, data, plan["model"], max_length, owner, anew=anew)
    except Exception as error:
        yield _empty(at) | {at["report"]: str(data_report.refused(sentence_of(error)))}
        return
    report, spec = look["report"], look["spec"]
    facts: dict[str, Any] = {"title": title, "fingerprint": None, "labels": None, "rows": None}
    if spec is not None:
        facts |= {
            "fingerprint": spec["fingerprint"],
            "labels": len(spec["labels"]),
            "rows": dict(report["parts"]),
        }
    new = _with_data(plan, request, {**data, **facts})
    yield {
        **({} if keep and new == plan else {context.plan: new}),
        **_found(at, new, report, {**look, "model": plan["model"]}),
    }


def _with_data(plan: Any, request: gr.Request, data: dict[str, Any]) -> Plan:
    return change_plan(plan, request, lambda newest: {**newest, "data": data})


def _found(at: dict[str, Any], plan: Plan, report: dict[str, Any], look: dict[str, Any]) -> Updates:
    asks = any(fault["blocks"] and fault["code"] in _ASKS_FOR_MORE for fault in report["faults"])
    usable = look["spec"] is not None
    title = str(plan["data"]["title"])
    return {
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
        **_field_updates(at, plan, report),
    }


def _field_updates(at: dict[str, Any], plan: Plan, report: dict[str, Any]) -> Updates:
    data = plan["data"]
    columns = list(report["columns"])
    updates: Updates = {
        at[name]: gr.Dropdown(choices=columns, value=data.get(name) or report[name])
        for name in ("text", "label")
    }
    updates[at["encoding"]] = data.get("encoding") or ""
    updates |= {at[name]: data.get(name, default) for name, default in _SPLIT_DEFAULTS.items()}
    updates |= {at[f"{part}_rows"]: data.get(f"{part}_rows") for part in ("train", "validation", "test")}
    updates[at["max_length"]] = setting_value(plan, "max_length")
    return updates


def _empty(at: dict[str, Any]) -> Updates:
    return {
        at["report"]: str(data_report.nothing_chosen()),
        at["more"]: gr.Accordion(visible=False),
        at["charts"]: "",
        at["rows_panel"]: gr.Column(visible=False),
        at["fingerprint"]: "",
        at["next"]: gr.Button(visible=False),
        at["look"]: None,
    }


def _panels(at: dict[str, Any], kind: str) -> Updates:
    return {
        at["bundled"]: gr.update(visible=kind == "bundled"),
        at["upload_panel"]: gr.Column(visible=kind == "upload"),
        at["named_panel"]: gr.Row(visible=kind == "named"),
    }


def source_kind(source: str | None) -> str:
    """Which panel a source was chosen in."""
    if source is None or source in {card.name for card in bundled()}:
        return "bundled"
    return "upload" if source.startswith(PREFIX) else "named"


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


def with_fields(plan: Plan, values: dict[str, Any]) -> Plan:
    """The plan with what stands in the fields; what is as it would be anyway is left out. ValueError says what is wrong."""
    if plan["data"] is None:
        raise ValueError("Choose data first.")
    plan = change_setting(plan, "max_length", _whole(values.pop("max_length"), "Longest input"))
    data = dict(plan["data"])
    for name in ("text", "label", "encoding"):
        data[name] = values.get(name) or None
    for name in ("validation_share", "test_share"):
        data[name] = _SPLIT_DEFAULTS[name] if values.get(name) is None else float(values[name])
    data["split_seed"] = _whole(values.get("split_seed") or 0, "Split seed")
    for name in ("train_rows", "validation_rows", "test_rows"):
        given = values.get(name)
        data[name] = None if given in (None, "", 0) else _whole(given, name.replace("_", " ").capitalize())
    kept = {k: v for k, v in data.items() if v is not None and _SPLIT_DEFAULTS.get(k) != v}
    return {**plan, "data": kept}


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or value is None or value != int(value):
        raise ValueError(f"{name} is a whole number, not {value!r}")
    return int(value)
