"""The task in the reader's plan and the task's own options: switched, changed, and read back from what a browser kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from workbench import registry
from workbench.data import data_task
from workbench.options import Options

Plan = dict[str, Any]
_TWO_COLUMNS = ("prompt_completion", "pairs")
"""Formats whose text and label columns mean the same to every task: what is read, and what is to come."""


def change_task(plan: Plan, task: str) -> Plan:
    """Another task on the same data, as far as they make sense there. What only the other task can read is left out: how
    its rows are given, its roles, repairs that this task does not know, and further data mixed in."""
    registry.task(task)
    plan = copy.deepcopy(plan)
    if task == plan["task"]:
        return plan
    data = plan["data"]
    if data is not None:
        left_out = ["columns", "fill", "mix", "augment", "fingerprint", "labels", "rows"]
        if data.pop("format", None) not in (None, *_TWO_COLUMNS):
            left_out += ["text", "label"]
        known = data_task(task).fixes
        fixes = [fix for fix in data.pop("fixes", None) or () if fix in known]
        kept = {name: value for name, value in data.items() if name not in left_out}
        plan["data"] = kept | ({"fixes": fixes} if fixes else {})
    return {**plan, "task": task}


def task_options_of(plan: Plan) -> dict[str, Any]:
    """What the plan says of its task's own options; the others have their defaults."""
    return dict(plan["task_options"].get(plan["task"], {}))


def change_task_options(plan: Plan, task: str, values: Mapping[str, Any]) -> Plan:
    """New values for options of a task; ValueError in the words of the options class."""
    options = registry.task(task).options.from_dict(plan["task_options"].get(task, {}) | dict(values))
    plan = copy.deepcopy(plan)
    plan["task_options"][task] = _said(options)
    return plan


def _said(options: Options) -> dict[str, Any]:
    """What differs from the defaults and is not the workbench's own to fill in."""
    derived = {fact.name for fact in options.facts() if fact.derived}
    return {name: value for name, value in options.changed().items() if name not in derived}


def checked_task_options(value: Any) -> dict[str, dict[str, Any]]:
    """What of the kept options this version knows."""
    kept = {}
    for task, options in value.items() if isinstance(value, Mapping) else ():
        if task in registry.tasks() and isinstance(options, Mapping):
            try:
                kept[str(task)] = _said(registry.task(task).options.from_dict(options))
            except (ValueError, TypeError):
                continue
    return kept
