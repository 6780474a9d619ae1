"""A file of prompts through several runs: read, asked in mixed batches, kept beside the setting as a table."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.store import Store

COLUMNS = ("prompt", "text", "instruction", "question", "input")
MOST = 1000
AT_ONCE = 16
_ID = re.compile(r"[0-9a-f]{6,64}")


def read_prompts(path: Path, name: str = "") -> list[str]:
    """The prompts of a file: one to a line, or the column prompt (or text ...) of CSV, TSV or JSON Lines."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{name or path.name} is not a text in UTF-8: save it as UTF-8") from None
    ending = Path(name or path.name).suffix.lower()
    if ending in (".jsonl", ".ndjson", ".json"):
        found = [_of_row(row, name or path.name) for row in _json_rows(text, name or path.name)]
    elif ending in (".csv", ".tsv"):
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if ending == ".tsv" else ",")
        found = [_of_row(row, name or path.name) for row in rows]
    else:
        found = text.splitlines()
    prompts = [prompt.strip() for prompt in found if prompt.strip()]
    if not prompts:
        raise ValueError(f"{name or path.name} has no prompts: write one to a line")
    if len(prompts) > MOST:
        raise ValueError(
            f"{name or path.name} has {len(prompts):,} prompts; up to {MOST:,} are asked at a time"
        )
    return prompts


def _json_rows(text: str, name: str) -> list[Any]:
    try:
        if text.lstrip().startswith("["):
            return list(json.loads(text))
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise ValueError(f"{name} is not JSON, a row to a line: {error}") from None


def _of_row(row: Any, name: str) -> str:
    if isinstance(row, str):
        return row
    for column in COLUMNS:
        if isinstance(row, Mapping) and isinstance(found := row.get(column), str):
            return found
    known = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
    raise ValueError(f"{name} needs a column named {' or '.join(COLUMNS)}; it has {known:.200}")


def ask_prompts(
    store_folder: str,
    run_ids: Sequence[str],
    prompts: Sequence[str],
    with_base: bool = True,
    options: Mapping[str, Any] | None = None,
    told_file: str = "",
    stop_file: str = "",
) -> dict[str, Any]:
    """All prompts through all runs: {"keys", "rows": [{"prompt", key: answer ...}], "reasons": {key: why none}}.

    Runs that can share a batch answer together. Each run is proven live once, on the first prompt. `told_file` gets how
    many prompts are done.
    """
    from workbench.asking import Ask, classify, write
    from workbench.inference import engine_for, questions, writes_text

    store = Store(store_folder)
    engine, texts = engine_for(store), writes_text(store, run_ids[0])
    ask_them = write if texts else classify
    asked = questions(store, run_ids, prompts[0], with_base=with_base, options=options)
    keys = ["base" if ask.base else ask.run_id for ask in asked]
    first = dict(zip(keys, ask_them(engine, asked)))
    able = [ask for ask, key in zip(asked, keys) if first[key]["reason"] is None]
    rows = [{"prompt": prompts[0], "answers": {k: _kept(a) for k, a in first.items() if a["reason"] is None}}]
    size = max(1, AT_ONCE // max(1, len(able)) * 2)
    for begin in range(1, len(prompts), size):
        if stop_file and Path(stop_file).exists():
            break
        part = prompts[begin : begin + size]
        asks = [Ask(a.run_id, text, base=a.base, options=a.options) for text in part for a in able]
        answers = iter(ask_them(engine, asks, proof=False))
        for text in part:
            found = {a["run_id"]: _kept(a) for a in (next(answers) for _ in able)}
            rows.append({"prompt": text, "answers": found})
        if told_file:
            Path(told_file).write_text(json.dumps({"done": len(rows), "of": len(prompts)}), encoding="utf-8")
    reasons = {key: answer["reason"] for key, answer in first.items() if answer["reason"] is not None}
    return {"keys": keys, "rows": rows, "reasons": reasons, "texts": texts, "options": dict(options or {})}


def _kept(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What a table of many answers keeps of one."""
    if answer.get("text") is not None:
        return {"text": answer["text"], "tokens": answer["tokens"], "ended": answer["ended"]}
    label = answer["label"]
    return {"label": label, "probability": answer["probabilities"].get(label)}


def keep(store: Store, setting_id: str, name: str, found: Mapping[str, Any], owner: str | None = None) -> str:
    """Save a table with its setting; gives its id."""
    place = _folder(store, setting_id) / f"{uuid.uuid4().hex}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_suffix(".partial")
    values = {"name": name, "at": time.time(), "owner": owner or "", **found}
    part.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    part.replace(place)
    return place.stem


def kept(store: Store, setting_id: str, owner: str | None = None) -> list[dict[str, Any]]:
    """All tables of a setting that this visitor may see, the newest first, each with its id."""
    found = []
    for path in _folder(store, setting_id).glob("*.json"):
        values = json.loads(path.read_text(encoding="utf-8"))
        if owner is None or values.get("owner") == owner:
            found.append({"id": path.stem, **values})
    return sorted(found, key=lambda one: -one["at"])


def count(store: Store, owner: str) -> int:
    """How many tables one visitor has, on every setting."""
    return len(_own(store, owner))


def forget_owner(store: Store, owner: str) -> int:
    """All tables of one visitor, of every setting. Returns how many there were."""
    mine = _own(store, owner)
    for path in mine:
        path.unlink(missing_ok=True)
    return len(mine)


def _own(store: Store, owner: str) -> list[Path]:
    return [
        path
        for path in (store.folder / "prompt_sets").glob("*/*.json")
        if json.loads(path.read_text(encoding="utf-8")).get("owner") == owner
    ]


def as_csv(found: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """A row per prompt, a column per model."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    keys = [key for key in found["keys"] if key not in found["reasons"]]
    writer.writerow(["prompt", *(titles.get(key, key) for key in keys)])
    for row in found["rows"]:
        answers = [row["answers"].get(key, {}) for key in keys]
        writer.writerow([row["prompt"], *(a.get("text") or a.get("label") or "" for a in answers)])
    return file.getvalue()


def _folder(store: Store, setting_id: str) -> Path:
    if not _ID.fullmatch(setting_id):
        raise ValueError(f"a setting's id is hex digits, not {setting_id!r:.40}")
    return store.folder / "prompt_sets" / setting_id
