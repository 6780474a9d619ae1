"""Checks of labels: enough of them, known in every part, spelt alike, common enough for the split, balanced."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from workbench.data.clean import apply_fixes, label_spellings, rename_fix
from workbench.data.faults import Fault, count_of, listed, shown
from workbench.data.split import missing_parts, too_rare
from workbench.data.table import Table, label_counts, quoted, where


def single_class(table: Table) -> list[Fault]:
    counts = label_counts(table.main_rows)
    if len(counts) != 1:
        return []
    title = f"Every row{where(table.main)} has the label “{shown(next(iter(counts)), 40)}”"
    detail = "A comparison needs at least two labels; every method would score 100 % without learning."
    count = len(table.main_rows)
    return [
        table.fault(
            table.main, "single_class", "fix", title, detail, field=table.label, count=count, blocks=True
        )
    ]


def too_many_labels(table: Table) -> list[Fault]:
    rows = table.main_rows
    number = len(label_counts(rows))
    if number <= max(20, len(rows) // 2) and not (number == len(rows) > 5):
        return []
    title = f"{number:,} different labels in {count_of(len(rows), 'row')}"
    detail = f"Labels recur, but “{shown(table.label, 30)}” hardly does; name the label column."
    return [
        table.fault(table.main, "columns", "fix", title, detail, field=table.label, count=number, blocks=True)
    ]


def labels_differ(table: Table) -> list[Fault]:
    """Labels of validation or test that the training rows don't have: no model could answer them."""
    known = label_counts(table.main_rows)
    faults = []
    for part in ("validation", "test"):
        strange = [row for row in table.parts.get(part, ()) if row.label not in known]
        if not strange:
            continue
        names = label_counts(strange)
        fix, offer = _reconciling(table, part, list(names))
        verb = "is" if len(names) == 1 else "are"
        title = f"{count_of(len(names), 'label')} of the {part} part {verb} unknown in train"
        detail = (
            f"{quoted(names, 12)} ({count_of(len(strange), 'row')}); train has {quoted(sorted(known), 12)}."
        )
        faults.append(
            table.fault(
                part, "labels_differ", "fix", title, detail, strange, field=table.label, fix=fix, fix_label=offer,
                blocks=True,
            )
        )  # fmt: skip
    return faults


def _reconciling(table: Table, part: str, names: list[str]) -> tuple[str | None, str]:
    """A fix that would make these labels known in train, and its words; None when there is none."""
    repaired = apply_fixes(table.parts, ["normalise_labels"])
    known = label_counts(repaired[table.main])
    if set(label_counts(repaired[part])) <= set(known):
        return "normalise_labels", ""
    near = difflib.get_close_matches(names[0], known, n=1, cutoff=0.85)
    return (rename_fix(names[0], near[0]), "Rename it") if len(names) == 1 and near else (None, "")


def label_spelling(table: Table) -> list[Fault]:
    counts = label_counts(row for rows in table.parts.values() for row in rows)
    names = label_spellings(counts)
    if not names:
        return []
    merged = len(counts) - len({names.get(label, label) for label in counts})
    pairs = listed([f"“{shown(old, 30)}” and “{shown(new, 30)}”" for old, new in sorted(names.items())], 4)
    if merged:
        title = f"{count_of(merged, 'label')} written in more than one way"
        detail = f"{pairs} would count as different labels."
    else:
        title, detail = "Labels have stray space or letters", f"{pairs} should read alike."
    found = {part: [row for row in rows if row.label in names] for part, rows in table.parts.items()}
    part = next(part for part, rows in found.items() if rows)
    number = sum(map(len, found.values()))
    return [
        table.fault(
            part, "label_spelling", "fix", title, detail, found[part], field=table.label, count=number,
            fix="normalise_labels",
        )
    ]  # fmt: skip


def rare_labels(table: Table) -> list[Fault]:
    """Labels that read like a misspelling of a common one, and labels with too few texts for the split."""
    counts = label_counts(table.main_rows)
    rare = too_rare(table.parts)
    likely = {name: like for name in sorted(counts) if (like := _misspelling_of(name, counts))}
    faults = []
    for name, like in likely.items():
        rows = [row for row in table.main_rows if row.label == name]
        times = {1: "once", 2: "twice"}.get(len(rows), f"{len(rows):,} times")
        title = f"Label “{shown(name, 30)}” occurs {times}"
        detail = f"Reads like “{shown(like, 30)}” ({count_of(counts[like], 'row')})."
        faults.append(
            table.fault(
                table.main, "misspelt_label", "fix", title, detail, rows, field=table.label,
                fix=rename_fix(name, like), fix_label="Rename it", blocks=name in rare,
            )
        )  # fmt: skip
    if left := {name: number for name, number in rare.items() if name not in likely}:
        rows = [row for row in table.main_rows if row.label in left]
        needed = 1 + len(missing_parts(table.parts))
        said = listed([f"“{shown(n, 30)}” has {count_of(number, 'text')}" for n, number in left.items()], 4)
        one = len(left) == 1
        title = f"{count_of(len(left), 'label')} {'is' if one else 'are'} too rare for the split"
        detail = (
            f"{said}; train and the parts carved from it need one each, so at least {needed} different texts."
        )
        offer = "Drop the label" if one else "Drop these labels"
        faults.append(
            table.fault(
                table.main, "rare_class", "fix", title, detail, rows, field=table.label, fix="drop_rare",
                fix_label=offer, blocks=True,
            )
        )  # fmt: skip
    return faults


def _misspelling_of(name: str, counts: Mapping[str, int]) -> str | None:
    few = counts[name] <= max(2, sum(counts.values()) // 200)
    if not few or len(name) < 4:
        return None
    common = [other for other in counts if counts[other] >= 10 * counts[name]]
    for other in difflib.get_close_matches(name, common, n=3, cutoff=0.8):
        # class_1 and class_2 are meant; so are names that differ by a whole word.
        same_numbers = re.findall(r"\d+", name) == re.findall(r"\d+", other)
        same_words = len(re.split(r"[\W_]+", name)) == len(re.split(r"[\W_]+", other))
        if same_numbers and same_words and not _is_negated(name, other):
            return other
    return None


def _is_negated(one: str, other: str) -> bool:
    """`toxic` and `untoxic`: the one is the other with something before it, so both may be meant."""
    longer, shorter = sorted((one.casefold(), other.casefold()), key=len, reverse=True)
    return longer.endswith(shorter)


def balance(table: Table) -> list[Fault]:
    counts = label_counts(table.main_rows).most_common()
    if len(counts) < 2:
        return []
    (most, large), (least, small) = counts[0], counts[-1]
    share = large / len(table.main_rows)
    if share < 0.8 and large < 10 * small:
        return []
    title = f"Labels are far from even: “{shown(most, 30)}” {large:,} rows, “{shown(least, 30)}” {small:,}"
    detail = (
        f"Always guessing “{shown(most, 30)}” scores {100 * share:.1f} %; look at macro F1 beside accuracy."
    )
    return [
        table.fault(
            table.main, "imbalance", "look", title, detail, field=table.label, count=large, fix="rebalance"
        )
    ]
