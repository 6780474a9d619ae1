"""The command `repeat`: a finished run trained again from its record, and every prediction compared."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from workbench.cli.look import find_run
from workbench.cli.printing import print_json
from workbench.cli.work import watch
from workbench.home import default_store
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with its arguments; `command` is the parser's own way to add one."""
    help = "train a finished run again from its record and compare every prediction; 1 where one differs"
    repeat = command("repeat", repeat_run, help)
    repeat.add_argument("run", metavar="RUN")


def repeat_run(arguments: argparse.Namespace) -> int:
    from workbench import repeat
    from workbench.runner import Runner

    store = Store(default_store())
    first = find_run(store, arguments.run)
    runner = Runner(store)
    new = repeat.queue_again(runner, first)
    runner.start()
    try:
        watch(runner, store, [new])
    finally:
        runner.stop()
    second = store.run(new)
    if second.state != "finished":
        why = second.reason.message if second.reason else ""
        raise ValueError(f"the repeated run {second.id} {second.state}: {why}".rstrip(": "))
    found = repeat.compared(store, first, second)
    if arguments.json:
        print_json(found.record())
    else:
        print(found.sentence)
        for name, (then, now) in found.metrics.items():
            print(f"{name:24} {then} then, {now} now")
    return 0 if found.same else 1
