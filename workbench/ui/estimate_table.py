"""What the ticked methods will need, as HTML: one row each, with its memory as a bar cut into what it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from workbench import devices
from workbench.ui import parts
from workbench.ui.parts.numbers import NBSP

KINDS = (
    ("weights", "Weights", "The model and what the method adds, in memory while training."),
    ("gradients", "Gradients", "One number for each trained weight: which way it should move."),
    ("optimizer", "Optimiser", "What the optimiser remembers of each trained weight from step to step."),
    ("activations", "Activations", "Results in between, kept until the weights are moved. They grow with batch and length."),
    ("loss", "Loss", "The scores of all words or labels, and what the loss makes of them."),
)  # fmt: skip
ABOUT = "\u2248" + NBSP


@dataclass(frozen=True)
class Need:
    """One ticked method. `row` is what was found, or a formula's guess where `exact` is False; None: not known yet.
    `reason` says why nothing can be said."""

    title: str
    family: str
    row: Mapping[str, Any] | None = None
    exact: bool = False
    reason: str = ""


def needs_table(needs: Sequence[Need], *, asked_gib: float | None = None, busy: bool = False) -> Markup:
    """The rows on one scale; without any it says what to do."""
    if not needs:
        return parts.empty_state(
            "Nothing is ticked yet",
            "Tick methods above: what their training will need stands here before any run.",
        )
    top = max(
        (need.row["memory"]["peak"] for need in needs if need.row and need.row.get("memory")), default=1
    )
    rows = Markup("").join(_row(need, top, asked_gib) for need in needs)
    legend = Markup("").join(
        Markup('<li><i class="wb-kind wb-kind-{}"></i>{}</li>').format(kind, parts.term(title, help))
        for kind, title, help in KINDS
    )
    return Markup('<ul class="wb-kinds">{}</ul><div class="wb-needs" role="list">{}</div>{}').format(
        legend, rows, _foot(needs, busy)
    )


def _foot(needs: Sequence[Need], busy: bool) -> Markup:
    basis = next((need.row["step_basis"] for need in needs if need.row and need.row.get("step_basis")), "")
    words = [f"Time by {basis}."] if basis else []
    if any(need.row and not need.exact for need in needs):
        words.append(
            f"{ABOUT.strip()} marks a quick formula; the step itself is being followed without any weights."
        )
    bar = parts.progress_bar(None, label="Following a training step of each method") if busy else ""
    return Markup('<p class="wb-note" role="status">{}</p>{}').format(" ".join(words), bar)


def _row(need: Need, top: int, asked_gib: float | None) -> Markup:
    name = Markup('<span class="wb-need-name">{}<b>{}</b></span>').format(
        parts.marker(need.family), need.title
    )
    row, memory = need.row, (need.row or {}).get("memory")
    if row is None or not memory:
        said = need.reason or "working it out"
        return Markup(
            '<div class="wb-need" role="listitem">{}<span class="wb-note wb-need-why">{}</span></div>'
        ).format(name, said)
    about = "" if need.exact else ABOUT
    cells = [
        ("Peak memory", about + parts.format_bytes(memory["peak"]), "The most bytes of numbers alive at once in a step."),
        ("Trained", _trained(row), "Weights that move, and their share of all."),
        ("File", parts.format_bytes(row.get("adapter_bytes")), "What the trained weights take on disk."),
        ("Work a step", _work(row.get("flops")), "Multiplications and additions of one full batch."),
        ("Time a step", parts.format_seconds(row.get("step_seconds")), "For a batch in which every row is as long as allowed."),
    ]  # fmt: skip
    if asked_gib:
        cells.append(("Largest batch", _most(row, "largest_batch_size", asked_gib), "At this length."))
        cells.append(("Longest input", _most(row, "largest_length", asked_gib), "At this batch size."))
    facts = Markup("").join(
        Markup('<span class="wb-need-fact" title="{}"><span class="wb-label">{}</span><span class="wb-num">{}</span></span>').format(
            help, title, value
        )
        for title, value, help in cells
        if value
    )  # fmt: skip
    return Markup(
        '<div class="wb-need" role="listitem">{}<div class="wb-need-main">{}<p class="wb-note wb-need-split">{}</p></div>'
        '<div class="wb-need-facts">{}</div>{}</div>'
    ).format(name, _stack(memory, top), _split(row), facts, _fits(row))


def _stack(memory: Mapping[str, int], top: int) -> Markup:
    pieces = Markup("").join(
        Markup('<i class="wb-kind-{}" style="width:{:.2f}%"></i>').format(kind, 100 * memory[kind] / top)
        for kind, _, _ in KINDS
        if memory[kind]
    )
    return Markup('<div class="wb-bar wb-stacked" aria-hidden="true">{}</div>').format(pieces)


def _split(row: Mapping[str, Any]) -> str:
    """The bar in words, the large parts alone; of which stage it is, where there are several."""
    memory = row["memory"]
    shown = [(title, memory[kind]) for kind, title, _ in KINDS if memory[kind] * 200 >= memory["peak"]]
    words = ", ".join(f"{title.lower()} {parts.format_bytes(size)}" for title, size in shown)
    stage = row.get("highest_stage")
    return f"{words}; the stage that needs most: {stage}" if stage else words


def _trained(row: Mapping[str, Any]) -> str:
    count, total = row.get("trainable_parameters"), row.get("total_parameters")
    if count is None or not total:
        return ""
    return f"{parts.format_count(count)} ({parts.format_share(count / total)})"


def _work(flops: float | None) -> str:
    if flops is None:
        return ""
    for unit, size in (("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)):
        if flops >= size:
            return f"{flops / size:.3g}{NBSP}{unit}"
    return f"{flops / 1e6:.3g}{NBSP}MFLOP"


def _most(row: Mapping[str, Any], name: str, gib: float) -> str:
    found = row.get(name)
    if found is None:
        return "\u2026"
    return parts.format_count(found) if found else f"none in {gib:g}{NBSP}GiB"


def _fits(row: Mapping[str, Any]) -> Markup:
    fits = row.get("fits")
    if not fits:
        return Markup("")
    chips = [(devices.gpu(name).short, devices.gpu(name).title, good) for name, good in fits.items()]
    if row.get("fits_here") is not None:
        chips.insert(0, ("here", "this machine", bool(row["fits_here"])))
    drawn = Markup("").join(
        Markup('<li class="wb-fit{}" title="{}"><span aria-hidden="true">{}</span>{}<span class="wb-hidden">: {}</span></li>').format(
            "" if good else " wb-fit-no",
            f"{'Fits' if good else 'Does not fit'} {title}",
            "\u2713" if good else "\u2717",
            short,
            "fits" if good else "does not fit",
        )
        for short, title, good in chips
    )  # fmt: skip
    return Markup('<ul class="wb-fits" aria-label="Where a step fits">{}</ul>').format(drawn)
