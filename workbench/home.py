"""Where things are: the store, what is shipped (models, data sets, presets), and whether the page is hosted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent


def shipped(kind: str) -> Path:
    """The folder `assets` or `presets`: beside the package in a checkout, inside it when installed."""
    checkout = PACKAGE.parent / kind
    installed = PACKAGE / f"_{kind}"
    return installed if installed.is_dir() else checkout


def default_store() -> Path:
    """A per-user data folder; WORKBENCH_HOME overrides it."""
    if given := os.environ.get("WORKBENCH_HOME"):
        return Path(given).expanduser().resolve()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "finetuning-workbench"
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "finetuning-workbench"


def is_hosted() -> bool:
    """WORKBENCH_HOSTED=1, or set by itself on a Space."""
    given = os.environ.get("WORKBENCH_HOSTED")
    if given is not None:
        return given.strip().lower() in ("1", "true", "yes")
    return bool(os.environ.get("SPACE_ID"))
