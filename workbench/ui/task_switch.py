"""The switch that says what the model shall learn: one card per task, with its sentence and how it was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from workbench import registry
from workbench.ui import parts

SET = "task"


def switch(task: str, note: str = "") -> Markup:
    """`note` says why this task is on, where the page itself has chosen it."""
    cards = Markup("").join(
        Markup(
            '<button type="button" class="wb-model{on}" data-action="{action}" data-key="{key}" aria-pressed="{pressed}">'
            '<span class="wb-dot" aria-hidden="true"></span><span><span class="wb-strong">{title}</span>'
            '<span class="wb-note">{sentence}</span></span></button>'
        ).format(
            on=" wb-on" if one.name == task else "",
            action=SET,
            key=one.name,
            pressed=str(one.name == task).lower(),
            title=one.title,
            sentence=one.sentence,
        )
        for one in registry.tasks().values()
    )
    return Markup(
        '<div class="wb-task-switch"><div class="wb-title"><h2 class="wb-h2">What shall the model learn?</h2>'
        '<span class="wb-note" role="status">{}</span></div><div class="wb-task-cards" role="group" aria-label="Task">{}</div></div>'
    ).format(note, cards)


def because_bundled(name: str, task: str) -> str:
    return f"{registry.task(task).title}, as {name} is made for it."


def because_guessed(guess: Mapping[str, Any] | None, task: str) -> str:
    """What the page made of a file that somebody brought."""
    if guess is None:
        return "Nothing in the file says which: choose."
    title = registry.task(task).title
    sure = {"certain": "for certain", "likely": "most likely"}.get(str(guess["sure"]), "at a guess")
    return f"{title}, {sure}: {guess['reason']}. Choose the other if that is wrong."


def format_line(report: Mapping[str, Any]) -> Markup:
    """How the rows were read, how sure that is and why, which column plays which role; and what else would fit."""
    found = report.get("format")
    if not found:
        return Markup("")
    kind = {"certain": "ok", "likely": "ok"}.get(str(found["sure"]), "warn")
    roles = parts.join(
        *(
            Markup(
                '<span class="wb-role"><span class="wb-muted">{}</span> <span class="wb-mono">{}</span></span>'
            ).format(role_words(role), column)
            for role, column in found["columns"].items()
        )
    )
    others = parts.join(
        *(
            parts.button(f"Read as {in_sentence(one['title'])}", "format", one["name"])
            for one in report["other_formats"]
        )
    )
    return Markup(
        '<section class="wb-card wb-format"><div class="wb-head"><h2>Read as {}</h2>{}<span class="wb-note">{}</span>'
        '<span class="wb-space"></span>{}</div><div class="wb-roles">{}</div></section>'
    ).format(
        in_sentence(str(found["title"])),
        parts.badge(kind, str(found["sure"])),  # type: ignore[arg-type]
        _sentence(str(found["reason"])),
        others,
        roles,
    )


def in_sentence(title: str) -> str:
    """A title within a sentence: names keep their capital, words lose it."""
    return title if title.split()[0] in ("Alpaca", "ShareGPT", "OpenAI") else title[:1].lower() + title[1:]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def role_words(role: str) -> str:
    """What a role is called where a reader sees it."""
    return ROLES.get(role, role).lower()


ROLES = {
    "prompt": "Prompt",
    "completion": "Completion",
    "messages": "Conversation",
    "input": "Input",
    "history": "Earlier turns",
    "references": "References",
    "kind": "Kind",
    "answer": "Bare answer",
    "system": "System prompt",
    "chosen": "Better answer",
    "rejected": "Worse answer",
    "text": "Text",
    "rating": "Rating",
}
# Of an answer that was rated by itself there is none to be better or worse than.
RATED_ALONE = {"chosen": "Good answer", "rejected": "Bad answer"}
