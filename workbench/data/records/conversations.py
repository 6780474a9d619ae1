"""What the formats of conversations share: the column that holds lists of turns, and the row that one makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.data.column_names import CHOSEN_NAMES, REJECTED_NAMES, plain
from workbench.data.records.format import Match, Sample, extras, with_extras
from workbench.data.records.turns import BadRow, asked_and_answered, turns_of


def conversation_column(sample: Sample, key: str, names: Sequence[str]) -> Match | None:
    """The column whose cells are lists of turns with their roles under `key`."""
    chosen = sample.given.get("messages")
    if "completion" in sample.given and chosen is None:
        return None
    columns = [chosen] if chosen else list(sample.columns)
    shares = {column: sample.share_of_turns(column, key) for column in columns}
    if not any(shares.values()):
        return None
    best = max(shares, key=lambda column: (shares[column], plain(column) in names))
    share = shares[best]
    known = plain(best) in names
    reason = f"column {best!r} holds lists of turns with {key!r}"
    if share < 1:
        reason += f" in {100 * share:.0f} % of its cells"
    score = (1.0 if chosen else 0.99 if known else 0.9) * share
    # A list of turns beside a completion is the prompt of that completion.
    answers = {"completion", *CHOSEN_NAMES, *REJECTED_NAMES}
    if not chosen and answers & {plain(column) for column in sample.columns}:
        score *= 0.8
    return Match(score, reason, with_extras(sample, {"messages": best}))


def to_row(cells: Mapping[str, str], mend: bool) -> dict[str, Any] | BadRow:
    turns = turns_of(cells.get("messages", ""))
    if isinstance(turns, BadRow):
        return turns
    if cells.get("system", "").strip() and not any(turn["role"] == "system" for turn in turns):
        turns = [{"role": "system", "content": cells["system"]}, *turns]
    row = asked_and_answered(turns, mend)
    return row if isinstance(row, BadRow) else {**row, **extras(cells, row["completion"])}
