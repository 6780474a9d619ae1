"""What the data tools (mix, augmentation, subsets) add to the doctor's report, and their preview."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.data.augment import augmenter, check_augment, is_new, kept_words, marked, options_of
from workbench.data.augmenter import MARK, always_done, text_of
from workbench.data.doctor import blocking
from workbench.data.faults import DataError
from workbench.data.fingerprint import in_order
from workbench.data.mixing import SOURCE
from workbench.data.prepared import Prepared
from workbench.data.report import Report

_LOOKED_AT = 200
_TITLES = {
    "mix": "The mix can't be made",
    "augment": "The augmentation can't be made",
    "subsets": "The learning curve can't be made",
    "waiting": "The augmentation is not done yet",
}


def with_tools(report: Report, prepared: Prepared) -> tuple[Report, dict[str, dict[str, int]]]:
    """The report with what became of the rows, and the counts of new rows and of training rows by source."""
    train = prepared.rows["train"]
    new = Counter(str(row[MARK]) for row in train if is_new(row))
    sources = Counter(str(row[SOURCE]) for row in train if SOURCE in row and not is_new(row))
    changes: dict[str, Any] = {
        "fingerprint": prepared.spec.fingerprint,
        "parts": {part: len(rows) for part, rows in prepared.rows.items()},
    }
    if sources:
        labels = Counter(
            str(row["label"])
            for rows in prepared.rows.values()
            for row in rows
            if "label" in row and not is_new(row)
        )
        changes |= {
            "faults": (*report.faults, *prepared.faults),
            "labels": {name: labels[name] for name in in_order(labels)},
            "rows": sum(not is_new(row) for rows in prepared.rows.values() for row in rows),
        }
    if sources or new:
        changes["notes"] = tuple(dict.fromkeys((*report.notes, *prepared.notes)))
    return replace(report, **changes), {"new": dict(new), "sources": dict(sources)}


def blocked(report: Report, error: DataError) -> Report:
    """The report where a tool could not do what was asked."""
    fault = replace(blocking(error), title=_TITLES.get(error.code, "A data tool stopped"))
    return replace(report, faults=(fault, *report.faults), fingerprint=None)


def before_and_after(prepared: Prepared, augment: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """The first training rows that an augmentation changes: the text, its label, and the new text in marked pieces. Of
    one that takes minutes only what is done already."""
    spec = prepared.spec
    rows = [row for row in prepared.rows["train"] if not is_new(row)]
    found: list[dict[str, Any]] = []
    for name, values in check_augment(augment).items():
        tool = augmenter(name)
        options = options_of(tool, values)
        if tool.done is always_done:
            rows = rows[:_LOOKED_AT]
        texts = [text_of(row) for row in rows]
        if not tool.done(texts, options, spec.split_seed):
            continue
        made = tool.rewrite(
            texts, [kept_words(row, spec.labels) for row in rows], options, spec.split_seed, None
        )
        pairs = [(row, text, new) for row, text, several in zip(rows, texts, made) for new in several]
        for row, text, new in pairs[:count]:
            label = str(row.get("label") or row.get("completion") or "")
            found.append({"text": text, "label": label, "pieces": marked(text, new), "tool": name})
    return found
