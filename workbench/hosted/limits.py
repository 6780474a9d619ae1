"""How much one visitor of a shared page may ask for: assets/hosted.toml, changed by a file of the store's own, in words."""

from __future__ import annotations

import functools
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from workbench.home import default_store, shipped
from workbench.options import unknown_names

FILE = "hosted.toml"
VARIABLE = "WORKBENCH_HOSTED_SETTINGS"
MEGABYTE = 1_000_000
# May be 0: "nobody may wait", "nothing goes by its age", "nothing is shared".
_MAY_BE_NONE = ("waiting", "keep_days", "shared_reports")


def _setting(name: str) -> Any:
    """A field whose default stands in the shipped file alone."""
    return field(default_factory=lambda: _shipped()[name])


@dataclass(frozen=True)
class Limits:
    """The values of the settings file, which says what each means. ValueError for what can't be one."""

    running: int = _setting("running")
    waiting: int = _setting("waiting")
    runs: int = _setting("runs")
    waiting_all: int = _setting("waiting_all")
    steps: int = _setting("steps")
    seconds: int = _setting("seconds")
    wall_seconds: int = _setting("wall_seconds")
    max_length: int = _setting("max_length")
    batch_size: int = _setting("batch_size")
    rows: int = _setting("rows")
    evaluations: int = _setting("evaluations")
    model_parameters: int = _setting("model_parameters")
    models: tuple[str, ...] = _setting("models")
    upload_megabytes: int = _setting("upload_megabytes")
    store_megabytes: int = _setting("store_megabytes")
    store_all_megabytes: int = _setting("store_all_megabytes")
    keep_days: int = _setting("keep_days")
    text_characters: int = _setting("text_characters")
    shared_reports: int = _setting("shared_reports")
    shared_megabytes: int = _setting("shared_megabytes")
    shared_days: int = _setting("shared_days")
    origins: tuple[str, ...] = _setting("origins")
    snapshot_file: str = _setting("snapshot_file")
    snapshot_minutes: int = _setting("snapshot_minutes")

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type == "int":
                least = 0 if one.name in _MAY_BE_NONE else 1
                if isinstance(value, bool) or not isinstance(value, int) or value < least:
                    raise ValueError(f"{one.name} is a whole number from {least} up, not {value!r:.80}")
            elif one.type == "str":
                if not isinstance(value, str):
                    raise ValueError(f"{one.name} is a text, not {value!r:.80}")
            else:
                if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
                    raise ValueError(f"{one.name} is a list of texts, not {value!r:.80}")
                object.__setattr__(self, one.name, tuple(value))

    def sentence(self) -> str:
        """The limits that everybody meets, in short."""
        return (
            f"This page is shared. A comparison has at most {self.runs} runs, each of at most {self.steps:,} steps or"
            f" {minutes(self.seconds)}, on at most {self.rows:,} rows of at most {self.max_length} tokens. Visitors take"
            f" turns: {_runs(self.running)} of yours {'trains' if self.running == 1 else 'train'} at a time."
        )

    def words(self) -> list[tuple[str, str]]:
        """Every limit as a visitor reads it: what it is about, and the sentence."""
        models = "any model of the Hub" if "*" in self.models else ", ".join(self.models)
        kept = (
            f"Ended runs and uploaded files are removed after {self.keep_days} days; download what you want to keep."
            if self.keep_days
            else "Runs are kept until you delete them."
        )
        return [
            (
                "Queue",
                f"{_runs(self.running).capitalize()} of yours at a time, and {self.waiting} may wait. While nothing of yours waits, one"
                f" comparison of up to {self.runs} runs may be queued as a whole. All visitors take turns. At most"
                f" {self.waiting_all:,} runs wait in all.",
            ),
            (
                "Length of a run",
                f"At most {self.steps:,} optimiser steps, all trials of a learning-rate search together, or"
                f" {minutes(self.seconds)} of training. After {minutes(self.wall_seconds)} from its start a run is stopped"
                " and counts as failed; its last checkpoint stays.",
            ),
            (
                "Size of a run",
                f"At most {self.rows:,} rows, {self.max_length} tokens of the longest input, {self.batch_size} rows per"
                f" step, {self.evaluations} evaluations on the way.",
            ),
            (
                "Models",
                f"The models that come with the workbench, your own finished runs, and {models or 'no model of the Hub'};"
                f" none of more than {self.model_parameters / 1e6:,.6g} million weights.",
            ),
            (
                "Your files",
                f"One upload of at most {self.upload_megabytes:,} MB; all your files and runs together at most"
                f" {self.store_megabytes:,} MB. One text has at most {self.text_characters:,} characters. Nothing is read"
                " from folders of the server.",
            ),
            (
                "What is kept",
                f"{kept} Nobody else sees your data, your runs and your votes, unless you share a comparison.",
            ),
            ("Sharing", self._sharing()),
        ]

    def _sharing(self) -> str:
        if not self.shared_reports:
            return "Nothing is shared here; every report can be downloaded."
        return (
            f"A comparison that you share can be read by anyone with its link, without the texts of your data, until you stop"
            f" sharing it, at most {self.shared_days:,} days. At most {self.shared_reports:,} are shared at a time, each of at"
            f" most {self.shared_megabytes:,} MB."
        )


def load_limits() -> Limits:
    """The limits in force: the shipped file, with the values that the store's own file changes."""
    path = own_file()
    try:
        stamp = path.stat().st_mtime_ns
    except FileNotFoundError:
        if os.environ.get(VARIABLE):
            raise ValueError(f"{VARIABLE} names {path}, which is not there") from None
        return Limits()
    return _read(path, stamp)


def own_file() -> Path:
    """The file whose values go before the shipped ones."""
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser()
    return default_store() / FILE


@functools.lru_cache(maxsize=8)
def _read(path: Path, stamp: int) -> Limits:
    del stamp  # part of the cache key
    given = _parsed(path)
    known = {one.name for one in fields(Limits)}
    if strange := [name for name in given if name not in known]:
        raise ValueError(f"{path}: {unknown_names('setting', strange, sorted(known))}")
    try:
        return Limits(**given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


@functools.cache
def _shipped() -> Mapping[str, Any]:
    return _parsed(shipped("assets") / FILE)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML file: {error}") from None


def minutes(seconds: int) -> str:
    """`5 minutes`, `90 seconds`."""
    if seconds % 60 or seconds == 0:
        return f"{seconds:,} seconds"
    return f"{seconds // 60:,} minute{'' if seconds == 60 else 's'}"


def _runs(number: int) -> str:
    return "one run" if number == 1 else f"{number} runs"
