"""What a visitor of a shared page reads: its limits in words, how it is doing, and how to have a page of one's own."""

from __future__ import annotations

import os
from typing import Literal

from markupsafe import Markup

from workbench.hosted.limits import Limits
from workbench.hosted.state import State
from workbench.ui import parts

HARDWARE = (
    ("CPU basic (2 cores, 16 GB)", "the embedded models and all lessons; a comparison takes minutes"),
    ("CPU upgrade (8 cores, 32 GB)", "the same with four to eight runs at a time: a class"),
    ("ZeroGPU", "answers and short demonstrations; training stays on its CPU, as calls end after a minute"),
    ("T4 small (16 GB)", "models up to about 1 billion weights with LoRA, up to 150 million in full"),
    ("L4 or A10G (24 GB)", "models up to about 3 billion weights with LoRA, 7 billion in four bits"),
)
"""What a Space's hardware is good for here; see Estimate on Methods for one model."""
OWN_MACHINE = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/python app.py"


def notice(limits: Limits, mine: str | Markup = "") -> Markup:
    """The short sentence, everything behind it, and what can be done about the reader's own."""
    body = Markup(
        '<div class="wb-stack"><p>{}</p><details class="wb-ready"><summary>All limits, and a page of your own</summary>{}{}'
        "</details>{}</div>"
    ).format(limits.sentence(), limits_list(limits), own_page(), mine)
    return parts.notice("busy", "A shared page", body)


def limits_list(limits: Limits) -> Markup:
    items = Markup("").join(
        Markup("<li><b>{}</b>: {}</li>").format(title, sentence) for title, sentence in limits.words()
    )
    return Markup("<ul>{}</ul>").format(items)


def own_page() -> Markup:
    """How to get rid of the limits."""
    rows = Markup("").join(Markup("<li><b>{}</b>: {}</li>").format(*row) for row in HARDWARE)
    space = os.environ.get("SPACE_ID", "")
    duplicate = (
        Markup(
            '<p><a href="https://huggingface.co/spaces/{}?duplicate=true" target="_blank" rel="noopener">Duplicate this'
            " Space</a>: the copy is yours alone. In its settings choose the hardware, set WORKBENCH_HOSTED to 0 to"
            " lift the limits, and keep it private. Its disk does not last: mount a bucket and name a file in it as"
            " snapshot_file.</p>"
        ).format(space)
        if space
        else Markup("")
    )
    return Markup("{}<p>On your own machine there are no limits: <code>{}</code></p><ul>{}</ul>").format(
        duplicate, OWN_MACHINE, rows if space else Markup("")
    )


def banner(state: State) -> Markup:
    """Nothing while all is well."""
    if not state.trouble:
        return Markup("")
    kind: Literal["fail", "warn"] = "fail" if state.status == "trouble" else "warn"
    return parts.notice(kind, "This page at the moment", " ".join(state.trouble))
