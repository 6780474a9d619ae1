"""Plain text files to rows: one text on each line, or one for each paragraph between blank lines."""

from __future__ import annotations

from workbench.data.faults import DataError
from workbench.data.grid import Grid
from workbench.data.limits import Limits

CUTS = ("line", "paragraph", "guess")
COLUMN = "text"


def parse(text: str, file: str, limits: Limits, cut: str) -> Grid:
    """A grid of one column; a note says how the file was cut."""
    if cut not in CUTS:
        raise DataError(f"plain text is cut by {', '.join(CUTS)}, not {cut!r}", code="format")
    lines = [line.rstrip() for line in text.lstrip("\ufeff").splitlines()]
    paragraphs = _paragraphs(lines)
    # Where blank lines stand between runs of lines, they are what divides.
    if cut == "guess":
        cut = "paragraph" if len(paragraphs) > 1 or len(lines) == 1 else "line"
    found = (
        paragraphs
        if cut == "paragraph"
        else [(i, line.strip()) for i, line in enumerate(lines, 1) if line.strip()]
    )
    limits.check_shape(file, len(found), 1)
    how = "one text for each paragraph between blank lines" if cut == "paragraph" else "one text on each line"
    note = f"{file}: read as plain text, {how}"
    return Grid((COLUMN,), [(body,) for _, body in found], [line for line, _ in found], (note,), file=file)


def _paragraphs(lines: list[str]) -> list[tuple[int, str]]:
    found: list[tuple[int, list[str]]] = []
    fresh = True
    for number, line in enumerate(lines, 1):
        if not line.strip():
            fresh = True
        elif fresh:
            found.append((number, [line]))
            fresh = False
        else:
            found[-1][1].append(line)
    return [(number, "\n".join(body).strip()) for number, body in found]
