"""Preference: a prompt (or a conversation), the answer that was chosen and the one that was rejected, or one rated answer."""

from __future__ import annotations

from workbench.data.records import checks, preference_conversations, preference_pairs, single_ratings
from workbench.data.records.task import RecordTask

TASK = RecordTask(
    name="preference",
    noun="prompts with a chosen and a rejected answer",
    formats=(
        preference_conversations.FORMAT,
        preference_pairs.FORMAT,
        single_ratings.FORMAT,
        single_ratings.CONVERSATION,
    ),
    fields=("prompt", "chosen", "rejected"),
    reply="chosen",
    either=("chosen", "rejected"),
    checks=(
        ("Chosen answers differ", checks.same_reply),
        ("The answers of each pair differ", checks.equal_pairs),
        ("Good and bad answers", checks.one_sided),
        ("No duplicate rows", checks.duplicates),
        ("No prompt of one part in another", checks.overlap),
        ("Nothing left to fill in", checks.placeholders),
        ("No damaged letters", checks.damaged),
        ("No HTML in the texts", checks.markup),
        ("White space is tidy", checks.white_space),
    ),
)
