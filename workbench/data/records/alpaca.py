"""Format: Alpaca rows: an instruction, an input that may be empty, and the output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.data.column_names import plain
from workbench.data.records.format import Format, Match, Sample, extras, said_by, with_extras
from workbench.data.records.turns import BadRow, parsed

INSTRUCTIONS = ("instruction", "instructions", "指令", "任务")
INPUTS = ("input", "context", "query", "输入", "上下文")
OUTPUTS = ("output", "response", "completion", "answer", "target", "输出", "回答", "回复", "答案")
HISTORIES = ("history", "历史")
_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": INSTRUCTIONS,
    "completion": OUTPUTS,
    "input": INPUTS,
    "history": HISTORIES,
}


def matches(sample: Sample) -> Match | None:
    found: dict[str, str] = {}
    for role, names in _NAMES.items():
        if column := sample.named(role, names, found):
            found[role] = column
    if "prompt" not in found or "completion" not in found:
        return None
    who = said_by(sample, ("prompt", "completion"))
    known = plain(found["prompt"]) in INSTRUCTIONS
    if "input" in found:
        meant = known or "input" in sample.given or "input_column" in sample.card
        score = (1.0 if who else 0.98) if meant else 0.5
    else:
        score = 0.92 if known and not who else 0.5
    shown = ", ".join(repr(found[role]) for role in ("prompt", "input", "completion") if role in found)
    return Match(score, who or f"columns named {shown}", with_extras(sample, found))


def to_row(cells: Mapping[str, str], mend: bool) -> dict[str, Any] | BadRow:
    prompt = cells.get("prompt", "")
    if cells.get("input", "").strip():
        prompt = f"{prompt}\n{cells['input']}" if prompt.strip() else cells["input"]
    completion = cells.get("completion", "")
    more = extras(cells, completion)
    if not completion.strip() and more.get("references"):
        completion = more["references"][0]
    before = [{"role": "system", "content": cells["system"]}] if cells.get("system", "").strip() else []
    history = _history(cells.get("history", ""))
    if history is None:
        return BadRow("broken_cell", "the history is no list of pairs of instruction and answer")
    for question, answer in history:
        before += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    row: dict[str, Any] = {"prompt": prompt, "completion": completion, **more}
    return {**row, "messages": [*before, {"role": "user", "content": prompt}]} if before else row


def _history(cell: str) -> list[list[str]] | None:
    """Earlier pairs of instruction and answer, as LLaMA-Factory writes them."""
    if not cell.strip():
        return []
    value = parsed(cell)
    good = isinstance(value, list) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in value
    )
    return [list(pair) for pair in value] if good else None


FORMAT = Format("alpaca", "Alpaca (instruction, input, output)", "prompt", "completion", matches, to_row)
