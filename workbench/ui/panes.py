"""Answers side by side: one pane for each model with its label or its text, or the reason why it shows none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from workbench import registry
from workbench.curves import family_of
from workbench.families import family as find_family
from workbench.result import Run
from workbench.side_by_side import BASE, REFERENCES
from workbench.ui.answer_panes import given_pane, said_before, same_texts, text_body, text_foot
from workbench.ui.frame import model_title
from workbench.ui.parts import badge, format_milliseconds, join, marker, probability_bars
from workbench.ui.shown import in_sentence, in_words, judged_by, score_of

Answers = Mapping[str, Mapping[str, Any]]
YARDSTICKS = {
    "tfidf": ("TF-IDF", "bag of words, no deep learning"),
    "ngram": ("n-gram model", "goes on by counts of what followed, no deep learning"),
    "nearest": ("Nearest example", "copies the answer to the training prompt most like yours"),
}


@dataclass(frozen=True)
class Pane:
    """Who answers. `key` is a run's id, `base`, or the name of a reference."""

    key: str
    title: str
    family: str
    note: str


def panes_for(runs: Sequence[Run], *, yardstick: bool = True) -> list[Pane]:
    """The base first, then the runs, the task's reference last."""
    if not runs:
        return []
    setting = runs[0].spec.setting
    score = judged_by(setting)
    panes = [Pane(BASE, "Base", "base", f"{model_title(setting.model)}, as it came")]
    panes += [
        Pane(
            run.id,
            run.label,
            family_of(run.spec.choice.method),
            f"seed {run.spec.seed}, {_reached(run, score)} on the test part",
        )
        for run in runs
    ]
    if yardstick:
        panes.append(yardstick_pane(registry.task(setting.task).yardstick))
    return panes


def yardstick_pane(name: str) -> Pane:
    title, note = YARDSTICKS.get(name, (name, "no deep learning"))
    return Pane(name, title, "base", note)


def _reached(run: Run, score: str) -> str:
    """Accuracy needs no name beside its percent sign."""
    words = in_words(score_of(run), score)
    return words if score == "accuracy" else f"{in_sentence(score)} {words}"


def panes_html(
    panes: Sequence[Pane],
    answers: Answers,
    *,
    waiting: Sequence[str] = (),
    asking: str = "",
    right: Sequence[str] = (),
    differences: bool = True,
    turns: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    best: str | None = None,
) -> Markup:
    """All panes. `waiting` ones keep their last content, dimmed; `asking` is the one being loaded now. `right` is what
    the test part gives: a label, or texts. `turns` are what was said before by each in a chat, `best` is the one that a
    blind vote has just chosen."""
    if not panes:
        return Markup("")
    texts = any("text" in answer for answer in answers.values()) or panes[-1].key in ("nearest", "ngram")
    base = answers.get(BASE, {}).get("text") if BASE not in waiting else None
    drawn = [
        _pane(
            pane,
            answers.get(pane.key),
            pane.key in waiting,
            pane.key == asking,
            _Beside(
                tuple(right),
                base if pane.key not in (BASE, *REFERENCES) else None,
                differences,
                tuple((turns or {}).get(pane.key, ())),
                best == pane.key,
            ),
        )
        for pane in panes
    ]
    if texts and right:
        drawn.insert(1, given_pane(right))
    return Markup('<div class="wb-panes{}">{}</div>').format(
        " wb-panes-text" if texts else "", Markup("").join(drawn)
    )


@dataclass(frozen=True)
class _Beside:
    """What an answer is held against."""

    right: tuple[str, ...]
    base: str | None
    differences: bool
    turns: tuple[Mapping[str, str], ...] = ()
    chosen: bool = False


def agreement(answers: Answers, panes: Sequence[Pane]) -> Markup:
    """How many of those that answered say the same."""
    found = [answers[pane.key] for pane in panes if pane.key in answers]
    texts = [answer["text"] for answer in found if answer.get("text")]
    if texts:
        return same_texts(texts)
    labels = [answer["label"] for answer in found if answer.get("label")]
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


