"""One file, or several named after parts, to grids: by the ending of the name, else by how the content begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from workbench.data import archive, columnar, delimited, json_rows, plain_text
from workbench.data.column_names import PART_ORDER, PARTS, part_of
from workbench.data.encoding import decode
from workbench.data.faults import DataError, listed, shown
from workbench.data.grid import Grid
from workbench.data.limits import Limits

FORMATS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx")
PACKED = (".gz", ".zip")
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".joblib", ".npy", ".npz", ".dill", ".ckpt")
OTHERS = {".xls": "save it as .xlsx or CSV", ".ods": "save it as .xlsx or CSV", ".feather": "give Parquet or CSV",
           ".arrow": "give the folder that datasets saved, or Parquet", ".pdf": "give a table", ".docx": "give a table"}  # fmt: skip

PLAIN = (".txt", ".md", ".text", "")


@dataclass(frozen=True)
class Reading:
    """How files are read. `documents` is None, or how plain text is cut into texts (see plain_text.py)."""

    encoding: str | None
    skip_broken: bool
    limits: Limits
    documents: str | None = None


# Enough for a .csv.gz inside a .zip; a gzip file that unpacks to itself stops here.
_DEPTH = 2


def single(grids: dict[str, Grid], path: str | Path) -> Grid:
    if len(grids) != 1:
        raise DataError(
            f"{shown(Path(path).name)} holds several parts itself ({', '.join(grids)}); give it as the source, without parts",
            code="columns",
        )
    return next(iter(grids.values()))


def is_data(name: str) -> bool:
    path = PurePosixPath(name.lower().removesuffix(".gz"))
    return path.suffix in FORMATS and not name.startswith(".") and path.stem not in ("readme", "license", "licence", "source", "card", "requirements", "dataset_infos", "dataset_info")  # fmt: skip


def by_part(names: list[str], where: str) -> dict[str, list[str]]:
    """part -> files. One file alone is "all"; several need names that say their part, exactly before loosely."""
    if len(names) == 1 and not part_of(_stem(names[0])):
        return {"all": names}
    chosen: dict[str, list[str]] = {}
    for part in PART_ORDER:
        exact = [n for n in names if PARTS.get(_stem(n).casefold()) == part]
        loose = exact or [n for n in names if part_of(_stem(n)) == part]
        sharded = all("-of-" in name for name in loose)
        if len(loose) > 1 and not sharded:
            raise DataError(
                f"{where} has several files for {part} ({listed(loose)}); name them with parts",
                code="columns",
            )
        if loose:
            chosen[part] = loose
    if list(chosen) != [] and "train" not in chosen and len(names) == 1:
        return {"all": names}
    if names and "train" not in chosen:
        raise DataError(
            f"{where} has several files ({listed(names)}), and none is named train; name them train, validation and test,"
            " or give one",
            code="columns",
        )
    return chosen


def _stem(name: str) -> str:
    return PurePosixPath(name).name.split(".")[0]


def read_parts(
    chosen: Mapping[str, list[str]],
    contents: Mapping[str, bytes],
    how: Reading,
    depth: int = 0,
) -> dict[str, Grid]:
    found: dict[str, Grid] = {}
    for part, names in chosen.items():
        grids = [single(read_bytes(contents[n], PurePosixPath(n).name, how, depth), n) for n in names]
        found[part] = grids[0] if len(grids) == 1 else _joined(grids, names[0])
    if list(found) == ["all"] or len(chosen) > 1 or "train" in found:
        return found
    return {"all": next(iter(found.values()))}


def _joined(grids: list[Grid], name: str) -> Grid:
    if len({grid.columns for grid in grids}) > 1:
        raise DataError(f"the shards of {name} have different columns; write them again", code="columns")
    rows = [row for grid in grids for row in grid.rows]
    notes = tuple(note for grid in grids for note in grid.notes)
    nested = frozenset(name for grid in grids for name in grid.nested)
    return Grid(grids[0].columns, rows, range(1, len(rows) + 1), notes, place="row", file=name, nested=nested)


def read_bytes(data: bytes, name: str, how: Reading, depth: int = 0) -> dict[str, Grid]:
    """One file by its ending; where that says nothing, by how it begins."""
    limits = how.limits
    file = shown(name, 80)
    lower = name.lower()
    if not data:
        raise DataError(f"{file} is empty (0 bytes); it needs a header line and rows", code="empty")
    suffix = PurePosixPath(lower).suffix
    if suffix in PICKLES or data.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        raise DataError(
            f"{file} is a pickle-type file, which could run code when opened, and is never read; give CSV, JSON Lines or Parquet"
        )
    if data.startswith(b"\x1f\x8b"):
        inner = name[:-3] if lower.endswith(".gz") else name
        if depth >= _DEPTH:
            raise DataError(
                f"{file} is packed more than {_DEPTH} times over; unpack it once", code="too_large"
            )
        return read_bytes(archive.gunzip(data, file, limits), inner, how, depth + 1)
    if suffix == ".gz":
        raise DataError(f"{file} is no gzip file, though its name says so; pack it again or rename it")
    if suffix in OTHERS:
        raise DataError(f"{file}: {suffix} files are not read; {OTHERS[suffix]}")
    if data.startswith(b"PAR1") or suffix == ".parquet":
        return {"all": columnar.parse_parquet(data, file, limits)}
    if data.startswith(b"PK\x03\x04") or suffix in (".zip", ".xlsx"):
        members = archive.check_zip(data, file, limits).namelist()
        if suffix == ".xlsx" or "xl/workbook.xml" in members:
            return {"all": columnar.parse_excel(data, file, limits)}
        if depth >= _DEPTH:
            raise DataError(
                f"{file} is packed more than {_DEPTH} times over; unpack it once", code="too_large"
            )
        return _read_zip(data, file, how, depth + 1)
    text = decode(data, file, how.encoding)
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if how.documents and suffix in PLAIN and (suffix or start not in ("{", "[")):
        return {"all": plain_text.parse(text, file, limits, how.documents)}
    if suffix in (".json", ".jsonl", ".ndjson") or (suffix not in FORMATS and start in ("{", "[")):
        if suffix in (".jsonl", ".ndjson") or json_rows.is_lines(text):
            return {"all": json_rows.parse_lines(text, file, limits, skip_broken=how.skip_broken)}
        return json_rows.parse(text, file, limits)
    return {"all": delimited.parse(text, file, limits, skip_broken=how.skip_broken)}


def _read_zip(data: bytes, file: str, how: Reading, depth: int) -> dict[str, Grid]:
    contents = archive.unzip(data, file, how.limits)
    pickled = [name for name in contents if PurePosixPath(name.lower()).suffix in PICKLES]
    names = sorted(name for name in contents if is_data(PurePosixPath(name).name))
    if not names:
        found = (
            f"pickle-type files ({listed(pickled, 3)}), which are never read"
            if pickled
            else listed([shown(n) for n in contents], 3)
        )
        raise DataError(f"{file} holds no data file but {found}; pack a CSV, JSON, Parquet or Excel file")
    return read_parts(by_part(names, file), contents, how, depth)
