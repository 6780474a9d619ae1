"""Bytes to text: byte order mark, then strict UTF-8, otherwise the caller is asked. Nothing is guessed."""

from __future__ import annotations

import codecs
import re

from workbench.data.faults import DataError, shown

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode(data: bytes, file: str, encoding: str | None = None) -> str:
    """The text of a file. DataError: empty, encoding (with a preview) or nul (with the line)."""
    if not data:
        raise DataError(f"{file} is empty (0 bytes); it needs a header line and rows", code="empty")
    text = _decoded(data, file, encoding)
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise DataError(
            f"{file} has a NUL character in line {line}: it is damaged, or in an encoding such as UTF-16"
            " (then give it, for example encoding: utf-16-le)",
            code="nul",
            lines=[line],
        )
    if not text.strip("\ufeff \t\r\n"):
        raise DataError(f"{file} is empty (blank lines only); it needs a header line and rows", code="empty")
    return text


def _decoded(data: bytes, file: str, encoding: str | None) -> str:
    if encoding is not None:
        return _decoded_as(data, file, encoding)
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _decoded_as(data, file, name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, preview = _preview(data, error.start)
        raise DataError(
            f"{file} is not UTF-8 (line {line}, byte 0x{data[error.start]:02x}); say which encoding it has, for"
            f" example encoding: latin-1, with which that line reads “{preview[0]}”",
            code="encoding",
            lines=[line],
            preview=preview,
        ) from None


def _decoded_as(data: bytes, file: str, encoding: str) -> str:
    try:
        codec = codecs.lookup(encoding)
        if not codec._is_text_encoding:
            raise LookupError
    except LookupError:
        raise DataError(
            f"unknown encoding {shown(encoding)!r} for {file}; known are, for example, utf-8, utf-16, latin-1,"
            " cp1252, gb18030, shift_jis",
            code="encoding",
        ) from None
    name = "utf-8-sig" if codec.name == "utf-8" else codec.name
    try:
        return data.decode(name)
    except (UnicodeDecodeError, UnicodeError) as error:
        start = getattr(error, "start", 0)
        line, preview = _preview(data, start)
        raise DataError(
            f"{file} can't be read as {encoding} (line {line}, byte 0x{data[start]:02x}); give the encoding that it has",
            code="encoding",
            lines=[line],
            preview=preview,
        ) from None


def _preview(data: bytes, at: int) -> tuple[int, list[str]]:
    """The line in which a byte stands, and up to three lines from there as latin-1 reads them."""
    start = data.rfind(b"\n", 0, at) + 1
    start = max(start, at - 60)
    texts = re.split(r"\r\n|\r|\n", data[start : start + 1000].decode("latin-1"))
    return data.count(b"\n", 0, at) + 1, [shown(text, 120) for text in texts[:3]]
