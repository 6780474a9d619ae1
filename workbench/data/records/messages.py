"""Format: OpenAI messages: lists of {"role": "system" | "user" | "assistant", "content": ...}."""

from __future__ import annotations

from workbench.data.records.conversations import conversation_column, to_row
from workbench.data.records.format import Format, Match, Sample

NAMES = ("messages", "conversations", "conversation", "chat", "dialog", "dialogue", "消息", "对话")


def matches(sample: Sample) -> Match | None:
    return conversation_column(sample, "role", NAMES)


FORMAT = Format("messages", "OpenAI messages (role, content)", "messages", None, matches, to_row)
