"""Conversations to fine-tune on: rows become turns, turns become tokens, tokens fill windows; only replies are learnt."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.corpus import UNSCORED

# Every turn after the mark of who speaks; a reply ends in the mark for end. `generation` tells a trainer what is a reply.
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
FINAL = "####"
Message = Mapping[str, str]


@dataclass(frozen=True)
class Chat:
    """`messages` up to the turn to answer, and the reply. An answer is right if it is the reply or one of `references`,
    or, where the row has a final `answer`, if it ends in that one after `####`."""

    messages: tuple[Message, ...]
    reply: str
    references: tuple[str, ...] = ()
    answer: str = ""
    kind: str = ""

    def is_right(self, text: str) -> bool:
        if self.answer:
            return FINAL in text and text.rpartition(FINAL)[2].strip() == self.answer
        return _plain(text) in {_plain(one) for one in (self.reply, *self.references)}


@dataclass(frozen=True)
class Encoded:
    """A whole conversation in tokens, and which of them are learnt."""

    ids: NDArray[np.int64]
    learnt: NDArray[np.bool_]


def chats(path: Path, names: Mapping[str, str] | None = None) -> Iterator[Chat]:
    """Conversations of a JSON Lines file whose rows have `messages`, or `prompt` and `completion`, or `instruction`,
    `input` and `output`. `names` fill marks such as {name}. ValueError names the line that is not readable."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                yield _chat({key: _filled(value, names or {}) for key, value in row.items()})
            except (
                json.JSONDecodeError,
                UnicodeDecodeError,
                KeyError,
                TypeError,
                AttributeError,
                IndexError,
            ):
                raise ValueError(
                    f"{path.name}, line {number}: not a JSON object with messages that end in the assistant's, or prompt"
                    " and completion, or instruction and output"
                ) from None


def _chat(row: Mapping[str, Any]) -> Chat:
    if "messages" in row:
        *earlier, last = ({"role": one["role"], "content": one["content"]} for one in row["messages"])
        if last["role"] != "assistant" or not earlier:
            raise KeyError("assistant")
        messages, reply = tuple(earlier), last["content"]
    elif "prompt" in row:
        messages, reply = ({"role": "user", "content": row["prompt"]},), row["completion"]
    else:
        prompt = "\n".join(filter(None, (row["instruction"], row.get("input", ""))))
        messages, reply = ({"role": "user", "content": prompt},), row["output"]
    if not all(isinstance(text, str) for text in (reply, *(one["content"] for one in messages))):
        raise TypeError("text")
    answer = "" if row.get("answer") is None else str(row["answer"])
    return Chat(messages, reply, tuple(row.get("references") or ()), answer, str(row.get("kind") or ""))


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    """A text with the names put in, beginning with a capital if one of them came first."""
    if not isinstance(value, str):
        return value
    filled = value
    for name, given in names.items():
        filled = filled.replace("{" + name + "}", given)
    return filled if filled == value or not value.startswith("{") else filled[:1].upper() + filled[1:]


def _plain(text: str) -> str:
    return " ".join(text.split())


def encode(tokenizer: Any, given: Sequence[Chat]) -> list[Encoded]:
    """Whole conversations as the tokenizer's chat template has them."""
    turns = [[*chat.messages, {"role": "assistant", "content": chat.reply}] for chat in given]
    found = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    encoded = []
    for chat, ids, mask in zip(given, found["input_ids"], found["assistant_masks"], strict=True):
        learnt = np.array(mask, dtype=bool)
        if len(chat.messages) > 1:  # the last reply alone: earlier ones are given
            begin = len(prompt_ids(tokenizer, chat))
            learnt[:begin] = False
        encoded.append(Encoded(np.array(ids, dtype=np.int64), learnt))
    return encoded


def prompt_ids(tokenizer: Any, chat: Chat) -> list[int]:
    """What a reply is asked for with."""
    turns = [dict(one) for one in chat.messages]
    return list(
        tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    )


def window(parts: Sequence[Encoded], length: int, pad_id: int) -> dict[str, NDArray[Any]]:
    """Conversations one behind the other, none of which sees another, filled up with padding."""
    ids, labels = np.full(length, pad_id, np.int64), np.full(length, UNSCORED, np.int64)
    places, owners = np.zeros(length, np.int64), np.full(length, -1)
    begin = 0
    for number, one in enumerate(parts):
        end = begin + len(one.ids)
        ids[begin:end], places[begin:end], owners[begin:end] = one.ids, np.arange(len(one.ids)), number
        labels[begin:end] = np.where(one.learnt, one.ids, UNSCORED)
        begin = end
    sees = np.tril(owners[:, None] == owners[None, :])[None]
    return {"input_ids": ids, "labels": labels, "position_ids": places, "attention_mask": sees}


def windows_in_order(parts: Sequence[Encoded], length: int, pad_id: int) -> list[dict[str, NDArray[Any]]]:
    """All of them once, in as few windows as their order allows."""
    rows: list[list[Encoded]] = [[]]
    for one in parts:
        if sum(len(kept.ids) for kept in rows[-1]) + len(one.ids) > length:
            rows.append([])
        rows[-1].append(one)
    return [window(row, length, pad_id) for row in rows if row]


class ChatWindows:
    """A map-style data set of windows of whole conversations. As with `corpus.Windows`, window i follows from the seed
    and i alone. A source's share is that of the conversations drawn."""

    def __init__(
        self,
        parts: Sequence[tuple[Sequence[Encoded], float]],
        length: int,
        count: int,
        seed: int,
        pad_id: int,
    ) -> None:
        longest = max(len(one.ids) for chats, _ in parts for one in chats)
        if longest > length:
            raise ValueError(
                f"a conversation has {longest:,} tokens and context is {length:,}: make context at least as long"
            )
        self.parts, self.length, self.count, self.seed, self.pad_id = (
            tuple(parts),
            length,
            count,
            seed,
            pad_id,
        )

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        if not 0 <= index < self.count:
            raise IndexError(index)
        draw = random.Random(self.seed * 1_000_000_007 + index)
        weights, room = [share for _, share in self.parts], self.length
        chosen: list[Encoded] = []
        while True:
            one = draw.choice(draw.choices([chats for chats, _ in self.parts], weights=weights)[0])
            if len(one.ids) > room:
                return window(chosen, self.length, self.pad_id)
            chosen.append(one)
            room -= len(one.ids)
