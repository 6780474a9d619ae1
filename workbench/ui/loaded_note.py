"""What the inference engine holds, in one line and by run: bases loaded once, what stands on them, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from workbench.ui.frame import model_title
from workbench.ui.parts import format_bytes

KINDS = {
    "adapter": "adapter",
    "own modules": "modules of its own",
    "changed weights": "changed weights beside the base's",
    "few bits": "weights in few bits",
}


def loaded_note(contents: Mapping[str, Any] | None, names: Mapping[str, str]) -> Markup:
    """`fable-8m loaded once, 30.5 MiB, with 4 runs, 0.8 MiB`, and the runs behind it."""
    if not contents or not contents["bases"]:
        return Markup("")
    lines, words = [], []
    for base in contents["bases"]:
        title = model_title(base["model"]) + (" in few bits" if base["few_bits"] else "")
        own = sum(run["bytes"] for run in base["runs"])
        count = len(base["runs"])
        with_runs = f", with {count} run{'s' * (count != 1)}, {format_bytes(own)}" if count else ""
        words.append(f"{title} loaded once, {format_bytes(base['bytes'])}{with_runs}")
        lines += [
            Markup("<li>{} <span>{}, {}{}</span></li>").format(
                names.get(run["run_id"], "a run of another setting"),
                KINDS.get(run["kind"], run["kind"]),
                format_bytes(run["bytes"]),
                ", shares batches" if run["mixes"] else "",
            )
            for run in base["runs"]
        ]
    total = (
        f"{format_bytes(contents['bytes'])} in all (what several share counts once), of at most"
        f" {format_bytes(contents['budget_bytes'])} on {contents['device']}; what was not asked for the longest time goes first"
    )
    return Markup(
        '<details class="wb-loaded"><summary>{}</summary><ul>{}</ul><p class="wb-note">{}.</p></details>'
    ).format("; ".join(words), Markup("").join(lines), total)
