"""Format: a column with the prompt and a column with its completion, by their names or by their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.data.column_names import LABEL_NAMES, PROMPT_COMPLETION_PAIRS, TEXT_NAMES, plain
from workbench.data.records.format import Format, Match, Sample, extras, said_by, with_extras
from workbench.data.records.turns import BadRow, asked_and_answered, is_conversation, listed_turns, turns_of


def matches(sample: Sample) -> Match | None:
    found, score, reason = _columns(sample)
    if found is None:
        return None
    return Match(score, reason, with_extras(sample, found))


def _columns(sample: Sample) -> tuple[dict[str, str] | None, float, str]:
    if who := said_by(sample, ("prompt", "completion")):
        named = {
            role: sample.given.get(role) or sample.card[f"{role}_column"] for role in ("prompt", "completion")
        }
        # A card that names an input column too speaks of Alpaca rows.
        return named, 0.95 if "input_column" in sample.card else 1.0, who
    names = {plain(column): column for column in reversed(sample.columns)}
    for number, (prompt, completion) in enumerate(PROMPT_COMPLETION_PAIRS):
        found = _fitting(sample, names.get(prompt), names.get(completion))
        if found:
            score = 0.98 if number == 0 else 0.9
            return found, score, f"columns named {found['prompt']!r} and {found['completion']!r}"
    for text in TEXT_NAMES:
        for label in LABEL_NAMES:
            if found := _fitting(sample, names.get(text), names.get(label)):
                reason = f"{found['completion']!r} reads like labels of {found['prompt']!r}: the model is to write them"
                return found, 0.6, reason
    texts = [column for column in sample.columns if sample.filled(column)]
    chosen = sample.given.get("prompt") or sample.given.get("completion")
    if len(texts) == 2 or (chosen and len(texts) > 1):
        left = [column for column in texts if column != chosen]
        prompt = sample.given.get("prompt") or left[0]
        completion = sample.given.get("completion") or left[-1]
        if prompt != completion:
            words = (
                "the only two columns, in their order"
                if len(texts) == 2
                else f"{chosen!r} was chosen, the other is a guess"
            )
            return {"prompt": prompt, "completion": completion}, 0.4, words
    return None, 0.0, ""


def _fitting(sample: Sample, prompt: str | None, completion: str | None) -> dict[str, str] | None:
    """The two columns, unless the reader chose another for one of the roles."""
    prompt = sample.given.get("prompt", prompt)
    completion = sample.given.get("completion", completion)
    if prompt is None or completion is None or prompt == completion:
        return None
    return {"prompt": prompt, "completion": completion}


def to_row(cells: Mapping[str, str], mend: bool) -> dict[str, Any] | BadRow:
    prompt, completion = cells.get("prompt", ""), cells.get("completion", "")
    if is_conversation(prompt):
        return _conversation(cells, prompt, completion, mend)
    more = extras(cells, completion)
    if not completion.strip() and more.get("references"):
        completion = more["references"][0]
    row: dict[str, Any] = {"prompt": prompt, "completion": completion, **more}
    if cells.get("system", "").strip():
        row["messages"] = [
            {"role": "system", "content": cells["system"]},
            {"role": "user", "content": prompt},
        ]
    return row


def _conversation(
    cells: Mapping[str, str], prompt: str, completion: str, mend: bool
) -> dict[str, Any] | BadRow:
    """Both given as lists of turns, as TRL takes them; the completion may be a bare text too."""
    before = turns_of(prompt)
    after = (
        turns_of(completion) if listed_turns(completion) else [{"role": "assistant", "content": completion}]
    )
    for turns in (before, after):
        if isinstance(turns, BadRow):
            return turns
    row = asked_and_answered([*before, *after], mend)  # type: ignore[list-item]
    return row if isinstance(row, BadRow) else {**row, **extras(cells, row["completion"])}


FORMAT = Format("prompt_completion", "Prompt and completion", "prompt", "completion", matches, to_row)
