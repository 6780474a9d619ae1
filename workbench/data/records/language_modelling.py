"""Language modelling: plain texts, every token of which is learned."""

from __future__ import annotations

from workbench.data.records import checks, text_column
from workbench.data.records.task import RecordTask

TASK = RecordTask(
    name="language_modelling",
    noun="texts",
    formats=(text_column.FORMAT, text_column.LINES, text_column.PARAGRAPHS),
    fields=("text",),
    reply=None,
    checks=(
        ("No duplicate texts", checks.duplicates),
        ("No text of one part in another", checks.overlap),
        ("No damaged letters", checks.damaged),
        ("No HTML in the texts", checks.markup),
        ("White space is tidy", checks.white_space),
    ),
)
