"""Conversations: cells read as turns, roles under one name, and the row that a conversation makes."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from workbench.data.faults import shown

ROLES = {
    "user": "user", "human": "user", "prompter": "user", "用户": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant",
    "ai": "assistant", "chatbot": "assistant", "助手": "assistant",
    "system": "system", "developer": "system", "系统": "system",
}  # fmt: skip
# Lists of objects or of texts as Python prints them, which is what tables saved without care hold.
_PYTHON = re.compile(r"\s*(\[\s*)?(\{\s*)?['\"]")
ROLE_KEYS = ("role", "from")
TEXT_KEYS = ("content", "value", "text")
Turn = dict[str, str]


class BadRow(NamedTuple):
    """Why a row can't be learned from. `mendable`: the fix merge_turns would make it right."""

    code: str
    why: str
    mendable: bool = False


def parsed(cell: str) -> Any:
    """The list or object that a cell holds as JSON, or as Python writes it; None for any other text."""
    start = cell.lstrip()[:1]
    if start not in ("[", "{"):
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    if not _PYTHON.match(cell):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def listed_turns(cell: str) -> list[Mapping[str, Any]] | None:
    """The turns as written; None where the cell is no list of them."""
    found = _turn_list(parsed(cell))
    return found if found and any(name in turn for turn in found for name in TEXT_KEYS) else None


def is_conversation(cell: str) -> bool:
    """Lists of turns; a lone object with a role may be a text about such objects."""
    return cell.lstrip().startswith(("[", '{"messages"')) and listed_turns(cell) is not None


def _turn_list(value: Any) -> list[Mapping[str, Any]] | None:
    if isinstance(value, dict):
        for name in ("messages", "conversations", "conversation"):
            if name in value:
                return _turn_list(value[name])
        # `datasets` stores a list of objects as one object of lists.
        if all(isinstance(cells, list) for cells in value.values()) and _role_key(value):
            return [dict(zip(value, cells)) for cells in zip(*value.values())]
        return [value] if _role_key(value) else None
    if (
        isinstance(value, list)
        and value
        and all(isinstance(turn, dict) and _role_key(turn) for turn in value)
    ):
        return value
    return None


def _role_key(turn: Mapping[str, Any]) -> str | None:
    return next((name for name in ROLE_KEYS if name in turn), None)


def turns_of(cell: str) -> list[Turn] | BadRow:
    """The turns with roles user, assistant and system."""
    found = listed_turns(cell)
    if found is None:
        kind = "is empty" if not cell.strip() else f"“{shown(cell, 40)}” is no list of turns"
        return BadRow("broken_cell", kind)
    turns: list[Turn] = []
    for number, turn in enumerate(found, 1):
        said = str(turn[_role_key(turn) or ""])
        role = ROLES.get(said.strip().casefold())
        if role is None:
            return BadRow(
                "unknown_role",
                f"the role “{shown(said, 30)}” of turn {number} is none of user, assistant, system",
            )
        text = _text(next((turn[name] for name in TEXT_KEYS if name in turn), None))
        if text is None:
            return BadRow("broken_cell", f"turn {number} holds no text")
        turns.append({"role": role, "content": text})
    return turns


def _text(content: Any) -> str | None:
    """A text, or the texts of a list of parts; None where a part is none (a picture)."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content:
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if len(texts) == len(parts) else None
    return None


def merged(turns: Sequence[Turn]) -> list[Turn]:
    """Neighbouring turns of one role joined, a greeting of the assistant before the first question left out."""
    found: list[Turn] = []
    for turn in turns:
        if found and found[-1]["role"] == turn["role"]:
            found[-1] = {**turn, "content": f"{found[-1]['content']}\n\n{turn['content']}"}
        elif turn["role"] == "assistant" and not any(t["role"] == "user" for t in found):
            continue
        else:
            found.append(dict(turn))
    return found


def is_in_order(turns: Sequence[Turn]) -> bool:
    """At most one system turn, at the start; then user and assistant in turn."""
    rest = turns[1:] if turns and turns[0]["role"] == "system" else turns
    return all(turn["role"] == ("user", "assistant")[i % 2] for i, turn in enumerate(rest))


def asked_and_answered(turns: Sequence[Turn], mend: bool) -> dict[str, Any] | BadRow:
    """The last answer is the completion, all before it what is asked; questions after it are left out."""
    last = max((i for i, turn in enumerate(turns) if turn["role"] == "assistant"), default=None)
    if last is None:
        return BadRow("no_assistant", "no turn of the assistant, so there is nothing to learn")
    turns = list(turns[: last + 1])
    mended = merged(turns)
    if mend:
        turns = mended
    if not is_in_order(turns) or len(turns) < 2 or turns[-2]["role"] != "user":
        roles = ", ".join(turn["role"] for turn in turns[:4])
        able = is_in_order(mended) and len(mended) > 1 and mended[-1]["role"] == "assistant"
        return BadRow("role_order", f"the turns go {roles}{' ...' if len(turns) > 4 else ''}", able)
    return {**asked(turns[:-1]), "completion": turns[-1]["content"]}


def asked(turns: Sequence[Turn]) -> dict[str, Any]:
    """What comes before an answer: the last question, and all turns where there are more."""
    row: dict[str, Any] = {"prompt": turns[-1]["content"]}
    return {**row, "messages": list(turns)} if len(turns) > 1 else row
