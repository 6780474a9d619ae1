"""Answers side by side: one pane for each model, its label and probabilities, or the reason why it shows none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from workbench.curves import family_of
from workbench.result import Run
from workbench.side_by_side import BASE, TFIDF
from workbench.ui.families import family as find_family
from workbench.ui.frame import model_title
from workbench.ui.parts import badge, format_milliseconds, join, marker, probability_bars
from workbench.ui.shown import in_words, score_of

Answers = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Pane:
    """Who answers. `key` is a run's id, `base` or `tfidf`."""

    key: str
    title: str
    family: str
    note: str


def panes_for(runs: Sequence[Run], metric: str) -> list[Pane]:
    """The base first, then the runs, TF-IDF last."""
    if not runs:
        return []
    model = model_title(runs[0].spec.setting.model)
    return [
        Pane(BASE, "Base", "base", f"{model}, as it came"),
        *(
            Pane(
                run.id,
                run.label,
                family_of(run.spec.choice.method),
                f"seed {run.spec.seed}, {in_words(score_of(run), metric)} on the test part",
            )
            for run in runs
        ),
        Pane(TFIDF, "TF-IDF", "base", "bag of words, no deep learning"),
    ]


def panes_html(
    panes: Sequence[Pane],
    answers: Answers,
    *,
    waiting: Sequence[str] = (),
    asking: str = "",
    gold: str = "",
) -> Markup:
    """All panes. `waiting` ones keep their last content, dimmed; `asking` is the one being asked now."""
    if not panes:
        return Markup("")
    return Markup('<div class="wb-panes">{}</div>').format(
        Markup("").join(
            _pane(pane, answers.get(pane.key), pane.key in waiting, pane.key == asking, gold)
            for pane in panes
        )
    )


def agreement(answers: Answers, panes: Sequence[Pane]) -> Markup:
    """How many of those that gave a label say the same."""
    labels = [answers[pane.key]["label"] for pane in panes if answers.get(pane.key, {}).get("label")]
    if not labels:
        return Markup("")
    ranked = Counter(labels).most_common()
    label, count = ranked[0]
    if len(labels) == 1:
        return badge("busy", f"one says {label}")
    if count == len(labels):
        return badge("busy", f"all {count} say {label}")
    if ranked[1][1] == count:
        return badge("busy", "they disagree: " + ", ".join(f"{n} {name}" for name, n in ranked[:3]))
    return badge("busy", f"{count} of {len(labels)} say {label}")


def _pane(pane: Pane, answer: Mapping[str, Any] | None, waiting: bool, asked_now: bool, gold: str) -> Markup:
    body = (
        _content(pane, answer, gold)
        if answer
        else Markup('<p class="wb-muted wb-small">Nothing asked yet.</p>')
    )
    if asked_now:
        state = badge("busy", "asking")
    elif waiting:
        state = badge("busy", "waiting")
    else:
        state = _badge(pane, answer)
    return Markup(
        '<article class="wb-pane {}{}" aria-busy="{}"><div class="wb-row wb-pane-head">{}<h3 class="wb-cut" title="{}">{}</h3>'
        '<span class="wb-space"></span>{}</div><div class="wb-note">{}</div><div class="wb-pane-body">{}</div>{}</article>'
    ).format(
        find_family(pane.family).css_class,
        " wb-dim" if waiting else "",
        "true" if waiting else "false",
        marker(pane.family, 13),
        pane.title,
        pane.title,
        state,
        pane.note,
        body,
        _foot(answer),
    )


def _content(pane: Pane, answer: Mapping[str, Any], gold: str) -> Markup:
    label = answer.get("label")
    if label is None:
        return Markup(
            '<div class="wb-dead"><p class="wb-strong">No label is shown.</p><p class="wb-small wb-two">{}</p></div>'
        ).format(answer.get("reason") or "This model gave none.")
    verdict: str | Markup = ""
    if gold:
        verdict = badge("ok", "right") if label == gold else badge("fail", "wrong")
    return join(
        Markup('<div class="wb-row"><span class="wb-said">{}</span>{}</div>').format(label, verdict),
        probability_bars(answer["probabilities"], pane.family),
        Markup('<p class="wb-note">The text was longer than the model takes and was cut.</p>')
        if answer.get("truncated")
        else "",
    )


def _badge(pane: Pane, answer: Mapping[str, Any] | None) -> Markup:
    if answer is None:
        return Markup("")
    if pane.key in (BASE, TFIDF):
        return badge(
            "busy", "untrained head" if answer.get("label") is None and pane.key == BASE else "reference"
        )
    if answer.get("live") is False:
        return badge("fail", "not live")
    if answer.get("label") is None:
        return badge("fail", "no answer")
    return badge("ok", "live")


def _foot(answer: Mapping[str, Any] | None) -> Markup:
    if not answer or answer.get("ms") is None:
        return Markup("")
    return Markup(
        '<div class="wb-pane-foot wb-small"><span class="wb-muted">answered in</span> <b>{}</b></div>'
    ).format(format_milliseconds(answer["ms"]))
