"""A file of prompts through all ticked runs: asked in the background, shown as a table, kept with the setting."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from workbench.ui.parts import progress_bar

SHOWN_ROWS = 200


def table_html(found: Mapping[str, Any], names: Mapping[str, str]) -> Markup:
    """A row per prompt, a column per model, what differs from the base in bold where labels are compared."""
    keys = [key for key in found["keys"] if key not in found["reasons"]]
    head = Markup("").join(
        Markup("<th scope='col'>{}</th>").format(names.get(key, "a run that is gone")) for key in keys
    )
    rows = Markup("").join(_row(row, keys) for row in found["rows"][:SHOWN_ROWS])
    notes = Markup("").join(
        Markup('<p class="wb-note">{}: {}</p>').format(names.get(key, key), reason)
        for key, reason in found["reasons"].items()
    )
    if (left := len(found["rows"]) - SHOWN_ROWS) > 0:
        notes += Markup('<p class="wb-note">{:,} more rows are in the file.</p>').format(left)
    return Markup(
        '{}<div class="wb-prompt-table" tabindex="0" role="region" aria-label="Answers to the file of prompts"><table><thead><tr>'
        '<th scope="col">Prompt</th>{}</tr></thead><tbody>{}</tbody></table></div>{}'
    ).format(agreement_html(found, keys), head, rows, notes)


def agreement_html(found: Mapping[str, Any], keys: Sequence[str]) -> Markup:
    """On how many prompts all say the same."""
    if len(keys) < 2:
        return Markup("")
    alike = sum(len({_said(row["answers"].get(key, {})) for key in keys}) == 1 for row in found["rows"])
    return Markup('<p class="wb-note">{} of {} prompts get the same answer from all {}.</p>').format(
        f"{alike:,}", f"{len(found['rows']):,}", len(keys)
    )


def _row(row: Mapping[str, Any], keys: Sequence[str]) -> Markup:
    cells = Markup("").join(_cell(row["answers"].get(key, {})) for key in keys)
    return Markup('<tr><th scope="row" translate="no">{}</th>{}</tr>').format(row["prompt"], cells)


def _cell(answer: Mapping[str, Any]) -> Markup:
    if answer.get("probability") is not None:
        return Markup('<td translate="no">{} <small>{:.2f}</small></td>').format(
            answer["label"], answer["probability"]
        )
    return Markup('<td translate="no">{}</td>').format(_said(answer))


def _said(answer: Mapping[str, Any]) -> str:
    return str(answer.get("text") or answer.get("label") or "")


def progress_html(told_file: Path) -> Markup:
    """How many prompts are done."""
    try:
        told = json.loads(told_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Markup('<p class="wb-note" role="status">Loading the runs</p>')
    words = f"{told['done']:,} of {told['of']:,} prompts"
    return Markup('<span class="wb-row wb-asked-so-far">{}<span class="wb-note">{}</span></span>').format(
        progress_bar(told["done"] / told["of"], label=words), words
    )
