"""The comparison as files to take away: CSV, JSON, Markdown, the report, and the preset that repeats it."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import re
import shutil
import tempfile
from pathlib import Path

from workbench.compare import Comparison
from workbench.repeating import commands as commands
from workbench.repeating import preset_yaml as preset_yaml
from workbench.report import to_csv


def write_downloads(comparison: Comparison) -> dict[str, str]:
    """Paths by kind: csv, json, markdown, preset. The same content is written once."""
    stem = f"comparison-{re.sub('[^0-9a-z]', '', comparison.setting.id)[:16]}"
    contents = {
        "csv": (f"{stem}.csv", to_csv(comparison)),
        "json": (
            f"{stem}.json",
            json.dumps(comparison.document(), ensure_ascii=False, indent=1, default=str),
        ),
        "preset": (f"{stem}.yaml", preset_yaml(comparison)),
    }
    return {kind: _written(name, content) for kind, (name, content) in contents.items()}


def _written(name: str, content: str) -> str:
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = _folder() / digest / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return str(path)


@functools.cache
def _folder() -> Path:
    """One folder for this process, removed with it."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-downloads-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
