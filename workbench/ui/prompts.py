"""Rows of the test part that may be asked on Inference: a text or prompt, what would be right, and some good examples."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from workbench import text_scores
from workbench.spec import Setting
from workbench.ui.parts import button
from workbench.ui.shown import judged_by, writes_text

EXAMPLES = 4
LONGEST = {True: 320, False: 140}


@dataclass(frozen=True)
class Known:
    """What the test part says of a text: a label, or the texts that would be right."""

    right: tuple[str, ...]
    group: str = ""
    """Label or kind: examples are taken from each in turn."""
    answer: Any = None


@functools.lru_cache(maxsize=8)
def test_rows(folder: Path) -> Mapping[str, Known]:
    """Texts of the test part with what is known of them; empty where the rows are gone."""
    from workbench.data import load_prepared

    if not folder.is_dir():
        return {}
    try:
        prepared = load_prepared(folder)
    except ValueError:
        return {}
    return {text: known for row in prepared.rows["test"] for text, known in [_known(row)] if text}


def _known(row: Mapping[str, Any]) -> tuple[str, Known]:
    """Conversations are left out: a single prompt would not ask the same."""
    if "label" in row:
        return row["text"], Known((row["label"],), row["label"])
    if "prompt" not in row or row.get("messages"):
        return "", Known(())
    right: tuple[str, ...] = ()
    if "chosen" in row:
        right = (row["chosen"],)
    elif "rejected" not in row:  # of an answer that was found bad nothing says what would be right
        right = tuple(text_scores.references(row))
    return row["prompt"], Known(right, str(row.get("kind", "")), row.get("answer"))


def examples_of(rows: Mapping[str, Known], *, texts: bool = False, count: int = EXAMPLES) -> list[str]:
    """Some texts of the test part, one group after the other, only short ones."""
    groups: dict[str, list[str]] = {}
    for text, known in rows.items():
        if len(text) <= LONGEST[texts]:
            groups.setdefault(known.group, []).append(text)
    longest = max(map(len, groups.values()), default=0)
    found = [
        groups[name][place]
        for place in range(longest)
        for name in sorted(groups)
        if place < len(groups[name])
    ]
    return found[:count]


def examples_html(rows: Mapping[str, Known], *, texts: bool) -> Markup:
    found = examples_of(rows, texts=texts)
    if not found:
        return Markup("")
    buttons = Markup("").join(
        button(
            Markup('<span class="wb-cut" translate="no">{}</span>').format(text),
            "example",
            str(place),
            kind="quiet",
        )
        for place, text in enumerate(found)
    )
    words = "Try a test prompt" if texts else "From the test part"
    return Markup('<div class="wb-examples"><span class="wb-note">{}</span>{}</div>').format(words, buttons)


def score_text(setting: Setting, text: str, known: Known) -> float | None:
    """The score of one answer by what its setting is judged by; None where that takes more than is known."""
    if not writes_text(setting) or not known.right:
        return None
    row = {"references": list(known.right), "answer": known.answer}
    pattern = str(setting.task_options.get("answer_pattern", ""))
    return text_scores.row_scores(text, row, pattern).get(judged_by(setting))
