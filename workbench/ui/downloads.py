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
from typing import Any

import gradio as gr

from workbench.compare import Comparison
from workbench.repeating import commands as commands
from workbench.repeating import preset_yaml as preset_yaml
from workbench.report import to_csv
from workbench.report_content import gather
from workbench.report_html import to_html
from workbench.report_markdown import to_markdown
from workbench.store import Store
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The two forms of the report are written after the tab was drawn: nobody waits for them."""

    @say_errors
    def write_report(setting_id: str | None, request: gr.Request) -> tuple[Any, Any]:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        if found is None:
            return gr.skip(), gr.skip()
        html, markdown = write_reports(context.store, found, owner)
        return gr.update(value=html), gr.update(value=markdown)

    p["drawn"].change(write_report, context.setting_id, [p["report"], p["markdown"]], **QUIET)


def write_reports(store: Store, comparison: Comparison, owner: str | None) -> tuple[str, str]:
    """Paths of the report as HTML and as Markdown."""
    report = gather(store, comparison, owner=owner)
    stem = _stem(comparison)
    return _written(f"{stem}.html", to_html(report)), _written(f"{stem}.md", to_markdown(report))


def write_downloads(comparison: Comparison) -> dict[str, str]:
    """Paths by kind: csv, json, preset. The same content is written once."""
    stem = _stem(comparison)
    contents = {
        "csv": (f"{stem}.csv", to_csv(comparison)),
        "json": (
            f"{stem}.json",
            json.dumps(comparison.document(), ensure_ascii=False, indent=1, default=str),
        ),
        "preset": (f"{stem}.yaml", preset_yaml(comparison)),
    }
    return {kind: _written(name, content) for kind, (name, content) in contents.items()}


def _stem(comparison: Comparison) -> str:
    return f"comparison-{re.sub('[^0-9a-z]', '', comparison.setting.id)[:16]}"


def _written(name: str, content: str) -> str:
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = _folder() / digest / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return str(path)


def fresh_folder() -> Path:
    """A new folder for one download, removed with this process."""
    return Path(tempfile.mkdtemp(dir=_folder()))


@functools.cache
def _folder() -> Path:
    """One folder for this process, removed with it."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-downloads-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
