"""Open data wherever it is: a bundled name, a file, an archive, a folder, or a Hub id. `read` gives RawData, all texts."""

from __future__ import annotations

import difflib
import os
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from workbench import home
from workbench.data import hub
from workbench.data.bundled import bundled_folders, card_of
from workbench.data.column_names import PART_ORDER, PARTS
from workbench.data.faults import SHOWN_LINES, DataError, Fault, count_of, listed, place_of, shown
from workbench.data.formats import (
    FORMATS,
    OTHERS,
    PACKED,
    PICKLES,
    Reading,
    by_part,
    is_data,
    read_bytes,
    read_parts,
    single,
)
from workbench.data.grid import LINE, Grid, frame, unique_names
from workbench.data.limits import Limits


@dataclass(frozen=True)
class RawData:
    """Rows as they were found. `parts` has the key "all", or some of train, validation and test; every cell is text, and
    the column `__line__` is the place in the file that `files` names for the part (`place`: line or row). The columns in
    `nested` hold lists or objects as JSON text. `card` is the card.json of a folder that has one."""

    parts: Mapping[str, pd.DataFrame]
    columns: tuple[str, ...]
    source: str
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    place: str = "line"
    revision: str | None = None
    given_parts: Mapping[str, str] = field(default_factory=dict)
    nested: frozenset[str] = frozenset()
    card: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flat_columns(self) -> tuple[str, ...]:
        """The columns of plain texts."""
        return tuple(name for name in self.columns if name not in self.nested)

    @property
    def rows(self) -> int:
        """Rows of all parts together."""
        return sum(len(part) for part in self.parts.values())


def read(
    source: str | Path = "",
    *,
    parts: Mapping[str, str | Path] | None = None,
    encoding: str | None = None,
    skip_broken: bool = False,
    limits: Limits | None = None,
    documents: str | None = None,
) -> RawData:
    """Read a data set, or the files that `parts` names for train, validation and test.

    `documents` reads plain text files (.txt, .md) as texts instead of tables: one on each "line", one for each
    "paragraph" between blank lines, or whichever the file looks like ("guess").
    A `str` was typed by a person, a `Path` comes from the program (an upload): hosted, only the latter may be local.
    """
    how = Reading(encoding, skip_broken, limits or Limits(), documents)
    revision = None
    card: Mapping[str, Any] = {}
    grids: dict[str, Grid] = {}
    if parts:
        for name, path in parts.items():
            part = PARTS.get(str(name).casefold())
            if part is None or part in grids:
                raise DataError(
                    f"parts are train, validation and test, each once, not {shown(str(name))!r}",
                    code="columns",
                )
            grids[part] = single(_read_path(_local(path), how), path)
        if "train" not in grids:
            raise DataError("parts need a file for train; validation and test are optional", code="columns")
    else:
        text = str(source).strip()
        if isinstance(source, str) and (folder := bundled_folders().get(text)):
            grids, card = _read_folder(folder, how), card_of(folder)
        elif isinstance(source, Path) or _is_path(text):
            path = _local(source)
            grids, card = _read_path(path, how), card_of(path)
        elif hub.is_hub_id(text) and not _looks_like_a_file(text):
            _suggest_bundled(text)
            grids, revision = hub.read_hub(text, how.limits)
        else:
            raise _no_such_source(text)
    return _raw(grids, source, parts or {}, how.limits, revision, card)


def _raw(
    grids: dict[str, Grid],
    source: str | Path,
    parts: Mapping[str, str | Path],
    limits: Limits,
    revision: str | None,
    card: Mapping[str, Any],
) -> RawData:
    if ("all" in grids and len(grids) > 1) or not (set(grids) & {"all", "train"}):
        raise DataError(
            f"{shown(str(source))} has no train part; it has {listed(list(grids))}", code="columns"
        )
    ordered = {part: grids[part] for part in ("all", *PART_ORDER) if part in grids}
    frames = {part: frame(grid, limits) for part, grid in ordered.items()}
    main = next(iter(frames.values()))
    return RawData(
        parts=frames,
        columns=tuple(name for name in main.columns if name != LINE),
        source=_recorded(
            source if not parts else next(p for n, p in parts.items() if PARTS[n.casefold()] == "train")
        ),
        files={part: grid.file for part, grid in ordered.items()},
        notes=tuple(note for grid in ordered.values() for note in grid.notes),
        faults=tuple(_skipped(grid) for grid in ordered.values() if grid.skipped),
        place="line" if all(grid.place == "line" for grid in ordered.values()) else "row",
        revision=revision,
        given_parts={PARTS[str(name).casefold()]: _recorded(path) for name, path in parts.items()},
        nested=frozenset(
            name
            for grid in ordered.values()
            for name, found in zip(unique_names(grid.columns), grid.columns)
            if found in grid.nested
        ),
        card=card,
    )


