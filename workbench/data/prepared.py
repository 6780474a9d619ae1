"""Prepared data: three parts of plain rows with their spec, and the folder that keeps them for workers."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench.data.augment import Say, augment_training, check_augment
from workbench.data.column_names import PART_ORDER
from workbench.data.data_tasks import DataTask, data_task
from workbench.data.diagnosis import Asked
from workbench.data.doctor import documents, plain_rows
from workbench.data.faults import DataError, Fault, shown
from workbench.data.fingerprint import in_order
from workbench.data.limits import Limits
from workbench.data.mixing import MixEntry, check_mix, drawn, mixed, source_title
from workbench.data.open import RawData, read
from workbench.data.split import Split
from workbench.spec import DataSpec

_CARD = "data.json"


@dataclass(frozen=True)
class Prepared:
    """What runs train on. `rows` has train, validation and test; each row is {"text", "label"}, for generation
    {"prompt", "completion"} with references, kind, answer and messages where there are any, for preference {"prompt",
    "chosen", "rejected"} or one of the two answers alone (workbench.ratings). Rows of a mix have their
    `source`, new rows say in `augmented` what made them. `faults` and `notes` are what was found on the way."""

    spec: DataSpec
    rows: Mapping[str, list[dict[str, Any]]]
    faults: tuple[Fault, ...] = field(default=(), compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


def prepare(
    source: str | Path = "",
    *,
    parts: Mapping[str, str | Path] | None = None,
    text: str | None = None,
    label: str | None = None,
    fixes: Sequence[str] = (),
    train_rows: int | None = None,
    validation_rows: int | None = None,
    test_rows: int | None = None,
    validation_share: float = 0.15,
    test_share: float = 0.2,
    split_seed: int = 0,
    encoding: str | None = None,
    skip_broken: bool = False,
    limits: Limits | None = None,
    raw: RawData | None = None,
    task: str = "classification",
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    fill: Mapping[str, str] | None = None,
    mix: Sequence[Any] = (),
    augment: Mapping[str, Any] | str | None = None,
    located: Mapping[str, Path] | None = None,
    progress: Say | None = None,
    wait: bool = True,
) -> Prepared:
    """Read, repair, split, mix and augment. DataError with the doctor's sentence where something blocks.

    For generation `text` and `label` name the columns of prompt and completion (of a conversation, `text` alone),
    `columns` others by role (input, references, kind, answer, system), `format` says how rows are given, and `fill`
    gives the words for placeholders such as {name}. What is None is guessed, as the report shows.
    `mix` are further data sets (workbench.data.mixing), `augment` makes more training rows (workbench.data.augment).
    `raw` saves reading again what was just examined; it must come from the same source. `located` says where sources
    of the mix lie that only the program may open (uploads); `progress` is told how far an augmentation is, and without
    `wait` one that would take minutes is refused.
    """
    entries, recipe = check_mix(mix), check_augment(augment)
    split = Split(validation_share, test_share, split_seed, train_rows, validation_rows, test_rows)
    entry = data_task(task)
    raw = raw or read(
        source,
        parts=parts,
        encoding=encoding,
        skip_broken=skip_broken,
        limits=limits,
        documents=documents(task, format),
    )
    # Of a mix rows are drawn once it is made.
    whole = replace(split, train_rows=None, validation_rows=None, test_rows=None) if entries else split
    asked = Asked(text or None, label or None, fixes, whole, format, columns or {}, fill or {})
    found = entry.diagnose(raw, asked)
    for fault in found.faults:
        if fault.blocks:
            where = fault.file or raw.source or next(iter(raw.files.values()), "data")
            raise DataError(f"{where}: {fault.sentence}", code=fault.code, lines=fault.lines, fix=fault.fix)
    assert found.final is not None, "nothing blocks, so there is a split"
    rows = {part: plain_rows(found.final)[part] for part in PART_ORDER}
    labels, faults, notes = found.labels, found.faults, found.notes
    if entries:
        rows, faults, notes = _mixed(rows, raw.source, entries, split, task, located or {}, limits)
        labels = in_order({row["label"] for row in rows["train"]}) if labels else ()
    if recipe:
        grown = augment_training(rows, recipe, split_seed, labels=labels, progress=progress, wait=wait)
        rows["train"] = grown.rows
        notes = (*notes, grown.sentence)
    spec = DataSpec(
        source=raw.source,
        parts=dict(raw.given_parts),
        text=found.text,
        label=found.label,
        labels=labels,
        fixes=found.fixes,
        train_rows=train_rows,
        validation_rows=validation_rows,
        test_rows=test_rows,
        validation_share=validation_share,
        test_share=test_share,
        split_seed=split_seed,
        encoding=encoding,
        skip_broken=skip_broken,
        revision=raw.revision,
        task=task,
        format=found.guess.name if found.guess else None,
        columns=dict(columns or {}),
        fill=dict(fill or {}),
        mix=tuple(one.to_dict() for one in entries),
        augment=recipe,
        fingerprint=entry.fingerprint(rows, labels),
    )
    return Prepared(spec, rows, faults, notes)


def _mixed(
    main: Mapping[str, list[dict[str, Any]]],
    source: str,
    entries: Sequence[MixEntry],
    split: Split,
    task: str,
    located: Mapping[str, Path],
    limits: Limits | None,
) -> tuple[dict[str, list[dict[str, Any]]], tuple[Fault, ...], tuple[str, ...]]:
    """The joined rows, with what the doctor says of each further source under its name, and of all together."""
    faults: list[Fault] = []
    others = []
    for one in entries:
        prepared = prepare(
            located.get(one.source, one.source),
            text=one.text,
            label=one.label,
            fixes=one.fixes,
            validation_share=split.validation_share,
            test_share=split.test_share,
            split_seed=split.seed,
            limits=limits,
            task=task,
        )
        faults += [
            replace(fault, file=f"{one.title}, {fault.file}" if fault.file else one.title, fix=None)
            for fault in prepared.faults
        ]
        others.append((one, prepared.rows))
    found = mixed(main, source_title(source), others, seed=split.seed)
    asked = {"train": split.train_rows, "validation": split.validation_rows, "test": split.test_rows}
    rows = {
        part: [dict(row) for row in drawn(found.parts[part], asked[part], split.seed)] for part in PART_ORDER
    }
    return rows, (*faults, *found.faults), found.notes


def save_prepared(prepared: Prepared, folder: Path) -> None:
    """Write the folder whole or not at all; one that holds the same rows already is left as it is."""
    folder = Path(folder)
    if _holds(folder, prepared.spec.fingerprint):
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    written = folder.parent / f".{folder.name}.{secrets.token_hex(4)}"
    try:
        written.mkdir()
        for part, rows in prepared.rows.items():
            with (written / f"{part}.jsonl").open("w", encoding="utf-8") as stream:
                stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        card = {"fingerprint": prepared.spec.fingerprint, "spec": asdict(prepared.spec)}
        (written / _CARD).write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        _put(written, folder, prepared.spec.fingerprint)
    finally:
        shutil.rmtree(written, ignore_errors=True)


def load_prepared(folder: Path) -> Prepared:
    """Read a folder back. DataError (altered) when its rows are not those that were saved."""
    folder = Path(folder)
    try:
        card = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        spec = _spec(card["spec"])
        entry = data_task(spec.task)
        rows = {part: _rows(folder / f"{part}.jsonl", entry) for part in PART_ORDER}
    except FileNotFoundError as error:
        name = Path(error.filename or _CARD).name
        raise DataError(
            f"the prepared data {folder.name} lacks {name}; prepare the data again", code="altered"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"the prepared data {folder.name} can't be read ({shown(str(error), 80)}); prepare the data again",
            code="altered",
        ) from None
    now = entry.fingerprint(rows, spec.labels)
    if now != spec.fingerprint or card["fingerprint"] != now:
        raise DataError(
            f"the prepared data {folder.name} was altered: its rows give the fingerprint {now}, not"
            f" {shown(str(spec.fingerprint), 32)}; prepare the data again",
            code="altered",
        )
    return Prepared(spec, rows)


def _holds(folder: Path, expected: str) -> bool:
    """Is a whole and unaltered copy there? An altered one is replaced."""
    try:
        return load_prepared(folder).spec.fingerprint == expected
    except DataError:
        return False


def _put(written: Path, folder: Path, expected: str) -> None:
    """Move the new folder into place; an altered or torn one goes aside first. Another writer may win: its rows are equal."""
    for _ in range(5):
        try:
            os.replace(written, folder)
            return
        except OSError:
            if _holds(folder, expected):
                return
            if not folder.exists():
                raise
        aside = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.old"
        os.replace(folder, aside)
        shutil.rmtree(aside, ignore_errors=True)
    raise DataError(
        f"the prepared data {folder.name} can't be written; another process keeps changing it", code="altered"
    )


def _rows(path: Path, entry: DataTask) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        rows = [json.loads(line) for line in stream]
    if not all(map(entry.is_row, rows)):
        raise ValueError(f"{path.name} holds something else than rows for {entry.name}")
    return rows


def _spec(values: Mapping[str, Any]) -> DataSpec:
    lists = {name: tuple(values.get(name) or ()) for name in ("labels", "fixes", "mix")}
    return DataSpec(**{**values, **lists})
