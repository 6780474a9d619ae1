"""Turns the store's rows into records and back: names, choices, results, JSON."""

from __future__ import annotations

import functools
import json
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

from workbench.result import Reason, Result, Run
from workbench.spec import Choice, RunSpec, Setting

NAME_LENGTH = 120

COLUMNS = (
    "id, setting_id, choice, seed, state, created_at, started_at, ended_at, attempt, owner, name, retry_of,"
    " cancel_requested, reason_code, reason_message, result, step, steps, loss, seconds, threads, device,"
    " pid, pid_start, boot_id"
)


def run_from(row: Sequence[Any], setting: Setting) -> Run:
    """The record of a row of COLUMNS."""
    return Run(
        id=row[0],
        spec=RunSpec(setting, _choice(row[2]), row[3]),
        state=row[4],
        created_at=row[5],
        started_at=row[6],
        ended_at=row[7],
        attempt=row[8],
        owner=row[9],
        name=row[10],
        retry_of=row[11],
        cancel_requested=bool(row[12]),
        reason=Reason(row[13], row[14] or "") if row[13] else None,
        result=_result(row[15]) if row[15] else None,
        step=row[16] or 0,
        steps=row[17],
        loss=row[18],
        seconds=row[19],
        threads=row[20],
        device=row[21],
        identity=(row[22], row[23], row[24]) if row[22] is not None else None,
    )


@functools.lru_cache(maxsize=4096)
def _choice(text: str) -> Choice:
    """Read once per text: the runs of a comparison share a few choices."""
    return Choice(**json.loads(text))


@functools.lru_cache(maxsize=16384)
def _result(text: str) -> Result:
    """Read once per text: results never change, and a table of all runs is drawn again and again."""
    return Result.from_dict(json.loads(text))


def clean_name(name: str) -> str:
    """A name as it is stored: NFC, one line, no control characters, at most 120 characters."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" or c in "\u200d\u200c" else " " for c in name)
    clean = " ".join(unicodedata.normalize("NFC", kept).split())
    if len(clean) > NAME_LENGTH:
        raise ValueError(f"a name has at most {NAME_LENGTH} characters, this one has {len(clean)}")
    return clean


def is_id(text: str) -> bool:
    """Could this be an id, or the beginning of one? Only then does it become part of a path."""
    return 0 < len(text) <= 40 and text.isascii() and text.isalnum()


def finite(value: Any) -> Any:
    """None for NaN and infinities, which a number column can't hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def dump(value: Any) -> str:
    """JSON that keeps NaN and infinities as JavaScript words: a diverged run's last loss is a fact worth keeping."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
