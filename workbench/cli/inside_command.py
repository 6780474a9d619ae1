"""The command `inside`: where a finished run's update went and how many directions it uses, as sentences and a table."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from workbench.cli.look import find_run
from workbench.cli.printing import print_json, print_table, say
from workbench.home import default_store
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with its arguments; `command` is the parser's own way to add one."""
    inside = command(
        "inside", look_inside, "where a finished run's update went, and how many directions it uses"
    )
    inside.add_argument("run", metavar="RUN")
    inside.add_argument(
        "--with", dest="other", metavar="RUN", help="which directions it shares with another run"
    )


def look_inside(arguments: argparse.Namespace) -> int:
    """1 where the run can't be looked into: the sentence says why."""
    from workbench import inside, inside_words

    store = Store(default_store())
    run = find_run(store, arguments.run)
    other = find_run(store, arguments.other) if arguments.other else None
    say(f"looking inside {run.label}, seed {run.spec.seed}")
    found = inside.look(store.folder, run.id)
    shared = inside.look_overlap(store.folder, run.id, other.id) if other and not found["reason"] else None
    said = inside_words.sentences(found)
    if shared and other:
        said.append(inside_words.about_overlap(shared, run.label, other.label))
    if arguments.json:
        print_json({**found, "sentences": said, "overlap": shared})
        return 1 if found["reason"] else 0
    print("\n".join(said))
    if found["cells"]:
        print(f"\n{inside_words.MEASURES[found['kind']]}")
        _print_cells(found)
    for place, token in enumerate(found.get("prompt", {}).get("tokens", ()), 1):
        near = ", ".join(f"{one['token'].strip()} {one['cosine']:.2f}" for one in token["nearest"])
        print(f"{place:3}  {near}")
    return 1 if found["reason"] else 0


def _print_cells(found: dict[str, Any]) -> None:
    from workbench import inside_words

    kinds = inside_words.columns(found)
    known = {(cell["layer"], cell["kind"]): cell for cell in found["cells"]}
    rows = [
        [layer, *(_figure(known.get((layer, kind))) for kind in kinds)]
        for layer in range(1, found["layers"] + 1)
    ]
    header = ["layer", *(inside_words.kind_title(kind) for kind in kinds)]
    print_table(header, rows, right=range(len(header)))
    for (layer, kind), cell in known.items():
        if layer is None and cell["value"] is not None:
            print(f"{kind}: {inside_words.percent(cell['value'])}")


def _figure(cell: dict[str, Any] | None) -> str:
    """Empty where nothing is trained or the model has no such part."""
    return f"{100 * cell['value']:.2f}" if cell and cell["value"] is not None else ""
