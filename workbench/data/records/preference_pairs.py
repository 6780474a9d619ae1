"""Format: a prompt with a chosen and a rejected answer, as texts or as turns (TRL, LLaMA-Factory, OpenAI)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.data.column_names import CHOSEN_NAMES, REJECTED_NAMES, plain
from workbench.data.records.alpaca import INPUTS, INSTRUCTIONS
from workbench.data.records.format import Format, Match, Sample, extras, said_by, with_extras
from workbench.data.records.turns import BadRow, Turn, asked, is_in_order, listed_turns, merged, turns_of

PROMPTS = (
    "prompt", "question", *INSTRUCTIONS, "query", "conversations", "conversation", "messages", "input", "context",
    "提示", "问题", "对话",
)  # fmt: skip


def matches(sample: Sample) -> Match | None:
    found: dict[str, str] = {}
    for role, names in (("chosen", CHOSEN_NAMES), ("rejected", REJECTED_NAMES), ("prompt", PROMPTS)):
        column = sample.named(role, names, found)
        if column is None:
            return None
        found[role] = column
    meant = plain(found["prompt"]) in INSTRUCTIONS or "input" in sample.given or "input_column" in sample.card
    if meant and (column := sample.named("input", INPUTS, found)):
        found["input"] = column
    who = said_by(sample, ("prompt", "chosen", "rejected"))
    shown = ", ".join(repr(found[role]) for role in ("prompt", "chosen", "rejected"))
    turns = " (lists of turns)" if any(map(listed_turns, sample.filled(found["prompt"])[:5])) else ""
    return Match(1.0 if who else 0.98, who or f"columns named {shown}{turns}", with_extras(sample, found))


def to_row(cells: Mapping[str, str], mend: bool) -> dict[str, Any] | BadRow:
    chosen, rejected = _answer(cells.get("chosen", "")), _answer(cells.get("rejected", ""))
    for turns in (chosen, rejected):
        if isinstance(turns, BadRow):
            return turns
    if len(chosen) > 1 or len(rejected) > 1:
        return compared(chosen, rejected, cells)  # type: ignore[arg-type]
    before = _asked(cells)
    if isinstance(before, BadRow):
        return before
    if mend:
        before = merged(before)
    if not is_in_order(before) or before[-1]["role"] != "user":
        return BadRow(
            "role_order", "the conversation doesn’t end with a question", is_in_order(merged(before))
        )
    answers = {"chosen": chosen[0]["content"], "rejected": rejected[0]["content"]}  # type: ignore[index]
    return {**asked(before), **answers, **extras(cells)}


def compared(chosen: list[Turn], rejected: list[Turn], cells: Mapping[str, str]) -> dict[str, Any] | BadRow:
    """Two whole conversations that part at the last answer."""
    same = 0
    for one, other in zip(chosen[:-1], rejected[:-1]):
        if one != other:
            break
        same += 1
    if not (same == len(chosen) - 1 == len(rejected) - 1 and same):
        return BadRow("no_preference", "the two conversations part before their last answers")
    if chosen[-1]["role"] != "assistant" or rejected[-1]["role"] != "assistant" or not is_in_order(chosen):
        return BadRow("role_order", "the conversations don’t end with an answer to a question")
    return {
        **asked(chosen[:-1]),
        "chosen": chosen[-1]["content"],
        "rejected": rejected[-1]["content"],
        **extras(cells),
    }


def _answer(cell: str) -> list[Turn] | BadRow:
    return turns_of(cell) if listed_turns(cell) else [{"role": "assistant", "content": cell}]


def _asked(cells: Mapping[str, str]) -> list[Turn] | BadRow:
    prompt = cells.get("prompt", "")
    if listed_turns(prompt):
        return turns_of(prompt)
    if cells.get("input", "").strip():
        prompt = f"{prompt}\n{cells['input']}" if prompt.strip() else cells["input"]
    system = [{"role": "system", "content": cells["system"]}] if cells.get("system", "").strip() else []
    return [*system, {"role": "user", "content": prompt}]


FORMAT = Format("pairs", "Prompt, chosen and rejected answer", "prompt", "chosen", matches, to_row)