def _pane(
    pane: Pane, answer: Mapping[str, Any] | None, waiting: bool, asked_now: bool, beside: _Beside
) -> Markup:
    if answer:
        body = _content(pane, answer, beside)
    else:
        nothing = "" if beside.turns else Markup('<p class="wb-muted wb-small">Nothing asked yet.</p>')
        body = join(said_before(beside.turns), nothing)
    if asked_now:
        state = badge("busy", "loading")
    elif waiting:
        state = badge("busy", "waiting")
    else:
        state = _badge(pane, answer)
    return Markup(
        '<article class="wb-pane {}{}" aria-busy="{}"><div class="wb-row wb-pane-head">{}<h3 class="wb-cut" title="{}">{}</h3>'
        '<span class="wb-space"></span>{}</div><div class="wb-note">{}</div><div class="wb-pane-body">{}</div>{}</article>'
    ).format(
        find_family(pane.family).css_class,
        (" wb-dim" if waiting else "") + (" wb-voted" if beside.chosen else ""),
        "true" if waiting else "false",
        marker(pane.family, 13),
        pane.title,
        pane.title,
        state,
        join(badge("ok", "your vote"), " ", pane.note) if beside.chosen else pane.note,
        body,
        _foot(answer),
    )


def _content(pane: Pane, answer: Mapping[str, Any], beside: _Beside) -> Markup:
    if answer.get("text") is not None:
        written = text_body(answer, beside.base, differences=beside.differences)
        return join(said_before(beside.turns), written)
    label = answer.get("label")
    if label is None:
        return Markup(
            '<div class="wb-dead"><p class="wb-strong">No {} is shown.</p><p class="wb-small wb-two">{}</p></div>'
        ).format("text" if "text" in answer else "label", answer.get("reason") or "This model gave none.")
    verdict: str | Markup = ""
    if beside.right:
        verdict = badge("ok", "right") if label in beside.right else badge("fail", "wrong")
    return join(
        Markup('<div class="wb-row"><span class="wb-said" translate="no">{}</span>{}</div>').format(
            label, verdict
        ),
        probability_bars(answer["probabilities"], pane.family),
        Markup('<p class="wb-note">The text was longer than the model takes and was cut.</p>')
        if answer.get("truncated")
        else "",
    )


def _badge(pane: Pane, answer: Mapping[str, Any] | None) -> Markup:
    if answer is None:
        return Markup("")
    says = answer.get("text") is not None or answer.get("label") is not None
    if answer.get("writing"):
        return badge("busy", "writing")
    if answer.get("stopped") and not says:
        return badge("busy", "not asked")
    if pane.key == BASE or pane.key in REFERENCES:
        untrained = pane.key == BASE and not says and "text" not in answer
        return badge("busy", "untrained head" if untrained else "reference" if says else "no answer")
    if answer.get("live") is False:
        return badge("fail", "not live")
    if not says:
        return badge("fail", "no answer")
    return Markup('<span title="{}">{}</span>').format(_proof_words(answer), badge("ok", "live"))


def _proof_words(answer: Mapping[str, Any]) -> str:
    """What was measured on this very question."""
    if answer.get("difference") is None:
        return "Its method acts on the model."
    off = answer.get("off_difference") or 0.0
    without = "they are equal" if off == 0 else f"they differ by {off:.0e}"
    return f"On this text its method moves the logits by up to {answer['difference']:.2g}; with it off {without}."


def _foot(answer: Mapping[str, Any] | None) -> Markup:
    if not answer or answer.get("ms") is None:
        return Markup("")
    if "text" in answer:
        return text_foot(answer)
    return Markup(
        '<div class="wb-pane-foot wb-small"><span class="wb-muted">answered in</span> <b>{}</b></div>'
    ).format(format_milliseconds(answer["ms"]))
