"""The command `atlas`: run every method on the bundled tasks and write the sheets that ship, with environment and date."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from workbench import atlas, presets
from workbench.cli.look import _pairs
from workbench.cli.printing import print_json, print_table, say
from workbench.home import default_store
from workbench.presets import Preset
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with its arguments; `command` is the parser's own way to add one."""
    one = command(
        "atlas", make, "run every method on the bundled tasks and write the results that ship with the page"
    )
    one.add_argument("--only", metavar="A,B", help="these sheets instead of all of them")
    one.add_argument("--methods", metavar="A,B", help="these methods instead of all that fit")
    one.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1 instead of the sheet's")
    one.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for `workbench run`")
    one.add_argument("--to", metavar="DIR", help="the folder for the sheets (default: where they ship)")
    one.add_argument(
        "--slots", type=int, metavar="N", help="runs at once (default: what the machine carries)"
    )
    one.add_argument(
        "--list", action="store_true", help="only say what would be run, and which sheets there are"
    )


def make(arguments: argparse.Namespace) -> int:
    """1 when some runs did not finish: they are in the sheet with their reasons."""
    plans = [_changed(plan, arguments) for plan in _chosen(arguments.only)]
    if arguments.list:
        return _list(plans, as_json=arguments.json)
    to = Path(arguments.to) if arguments.to else atlas.folder()
    if not to.is_dir():
        raise ValueError(f"--to is a folder that exists, not {str(to)!r}")
    made = [_run(plan, arguments, to) for plan in plans]
    if arguments.json:
        print_json({"sheets": [asdict(sheet) for sheet in made]})
    return 1 if any(row.reasons for sheet in made for row in sheet.rows) else 0


def _run(plan: Preset, arguments: argparse.Namespace, to: Path) -> atlas.Sheet:
    from workbench.cli.work import watch
    from workbench.compare import comparison
    from workbench.runner import Runner
    from workbench.session import submit

    store = Store(default_store())
    runner = Runner(store, slots=arguments.slots)
    runner.start()
    try:
        submitted = submit(
            store, plan, go_on=True
        )  # hours of work: what an earlier command has finished stays
        ended = sum(run.is_final for run in store.runs(ids=submitted.run_ids))
        say(f"{plan.name}: {len(submitted.run_ids) - ended} runs queued, {ended} there already")
        watch(runner, store, submitted.run_ids)
    finally:
        runner.stop()
    found = comparison(store, submitted.setting_id, run_ids=submitted.run_ids)
    sheet = atlas.sheet(plan, found, submitted.left_out)
    path = to / f"{plan.name}.json"
    path.write_text(sheet.to_json(), encoding="utf-8")
    say(f"{len(sheet.methods)} methods written to {path}")
    return sheet


def _chosen(only: str | None) -> list[Preset]:
    known = {plan.name: plan for plan in atlas.plans()}
    if only is None:
        return list(known.values())
    names = [name.strip() for name in only.split(",") if name.strip()]
    if missing := [name for name in names if name not in known]:
        raise ValueError(f"the atlas has no sheet {', '.join(missing)}; it has {', '.join(known)}")
    return [known[name] for name in names]


def _changed(plan: Preset, arguments: argparse.Namespace) -> Preset:
    from workbench.cli.work import _only

    plan = presets.override(plan, dict(_pairs(arguments.set, "--set"))) if arguments.set else plan
    if arguments.methods:
        plan = _only(plan, [name.strip() for name in arguments.methods.split(",") if name.strip()])
    if arguments.seeds is not None:
        if arguments.seeds < 1:
            raise ValueError(f"--seeds is at least 1, not {arguments.seeds}")
        plan = replace(plan, seeds=tuple(range(arguments.seeds)))
    return plan


def _list(plans: list[Preset], *, as_json: bool) -> int:
    recorded = {sheet.name: sheet.recorded_at for sheet in atlas.sheets()}
    if as_json:
        print_json(
            {"plans": [{"name": p.name, "runs": p.runs, "recorded": recorded.get(p.name)} for p in plans]}
        )
        return 0
    rows = [[plan.name, plan.title, plan.runs, recorded.get(plan.name, "not yet")] for plan in plans]
    print_table(["sheet", "title", "runs", "recorded"], rows, right=(2,))
    return 0
