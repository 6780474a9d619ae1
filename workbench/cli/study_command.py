"""The command `study`: comparisons across settings: chains of runs, learning curves, mixes; one table, then each setting."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from workbench import learning_curve, study_report, study_table
from workbench.cli.printing import print_json, print_table
from workbench.home import default_store
from workbench.store import Store
from workbench.study import SAYS, Study, find, studies


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with its arguments; `command` is the parser's own way to add one."""
    study = command("study", look_at_study, "comparisons across settings: chains, learning curves, mixes")
    study.add_argument("study", metavar="ID", nargs="?", help="print this one (default: list them)")


def look_at_study(arguments: argparse.Namespace) -> int:
    store = Store(default_store())
    if arguments.study:
        show(store, find(store, arguments.study), as_json=arguments.json)
        return 0
    found = studies(store)
    if arguments.json:
        print_json({"studies": [_entry(one) for one in found]})
        return 0
    if not found:
        print("no studies yet: run a chain or a learning curve, for example `workbench run multi-task`")
        return 0
    print_table(
        ["study", "title", "kind", "settings", "runs"],
        [[one.id[:8], one.title, SAYS[one.kind], len(one.setting_ids), _runs(one)] for one in found],
        right=(3, 4),
    )
    return 0


def show(store: Store, study: Study, *, as_json: bool = False) -> None:
    """The table over all settings, then a block for each setting."""
    from workbench import report
    from workbench.compare import comparison

    blocks = [comparison(store, one, run_ids=study.run_ids) for one in study.setting_ids]
    across = study_table.table(store, study)
    if as_json:
        settings = [one.document() for one in blocks]
        over = (
            study_report.document(across)
            if across is not None
            else {"sizes": learning_curve.points(store, study.setting_ids).sizes}
        )
        print_json({"study": _entry(study), **over, "settings": settings})
        return
    text = (
        study_report.to_text(across)
        if across is not None
        else learning_curve.to_text(learning_curve.points(store, study.setting_ids))
    )
    print("\n\n".join([text, *map(report.to_text, blocks)]))


def _entry(study: Study) -> dict[str, Any]:
    return {
        "id": study.id,
        "kind": study.kind,
        "title": study.title,
        "varies": study.varies or None,
        "settings": list(study.setting_ids),
        "runs": None if study.run_ids is None else list(study.run_ids),
    }


def _runs(study: Study) -> int | None:
    return None if study.run_ids is None else len(study.run_ids)
