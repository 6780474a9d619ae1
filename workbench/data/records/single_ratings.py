"""Format: one answer to a prompt and whether it was found good or bad (TRL's and LLaMA-Factory's rows for KTO)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench import ratings
from workbench.data.column_names import plain
from workbench.data.faults import shown
from workbench.data.records import prompt_completion
from workbench.data.records.alpaca import OUTPUTS
from workbench.data.records.conversations import conversation_column
from workbench.data.records.conversations import to_row as conversation_row
from workbench.data.records.format import Format, Match, Sample, with_extras
from workbench.data.records.messages import NAMES as CONVERSATIONS
from workbench.data.records.preference_pairs import PROMPTS
from workbench.data.records.turns import ROLE_KEYS, BadRow, listed_turns

# The names of the two formats below.
RATED = ("ratings", "rated_conversations")
# The first say of themselves what they are; the others may be classes of anything.
CLEAR = (
    "kto_tag",
    "thumbs",
    "thumbs_up",
    "thumb",
    "feedback",
    "desirable",
    "is_good",
    "is_chosen",
    "liked",
    "好评",
    "点赞",
)
RATINGS = (*CLEAR, "label", "rating", "vote", "score", "reward", "good", "preferred", "评价", "标签")
WORDS = {
    **dict.fromkeys(("true", "1", "1.0", "+1", "yes", "y", "good", "up", "👍", "positive", "desirable", "chosen",
                     "liked", "like", "thumbs up", "好", "是"), ratings.GOOD),
    **dict.fromkeys(("false", "0", "0.0", "-1", "-1.0", "no", "n", "bad", "down", "👎", "negative", "undesirable",
                     "rejected", "disliked", "dislike", "thumbs down", "坏", "差", "否"), ratings.BAD),
}  # fmt: skip


def said(cell: str) -> str | None:
    """`chosen` for a good rating, `rejected` for a bad one, None for what is neither."""
    return WORDS.get(cell.strip().casefold())


def matches(sample: Sample) -> Match | None:
    """A column of prompts, one of answers and one of ratings."""
    rating = _rating_column(sample)
    if rating is None:
        return None
    taken = {"rating": rating}
    prompt = sample.named("prompt", PROMPTS, taken)
    answer = sample.named("completion", OUTPUTS, {**taken, "prompt": prompt or ""})
    if prompt is None or answer is None:
        return None
    return _match(sample, {"prompt": prompt, "completion": answer, "rating": rating})


def matches_conversation(sample: Sample) -> Match | None:
    """A column of conversations that end with the rated answer, and one of ratings."""
    rating = _rating_column(sample)
    if rating is None or {"prompt", "completion"} & set(sample.given):
        return None
    found = [match for key in ROLE_KEYS if (match := conversation_column(sample, key, CONVERSATIONS))]
    column = max(found, key=lambda match: match.score).columns["messages"] if found else None
    turns = [listed_turns(cell) for cell in sample.filled(column)[:5]] if column else []
    if column is None or not all(turn is not None and len(turn) > 1 for turn in turns):
        return None
    return _match(sample, {"messages": column, "rating": rating})


def _rating_column(sample: Sample) -> str | None:
    """The column that says good or bad in nearly all of its cells, or that was named as such."""
    rating = sample.named("rating", RATINGS, {})
    if rating is None or rating in (sample.given.get("rating"), sample.card.get("rating_column")):
        return rating
    cells = sample.filled(rating)
    return rating if cells and sum(map(bool, map(said, cells))) >= 0.9 * len(cells) else None


def _match(sample: Sample, columns: dict[str, str]) -> Match:
    rating, cells = columns["rating"], sample.filled(columns["rating"])
    clear = plain(rating) in CLEAR or {cell.strip().casefold() for cell in cells} <= {"true", "false"}
    sure = clear or rating in (sample.given.get("rating"), sample.card.get("rating_column"))
    good = sum(said(cell) == ratings.GOOD for cell in cells)
    reason = f"{rating!r} says of each answer whether it is good: {good:,} of the first {len(cells):,} are"
    return Match(0.97 if sure else 0.7, reason, with_extras(sample, columns))


def to_row(cells: Mapping[str, str], mend: bool) -> dict[str, Any] | BadRow:
    cell = cells.get("rating", "")
    side = said(cell)
    if side is None:
        words = f"“{shown(cell, 30)}” says neither good nor bad" if cell.strip() else "a rating is empty"
        return BadRow("no_rating", f"{words}; true or false, 1 or 0, good or bad would")
    row = (conversation_row if "messages" in cells else prompt_completion.to_row)(cells, mend)
    if isinstance(row, BadRow):
        return row
    kept: dict[str, Any] = {name: row[name] for name in ("prompt", "messages", "kind") if name in row}
    return {**kept, side: row["completion"]}


FORMAT = Format(RATED[0], "One answer and whether it is good (KTO)", "prompt", "rating", matches, to_row)
CONVERSATION = Format(
    RATED[1],
    "A conversation and whether its last answer is good (KTO)",
    "messages",
    "rating",
    matches_conversation,
    to_row,
)
