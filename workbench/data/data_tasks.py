"""What data means for each task: how it is examined, fingerprinted, measured and shown. One table, by the task's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from workbench.data import classification, clean
from workbench.data.clean import Row
from workbench.data.diagnosis import Asked, Diagnosis
from workbench.data.faults import DataError
from workbench.data.fingerprint import fingerprint, fingerprint_of_rows
from workbench.data.open import RawData
from workbench.data.records import fixes as record_fixes
from workbench.data.records import generation, language_modelling, preference
from workbench.data.records.diagnose import diagnose
from workbench.data.records.task import RecordTask
from workbench.data.records.texts import FIELDS, asked_text
from workbench.options import unknown_names

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
_SHOWN = 500


@dataclass(frozen=True)
class DataTask:
    """`texts` are the measured texts of a row by role, `total` the length of a row as trained from theirs; `shown` is a
    row of the preview (`text` and `label` in any case). `fixes` are the words on each repair's button. `documents` says
    how plain text files are cut, None that they are tables; `formats` are the titles of the ways in which rows are given."""

    name: str
    diagnose: Callable[[RawData, Asked], Diagnosis]
    fingerprint: Callable[[Rows, Sequence[str]], str]
    is_row: Callable[[Any], bool]
    texts: Callable[[Mapping[str, Any]], dict[str, str]]
    shown: Callable[[Mapping[str, Any]], dict[str, Any]]
    fixes: Mapping[str, str]
    total: Callable[[Sequence[int]], int] = sum
    documents: str | None = None
    formats: Mapping[str, str] = field(default_factory=dict)

    def words(self, values: Mapping[str, Any]) -> str:
        """All that a search looks at."""
        return " ".join(
            [*self.texts(values).values(), *(str(values.get(n, "")) for n in ("label", "kind", "answer"))]
        )


def data_task(name: str) -> DataTask:
    """The entry of a task; DataError with the nearest name when there is none."""
    if name not in DATA_TASKS:
        raise DataError(unknown_names("task", [name], DATA_TASKS), code="task")
    return DATA_TASKS[name]


def _labelled_fingerprint(rows: Rows, labels: Sequence[str]) -> str:
    return fingerprint(
        {part: [Row(r["text"], r["label"]) for r in found] for part, found in rows.items()}, labels
    )


def _is_labelled(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("text", "label"))


def _labelled_shown(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"text": values["text"][:_SHOWN], "label": values["label"]}


_CLASSIFICATION = DataTask(
    name="classification",
    diagnose=classification.diagnose,
    fingerprint=_labelled_fingerprint,
    is_row=_is_labelled,
    texts=lambda values: {"text": values["text"]},
    shown=_labelled_shown,
    fixes={name: words for name, (_, words) in clean.FIXES.items()},
)


def _of_records(task: RecordTask, **more: Any) -> DataTask:
    def is_row(row: Any) -> bool:
        return (
            isinstance(row, dict)
            and all(isinstance(row.get(n), str) for n in task.fields_of(row))
            and _is_known(row)
        )

    def texts(values: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: asked_text(values) if name == "prompt" else values[name] for name in task.fields_of(values)
        }

    def shown(values: Mapping[str, Any]) -> dict[str, Any]:
        row = {name: _cut(value) for name, value in values.items()}
        label = str(values.get(task.reply, ""))[:_SHOWN] if task.reply else ""
        return {"text": values[task.fields[0]][:_SHOWN], "label": label, **row}

    return DataTask(
        name=task.name,
        diagnose=partial(diagnose, task=task),
        fingerprint=lambda rows, labels: fingerprint_of_rows(task.name, rows),
        is_row=is_row,
        texts=texts,
        shown=shown,
        fixes={name: words for name, (_, words) in record_fixes.FIXES.items()},
        formats={format.name: format.title for format in task.formats},
        **more,
    )


def _is_known(row: Mapping[str, Any]) -> bool:
    """The optional fields hold what they should, and there are no others."""
    return all(isinstance(row.get(name, ""), str) for name in ("kind", "answer")) and (
        set(row) <= set(FIELDS)
        and all(isinstance(text, str) for text in row.get("references", ()))
        and all(set(turn) == {"role", "content"} for turn in row.get("messages", ()))
    )


def _cut(value: Any) -> Any:
    """Long texts end after what a preview shows, wherever they stand in a row."""
    if isinstance(value, str):
        return value[:_SHOWN]
    if isinstance(value, list):
        return [_cut(one) for one in value]
    return {name: _cut(one) for name, one in value.items()} if isinstance(value, dict) else value


DATA_TASKS: Mapping[str, DataTask] = {
    "classification": _CLASSIFICATION,
    "generation": _of_records(generation.TASK),
    "preference": _of_records(preference.TASK, total=lambda counts: counts[0] + max(counts[1:])),
    "language_modelling": _of_records(language_modelling.TASK, documents="guess"),
}
