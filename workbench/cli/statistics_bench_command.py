"""`workbench bench statistics`: the verdicts of the table, held against many real seeds of two methods."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workbench.cli.printing import print_json, print_table, say
from workbench.home import default_store

if TYPE_CHECKING:
    from workbench.bench_statistics import Held, Share


def add(kinds: Any) -> None:
    """Add the command to those of `bench`."""
    help = "how often verdicts are wrong, and how often a true difference is seen, on stored runs of 40 seeds or more"
    command = kinds.add_parser("statistics", help=help, description=help)
    command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    command.add_argument(
        "--store", metavar="DIR", help="the folder that keeps runs (default: a per-user folder)"
    )
    command.add_argument("--setting", metavar="ID", help="which setting (default: that of the newest run)")
    command.add_argument("--draws", type=int, default=8000, help="groups of seeds drawn (default: 8000)")
    function: Callable[[argparse.Namespace], int] = bench_statistics
    command.set_defaults(command=function)


def bench_statistics(arguments: argparse.Namespace) -> int:
    """1 where a bar is missed."""
    from workbench.bench_statistics import hold, stored_seeds
    from workbench.store import Store

    if arguments.draws < 100:
        raise ValueError(f"--draws is at least 100, not {arguments.draws}")
    store = Store(default_store())
    if arguments.setting:
        try:
            setting = store.setting(arguments.setting)
        except KeyError:
            raise LookupError(
                f"no setting begins with {arguments.setting!r}; `workbench runs` lists them"
            ) from None
    else:
        known = store.settings()
        if not known:
            raise LookupError("no runs yet: run a preset with `--seeds 40` first")
        setting = known[0][0]
    found = hold(stored_seeds(store, setting.id), draws=arguments.draws, tick=say)
    if arguments.json:
        print_json({"setting": setting.id, "holds": found.holds, **asdict(found)})
    else:
        _print(found)
    say(_sentence(found))
    return 0 if found.holds else 1


def _print(found: Held) -> None:
    print(f"{found.rows:,} test rows; seeds: {', '.join(map(str, found.seeds))}\n")
    print_table(
        ["one method against itself", "seeds each", "called different", "95 %", "at most 5 %"],
        [[f.label, f.group, _percent(f.share.value), _bounds(f.share), _holds(f.holds)] for f in found.false],
        right=(1, 2),
    )
    print()
    print_table(
        ["a true difference", "points", "told apart", "95 %", "more seeds advised", "beyond those stored"],
        [
            [
                t.label,
                f"{100 * t.difference:+.1f}".replace("-", "−"),
                _percent(t.share.value),
                _bounds(t.share),
                f"{t.advised:g}",
                _percent(t.beyond),
            ]
            for t in found.told
        ],
        right=(1, 2, 4, 5),
    )


def _sentence(found: Held) -> str:
    worst = max(found.false, key=lambda one: one.share.value)
    least = min(found.told[: len(found.seeds)], key=lambda one: one.share.value)
    return (
        f"False verdicts: at most {_percent(worst.share.value)} ({_bounds(worst.share)}). A gap of"
        f" {100 * least.difference:g} points, with the seeds advised: told apart in at least {_percent(least.share.value)}"
        f" ({_bounds(least.share)}). {'Holds.' if found.holds else 'Does not hold.'}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _bounds(share: Share) -> str:
    return f"{100 * share.low:.1f} to {100 * share.high:.1f} %"


def _holds(holds: bool) -> str:
    return "yes" if holds else "no"
