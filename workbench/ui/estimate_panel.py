"""What the ticked methods will need, before any run: memory by what it is for, what it fits, work and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench import background, devices, registry
from workbench.store import Store
from workbench.ui import parts

KINDS = (
    ("weights", "weights", "The model and what the method adds, in memory while training."),
    ("gradients", "gradients", "One number for each trained weight that is waiting for its step."),
    ("optimizer", "optimiser", "What the optimiser remembers of each trained weight from step to step."),
    ("activations", "activations", "What the forward pass keeps for the backward pass."),
    ("loss", "loss", "The scores of all words or labels, and what the loss makes of them."),
)


def ask(
    store: Store,
    owner: str | None,
    model: str,
    choices: Sequence[tuple[str, Mapping[str, Any]]],
    task: str,
    labels: int,
    training: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """One row for each (method, options): a second or so for each that is new, at once for those asked before."""
    return background.call(
        "workbench.costs:rows_of",
        str(store.folder),
        owner,
        model,
        list(choices),
        task,
        labels,
        dict(training),
        pool="estimate",
    )


def estimate_panel(rows: Sequence[Mapping[str, Any]]) -> Markup:
    """A table; empty, it says what to do."""
    if not rows:
        return Markup('<p class="wb-note">Tick methods above to see what their training will need.</p>')
    top = max((row.get("peak_memory_bytes") or 0 for row in rows), default=0) or 1
    head = Markup("").join(
        Markup('<th scope="col" title="{}">{}</th>').format(help, title)
        for title, help in (
            ("Method", ""),
            ("Peak memory", "The most bytes of tensors that are alive at once in a training step."),
            *((title, help) for _, title, help in KINDS),
            ("File", "What the trained weights take on disk."),
            ("Step", "Time of one step, at every row\u2019s full length."),
            ("Fits", "GPUs on which a step gets through, with room for the driver and the allocator."),
        )
    )
    body = Markup("").join(_row(row, top) for row in rows)
    basis = next((row["step_basis"] for row in rows if row.get("step_basis")), "")
    note = Markup('<p class="wb-note">Before any run, from the shapes alone. Time by {}.</p>').format(basis)
    return Markup(
        '<div class="wb-scroll"><table class="wb-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}'
    ).format(head, body, note if basis else "")


def _row(row: Mapping[str, Any], top: int) -> Markup:
    method = registry.method(row["method"])
    memory = row.get("memory")
    if not memory:
        reason = row.get("reason") or row.get("memory_reason") or ""
        span = len(KINDS) + 4
        return Markup('<tr><th scope="row">{}</th><td colspan="{}">{}</td></tr>').format(
            method.title, span, reason
        )
    peak = Markup('<td class="wb-num">{}{}</td>').format(
        _size(memory["peak"]), parts.bar(memory["peak"], top, method.family)
    )
    cells = Markup("").join(
        Markup('<td class="wb-num">{}</td>').format(text)
        for text in (
            *(_size(memory[kind]) for kind, _, _ in KINDS),
            _size(row["adapter_bytes"]),
            _time(row["step_seconds"]),
        )
    )
    fit = [devices.gpu(name).title for name, good in row["fits"].items() if good]
    return Markup('<tr><th scope="row">{}</th>{}{}<td>{}</td></tr>').format(
        method.title, peak, cells, ", ".join(fit) or "none of those known"
    )


def _size(count: int | None) -> str:
    if count is None:
        return ""
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= bytes_:
            return f"{count / bytes_:.1f}\u00a0{unit}"
    return f"{count}\u00a0B"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.2f}\u00a0s" if seconds >= 1 else f"{seconds * 1000:.0f}\u00a0ms"
