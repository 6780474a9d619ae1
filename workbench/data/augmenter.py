"""What a way of making more training rows is: a record with its card, its options and the function that rewrites texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.options import Options

Row = Mapping[str, Any]
Progress = Callable[[int, int], None]
Rewrite = Callable[[Sequence[str], Sequence[frozenset[str]], Any, int, Progress | None], list[list[str]]]
MARK = "augmented"


def always_usable(options: Any) -> None:
    return None


def always_done(texts: Sequence[str], options: Any, seed: int) -> bool:
    return True


@dataclass(frozen=True)
class Augmenter:
    """`rewrite(texts, kept, options, seed, progress)` gives new texts for each text; words in `kept` (case-folded, one
    set for each text) stay as they are. `unusable(options)` is None, or the sentence that says why it can't work here.
    One that takes minutes says in `done(texts, options, seed)` whether it has these texts already."""

    name: str
    title: str
    card: str
    options: type[Options]
    rewrite: Rewrite
    unusable: Callable[[Any], str | None] = always_usable
    done: Callable[[Sequence[str], Any, int], bool] = always_done

    def augment(
        self,
        rows: Sequence[Row],
        options: Options,
        seed: int,
        *,
        kept: Sequence[frozenset[str]] | None = None,
        progress: Progress | None = None,
    ) -> list[dict[str, Any]]:
        """New rows, in the order of the rows they come from; each says in `augmented` how it was made."""
        texts = [text_of(row) for row in rows]
        kept = kept or [frozenset()] * len(texts)
        found = self.rewrite(texts, kept, options, seed, progress)
        return [{**with_text(row, text), MARK: self.name} for row, made in zip(rows, found) for text in made]


def text_of(row: Row) -> str:
    """What the model reads: the text of a classification row, the prompt of a generation row."""
    return str(row["text"] if "text" in row else row["prompt"])


def with_text(row: Row, text: str) -> dict[str, Any]:
    """The row with another text; label, completion and references stay. Of a conversation the last user turn changes."""
    if "text" in row:
        return {**row, "text": text}
    changed: dict[str, Any] = {**row, "prompt": text}
    turns = list(row.get("messages") or ())
    for place in reversed(range(len(turns))):
        if turns[place].get("role") == "user":
            turns[place] = {**turns[place], "content": text}
            changed["messages"] = turns
            break
    return changed
