"""The part of a preset that is a chain: hops one after the other, each a preset of its own that goes on from an earlier one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from workbench import presets
from workbench.options import unknown_names

if TYPE_CHECKING:
    from workbench.presets import Hop, Preset

BEST, EACH, START = "best", "each", "start"
EARLIER, ALL, NONE = "earlier", "all", "none"
OF_CHAIN = ("title", "description", "model", "seeds", "chain")
OF_HOP = ("from", "also_test")
MOST_HOPS = 12


def from_values(values: Mapping[str, Any], *, name: str, path: Path | None = None) -> Preset:
    """A chain from plain values. What stands beside `chain` holds for every hop that doesn't say otherwise."""
    hops = values["chain"]
    if not isinstance(hops, list) or not 2 <= len(hops) <= MOST_HOPS:
        raise ValueError(
            f"chain is a list of 2 to {MOST_HOPS} hops, each with data and methods, not {hops!r:.80}"
        )
    shared = {key: value for key, value in values.items() if key not in OF_CHAIN}
    known = ("task", "data", "methods", "search", *presets.SETTING_KEYS)
    if unknown := [str(key) for key in shared if key not in known]:
        raise ValueError(unknown_names("key", unknown, (*known, *OF_CHAIN)))
    if not values.get("model"):
        raise ValueError("a chain needs model: what its first hop begins with")
    seeds = {"seeds": values["seeds"]} if "seeds" in values else {}
    found: list[Hop] = []
    for number, hop in enumerate(hops, 1):
        if not isinstance(hop, Mapping):
            raise ValueError(f"chain: hop {number} is a mapping with data and methods, not {hop!r:.80}")
        try:
            found.append(_hop(hop, {**shared, "model": values["model"], **seeds}, found, name, path))
        except ValueError as error:
            raise ValueError(f"chain: hop {number}: {error}") from None
    titles = [hop.preset.title for hop in found]
    if again := next((title for title in titles if titles.count(title) > 1), None):
        raise ValueError(f"chain: two hops are called {again!r}: give each a title of its own")
    found = [
        replace(hop, also_test=_also(given, place, found))
        for place, (hop, given) in enumerate(zip(found, (one.get("also_test", EARLIER) for one in hops)))
    ]
    return replace(
        found[0].preset,
        name=name,
        title=str(values.get("title") or name),
        description=str(values.get("description", "")).strip(),
        path=path,
        chain=tuple(found),
    )


def _hop(
    values: Mapping[str, Any], shared: Mapping[str, Any], before: Sequence[Hop], name: str, path: Path | None
) -> Hop:
    if refused := [key for key in ("model", "seeds", "chain") if key in values]:
        raise ValueError(f"{refused[0]} is said once, beside chain")
    own = {key: value for key, value in values.items() if key not in OF_HOP}
    preset = presets.from_values({**shared, **own}, name=name, path=path)
    if preset.data.get("subsets"):
        raise ValueError("data: subsets make a learning curve, which is a study of its own: give train_rows")
    if preset.all_methods:
        raise ValueError("methods is a list here: the next hop must know what it goes on from")
    if "title" not in own:
        preset = replace(preset, title=str(preset.data["source"]))
    after, base = _base(values.get("from"), before, preset)
    return presets.Hop(preset, after, base)


def _base(given: Any, before: Sequence[Hop], preset: Preset) -> tuple[int | None, str]:
    """`start`, `best`, `each` or a method, of the hop before or of the one that is named."""
    if not before:
        if given not in (None, START):
            raise ValueError(f"from: the first hop begins with the model ({START}), not {given!r:.60}")
        return None, BEST
    after, run = len(before) - 1, given
    if isinstance(given, Mapping):
        titles = [hop.preset.title for hop in before]
        if set(given) - {"hop", "run"} or given.get("hop") not in titles:
            raise ValueError(
                f"from: {{hop: TITLE, run: best}} names an earlier hop ({', '.join(titles)}), not {dict(given)!r:.80}"
            )
        after, run = titles.index(given["hop"]), given.get("run")
    if run == START:
        return None, BEST
    run = BEST if run is None else run
    lines = before[after].preset.methods
    methods = list(dict.fromkeys(line.method for line in lines))
    if run not in (BEST, EACH, *methods):
        raise ValueError(
            f"from: {', '.join((START, BEST, EACH))}, or a method of that hop ({', '.join(methods)}), not {run!r:.60}"
        )
    if run == EACH and len(lines) != len(preset.methods):
        raise ValueError(
            f"from: {EACH} needs as many methods as the hop before has: {len(lines)}, not {len(preset.methods)}"
        )
    return after, run


def _also(given: Any, place: int, hops: Sequence[Hop]) -> tuple[int, ...]:
    """The other hops whose test parts are scored too: those on the way here unless something else is said."""
    titles = [hop.preset.title for hop in hops]
    if given == NONE:
        return ()
    if given == ALL:
        return tuple(number for number in range(len(hops)) if number != place)
    if given == EARLIER:
        return tuple(reversed(ancestors(place, [hop.after for hop in hops])))
    if not isinstance(given, list) or not all(title in titles for title in given):
        raise ValueError(
            f"chain: also_test is {EARLIER}, {ALL}, {NONE} or a list of hops ({', '.join(titles)}), not {given!r:.80}"
        )
    return tuple(sorted({titles.index(title) for title in given} - {place}))


def ancestors(place: int, after: Sequence[int | None]) -> list[int]:
    """The hops on the way to this one, the nearest first."""
    found = []
    here = after[place]
    while here is not None:
        found.append(here)
        here = after[here]
    return found


def to_values(preset: Preset) -> dict[str, Any]:
    """The plain values of a chain, each hop complete."""
    values: dict[str, Any] = {"title": preset.title, "model": preset.model, "seeds": list(preset.seeds)}
    if preset.description:
        values["description"] = preset.description
    titles = [hop.preset.title for hop in preset.chain]
    values["chain"] = []
    for place, hop in enumerate(preset.chain):
        own = presets.to_values(hop.preset)
        own = {key: value for key, value in own.items() if key not in ("model", "seeds")}
        if place:
            own["from"] = START if hop.after is None else {"hop": titles[hop.after], "run": hop.base}
        own["also_test"] = [titles[number] for number in hop.also_test] or NONE
        values["chain"].append(own)
    return values


def override(preset: Preset, changes: Mapping[str, str]) -> Preset:
    """`--set` on a chain: `2.budget.steps=20` is about the second hop, `budget.steps=20` about all of them."""
    values = to_values(preset)
    for key, text in changes.items():
        head, _, rest = key.partition(".")
        if key in OF_CHAIN:
            values |= {key: yaml.safe_load(text)}
            continue
        numbers = [int(head)] if head.isdigit() else range(1, len(preset.chain) + 1)
        name = rest if head.isdigit() else key
        for number in numbers:
            if not 1 <= number <= len(preset.chain):
                raise ValueError(f"--set {key}: the chain has hops 1 to {len(preset.chain)}")
            old = preset.chain[number - 1].preset
            hop = values["chain"][number - 1]
            changed = presets.to_values(
                presets.override(
                    presets.from_values(
                        {k: v for k, v in hop.items() if k not in OF_HOP} | {"model": preset.model},
                        name=old.name,
                        path=old.path,
                    ),
                    {name: text},
                )
            )
            kept = {k: hop[k] for k in OF_HOP if k in hop}
            values["chain"][number - 1] = {
                k: v for k, v in changed.items() if k not in ("model", "seeds")
            } | kept
    return from_values(values, name=preset.name, path=preset.path)
