"""Gzip and zip: unpacked in memory under the limits; bombs, absolute names, `..` and links are refused."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib

from workbench.data.faults import DataError, shown
from workbench.data.limits import Limits


def gunzip(data: bytes, file: str, limits: Limits) -> bytes:
    """The content of a .gz file (all its members), stopped as soon as it grows beyond the limits."""
    chunks: list[bytes] = []
    size = 0
    rest = data
    try:
        while rest:
            engine = zlib.decompressobj(wbits=31)
            chunk = engine.decompress(rest, 1 << 20)
            while chunk or engine.unconsumed_tail:
                size += len(chunk)
                limits.check_unpacked(file, len(data), size)
                chunks.append(chunk)
                chunk = engine.decompress(engine.unconsumed_tail, 1 << 20)
            if not engine.eof:
                raise zlib.error("it ends too early")
            rest = engine.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise DataError(
            f"{file} is a damaged gzip file ({error}); pack it again", code="unreadable"
        ) from None
    return b"".join(chunks)


def check_zip(data: bytes, file: str, limits: Limits) -> zipfile.ZipFile:
    """An opened zip (or .xlsx) whose directory is harmless."""
    try:
        packed = zipfile.ZipFile(io.BytesIO(data))
    except Exception:  # a torn directory makes zipfile raise nearly anything
        raise DataError(f"{file} is a damaged zip file; pack it again", code="unreadable") from None
    entries = packed.infolist()
    if len(entries) > limits.entries:
        raise DataError(
            f"{file} holds {len(entries):,} files; at most {limits.entries:,} are taken: pack the data alone",
            code="too_large",
        )
    limits.check_unpacked(file, len(data), sum(entry.file_size for entry in entries))
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        climbs = name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]
        if climbs or stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(
                f"{file} holds {shown(entry.filename)!r}, a name that leads out of the archive or a link; pack the data"
                " files alone",
                code="unreadable",
            )
        if entry.flag_bits & 1:
            raise DataError(f"{file} is encrypted; pack it without a password", code="unreadable")
    return packed


def unzip(data: bytes, file: str, limits: Limits) -> dict[str, bytes]:
    """name -> content of the files in a zip, system files left out."""
    packed = check_zip(data, file, limits)
    found: dict[str, bytes] = {}
    size = 0
    for entry in packed.infolist():
        if not entry.filename or entry.filename.endswith("/") or _is_system_file(entry.filename):
            continue
        try:
            with packed.open(entry) as stream:
                content = stream.read(limits.unpacked_bytes + 1 - size)
        except Exception as error:  # a torn archive makes zipfile raise nearly anything
            raise DataError(
                f"{file}: {shown(entry.filename)!r} is damaged ({shown(str(error))}); pack it again",
                code="unreadable",
            ) from None
        size += len(content)
        limits.check_unpacked(file, len(data), size)
        found[entry.filename] = content
    if not found:
        raise DataError(f"{file} holds no files", code="empty")
    return found


def _is_system_file(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
