"""The command `replay`: record finished runs, list the recordings, play one in the terminal at a chosen speed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from workbench import replay
from workbench.cli.look import find_run
from workbench.cli.printing import print_json, print_table, say
from workbench.home import default_store
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with its arguments; `command` is the parser's own way to add one."""
    one = command("replay", act, "recorded runs: list them, play one, or record finished runs")
    one.add_argument("name", nargs="?", metavar="NAME", help="the recording to play (default: list them)")
    one.add_argument(
        "--speed", type=float, default=20, help="how many times faster than it was (default: 20)"
    )
    one.add_argument(
        "--record", metavar="RUN[,RUN]", help="record these finished runs of one setting as NAME"
    )
    one.add_argument("--preset", default="", help="with --record: the preset that made the runs")
    one.add_argument("--title", default="", help="with --record: what people read")
    one.add_argument(
        "--to", metavar="DIR", default=".", help="with --record: the folder for NAME.json (default: here)"
    )


def act(arguments: argparse.Namespace) -> int:
    if arguments.record:
        return _record(arguments)
    if arguments.name:
        return _play(replay.named(arguments.name), arguments.speed, as_json=arguments.json)
    found = replay.recordings()
    if arguments.json:
        print_json({"recordings": [asdict(one) for one in found]})
    elif not found:
        print("no recordings came with this copy; `workbench replay NAME --record RUN,RUN` makes one")
    else:
        rows = [[one.name, one.title, one.recorded_at, len(one.runs), f"{one.seconds:.0f}"] for one in found]
        print_table(["replay", "title", "recorded", "runs", "seconds"], rows, right=(3, 4))
    return 0


def _record(arguments: argparse.Namespace) -> int:
    if not arguments.name:
        raise ValueError("give the recording a name: `workbench replay NAME --record RUN,RUN`")
    store = Store(default_store())
    runs = [find_run(store, name.strip()) for name in arguments.record.split(",") if name.strip()]
    made = replay.record(store, runs, arguments.name, preset=arguments.preset, title=arguments.title)
    path = Path(arguments.to) / f"{made.name}.json"
    path.write_text(made.to_json(), encoding="utf-8")
    say(f"{len(made.runs)} runs recorded in {path}")
    if arguments.json:
        print_json(asdict(made))
    return 0


def _play(
    found: replay.Recording, speed: float, *, as_json: bool, wait: Callable[[float], None] = time.sleep
) -> int:
    """A line for every twentieth of the recording, each marked as a replay."""
    if not speed > 0:
        raise ValueError(f"--speed is a number above 0, not {speed:g}")
    if as_json:
        print_json(asdict(found))
        return 0
    say(f"replay of runs recorded on {found.recorded_at} ({found.machine}): nothing is being trained")
    for part in range(1, 21):
        wait(found.seconds / 20 / speed)
        now = found.seconds * part / 20
        told = ", ".join(
            f"{run.label} {loss:.3f}" for run in found.runs if (loss := replay.at(run.loss, now)) is not None
        )
        print(f"replay {now:6.1f} s  {told}")
    for run in found.runs:
        final = f"{run.final:.3f}" if run.final is not None else "not measured"
        print(f"replay end       {run.label}, seed {run.seed}: {found.metric} {final}")
    return 0
