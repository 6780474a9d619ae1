"""How the command line prints: one JSON document or aligned text on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """One document; what is not a finite number becomes null, since JSON has no word for it."""
    print(json.dumps(_plain(value), ensure_ascii=False, indent=2, allow_nan=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]], right: Sequence[int] = ()) -> None:
    """Columns as wide as their widest cell; `right` names the columns of numbers."""
    lines = [[str(cell) if cell is not None else "" for cell in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


def say(sentence: str) -> None:
    """Progress and warnings."""
    print(sentence, file=sys.stderr)


def complain(error: BaseException) -> int:
    """One line on standard error, exit status 2."""
    text = str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
    print("workbench: " + " ".join(text.split()), file=sys.stderr)
    return 2


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
