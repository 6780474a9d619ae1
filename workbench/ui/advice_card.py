"""The card "What matters to me" of the Compare tab: five weights that order the methods, and an advice that cites its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.advice import ASPECTS, MOST, USUAL, Advice, Piece, advise, ranked
from workbench.compare import Comparison
from workbench.ui import shown
from workbench.ui.context import QUIET, PageContext, owner_of, say_errors, setting_of
from workbench.ui.controls import html_block
from workbench.ui.parts import marker, term
from workbench.ui.shown import in_sentence

WEIGHTS = tuple(f"weight_{name}" for name in ASPECTS)
BY_SCORE, BY_WEIGHTS, BY_FAMILY = "By score", "By what matters", "By family"


def draw(p: dict[str, Any]) -> None:
    """Add the card's parts to those of the tab, drawn where it is called."""
    with gr.Column(elem_classes="wb-card wb-matters"):
        html_block('<div class="wb-head"><h2>What matters to me</h2></div>')
        for name, part in zip(ASPECTS, WEIGHTS):
            p[part] = gr.Slider(0, MOST, value=USUAL[name], step=1, label=name, elem_classes="wb-weight")
        words = Markup("; ").join(term(name, help) for name, help in ASPECTS.items())
        html_block(str(Markup('<p class="wb-note">0 does not count. What they mean: {}.</p>').format(words)))
        p["advice"] = html_block("")


def wire(context: PageContext, p: dict[str, Any]) -> None:
    """The advice follows the tab and its sliders."""

    @say_errors
    def advise_reader(
        setting_id: str | None, a: float, b: float, c: float, d: float, e: float, request: gr.Request
    ) -> str:
        owner = owner_of(request)
        found = shown.compared(context.store, setting_of(context, setting_id, owner), owner)
        return str(advice_html(found, advise(found, weights_of((a, b, c, d, e))))) if found else ""

    inputs = [context.setting_id, *(p[part] for part in WEIGHTS)]
    p["drawn"].change(advise_reader, inputs, p["advice"], **QUIET)
    for part in WEIGHTS:
        p[part].change(advise_reader, inputs, p["advice"], trigger_mode="always_last", **QUIET)


def weights_of(values: Sequence[float]) -> dict[str, float]:
    return {name: float(value or 0) for name, value in zip(ASPECTS, values)}


def order_of(found: Comparison, kind: str, weights: Mapping[str, float]) -> list[str] | None:
    """Keys of the rows in the order asked for; None is the table's own, by score."""
    if kind == BY_WEIGHTS:
        return [place.row.key for place in ranked(found, weights)]
    if kind == BY_FAMILY:
        families = list(dict.fromkeys(row.family for row in found.rows))
        return [row.key for row in sorted(found.rows, key=lambda row: families.index(row.family))]
    return None


def advice_html(found: Comparison, advice: Advice) -> Markup:
    """Headline with the family's mark, then sentences, each with the place of its row by score."""
    places = {row.key: place for place, row in enumerate(found.rows, 1)}
    labels = {row.key: row.label for row in (*found.rows, *found.references)}
    said = Markup(" ").join(_piece(piece, places, labels) for piece in advice.pieces)
    return Markup(
        '<div class="wb-advice"><h3>{}{}</h3><p class="wb-two wb-small">{}</p>'
        '<p class="wb-note">From these weights over the rows’ own figures. Row numbers are places by {}.</p></div>'
    ).format(
        marker(advice.family, 12) if advice.row else "",
        advice.headline.rstrip(".") + ".",
        said,
        in_sentence(found.metric),
    )


def _piece(piece: Piece, places: Mapping[str, int], labels: Mapping[str, str]) -> Markup:
    if not piece.row:
        return Markup("{}").format(piece.words)
    cite = f"row {places[piece.row]}" if piece.row in places else "reference"
    return Markup('{} <span class="wb-cite" title="{}">{}</span>').format(
        piece.words, labels.get(piece.row, ""), cite
    )
