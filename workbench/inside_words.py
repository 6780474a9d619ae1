"""Reads what was found inside a run: pooled figures, the curve of energy over directions, and what they say in sentences."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]
KINDS = {
    "q": "query",
    "k": "key",
    "v": "value",
    "qkv": "query, key, value",
    "o": "attention output",
    "gate": "gate",
    "up": "up",
    "gate and up": "gate and up",
    "down": "down",
    "norm": "norm",
    "bias": "bias",
}
ORDER = (*KINDS, "router", "experts up", "experts down", "experts")
MEASURES = {
    "weights": "Size of the change, in percent of the weight's own size",
    "scales": "Mean distance of the learned multipliers from 1, in percent",
    "added": "What the added part changes in the hidden state it meets, in percent of that state's size",
    "drift": "Distance of the hidden state from the base model's, in percent of its size",
    "prefix": "Share of the attention that goes to the learned positions, in percent",
    "prompt": "Share of the attention that goes to the learned positions, in percent",
    "none": "",
}
FEW = 0.4
"""Half of the change in at most this share of the layers counts as concentrated."""
NOT_TRAINED = "not trained by this method"
NO_SUCH_PART = "this model has no such part here"


def kind_title(kind: str) -> str:
    return KINDS.get(kind, kind)


def column_title(kind: str) -> str:
    """The same where there is little room, beside the others of its block."""
    return "output" if kind == "o" else kind_title(kind)


def columns(document: Document) -> list[str]:
    """The kinds of modules inside the layers, in reading order; the model's own further ones last."""
    found = dict.fromkeys(cell["kind"] for cell in document["cells"] if cell["layer"])
    return sorted(found, key=lambda kind: ORDER.index(kind) if kind in ORDER else len(ORDER))


def body_matrices(document: Document) -> list[Mapping[str, Any]]:
    """The matrices inside the layers that changed at all."""
    return [m for m in document.get("matrices", ()) if m["layer"] and m["energy"] > 0]


def energy_curve(document: Document) -> list[float]:
    """Share of all squared change inside the layers' matrices that the strongest 1, 2, ... directions of each hold."""
    matrices = body_matrices(document)
    total = sum(m["energy"] for m in matrices)
    longest = max((len(m["values"]) for m in matrices), default=0)
    shares, held = [], 0.0
    for place in range(longest):
        held += sum(m["values"][place] ** 2 for m in matrices if place < len(m["values"]))
        shares.append(min(held / total, 1.0))
    return shares


def median_directions(document: Document, share: str = "90") -> int | None:
    """How many directions of the typical matrix hold that percentage of its change; None where it can't be told."""
    known = [m["directions"][share] for m in body_matrices(document)]
    return statistics.median_low(known) if known and None not in known else None


def median_effective_rank(document: Document) -> float | None:
    known = [m["effective_rank"] for m in body_matrices(document)]
    return statistics.median(known) if known and None not in known else None


def nominal_rank(document: Document) -> int | None:
    """The rank that the method allows, where it is one and the update keeps to it everywhere.

    DoRA or LoHa have an `r` as well, but it does not bound the rank of what they change.
    """
    matrices = body_matrices(document)
    given = {m["nominal"] for m in matrices}
    if len(given) != 1 or None in given:
        return None
    r = int(given.pop())
    return r if all(m["rank"] is not None and m["rank"] <= r for m in matrices) else None


def full_rank(document: Document) -> int:
    """As many directions as the typical matrix has at all."""
    return int(statistics.median(min(m["shape"][-2:]) for m in body_matrices(document)))


def by_layer(document: Document) -> dict[int, float]:
    """Each layer's share of all squared change inside the layers; empty where changes have no common size."""
    sums: dict[int, float] = {}
    for cell in document["cells"]:
        if cell["layer"] and cell.get("change") is not None:
            sums[cell["layer"]] = sums.get(cell["layer"], 0.0) + cell["change"] ** 2
    total = sum(sums.values())
    return {layer: value / total for layer, value in sums.items()} if total else {}


