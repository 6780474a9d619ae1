"""The comparison table's column of blind votes: Bradley-Terry strengths over all seeds of a method."""

from __future__ import annotations

from markupsafe import Markup

from workbench.bradley_terry import Strength
from workbench.ui.parts import format_value
from workbench.ui.table import Cell, Column

VOTES = "Votes"
HELP = (
    "Strength in the blind votes of the Inference tab (Bradley-Terry), the mean of all at 0: one that is 1.1 higher is chosen"
    " three times as often. Below it, how many of the votes in which it was shown it won."
)


def vote_column(group: str) -> Column:
    return Column("votes", VOTES, group, numeric=True, help=HELP)


def vote_cell(strength: Strength | None) -> Cell:
    """Empty where nobody was asked about it."""
    if strength is None:
        return Cell("")
    html = Markup('<span title="95 %: {} to {}">{}</span> <small class="wb-muted">{}/{}</small>').format(
        *(format_value(value, "nats") for value in (strength.low, strength.high, strength.strength)),
        strength.wins,
        strength.shown,
    )
    return Cell(html, strength.strength)


def plain_vote(strength: Strength | None) -> str:
    """The strength as plain text."""
    return "" if strength is None else format_value(strength.strength, "nats")
