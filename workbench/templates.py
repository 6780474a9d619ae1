"""Templates: how a prompt and its completion are laid out as one text that a language model reads and goes on with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.options import unknown_names

PLACE = "{prompt}"
CHAT = "chat"
TEXTS = {
    "plain": "{prompt}\n",
    "alpaca": (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{prompt}\n\n### Response:\n"
    ),
}
NAMES = (*TEXTS, CHAT)


def check(template: str) -> None:
    """ValueError where it is neither a name nor a text with a place for the prompt."""
    if template in NAMES or template.count(PLACE) == 1:
        return
    if template.count(PLACE) > 1:
        raise ValueError(f"template has one place for the prompt, {PLACE}, not {template.count(PLACE)}")
    if len(template.split()) <= 1:
        raise ValueError(unknown_names("template", [template], [*NAMES, f"a text with {PLACE} in it"]))
    raise ValueError(f"a template of one's own says where the prompt goes, by {PLACE}; not {template!r:.200}")


def text_of(template: str, tokenizer: Any = None) -> str:
    """The template's own text; that of `chat` is the tokenizer's. ValueError where it has none."""
    if template != CHAT:
        return TEXTS.get(template, template)
    found = getattr(tokenizer, "chat_template", None)
    if isinstance(found, Mapping):
        found = found.get("default")
    if not found:
        raise ValueError(
            "template chat needs a tokenizer with a chat template, and this model's has none:"
            " choose plain, alpaca or a text of your own with {prompt}"
        )
    return str(found)


def template_hash(template: str, tokenizer: Any = None) -> str:
    """12 hex digits of the template's text: they change when the text does."""
    return hashlib.sha256(text_of(template, tokenizer).encode()).hexdigest()[:12]


def turns(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """What was said before the completion, as a chat."""
    return list(row.get("messages") or [{"role": "user", "content": row["prompt"]}])


def transcript(row: Mapping[str, Any]) -> str:
    """The prompt for templates that know no turns: a single question as it is, several turns by who said them."""
    said = turns(row)
    if len(said) == 1:
        return str(said[0]["content"])
    return "\n\n".join(
        turn["content"] if turn["role"] == "system" else f"{turn['role'].capitalize()}: {turn['content']}"
        for turn in said
    )


def lay_out(
    template: str, tokenizer: Any, rows: Sequence[Mapping[str, Any]]
) -> list[tuple[list[int], list[int]]]:
    """Token ids of prompt and completion, each whole. The completion ends with the token that ends an answer."""
    if template == CHAT:
        text_of(template, tokenizer)
        pairs = [_chat_texts(tokenizer, row) for row in rows]
        ends = {tail: _end_of(tokenizer, tail) for tail in {tail for _, _, tail in pairs}}
        prompts = _ids(tokenizer, [head for head, _, _ in pairs])
        answers = _ids(tokenizer, [completion for _, completion, _ in pairs])
        return [(p, [*a, ends[tail]]) for p, a, (_, _, tail) in zip(prompts, answers, pairs)]
    text = text_of(template)
    prompts = _ids(tokenizer, [text.replace(PLACE, transcript(row)) for row in rows])
    answers = _ids(tokenizer, [row["completion"] for row in rows])
    # Texts began with this token when the model was made, also where its tokenizer leaves it to the caller.
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    end = end_ids(template, tokenizer)[:1]
    return [([*begin, *p], [*a, *end]) for p, a in zip(prompts, answers)]


def end_ids(template: str, tokenizer: Any) -> list[int]:
    """The tokens at which an answer is over, the one that is learnt first."""
    ends = [tokenizer.eos_token_id]
    if template == CHAT:
        _, _, tail = _chat_texts(tokenizer, {"prompt": "a", "completion": "b"})
        ends.insert(0, _end_of(tokenizer, tail))
    found = list(dict.fromkeys(end for end in ends if end is not None))
    if not found:
        raise ValueError(
            "this model's tokenizer has no end token, so no answer could end: choose another model"
        )
    return found


def _chat_texts(tokenizer: Any, row: Mapping[str, Any]) -> tuple[str, str, str]:
    """The chat up to the answer, the answer, and what the template puts after it."""
    before = turns(row)
    try:
        head = tokenizer.apply_chat_template(before, tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(
            [*before, {"role": "assistant", "content": row["completion"]}], tokenize=False
        )
    except Exception as error:  # the template is a program of the model's own and raises what it likes
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"this model's chat template does not take the conversation: {first[:200]}"
        ) from error
    answer = str(row["completion"])
    if whole.startswith(head) and (place := whole.find(answer.strip(), len(head))) >= 0:
        return head, whole[len(head) : place] + answer.strip(), whole[place + len(answer.strip()) :]
    return head, answer, ""


def _end_of(tokenizer: Any, tail: str) -> int:
    """The special token that a template puts after an answer, or else the end of a text."""
    special = set(tokenizer.all_special_ids) | set(getattr(tokenizer, "added_tokens_decoder", {}))
    found = next((i for i in _ids(tokenizer, [tail])[0] if i in special), None) if tail.strip() else None
    if found is None:
        found = tokenizer.eos_token_id
    if found is None:
        raise ValueError(
            "this model's tokenizer has no end token, so no answer could end: choose another model"
        )
    return int(found)


def _ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    return [list(ids) for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]]
