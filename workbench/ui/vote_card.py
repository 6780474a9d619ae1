"""Blind vote: answers under letters in a drawn order, the reader's choice, who was who, and the ranking of all votes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from workbench import votes
from workbench.curves import family_of
from workbench.result import Run
from workbench.side_by_side import BASE, REFERENCES
from workbench.ui.panes import Answers
from workbench.ui.parts import button, marker, whisker
from workbench.votes import LETTERS, Ranking

TIE = "tie"


@dataclass(frozen=True)
class Blind:
    """A question whose answers wait for a vote. It stays with the page: the browser is not told who is who."""

    prompt: str
    order: tuple[str, ...]


def blind_of(prompt: str, answers: Answers) -> Blind | None:
    """The answers that may be voted on, shuffled; None where fewer than two different ones were written."""
    able = [k for k, a in answers.items() if k not in REFERENCES and (a.get("text") or "").strip()]
    texts = {str(answers[key]["text"]).strip() for key in able}
    return Blind(prompt, tuple(votes.shuffled(able))) if len(texts) > 1 else None


def hidden_html(count: int, done: int) -> Markup:
    """While answers are written nothing is shown: how fast one comes would tell who it is."""
    return Markup(
        '<p class="wb-note wb-blind-wait" role="status">{} of {} answers are written. They are shown together, without names'
        " and in a drawn order.</p>"
    ).format(done, count)


def blind_html(blind: Blind, answers: Answers) -> Markup:
    """The answers under letters, each with its button."""
    drawn = Markup("").join(
        Markup(
            '<article class="wb-pane wb-blind f-base" aria-label="Answer {0}"><div class="wb-row wb-pane-head">'
            '<span class="wb-letter">{0}</span><span class="wb-space"></span><span class="wb-note">hidden until you vote</span>'
            '</div><div class="wb-pane-body"><p class="wb-answer" translate="no">{1}</p></div><div class="wb-pane-foot">{2}</div></article>'
        ).format(LETTERS[place], answers[key]["text"], button("This one is best", "vote", str(place)))
        for place, key in enumerate(blind.order)
    )
    return Markup(
        '<p class="wb-note wb-blind-how">Names, colours, speeds and order are hidden. Keys 1 to {}, 0 where none is better.</p>'
        '<div class="wb-panes wb-panes-text">{}</div><div class="wb-row wb-blind-else">{}</div>'
    ).format(min(9, len(blind.order)), drawn, button("None is better", "vote", TIE, small=False))


def choice_of(blind: Blind, key: str) -> str | None:
    """Who was chosen by a button's key; None for a tie."""
    if key == TIE:
        return None
    if not key.isdigit() or int(key) >= len(blind.order):
        raise ValueError("This answer is no longer on show: ask again.")
    return blind.order[int(key)]


def ranking_card(ranking: Ranking, runs: Sequence[Run]) -> Markup:
    """Strengths with their intervals on one scale; empty before the first vote."""
    if not ranking.votes:
        return Markup("")
    names = names_of(runs)
    families = {run.id: family_of(run.spec.choice.method) for run in runs}
    limit = max(1.0, *(max(abs(one.low), abs(one.high)) for one in ranking.strengths))
    rows = Markup("").join(
        Markup("<li>{}<span>{}</span>{}<span>{} <small>{}</small></span></li>").format(
            marker(families.get(one.name, "base"), 12),
            names.get(one.name, "a run that is gone"),
            whisker(
                one.strength,
                one.low,
                one.high,
                -limit,
                limit,
                families.get(one.name, "base"),
                0.0,
                f"strength {one.strength:.2f}, between {one.low:.2f} and {one.high:.2f}",
            ),
            one.wins,
            f"of {_many(one.shown, 'vote')}",
        )
        for one in ranking.strengths
    )
    words = f"{_many(ranking.readers, 'reader')}, {_many(ranking.votes, 'vote')}, Bradley-Terry strength with 95 % interval"
    return Markup(
        '<div class="wb-ranking"><h3>Ranking so far</h3><p class="wb-note">{}. Where intervals overlap, more votes are needed'
        " to tell.</p><ul>{}</ul></div>"
    ).format(words, rows)


def names_of(runs: Sequence[Run]) -> Mapping[str, str]:
    """Methods by run; with the seed where a method has several."""
    labels = [run.label for run in runs]
    return {BASE: "Base"} | {
        run.id: run.label if labels.count(run.label) == 1 else f"{run.label}, seed {run.spec.seed}"
        for run in runs
    }


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"
