"""What a pretraining learns from: packed texts, or conversations; each draws windows, scores held-out rows, and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from workbench.corpus import Masking, Source, Windows, documents, pack
from workbench.pretraining import chat
from workbench.pretraining.config import PretrainConfig

SAMPLES, START_WORDS = 20, 12
CHECKED = 50
Scores = dict[str, dict[str, Any]]


class Material(Protocol):
    """`train_tokens` by source. `facts` by source: counts for the card. `heldout` scores quickly, `exam` adds what only
    the end is worth, `samples` are what the card shows of the model's own words."""

    train_tokens: Mapping[str, int]
    facts: Mapping[str, Mapping[str, Any]]

    def texts(self) -> list[str]: ...
    def windows(self, count: int) -> Any: ...
    def heldout(self, model: Any, most_windows: int) -> Scores: ...
    def exam(self, model: Any, scores: Scores) -> Scores: ...
    def samples(self, model: Any) -> list[dict[str, Any]]: ...


def material(
    config: PretrainConfig, sources: Sequence[Source], tokenizer: Any, packed_folder: Path
) -> Material:
    """Read, and for texts kept in tokens under `packed_folder`."""
    if config.recipe.objective == "chat":
        return Chats(config, sources, tokenizer)
    return Texts(config, sources, tokenizer, packed_folder)


class Texts:
    """Documents packed end to end, to be continued or to have hidden tokens found."""

    def __init__(
        self, config: PretrainConfig, sources: Sequence[Source], tokenizer: Any, folder: Path
    ) -> None:
        self.config, self.sources, self.tokenizer = config, sources, tokenizer
        self.packed = {source.name: pack(tokenizer, source, folder) for source in sources}
        self.masking = masking_of(config, tokenizer)
        self.train_tokens: Mapping[str, int] = {
            name: len(parts["train"].tokens) for name, parts in self.packed.items()
        }
        self.facts: Mapping[str, Mapping[str, Any]] = {
            name: {
                "train_tokens": len(parts["train"].tokens),
                "heldout_tokens": len(parts["heldout"].tokens),
                "heldout_bytes": parts["heldout"].text_bytes,
                "documents_dropped_because_held_out": parts["train"].dropped,
            }
            for name, parts in self.packed.items()
        }

    def texts(self) -> list[str]:
        return [text for source in self.sources for text in islice(documents(source.heldout), CHECKED)]

    def windows(self, count: int) -> Windows:
        parts = [(self.packed[source.name]["train"].tokens, source.share) for source in self.sources]
        return Windows(parts, self.config.recipe.context, count, self.config.recipe.seed, self.masking)

    def heldout(self, model: Any, most_windows: int) -> Scores:
        from workbench.pretraining.scores import score

        context = self.config.recipe.context
        return {
            name: asdict(score(model, parts["heldout"], context, most_windows, self.masking))
            for name, parts in self.packed.items()
        }

    def exam(self, model: Any, scores: Scores) -> Scores:
        return scores

    def samples(self, model: Any) -> list[dict[str, Any]]:
        """Continuations of held-out beginnings; an encoder writes none."""
        from workbench.pretraining.scores import continue_texts, loops

        if self.config.kind == "encoder":
            return []
        name = self.config.continuations or self.sources[0].name
        starts = story_starts(next(source for source in self.sources if source.name == name))
        texts = continue_texts(model, self.tokenizer, starts, seed=self.config.recipe.seed)
        return [{"start": s, "continuation": t, "loops": loops(t)} for s, t in zip(starts, texts)]


