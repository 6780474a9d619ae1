"""Prepared data: three parts of plain rows with their spec, and the folder that keeps them for workers."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.data.clean import Row
from workbench.data.column_names import PART_ORDER
from workbench.data.doctor import diagnose
from workbench.data.faults import DataError, shown
from workbench.data.fingerprint import fingerprint
from workbench.data.limits import Limits
from workbench.data.open import RawData, read
from workbench.data.split import Split
from workbench.spec import DataSpec

_CARD = "data.json"


@dataclass(frozen=True)
class Prepared:
    """What runs train on. `rows` has train, validation and test; each row is {"text", "label"}."""

    spec: DataSpec
    rows: Mapping[str, list[dict[str, str]]]


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
) -> Prepared:
    """Read, repair and split. DataError with the doctor's sentence where something blocks.

    `raw` saves reading again what was just examined; it must come from the same source.
    """
    split = Split(validation_share, test_share, split_seed, train_rows, validation_rows, test_rows)
    raw = raw or read(source, parts=parts, encoding=encoding, skip_broken=skip_broken, limits=limits)
    found = diagnose(raw, text=text, label=label, fixes=fixes, split=split)
    for fault in found.faults:
        if fault.blocks:
            where = fault.file or raw.source or next(iter(raw.files.values()), "data")
            raise DataError(f"{where}: {fault.sentence}", code=fault.code, lines=fault.lines, fix=fault.fix)
    assert found.parts is not None, "nothing blocks, so there is a split"
    labels = found.labels
    spec = DataSpec(
        source=raw.source,
        parts=dict(raw.given_parts),
        text=found.table.text,
        label=found.table.label,
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
        fingerprint=fingerprint(found.parts, labels),
    )
    rows = {part: [{"text": r.text, "label": r.label} for r in found.parts[part]] for part in PART_ORDER}
    return Prepared(spec, rows)


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
        rows = {part: _rows(folder / f"{part}.jsonl") for part in PART_ORDER}
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
    now = fingerprint(
        {part: [Row(row["text"], row["label"]) for row in found] for part, found in rows.items()}, spec.labels
    )
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


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        rows = [json.loads(line) for line in stream]
    if not all(
        isinstance(r, dict) and isinstance(r.get("text"), str) and isinstance(r.get("label"), str)
        for r in rows
    ):
        raise ValueError(f"{path.name} holds something else than rows of text and label")
    return rows


def _spec(values: Mapping[str, Any]) -> DataSpec:
    lists = {name: tuple(values.get(name) or ()) for name in ("labels", "fixes")}
    return DataSpec(**{**values, **lists})
