"""The comparison as files to take away, and the commands and the preset that repeat it."""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from workbench.compare import Comparison
from workbench.more_runs import repeating_preset
from workbench.presets import to_yaml
from workbench.report import to_csv, to_markdown
from workbench.uploads import shown_source


def write_downloads(comparison: Comparison) -> dict[str, str]:
    """Paths by kind: csv, json, markdown, preset. The same content is written once."""
    stem = f"comparison-{re.sub('[^0-9a-z]', '', comparison.setting.id)[:16]}"
    contents = {
        "csv": (f"{stem}.csv", to_csv(comparison)),
        "json": (
            f"{stem}.json",
            json.dumps(comparison.document(), ensure_ascii=False, indent=1, default=str),
        ),
        "markdown": (f"{stem}.md", to_markdown(comparison)),
        "preset": (f"{stem}.yaml", preset_yaml(comparison)),
    }
    return {kind: _written(name, content) for kind, (name, content) in contents.items()}


def preset_yaml(comparison: Comparison) -> str:
    """The preset that makes the same runs; an uploaded file stands there by its own name, beside the preset."""
    preset = repeating_preset(comparison.setting, comparison.runs)
    data = dict(preset.data)
    uploaded: set[str] = set()
    data["source"] = _beside(str(data["source"]), uploaded)
    if "parts" in data:
        data["parts"] = {part: _beside(path, uploaded) for part, path in data["parts"].items()}
    note = f"# Put {', '.join(sorted(uploaded))} beside this file.\n" if uploaded else ""
    return note + to_yaml(replace(preset, data=data))


def _beside(source: str, uploaded: set[str]) -> str:
    """An uploaded file by its name, which is noted; everything else as it is."""
    name = Path(source).name if "/uploads/" in source else shown_source(source)
    if name != source:
        uploaded.add(name)
    return name


def commands(comparison: Comparison) -> str:
    """The command lines that repeat and read the comparison."""
    stem = f"comparison-{comparison.setting.id}"
    return "\n".join(
        (
            "# Make the same runs again, on any machine:",
            f"workbench run {stem}.yaml",
            "# Read this table from the store of this machine:",
            f"workbench compare --setting {comparison.setting.id}",
            f"workbench compare --setting {comparison.setting.id} --format csv > {stem}.csv",
        )
    )


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
