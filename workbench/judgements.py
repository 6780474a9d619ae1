"""Readers' judgements of answers on disk, one JSON line each, and the preference data that they become.

Blind votes and ratings of pairs are both kept so; each reads its own lines.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.store import Store
from workbench.uploads import keep_upload

_lock = threading.Lock()


def append(path: Path, line: Mapping[str, Any], *, most: int | None = None) -> int:
    """Keep one more, on the disk when this returns; gives their number. ValueError beyond `most`."""
    with _lock:
        count = sum(1 for _ in read(path))
        if most is not None and count >= most:
            raise ValueError(
                f"{most:,} judgements are kept in one place, and these are all there: use them as data."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "ab+", buffering=0
        ) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            # Whoever was stopped in the middle of a line left it without its end.
            torn = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * torn + _line(line).encode())
            os.fsync(file.fileno())
    return count + 1


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The oldest first; a torn line is left out."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            yield values


def forget(path: Path, line: Mapping[str, Any]) -> bool:
    """Take the newest line that says this out again, all at once or not at all; False where there is none."""
    with _lock:
        known = list(read(path))
        if dict(line) not in known:
            return False
        del known[len(known) - 1 - known[::-1].index(dict(line))]
        _write(path, known)
    return True


def forget_where(path: Path, is_meant: Callable[[Mapping[str, Any]], bool]) -> int:
    """Take out every line that is meant; the file goes with its last one. Returns how many there were."""
    with _lock:
        known = list(read(path))
        kept = [line for line in known if not is_meant(line)]
        if not kept:
            path.unlink(missing_ok=True)
        elif len(kept) < len(known):
            _write(path, kept)
    return len(known) - len(kept)


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """All at once or not at all."""
    part = path.with_name(f".{path.name}")
    with part.open("w", encoding="utf-8") as file:
        file.writelines(map(_line, lines))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def preference_rows(chosen_over: Iterable[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Rows of (prompt, chosen, rejected), each once; without those that leave nothing to choose between."""
    rows = {}
    for prompt, chosen, rejected in ((p, c.strip(), r.strip()) for p, c, r in chosen_over):
        if chosen and rejected and " ".join(chosen.split()) != " ".join(rejected.split()):
            rows[prompt, chosen, rejected] = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    return list(rows.values())


def keep_as_data(store: Store, rows: Sequence[Mapping[str, str]], owner: str | None, name: str) -> str:
    """Write preference rows as a file among the visitor's uploads, as if they had brought it; gives its reference."""
    if not rows:
        raise ValueError("No judgement has yet found one answer better than another: judge a few first.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "judged.jsonl"
        path.write_text("".join(map(_line, rows)), encoding="utf-8")
        return keep_upload(store, path, name, owner)


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"