def sentences(document: Document) -> list[str]:
    """Two or three plain sentences, with no claim beyond the figures."""
    if document["reason"]:
        return [document["reason"]]
    told = {
        "weights": _about_weights,
        "scales": _about_scales,
        "added": _about_added,
        "drift": _about_drift,
        "prefix": _about_prompt,
        "prompt": _about_prompt,
    }[document["kind"]](document)
    return [*told, *_about_head(document)]


def _about_weights(document: Document) -> list[str]:
    layers = by_layer(document)
    if not layers:
        outside = [c for c in document["cells"] if not c["layer"] and c["trained"] and c["kind"] != "head"]
        if not outside:
            return ["No weight of the model's body was trained: all of the change is in the head."]
        kinds = _listed(sorted({kind_title(c["kind"]) for c in outside}))
        return [f"No weight inside the layers was trained; outside them, {kinds}."]
    told = [_most_layers(layers, int(document["layers"])), *_most_kind(document)]
    directions = median_directions(document)
    if directions is not None:
        allowed = nominal_rank(document)
        along = (
            f"{_count(directions)} of {allowed} allowed"
            if allowed
            else f"{directions} of its {full_rank(document)} directions"
        )
        told.append(
            "Each matrix changes along a single direction: rank 1 allows no more."
            if allowed == 1
            else f"In the typical matrix 90 % of the change lies along {along}."
        )
        if not allowed and any(m["nominal"] for m in body_matrices(document)):
            told[-1] += " The method's r does not bound the rank of what it changes."
    return told


def _most_layers(layers: Mapping[int, float], count: int) -> str:
    if len(layers) == 1:
        return f"All change inside the layers is in layer {next(iter(layers))} of {count}."
    ordered = sorted(layers, key=lambda layer: -layers[layer])
    most: list[int] = []
    while sum(layers[layer] for layer in most) < 0.5:
        most.append(ordered[len(most)])
    held = f"{sum(layers[layer] for layer in most) * 100:.0f} % of the squared change inside the layers"
    if len(most) <= len(layers) * FEW:
        several = len(most) > 1
        names = _listed([str(layer) for layer in sorted(most)])
        return f"Layer{'s' * several} {names} of {count} hold{'s' * (not several)} {held}."
    over = f"all {count} layers" if len(layers) == count else f"the {len(layers)} trained layers of {count}"
    first, last = ordered[0], ordered[-1]
    return (
        f"The change is spread over {over}: layer {first} holds the largest share ({layers[first] * 100:.0f} %),"
        f" layer {last} the smallest ({layers[last] * 100:.0f} %)."
    )


def _most_kind(document: Document) -> list[str]:
    """Which modules moved most and least for their size."""
    sums: dict[str, list[float]] = {}
    for cell in document["cells"]:
        if cell["layer"] and cell["trained"]:
            both = sums.setdefault(cell["kind"], [0.0, 0.0])
            both[0] += cell["change"] ** 2
            both[1] += cell["size"] ** 2
    sizes = {kind: (change / size) ** 0.5 for kind, (change, size) in sums.items() if size}
    if len(sums) == 1:
        kind = next(iter(sums))
        size = (
            f"they moved by {percent(sizes[kind])} of their size" if sizes else "they were zero at the start"
        )
        return [f"Only {_plural(kind)} were trained there; {size}."]
    if len(sizes) < 2:
        return []
    most, least = max(sizes, key=lambda k: sizes[k]), min(sizes, key=lambda k: sizes[k])
    return [
        f"For their size {_plural(most)} moved most ({percent(sizes[most])}) and {_plural(least)} least"
        f" ({percent(sizes[least])})."
    ]


def _about_scales(document: Document) -> list[str]:
    cells = _trained(document)
    most = max(cells, key=lambda cell: cell["largest"])
    mean = statistics.fmean(cell["value"] for cell in cells)
    return [
        f"The learned multipliers differ from 1 by {percent(mean)} on average.",
        f"The one that moved most is in {_where(most)}: by {percent(most['largest'])}.",
        "A multiplier turns a channel up or down; nothing else inside the layers moved.",
    ]


