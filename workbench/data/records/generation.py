"""Generation: a prompt (or a conversation) and the completion that a model is to write."""

from __future__ import annotations

from workbench.data.records import alpaca, checks, messages, prompt_completion, sharegpt
from workbench.data.records.task import RecordTask

TASK = RecordTask(
    name="generation",
    noun="prompts and completions",
    formats=(alpaca.FORMAT, prompt_completion.FORMAT, sharegpt.FORMAT, messages.FORMAT),
    fields=("prompt", "completion"),
    reply="completion",
    checks=(
        ("Completions differ", checks.same_reply),
        ("No completion repeats its prompt", checks.copies),
        ("No duplicate rows", checks.duplicates),
        ("No prompt of one part in another", checks.overlap),
        ("Nothing left to fill in", checks.placeholders),
        ("No damaged letters", checks.damaged),
        ("No HTML in the texts", checks.markup),
        ("White space is tidy", checks.white_space),
    ),
    gathers_references=True,
)
