"""What the card "Rate answers" shows: the pair with its buttons, who was who once it is rated, and the counts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from workbench import feedback
from workbench.feedback import FIRST, SECOND, TIE, Pair, Rating, Record, Said
from workbench.result import Run
from workbench.side_by_side import BASE
from workbench.ui.frame import model_title
from workbench.ui.parts import bar, button, progress_bar, term

WHO = "One: two draws of the same model. Several: two of them in turn, and you are told which was which once you have chosen."
ALIKE = "The answers to the last few prompts were alike or empty: tick another model, or try again."
PREFERENCE = (
    "A prompt with a better and a worse answer. DPO and KTO learn from such pairs directly; RLHF first learns a reward"
    " from them that tells good answers from bad ones."
)
NOTHING = Markup("")
Names = Sequence[tuple[str, str]]


def names(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """(words, key) of all that may answer: the base first."""
    if not runs:
        return []
    base = (f"Base ({model_title(runs[0].spec.setting.model)})", BASE)
    return [base, *((f"{run.label}, seed {run.spec.seed}", run.id) for run in runs)]


def intro(source: str, prompts: int) -> Markup:
    return Markup(
        '<div class="wb-head"><h3>Rate answers</h3><span class="wb-note">human feedback</span></div>'
        '<p class="wb-two wb-small">Two answers to the same prompt, in random order and without names: choose the better one.'
        " Your choices become {}, to train on with DPO, KTO or RLHF. The {:,} prompts are those of the training part of {},"
        " so that the test part stays unseen.</p>"
    ).format(term("preference data", PREFERENCE), prompts, source)


def waiting(last: Markup = NOTHING) -> Markup:
    return Markup(
        '<div class="wb-feedback-pair" aria-busy="true">{}<p class="wb-two wb-small">Two answers are being written</p>{}</div>'
    ).format(last, progress_bar(None, label="Two answers are being written"))


def none_left(words: str, last: Markup = NOTHING) -> Markup:
    return Markup('<div class="wb-feedback-pair">{}<p class="wb-two">{}</p></div>').format(last, words)


def pair_html(pair: Pair, *, last: Markup = NOTHING, note: str = "") -> Markup:
    """The prompt, both answers, and the four things that may be said of them."""
    return Markup(
        '<div class="wb-feedback-pair">{}{}<div class="wb-feedback-prompt"><span class="wb-note">Prompt</span>'
        '<p class="wb-answer" translate="no">{}</p></div><div class="wb-feedback-two">{}{}</div><div class="wb-row wb-feedback-else">{}{}</div></div>'
    ).format(
        last,
        Markup('<p class="wb-note" role="status">{}</p>').format(note) if note else "",
        pair.prompt,
        _side("A", pair.first, FIRST),
        _side("B", pair.second, SECOND),
        button("Both alike", TIE, small=False),
        button("Pass on", "skip", kind="quiet", small=False),
    )


def _side(letter: str, said: Said, verdict: str) -> Markup:
    return Markup(
        '<article class="wb-feedback-side" aria-label="Answer {0}"><h4>{0}</h4><p class="wb-answer" translate="no">{1}</p>{2}</article>'
    ).format(letter, said.text, button(f"{letter} is better", verdict, small=False))


def revealed(rating: Rating, known: Names) -> Markup:
    """Who wrote which answer, told once it was rated; nothing where both were one model's."""
    first, second = rating.pair.first.who, rating.pair.second.who
    verdict = {FIRST: "A was better", SECOND: "B was better", TIE: "both alike"}[rating.verdict]
    if first == second:
        words = f"Kept: {verdict}."
    else:
        words = f"Kept: {verdict}. A was {name_of(first, known)}, B was {name_of(second, known)}."
    return Markup('<p class="wb-note wb-feedback-last" role="status">{}</p>').format(words)


def name_of(who: str, known: Names) -> str:
    return next((words for words, key in known if key == who), "a run that is gone")


def counts(rated: Sequence[Rating], known: Names) -> Markup:
    """How many were rated, and who has won how often."""
    if not rated:
        return Markup('<p class="wb-note">Nothing rated yet on these prompts.</p>')
    chosen = len(feedback.rows(rated))
    ties = len(rated) - chosen
    words = f"{len(rated):,} rated: {chosen:,} with a better answer" + (
        f", {ties:,} alike, which data leave out" if ties else ""
    )
    if len({row["prompt"] for row in feedback.rows(rated)}) < feedback.LEAST_PROMPTS:
        words += (
            f". A data set needs {feedback.LEAST_PROMPTS} different prompts at least; a few dozen teach more"
        )
    found = sorted(feedback.tally(rated).items(), key=lambda pair: -(pair[1].share or 0.0))
    lines = Markup("").join(_won(name_of(who, known), record) for who, record in found)
    table = Markup('<div class="wb-feedback-won">{}</div>').format(lines) if lines else ""
    return Markup('<div class="wb-feedback-counts"><p class="wb-small" role="status">{}</p>{}</div>').format(
        words, table
    )


def _won(name: str, record: Record) -> Markup:
    share = record.share or 0.0
    return Markup(
        '<div><span class="wb-cut" title="{0}">{0}</span>{1}<span class="wb-num">{2:.0f} %</span>'
        '<span class="wb-note">{3} won, {4} lost, {5} alike</span></div>'
    ).format(
        name,
        bar(share, 1.0, label=f"wins {share:.0%} of its pairs"),
        share * 100,
        record.won,
        record.lost,
        record.tied,
    )
