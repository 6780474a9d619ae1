"""Finds methods and tasks: one per file, name = file name. A new file is found by listing the folder, nothing else.

Folders named in WORKBENCH_METHODS_PATH (separated like PATH) are searched too.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from workbench.method import FAMILIES, Method
from workbench.options import unknown_names
from workbench.task import Task

HERE = Path(__file__).parent
T = TypeVar("T", Method, Task)


def methods() -> dict[str, Method]:
    """All methods by name, in the order of families, then by title."""
    return dict(_methods(os.environ.get("WORKBENCH_METHODS_PATH", "")))


def method(name: str) -> Method:
    """The method of that name; ValueError with the nearest name when there is none."""
    found = methods()
    if name not in found:
        raise ValueError(unknown_names("method", [name], found))
    return found[name]


def tasks() -> dict[str, Task]:
    """All tasks by name."""
    return {task.name: task for task in _tasks()}


def task(name: str) -> Task:
    """The task of that name; ValueError with the nearest name when there is none."""
    found = tasks()
    if name not in found:
        raise ValueError(unknown_names("task", [name], found))
    return found[name]


@functools.cache
def _methods(extra_path: str) -> tuple[tuple[str, Method], ...]:
    found: list[Method] = []
    for module in _modules(HERE / "methods", "workbench.methods"):
        found += _exported(module, "METHOD", Method)
    for folder in filter(None, extra_path.split(os.pathsep)):
        for module in _modules(Path(folder), None):
            found += _exported(module, "METHOD", Method)
    names = [m.name for m in found]
    if twice := {n for n in names if names.count(n) > 1}:
        raise ValueError(f"two method files export the same name: {', '.join(sorted(twice))}")
    return tuple((m.name, m) for m in sorted(found, key=lambda m: (FAMILIES.index(m.family), m.title)))


@functools.cache
def _tasks() -> tuple[Task, ...]:
    return tuple(t for m in _modules(HERE / "tasks", "workbench.tasks") for t in _exported(m, "TASK", Task))


def _modules(folder: Path, package: str | None) -> list[ModuleType]:
    files = sorted(p for p in folder.glob("*.py") if not p.name.startswith("_"))
    return [_load(path, package) for path in files]


def _load(path: Path, package: str | None) -> ModuleType:
    if package:
        return importlib.import_module(f"{package}.{path.stem}")
    name = f"workbench_extra_methods.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _exported(module: ModuleType, attribute: str, kind: type[T]) -> list[T]:
    thing = getattr(module, attribute, None)
    many = getattr(module, attribute + "S", None)
    if many is not None:
        return list(many())
    if not isinstance(thing, kind):
        raise ValueError(f"{module.__file__} exports no {attribute}")
    if thing.name != Path(str(module.__file__)).stem:
        raise ValueError(
            f"{module.__file__}: the name of a {attribute.lower()} is its file's name, not {thing.name!r}"
        )
    return [thing]
