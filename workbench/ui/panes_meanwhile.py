"""The panes while answers are written, what is said of all of them in the end, and how a chat goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from workbench.spec import Setting
from workbench.ui import shown
from workbench.ui.pane_asking import Heard
from workbench.ui.panes import Answers, Pane, agreement, panes_html
from workbench.ui.parts import progress_bar
from workbench.ui.prompts import Known, score_text
from workbench.ui.vote_card import hidden_html

UNTOUCHED = 9
"""How many outputs of the asking handler stay as they are meanwhile."""


def how_far(done: int, total: int) -> Markup:
    words = f"{done} of {total} answered"
    return Markup('<span class="wb-row wb-asked-so-far">{}<span class="wb-note">{}</span></span>').format(
        progress_bar(done / total, label=words), words
    )


def summary_of(answers: Answers, panes: Sequence[Pane], right: Sequence[str], texts: bool) -> Markup:
    note = Markup("")
    if right and texts:
        note = Markup('<span class="wb-note">A row of the test part; its right answer stands beside.</span>')
    elif right:
        note = Markup(
            '<span class="wb-note">A row of the test part; its label there: <b translate="no">{}</b></span>'
        ).format(right[0])
    return Markup('<span class="wb-row">{}{}</span>').format(agreement(answers, panes), note)


class Meanwhile:
    """The panes while answers come."""

    def __init__(
        self,
        panes: Sequence[Pane],
        last: dict[str, Any],
        right: Sequence[str],
        differences: bool,
        turns: Mapping[str, Any],
        blind: bool,
    ) -> None:
        self.panes, self.last, self.right = panes, last, right
        self.differences, self.turns, self.blind = differences, turns, blind

    def drawn(self, heard: Heard, count: int) -> tuple[Any, ...]:
        waiting = [pane.key for pane in self.panes if pane.key not in heard.answers]
        answers = self.last | heard.answers if not self.turns else heard.answers
        html = (
            hidden_html(count, heard.done)
            if self.blind
            else panes_html(
                self.panes, answers, waiting=waiting, asking=heard.loading, right=self.right,
                differences=self.differences, turns=self.turns,
            )
        )  # fmt: skip
        title = next((pane.title for pane in self.panes if pane.key == heard.loading), "")
        words = f"Loading {title}" if title and not self.blind else "Asking"
        return (
            *(str(html), gr.update(value=words, interactive=False), gr.update(visible=True, value="Stop")),
            *(str(how_far(heard.done, count)), *[gr.skip()] * UNTOUCHED),
        )


def scored(answer: dict[str, Any], setting: Setting, known: Known) -> dict[str, Any]:
    """With the score of its text where the right answer is known."""
    said = answer.get("text")
    if said is None or answer.get("stopped") or not known.right:
        return answer
    return answer | {"judged": shown.judged_by(setting), "score": score_text(setting, said, known)}


def with_answer(turns: Sequence[Mapping[str, str]], answer: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The chat as it goes on from here; a question without an answer is left out."""
    said = (answer.get("text") or "").strip()
    return [*turns, {"role": "assistant", "content": said}] if said else list(turns[:-1])
