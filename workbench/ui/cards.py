"""The grid of method cards: one component whose value is the list of ticked keys.

Space ticks, Enter opens, arrows move; focus stays on the same card, by key, when the grid is redrawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.families import family as find_family
from workbench.ui.parts import icon, marker, number
from workbench.ui.parts.bars import bar
from workbench.ui.theme import page_file


@dataclass(frozen=True)
class Measure:
    """A line of a card: label, bar, figure. Without a share there is no bar, without a text no line."""

    label: str
    text: str
    share: float | None = None
    coloured: bool = False
    """True draws the bar in the family colour, False in ink."""
    steps: int = 0
    """Cuts in the bar, for a log scale: one per decade."""


@dataclass(frozen=True)
class Card:
    key: str
    title: str
    sentence: str
    family: str | None = None
    measures: tuple[Measure, ...] = ()
    disabled: str | None = None
    """The reason why it can't be ticked; the card stays, opens, and says it."""
    note: str = ""


@dataclass(frozen=True)
class CardGroup:
    """`more` are cards that are folded away until asked for; a ticked one is counted where they are folded."""

    key: str
    title: str
    cards: tuple[Card, ...]
    sentence: str = ""
    family: str | None = None
    note: str = ""
    more: tuple[Card, ...] = ()


def card_grid(
    groups: Iterable[CardGroup], ticked: Sequence[str] = (), *, opened: str | None = None, **arguments: Any
) -> gr.HTML:
    """The component. Its value is the list of ticked keys, in the order of ticking; the browser keeps it.

    Events beside Gradio's own (`change` fires on each tick and on each new value from the server):

    - `grid.tick(fn)`: a `gr.EventData` parameter has `key` and `ticked`;
    - `grid.open(fn)`: it has `key`;
    - `grid.missed(fn)`: with `number`, how many ticks the page has sent, where no redraw held them all for seconds.

    A handler redraws with `redraw(groups)`, which leaves the ticks alone. Filtered-out cards stay ticked.
    Not a subclass of `gr.HTML`: Gradio writes a `.pyi` file beside the source of every component class.
    """
    classes = arguments.pop("elem_classes", [])
    return gr.HTML(
        list(ticked),
        # Gradio may draw the component before it has its properties.
        html_template="${typeof cards === 'undefined' ? '' : cards}",
        js_on_load=page_file("cards.js").read_text(encoding="utf-8"),
        apply_default_css=False,
        elem_classes=["wb-html", *([classes] if isinstance(classes, str) else classes)],
        cards=str(cards_html(groups)),
        opened=opened or "",
        ticks={"keys": list(ticked), "clicks": None},
        **arguments,
    )


def redraw(
    groups: Iterable[CardGroup] | None = None,
    *,
    ticked: Sequence[str] | None = None,
    clicks: int | None = None,
    opened: str | None = None,
) -> dict[str, Any]:
    """What a handler returns for a `card_grid` output: new cards, new ticks, another open card; None leaves it as it is.
    With `clicks`, how many of the page's ticks are in them, ticks that lack any are passed over by the page."""
    changes: dict[str, Any] = {}
    if groups is not None:
        changes["cards"] = str(cards_html(groups))
    if ticked is not None:
        changes["ticks"] = {"keys": list(ticked), "clicks": clicks}
    if opened is not None:
        changes["opened"] = opened
    return gr.update(**changes)


def cards_html(groups: Iterable[CardGroup]) -> Markup:
    return Markup('<div class="wb-groups">{}</div>').format(
        Markup("").join(_group(group) for group in groups)
    )


def _group(group: CardGroup) -> Markup:
    head = ""
    if group.title:
        head = Markup(
            '<div class="wb-group-head">{}<h3>{}</h3><span class="wb-muted wb-small">{}</span>'
            '<span class="wb-space"></span><span class="wb-two wb-small">{}</span></div>'
        ).format(marker(group.family, 14) if group.family else "", group.title, group.sentence, group.note)
    return Markup(
        '<section data-group="{}" role="group" aria-label="{}">{}<div class="wb-cards">{}</div>{}</section>'
    ).format(
        group.key,
        group.title,
        head,
        Markup("").join(_card(card) for card in group.cards),
        _folded(group) if group.more else "",
    )


def _folded(group: CardGroup) -> Markup:
    """The browser keeps it open over redraws, and writes how many of them are ticked."""
    usable = sum(not card.disabled for card in group.more)
    cannot = len(group.more) - usable
    return Markup(
        '<details class="wb-more" data-more="{}"><summary><span>{}</span>'
        '<span class="wb-muted wb-more-cannot">{}</span><span class="wb-more-ticked"></span></summary>'
        '<div class="wb-cards">{}</div></details>'
    ).format(
        group.key,
        Markup(
            '<span class="wb-more-all">{}</span><span class="wb-more-usable">{}</span> more of this family'
        ).format(len(group.more), usable),
        f"{cannot} of them cannot run" if cannot else "",
        Markup("").join(_card(card) for card in group.more),
    )


def _card(card: Card) -> Markup:
    classes = "wb-pick" + (" wb-no" if card.disabled else "")
    classes += f" {find_family(card.family).css_class}" if card.family else ""
    body = _measures(card.measures, card.family)
    if card.disabled:
        body = Markup('<div class="wb-why">{0}<span title="{1}">{1}</span></div>').format(
            icon("no", 13), card.disabled
        )
    spoken = ". ".join(text for text in (card.sentence, card.disabled, card.note) if text)
    return Markup(
        '<div class="{classes}" data-key="{key}"><div class="wb-pick-head">'
        '<button type="button" class="wb-tick" role="checkbox" aria-checked="false"{off} tabindex="-1"'
        ' aria-label="{title}" aria-description="{spoken}">{check}</button>'
        '<span class="wb-pick-title">{title}</span>{mark}</div><p>{sentence}</p>{note}{body}</div>'
    ).format(
        classes=classes,
        key=card.key,
        off=Markup(' aria-disabled="true"') if card.disabled else "",
        title=card.title,
        spoken=spoken,
        check=icon("ok", 12),
        mark=marker(card.family) if card.family and not card.disabled else "",
        sentence=card.sentence,
        note=Markup('<span class="wb-note">{}</span>').format(card.note) if card.note else "",
        body=body,
    )


def _measures(measures: tuple[Measure, ...], family: str | None) -> Markup:
    lines = [
        Markup('<span>{}</span><span>{}</span><span class="wb-num">{}</span>').format(
            measure.label,
            bar(measure.share, 1.0, family if measure.coloured else None, steps=measure.steps),
            number(measure.text),
        )
        for measure in measures
        if measure.text
    ]
    return Markup('<div class="wb-measures">{}</div>').format(Markup("").join(lines)) if lines else Markup("")
