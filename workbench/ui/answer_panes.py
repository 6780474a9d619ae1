"""Generated answers: the text of one pane with what differs from the base's, its tokens and pace, and the given answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from workbench.ui.differences import LEAST_SHARED, marked, shared
from workbench.ui.parts import badge, format_milliseconds, join, marker
from workbench.ui.shown import in_sentence, in_words

Answer = Mapping[str, Any]


def text_body(answer: Answer, base: str | None, *, differences: bool) -> Markup:
    """The answer; against the base's text added words are underlined and left-out ones struck through."""
    text = str(answer["text"])
    notes: list[str | Markup] = []
    if answer.get("writing"):
        return Markup(
            '<p class="wb-answer" translate="no">{}<span class="wb-caret" aria-hidden="true"></span></p>'
        ).format(text)
    if not text.strip():
        body = Markup('<p class="wb-two wb-small">An empty answer: it ended at once.</p>')
    elif base is None or not differences or answer.get("stopped"):
        body = _paragraph(text)
    elif " ".join(text.split()) == " ".join(base.split()):
        body = _paragraph(text)
        notes.append("Word for word what the base says.")
    elif (common := shared(base, text)) < LEAST_SHARED:
        body = _paragraph(text)
        notes.append(f"Another text altogether: {common * 100:.0f} % of its words in common with the base.")
    else:
        body = Markup('<p class="wb-answer" translate="no">{}</p>').format(marked(base, text))
    if answer.get("stopped"):
        notes.append("Stopped by you: this is as far as it came.")
    elif answer.get("ended") is False:
        notes.append(f"Cut after {answer['tokens']:,} tokens: the answer had not ended.")
    if answer.get("truncated"):
        notes.append("The prompt was longer than the model takes: its beginning was cut.")
    return join(body, *(Markup('<p class="wb-note">{}</p>').format(note) for note in notes))


def text_foot(answer: Answer) -> Markup:
    """How long it took, how long it is, the pace, and its score where the right answer is known."""
    ms, tokens = answer.get("ms"), answer.get("tokens")
    first, pace = answer.get("first_token_ms"), answer.get("tokens_per_second")
    facts = []
    if first is not None:
        facts.append(("first token", format_milliseconds(first)))
    elif ms is not None:
        facts.append(("took", format_milliseconds(ms)))
    if pace is not None:
        facts.append(("speed", f"{pace:,.0f}\u00a0tok/s"))
    elif ms is not None and tokens and first is None:
        facts.append(("per token", format_milliseconds(ms / tokens)))
    if tokens is not None:
        facts.append(("length", f"{tokens:,}\u00a0tok"))
    if (answer.get("batch") or 1) > 1:
        facts.append(("at once", f"{answer['batch']}"))
    if answer.get("score") is not None:
        facts.append((in_sentence(answer["judged"]), in_words(answer["score"], answer["judged"])))
    if not facts:
        return Markup("")
    cells = Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*fact) for fact in facts)
    return Markup('<dl class="wb-pane-foot wb-pace" title="{}">{}</dl>').format(_batch_words(answer), cells)


def _batch_words(answer: Answer) -> str:
    """What the figures mean where several answers were computed together."""
    if (count := answer.get("batch")) is None:
        return ""
    if count == 1:
        return "Computed by itself, token by token in turn with the other panes; their time is not counted."
    return f"Computed in one batch of {count} answers: each token of all of them took this long together."


def said_before(turns: Sequence[Mapping[str, str]]) -> Markup:
    """A chat up to here."""
    lines = Markup("").join(
        Markup(
            '<div class="wb-turn wb-turn-{}"><span class="wb-note">{}</span><p translate="no">{}</p></div>'
        ).format(
            turn["role"], {"user": "You", "assistant": "It"}.get(turn["role"], turn["role"]), turn["content"]
        )
        for turn in turns
    )
    return Markup('<div class="wb-turns">{}</div>').format(lines) if turns else Markup("")


def given_pane(right: Sequence[str]) -> Markup:
    """What the test part gives as the answer, beside the models' own."""
    first, *others = right
    more = Markup("")
    if others:
        items = Markup("").join(Markup('<li translate="no">{}</li>').format(text) for text in others)
        words = f"{len(others)} more that would be right"
        more = Markup('<details class="wb-more"><summary>{}</summary><ul>{}</ul></details>').format(
            words, items
        )
    return Markup(
        '<article class="wb-pane wb-given f-base"><div class="wb-row wb-pane-head">{}<h3>Right answer</h3>'
        '<span class="wb-space"></span>{}</div><div class="wb-note">given in the test part</div>'
        '<div class="wb-pane-body">{}{}</div></article>'
    ).format(marker("base", 13), badge("busy", "reference"), _paragraph(first), more)


def same_texts(texts: Sequence[str]) -> Markup:
    """How many of the answers are word for word the same."""
    if len(texts) < 2:
        return Markup("")
    (_, count), *_ = Counter(" ".join(text.split()) for text in texts).most_common()
    if count == len(texts):
        return badge("busy", f"all {count} answers are the same")
    if count == 1:
        return badge("busy", f"{len(texts)} different answers")
    return badge("busy", f"{count} of {len(texts)} answers are the same")


def _paragraph(text: str) -> Markup:
    return Markup('<p class="wb-answer" translate="no">{}</p>').format(text)