def _about_added(document: Document) -> list[str]:
    cells = _trained(document)
    most, least = max(cells, key=lambda c: c["value"]), min(cells, key=lambda c: c["value"])
    told = [
        f"The added part changes the hidden state most after {_where(most)}, by {percent(most['value'])} of its size,"
        f" and least after {_where(least)}, by {percent(least['value'])}.",
        f"Measured over {document['texts']} texts of the test part of about median length.",
    ]
    also = document.get("also_trained")
    if also:
        told.append(
            f"Trained as well: {_listed([kind_title(kind) for kind in also])} weights of the model itself."
        )
    return told


def _about_drift(document: Document) -> list[str]:
    cells = _trained(document)
    first, last = cells[0], cells[-1]
    return [
        f"After the first layer the hidden state is {percent(first['value'])} of its size away from the base model's,"
        f" after the last {percent(last['value'])}.",
        "This method can't be folded into the weights, so only its effect is shown."
        f" Measured over {document['texts']} texts of the test part.",
    ]


def _about_prompt(document: Document) -> list[str]:
    count = document["virtual_tokens"]
    told = []
    if document.get("moved") is not None:
        told.append(
            f"In training the {count} learned vectors moved by {percent(document['moved'])} of their size."
        )
    if document["kind"] == "prompt":
        told.append(_near_words(document["prompt"]))
    if document.get("attention"):
        shares = document["attention"]
        most = max(range(len(shares)), key=shares.__getitem__)
        told.append(
            f"Over {document['texts']} test texts {percent(statistics.fmean(shares))} of the attention goes to them, most in layer {most + 1}"
            f" ({percent(shares[most])}); spread evenly over all positions it would be {percent(document['even'])}."
        )
    else:
        told.append(document.get("attention_reason", ""))
    return [one for one in told if one]


def _near_words(prompt: Mapping[str, Any]) -> str:
    near = prompt["usual_nearest"]
    best = [token["nearest"][0]["cosine"] for token in prompt["tokens"]]
    close = sum(cosine >= near for cosine in best)
    usual = f"as near to a word as words usually are to each other (cosine {near:.2f})"
    if close == 0:
        return f"None of them is {usual}: read the nearest words as labels of a direction, not as a text."
    return f"{close if close < len(best) else 'All'} of them {'is' if close == 1 else 'are'} {usual}."


def is_near(prompt: Mapping[str, Any], cosine: float) -> str:
    """What a cosine means in this model's vocabulary."""
    if cosine >= 0.95:
        return "almost this word"
    if cosine >= prompt["usual_nearest"]:
        return "near"
    return "far" if cosine > prompt["chance_nearest"] else "nothing near"


def _about_head(document: Document) -> list[str]:
    head = document.get("head")
    return [f"The new head moved by {percent(head)} of its random start."] if head is not None else []


def _trained(document: Document) -> list[Mapping[str, Any]]:
    return [cell for cell in document["cells"] if cell["trained"] and cell["value"] is not None]


def _where(cell: Mapping[str, Any]) -> str:
    return f"the {kind_title(cell['kind'])} module of layer {cell['layer']}"


def _plural(kind: str) -> str:
    return {"norm": "norms", "bias": "bias terms"}.get(kind, f"{kind_title(kind)} matrices")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _count(value: int) -> str:
    return f"{value} direction{'s' * (value != 1)}"


def percent(share: float) -> str:
    """Two figures: "0.34 %", "3.4 %", "34 %"."""
    value = share * 100
    if value == 0:
        return "0 %"
    if value < 0.005:
        return "under 0.01 %"
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %" if value >= 0.995 else f"{value:.2f} %"


def about_overlap(found: Mapping[str, Any], first: str, second: str) -> str:
    """The last row of an overlap in words."""
    rows = found["rows"]
    row = next((r for r in reversed(rows) if r["among"] == r["top"]), rows[-1])
    top, over = row["top"], f" Mean over the {found['matrices']} matrices that both changed."
    if top == 1:
        return (
            f"The strongest direction of {first} and that of {second} have {percent(row['share'])} in common;"
            f" two directions drawn at random would have {percent(row['chance'])}.{over}"
        )
    return (
        f"Of the strongest {top} directions of {first}, {percent(row['share'])} lie among the strongest {top} of {second};"
        f" of directions drawn at random {percent(row['chance'])} would.{over}"
    )