def _recorded(source: str | Path) -> str:
    """A path goes on record as it was given; a hosted page keeps the name of an upload alone, not where it lies."""
    return source.name if isinstance(source, Path) and home.is_hosted() else str(source).strip()


def _skipped(grid: Grid) -> Fault:
    return Fault(
        "skipped_rows",
        "look",
        f"{count_of(len(grid.skipped), 'broken row')} skipped",
        f"{place_of(grid.skipped, grid.place)} didn't fit the table and {'is' if len(grid.skipped) == 1 else 'are'} left out.",
        lines=grid.skipped[:SHOWN_LINES],
        count=len(grid.skipped),
        file=grid.file,
    )


def _is_path(text: str) -> bool:
    if not text or "\0" in text or text.startswith("~"):
        return bool(text)
    try:
        exists = os.path.lexists(text)
    except (OSError, ValueError):
        exists = False
    return (
        exists or text.startswith(("/", "./", "../", "\\")) or (len(text) > 2 and text[1:3] in (":\\", ":/"))
    )


def _looks_like_a_file(text: str) -> bool:
    return PurePosixPath(text.lower()).suffix in (*FORMATS, *PACKED, *PICKLES, *OTHERS)


def _suggest_bundled(text: str) -> None:
    """A bare name close to a bundled one is a typo, not a Hub id."""
    names = list(bundled_folders())
    near = difflib.get_close_matches(text.casefold(), names, n=1, cutoff=0.75)
    if "/" not in text and near:
        raise DataError(
            f"there is no data set {shown(text)!r} (did you mean {near[0]}?); bundled are {', '.join(names)}"
        )


def _no_such_source(text: str) -> DataError:
    names = ", ".join(bundled_folders()) or "none"
    if not text:
        return DataError(f"no data set was given; give a bundled name ({names}), a file or a Hub id")
    if _looks_like_a_file(text):
        return DataError(
            f"there is no file {shown(text, 120)!r} (looked in {shown(os.getcwd(), 80)}); give the path of a file"
        )
    return DataError(
        f"{shown(text, 120)!r} is neither a bundled data set ({names}), nor a file, nor a Hub id such as stanfordnlp/sst2"
    )


def _local(source: str | Path) -> Path:
    """The path, if it may be read here: NFC, existing, a file or folder; no device, socket or pipe."""
    text = str(source).strip()
    if home.is_hosted() and not isinstance(source, Path):
        raise DataError(
            f"{shown(text)!r} is a path, and a hosted page opens none; upload the file, or give a Hub id"
        )
    if "\0" in text:
        raise DataError(f"{shown(text)!r} is no path: it holds a NUL character")
    try:
        path = Path(text).expanduser()
        if not path.exists():
            path = Path(unicodedata.normalize("NFC", text)).expanduser()
        mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise DataError(
                f"there is no file {shown(text, 120)!r} (looked in {shown(os.getcwd(), 80)}); give the path of a file"
            ) from None
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{shown(text, 120)!r} can't be opened ({reason}); give the path of a readable file"
        ) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(
            f"{shown(text, 120)!r} is a device, socket or pipe, not a file; give the path of a file"
        )
    return path


def _read_path(path: Path, how: Reading) -> dict[str, Grid]:
    if path.is_dir():
        if hub.is_saved(path):
            return hub.load_saved(path, how.limits)
        return _read_folder(path, how)
    return read_bytes(_content(path, how.limits), path.name, how)


def _content(path: Path, limits: Limits) -> bytes:
    """The bytes of a regular file; opened without waiting, so that a pipe put there meanwhile can't hang the page."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise DataError(f"{shown(path.name)} is no regular file; give the path of a file")
            limits.check_size(path.name, os.fstat(handle).st_size)
            data = stream.read(limits.bytes + 1)
    except OSError as error:
        raise DataError(
            f"{shown(path.name)} can't be read ({error.strerror}); give a readable file"
        ) from None
    limits.check_size(path.name, len(data))
    return data


def _read_folder(folder: Path, how: Reading) -> dict[str, Grid]:
    """A folder with files named after parts (also in `data/`, as on the Hub; shards of one part are joined)."""
    for place in (folder, folder / "data"):
        names = (
            sorted(p.name for p in place.iterdir() if p.is_file() and is_data(p.name))
            if place.is_dir()
            else []
        )
        chosen = by_part(names, shown(folder.name))
        if chosen:
            size = sum((place / name).stat().st_size for shards in chosen.values() for name in shards)
            how.limits.check_size(folder.name, size)
            contents = {
                name: _content(place / name, how.limits) for shards in chosen.values() for name in shards
            }
            return read_parts(chosen, contents, how)
    raise DataError(
        f"the folder {shown(folder.name)} holds no data files; it needs train.csv (or .tsv, .json, .jsonl, .parquet,"
        " .xlsx), and may have validation and test likewise",
        code="empty",
    )
