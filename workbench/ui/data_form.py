"""Columns, split and rows as a form: drawn, filled from the doctor's report, and read back into the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from workbench.data import data_task
from workbench.spec import DataSpec, Setting
from workbench.ui.plan import Plan, change_setting, setting_value
from workbench.ui.task_switch import ROLES as ROLE_TITLES

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
ROLES = ("input", "references", "kind", "answer", "system")
"""Columns beyond the two main ones that rows of free text may have."""
ORDER = (
    "format", "text", "label", *(f"role_{role}" for role in ROLES), "encoding", "validation_share", "test_share", "split_seed", "max_length",
    "train_rows", "validation_rows", "test_rows",
)  # fmt: skip
_TITLES = {
    True: {"text": "Text column", "label": "Label column"},
    False: {"text": "Prompt or conversation column", "label": "Completion column"},
}
_ROLE_WORDS = {
    "input": "Joined to the prompt, below it.",
    "references": "Further answers that count as right.",
    "kind": "Kinds of rows, scored apart.",
    "answer": "The bare answer, such as a number.",
    "system": "What the model is told before the prompt.",
}
_SPLIT_DEFAULTS = {name: getattr(DataSpec, name) for name in ("validation_share", "test_share", "split_seed")}


def draw_form(at: dict[str, Any]) -> None:
    """Draw the form, folded and hidden, inside the current block; its components go into `at` by the names in ORDER."""
    with gr.Accordion("Columns, split and rows", open=False, visible=False, elem_classes="wb-fold") as at[
        "more"
    ]:
        with gr.Row(elem_classes="wb-fields"):
            at["format"] = gr.Dropdown(
                [], label="Format", info="How a row holds question and answer.", visible=False
            )
            at["text"] = gr.Dropdown(
                [], label="Text column", info="What the model reads.", elem_classes="wb-verbatim"
            )
            at["label"] = gr.Dropdown(
                [], label="Label column", info="What it shall answer.", elem_classes="wb-verbatim"
            )
            at["encoding"] = gr.Dropdown(
                list(ENCODINGS),
                value="",
                label="Encoding",
                info="How the file writes letters. Only asked when unclear.",
            )
        with gr.Row(elem_classes="wb-fields", visible=False) as at["roles"]:
            for role in ROLES:
                at[f"role_{role}"] = gr.Dropdown(
                    [], label=role_title(role), info=_ROLE_WORDS[role], elem_classes="wb-verbatim"
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


def field_updates(at: dict[str, Any], plan: Plan, report: dict[str, Any]) -> dict[Any, Any]:
    """What the form shows for a plan: what was chosen, else what the doctor took."""
    data = plan["data"]
    columns = list(report["columns"])
    titles = _TITLES[plan["task"] == "classification"]
    updates: dict[Any, Any] = {
        at[name]: gr.Dropdown(
            choices=columns, value=data.get(name) or report[name] or None, label=titles[name]
        )
        for name in ("text", "label")
    }
    formats = [(title, name) for name, title in data_task(plan["task"]).formats.items()]
    updates[at["format"]] = gr.Dropdown(
        choices=[("Found by itself", ""), *formats], value=data.get("format") or "", visible=len(formats) > 1
    )
    taken = (report.get("format") or {}).get("columns") or {}
    updates[at["roles"]] = gr.Row(visible=bool(formats))
    for role in ROLES:
        value = (data.get("columns") or {}).get(role) or taken.get(role) or ""
        updates[at[f"role_{role}"]] = gr.Dropdown(
            choices=[("Found by itself", ""), *((name, name) for name in columns)], value=value
        )
    updates[at["encoding"]] = data.get("encoding") or ""
    updates |= {at[name]: data.get(name, default) for name, default in _SPLIT_DEFAULTS.items()}
    updates |= {at[f"{part}_rows"]: data.get(f"{part}_rows") for part in ("train", "validation", "test")}
    updates[at["max_length"]] = setting_value(plan, "max_length")
    return updates


def with_fields(plan: Plan, values: dict[str, Any], report: Mapping[str, Any] | None = None) -> Plan:
    """The plan with what stands in the fields; what is as it would be anyway is left out, so are columns that the doctor
    took by itself. ValueError says what is wrong."""
    if plan["data"] is None:
        raise ValueError("Choose data first.")
    values = {**values, **_chosen_columns(plan["data"], values, report or {})}
    plan = change_setting(plan, "max_length", _whole(values.pop("max_length"), "Longest input"))
    data = dict(plan["data"])
    for name in ("text", "label", "encoding", "format", "columns"):
        data[name] = values.get(name) or None
    for name in ("validation_share", "test_share"):
        data[name] = _SPLIT_DEFAULTS[name] if values.get(name) is None else float(values[name])
    data["split_seed"] = _whole(values.get("split_seed") or 0, "Split seed")
    for name in ("train_rows", "validation_rows", "test_rows"):
        given = values.get(name)
        data[name] = None if given in (None, "", 0) else _whole(given, name.replace("_", " ").capitalize())
    kept = {k: v for k, v in data.items() if v is not None and _SPLIT_DEFAULTS.get(k) != v}
    return {**plan, "data": kept}


def _chosen_columns(
    data: Mapping[str, Any], values: Mapping[str, Any], report: Mapping[str, Any]
) -> dict[str, Any]:
    """What the reader chose. Under another format, columns that were taken for the old one mean nothing."""
    given, found = data.get("columns") or {}, report.get("format") or {}
    taken = {role: column for role, column in (found.get("columns") or {}).items() if role not in given}
    columns = {
        role: name for role in ROLES if (name := values.get(f"role_{role}")) and taken.get(role) != name
    }
    chosen: dict[str, Any] = {"columns": columns}
    other = (values.get("format") or "") != (data.get("format") or "")
    for name in ("text", "label"):
        by_itself = report.get(name) == values.get(name) and not data.get(name)
        chosen[name] = (
            None if by_itself or (other and report.get(name) == values.get(name)) else values.get(name)
        )
    return chosen


def role_title(role: str) -> str:
    return f"{ROLE_TITLES.get(role, role.capitalize())} column"


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or value is None or value != int(value):
        raise ValueError(f"{name} is a whole number, not {value!r}")
    return int(value)
