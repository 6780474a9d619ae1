"""The texts within a row: in which order its fields stand, what is asked, and one change made to all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

FIELDS = ("prompt", "completion", "chosen", "rejected", "text", "references", "kind", "answer", "messages")
_WRITTEN = ("prompt", "completion", "chosen", "rejected", "text")
Values = Mapping[str, Any]


def ordered(values: Values) -> dict[str, Any]:
    """The fields in one order, empty optional ones left out."""
    return {name: values[name] for name in FIELDS if name in values and (name in _WRITTEN or values[name])}


def change_texts(values: Values, change: Callable[[str], str]) -> dict[str, Any]:
    """The row with every text changed; its kind and its bare answer stay."""
    found = dict(values)
    for name in _WRITTEN:
        if name in found:
            found[name] = change(found[name])
    if "references" in found:
        found["references"] = [change(text) for text in found["references"]]
    if "messages" in found:
        found["messages"] = [{**turn, "content": change(turn["content"])} for turn in found["messages"]]
    return found


def all_texts(values: Values) -> list[str]:
    texts = [values[name] for name in _WRITTEN if name in values]
    texts += values.get("references", ())
    return texts + [turn["content"] for turn in values.get("messages", ())[:-1]]


def asked_text(values: Values) -> str:
    """All that the model is given before it answers: the whole conversation where there is one."""
    if "messages" in values:
        return "\n".join(f"{turn['role']}: {turn['content']}" for turn in values["messages"])
    return str(values["prompt"] if "prompt" in values else values["text"])