class Chats:
    """Conversations whose replies are learnt, and asked for again with others."""

    def __init__(self, config: PretrainConfig, sources: Sequence[Source], tokenizer: Any) -> None:
        self.config, self.sources, self.tokenizer = config, sources, tokenizer
        self.dropped: dict[str, int] = {}
        self.rows = {source.name: self._read(source) for source in sources}
        self.encoded = {
            name: {part: chat.encode(tokenizer, rows) for part, rows in parts.items()}
            for name, parts in self.rows.items()
        }
        counted = {
            name: {part: sum(len(one.ids) for one in rows) for part, rows in parts.items()}
            for name, parts in self.encoded.items()
        }
        self.train_tokens: Mapping[str, int] = {name: parts["train"] for name, parts in counted.items()}
        self.facts: Mapping[str, Mapping[str, Any]] = {
            name: {
                "train_tokens": counted[name]["train"],
                "heldout_tokens": counted[name]["heldout"],
                "train_conversations": len(parts["train"]),
                "heldout_conversations": len(parts["heldout"]),
                "documents_dropped_because_held_out": self.dropped[name],
            }
            for name, parts in self.rows.items()
        }
        self.answers: dict[str, list[str]] = {}

    def _read(self, source: Source) -> dict[str, list[chat.Chat]]:
        names = self.config.sources[source.name].get("names") or {}
        heldout = list(chat.chats(source.heldout, names))
        asked = {_question(one) for one in heldout}
        found = list(chat.chats(source.train, names))
        kept = [one for one in found if _question(one) not in asked]
        for path, rows in ((source.train, kept), (source.heldout, heldout)):
            if not rows:
                raise ValueError(f"{path.name} holds no conversation that is not held out")
        self.dropped[source.name] = len(found) - len(kept)
        return {"train": kept, "heldout": heldout}

    def texts(self) -> list[str]:
        return [
            one.messages[-1]["content"] for parts in self.rows.values() for one in parts["heldout"][:CHECKED]
        ]

    def windows(self, count: int) -> chat.ChatWindows:
        parts = [(self.encoded[source.name]["train"], source.share) for source in self.sources]
        recipe = self.config.recipe
        return chat.ChatWindows(parts, recipe.context, count, recipe.seed, self.tokenizer.pad_token_id)

    def heldout(self, model: Any, most_windows: int) -> Scores:
        from workbench.pretraining.scores import score_windows

        found = {}
        for name, parts in self.encoded.items():
            windows = chat.windows_in_order(
                parts["heldout"], self.config.recipe.context, self.tokenizer.pad_token_id
            )
            found[name] = asdict(score_windows(model, windows[:most_windows]))
        return found

    def exam(self, model: Any, scores: Scores) -> Scores:
        """With the share of right answers, in all and by kind, where each held-out question is asked."""
        from workbench.pretraining.scores import answer

        found = {}
        for name, parts in self.rows.items():
            asked = parts["heldout"]
            longest = max(int(one.learnt.sum()) for one in self.encoded[name]["heldout"])
            prompts = [chat.prompt_ids(self.tokenizer, one) for one in asked]
            self.answers[name] = answer(model, self.tokenizer, prompts, new_tokens=longest + 16)
            right = [one.is_right(text) for one, text in zip(asked, self.answers[name])]
            kinds = {
                kind: _share([r for r, one in zip(right, asked) if one.kind == kind])
                for kind in sorted({one.kind for one in asked if one.kind})
            }
            found[name] = {**scores[name], "exact_match": _share(right), "asked": len(asked), "kinds": kinds}
        return found

    def samples(self, model: Any) -> list[dict[str, Any]]:
        """Answers to held-out questions, evenly drawn from each source; after `exam`."""
        shown = []
        most = -(-SAMPLES // len(self.rows))
        for name, parts in self.rows.items():
            pairs = list(zip(parts["heldout"], self.answers[name]))
            for one, text in pairs[:: max(1, len(pairs) // most)][:most]:
                question = one.messages[-1]["content"]
                shown.append({"start": question, "continuation": text, "right": one.is_right(text)})
        return shown[:SAMPLES]


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)


def _question(one: chat.Chat) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in one.messages)


def masking_of(config: PretrainConfig, tokenizer: Any) -> Masking | None:
    """What is hidden where the objective is masked."""
    if config.kind == "decoder":
        return None
    special = frozenset(tokenizer.all_special_ids)
    ids = (tokenizer.mask_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    return Masking(*ids, len(tokenizer), special, config.recipe.mask_share)


def story_starts(source: Source, count: int = SAMPLES, words: int = START_WORDS) -> list[str]:
    """The first words of held-out documents, evenly drawn from the whole file."""
    texts = [text for text in documents(source.heldout) if len(text.split()) >= 2 * words]
    chosen = texts[:: max(1, len(texts) // count)][:count]
    return [" ".join(text.split()[:words]) for text in chosen]
