"""The bundled data sets on the Data tab: a card to use each, and a sheet with its README, figures and first rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from markupsafe import Markup

from workbench import registry
from workbench.data import BundledCard, bundled
from workbench.ui import parts, sheet
from workbench.ui.sheet import Sheet, Updates

USE, CARD = "choose", "card"
MANY = 6
PARTS = ("train", "validation", "test")
SHOWN_ROWS, SHOWN_LETTERS = 3, 240
LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "zh": "Chinese"}
_OTHER_TASKS = {
    "preference": "preference pairs",
    "language_modelling": "plain text",
    "generation": "generation",
}


def cards_html(cards: Sequence[BundledCard], chosen: str | None, task: str, words: str = "") -> Markup:
    """Sets for `task` first; only those in which every word of `words` is found."""
    wanted = words.casefold().split()
    found = [card for card in cards if all(word in _searched(card) for word in wanted)]
    found.sort(key=lambda card: (card.task != task, _order(card.task), card.name))
    if not found:
        return parts.empty_state(
            f"No bundled data set has “{words.strip()}”.", "Clear the search to see all."
        )
    drawn = Markup("").join(_card(card, card.name == chosen, task) for card in found)
    return Markup('<div class="wb-sets" role="group" aria-label="Bundled data sets">{}</div>').format(drawn)


def _searched(card: BundledCard) -> str:
    words = (
        card.name,
        card.title,
        card.summary,
        task_words(card.task),
        LANGUAGES.get(card.language, card.language),
        *card.labels,
    )
    return " ".join(words).casefold()


def _order(task: str) -> int:
    tasks = [*registry.tasks(), *_OTHER_TASKS]
    return tasks.index(task) if task in tasks else len(tasks)


def task_words(task: str) -> str:
    """What a task is called, also one that this version does not have."""
    known = registry.tasks().get(task)
    return known.title if known else _OTHER_TASKS.get(task, task.replace("_", " "))


def _card(card: BundledCard, chosen: bool, task: str) -> Markup:
    facts = [f"{parts.format_count(card.total_rows)} rows", LANGUAGES.get(card.language, card.language)]
    facts += [f"{len(card.labels)} labels"] if card.labels else []
    return Markup(
        '<article class="wb-set{on}" data-set="{name}"><div class="wb-source-head"><h3 class="wb-strong">{name}</h3>{badge}</div>'
        '<div class="wb-note">{facts}</div><p class="wb-two wb-small">{summary}</p>'
        '<div class="wb-set-foot"><span class="wb-note wb-grow">{task}</span>{card}{use}</div></article>'
    ).format(
        on=" wb-on" if chosen else "",
        name=card.name,
        badge=parts.badge("ok", "chosen") if chosen else "",
        facts=", ".join(fact for fact in facts if fact),
        summary=card.summary,
        task=_for_task(card, task),
        card=parts.button(_spoken("About", card.name), CARD, card.name, kind="quiet"),
        use=use_button(card),
    )


def use_button(card: BundledCard, kind: Any = "secondary") -> Markup:
    label = _spoken("Use", card.name)
    return parts.button(label, USE, card.name, kind=kind, disabled=card.task not in registry.tasks())


def _spoken(label: str, name: str) -> Markup:
    """Many buttons are called the same: a screen reader also says of what."""
    return Markup('{}<span class="wb-hidden"> {}</span>').format(label, name)


def _for_task(card: BundledCard, task: str) -> str:
    words = f"For {task_words(card.task).lower()}"
    if card.task not in registry.tasks():
        return f"{words}, which can’t be trained here yet"
    return words if card.task == task else f"{words}; using it changes the task"


def open_card(at: Sheet, name: str) -> Updates:
    """The sheet about this set. ValueError if there is none of that name."""
    card = next((one for one in bundled(every=True) if one.name == name), None)
    if card is None:
        raise ValueError(f"There is no bundled data set called {name!r:.60}.")
    readme = (card.folder / "README.md").read_text(encoding="utf-8")
    title = card.title or card.name
    return sheet.opened(
        at,
        title,
        use_button(card, "primary"),
        card_body(card),
        readme,
        note=f"For {task_words(card.task).lower()}",
    )


def card_body(card: BundledCard) -> Markup:
    """Figures and the first rows of each part."""
    rows = Markup("").join(
        Markup('<h3 class="wb-h3">{}</h3>{}').format(f"First rows of {part}", rows_table(found))
        for part, found in first_rows(card.folder).items()
    )
    return Markup('<div class="wb-sheet-body"><p>{}</p>{}{}</div>').format(
        card.summary, parts.fact_list(_facts(card)), rows
    )


def _facts(card: BundledCard) -> list[tuple[str, str | Markup]]:
    sizes = ", ".join(f"{parts.format_count(count)} {part}" for part, count in card.rows.items())
    facts: list[tuple[str, str | Markup]] = [("Rows", sizes)]
    if card.labels:
        facts.append(
            ("Labels", _verbatim(", ".join(card.labels)) if len(card.labels) <= 6 else str(len(card.labels)))
        )
    each = card.more.get("rows_per_label")
    if isinstance(each, Mapping) and each.get("train"):
        facts.append(
            ("Label balance", f"{parts.format_count(int(each['train']))} rows of every label in train")
        )
    if card.more.get("kinds"):
        facts.append(("Kinds", ", ".join(str(kind).replace("_", " ") for kind in card.more["kinds"])))
    facts.append(("Language", LANGUAGES.get(card.language, card.language)))
    facts += [
        (f"Reference: {name.replace('_', ' ')}", _score(score)) for name, score in card.reference.items()
    ]
    facts.append(("Licence", str(card.more.get("license", ""))))
    return [(name, value) for name, value in facts if value]


def _verbatim(words: str) -> Markup:
    """Names given by people stay as they are in every language."""
    return Markup('<span translate="no">{}</span>').format(words)


def _score(value: Any) -> str:
    share = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return f"{parts.format_score(value)} %" if share else str(value)


def first_rows(folder: Path, most: int = SHOWN_ROWS) -> dict[str, list[dict[str, Any]]]:
    """A few rows of each part, as they stand in its file."""
    found = {}
    for part in PARTS:
        for path in sorted(folder.glob(f"{part}.*")):
            with path.open(encoding="utf-8", newline="") as lines:
                rows: Iterable[Any] = (
                    csv.DictReader(lines) if path.suffix == ".csv" else map(json.loads, lines)
                )
                found[part] = [dict(row) for row in islice(rows, most)]
    return found


def rows_table(rows: Sequence[Mapping[str, Any]]) -> Markup:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in columns)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup('<td data-label="{}">{}</td>').format(name, _cell(row.get(name))) for name in columns
            )
        )
        for row in rows
    )
    return Markup(
        '<div class="wb-sheet-scroll" tabindex="0"><table class="wb-few-rows" translate="no"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, body)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = "\n".join(str(one) for one in value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_LETTERS else text[:SHOWN_LETTERS].rsplit(" ", 1)[0] + " …"
