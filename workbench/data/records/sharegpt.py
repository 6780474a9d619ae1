"""Format: ShareGPT conversations: lists of {"from": "human" | "gpt" | "system", "value": ...}."""

from __future__ import annotations

from workbench.data.records.conversations import conversation_column, to_row
from workbench.data.records.format import Format, Match, Sample

NAMES = ("conversations", "conversation", "dialog", "dialogue", "对话")


def matches(sample: Sample) -> Match | None:
    return conversation_column(sample, "from", NAMES)


FORMAT = Format("sharegpt", "ShareGPT conversations (from, value)", "messages", None, matches, to_row)
