"""Words to fill in: a data set that leaves places open, such as {name}, gets a field for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from workbench.ui.controls import html_block
from workbench.ui.plan import Plan

MOST = 6
ORDER = tuple(f"fill_{number}" for number in range(MOST))


def draw_fill(at: dict[str, Any]) -> None:
    """Hidden until a data set asks for words."""
    with gr.Column(visible=False, elem_classes="wb-card wb-fill") as at["fill_panel"]:
        html_block(
            '<h3 class="wb-h3">Words to fill in</h3><p class="wb-note">The texts leave places open for them; what you write'
            " here stands there when the model learns.</p>"
        )
        with gr.Row(elem_classes="wb-fields"):
            for name in ORDER:
                at[name] = gr.Textbox("", label=name, visible=False, max_lines=1, max_length=200)
        at["fill_in"] = gr.Button("Fill in", elem_classes="wb-start")


def fill_outputs(at: Mapping[str, Any]) -> list[Any]:
    return [at["fill_panel"], *(at[name] for name in ORDER)]


def open_places(plan: Plan, report: Mapping[str, Any] | None) -> list[str]:
    """The names of the places, those filled already included."""
    given = (plan["data"] or {}).get("fill") or {}
    return list(dict.fromkeys([*((report or {}).get("placeholders") or ()), *given]))[:MOST]


def fill_updates(at: Mapping[str, Any], plan: Plan, report: Mapping[str, Any] | None) -> dict[Any, Any]:
    names = open_places(plan, report)
    given = (plan["data"] or {}).get("fill") or {}
    updates: dict[Any, Any] = {at["fill_panel"]: gr.Column(visible=bool(names))}
    for place, field in enumerate(ORDER):
        name = names[place] if place < len(names) else ""
        # What the reader may be writing at this moment stays: only words that are in the plan are put there.
        held = {"value": given.get(name, "")} if not name or name in given else {}
        updates[at[field]] = gr.Textbox(label=f"{{{name}}}" if name else field, visible=bool(name), **held)
    return updates


def cleared(at: Mapping[str, Any]) -> dict[Any, Any]:
    """For other data: the words of the last are none of theirs."""
    return {at[field]: gr.Textbox(value="") for field in ORDER}


def with_fill(plan: Plan, report: Mapping[str, Any] | None, values: Sequence[str | None]) -> Plan:
    """The plan with these words; places left empty stay open, and the doctor says so."""
    if plan["data"] is None:
        raise ValueError("Choose data first.")
    words = {name: (value or "").strip() for name, value in zip(open_places(plan, report), values)}
    data = {name: value for name, value in plan["data"].items() if name != "fill"}
    filled = {name: value for name, value in words.items() if value}
    return {**plan, "data": {**data, **({"fill": filled} if filled else {})}}
