"""What clients send, in OpenAI's words, and what it means here: an Ask with the options of the run's task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from workbench.serving.backend import Served
from workbench.serving.limits import Limits


class Refused(Exception):
    """A request that is not answered: the sentence, OpenAI's name for the kind of error, and the status."""

    def __init__(
        self, message: str, *, status: int = 400, code: str = "invalid_value", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")
    include_usage: bool = False


class Decoding(BaseModel):
    """What completions and chats share. Fields that change nothing here when left at their defaults are let pass."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(max_length=200)
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: int | None = None
    best_of: int | None = None
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    echo: bool | None = None
    suffix: str | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None


class CompletionRequest(Decoding):
    prompt: str | list[str]


class Part(BaseModel):
    model_config = ConfigDict(extra="ignore")
    type: str
    text: str = ""


class Message(BaseModel):
    model_config = ConfigDict(extra="ignore")
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None

    def plain(self) -> dict[str, str]:
        """OpenAI's developer is what templates call system."""
        content = self.content or ""
        if isinstance(content, list):
            if other := next((part.type for part in content if part.type != "text"), None):
                raise Refused(f"a message holds {other}, and only texts are read", param="messages")
            content = "".join(part.text for part in content)
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class ChatRequest(Decoding):
    messages: list[Message] = Field(min_length=1, max_length=1000)


class ClassifyRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")
    model: str = Field(max_length=200)
    input: str | list[str]


@dataclass(frozen=True)
class Wish:
    """One question, its length known."""

    text: str
    messages: tuple[dict[str, str], ...]
    prompt_tokens: int


UNSERVED = ("suffix", "logit_bias", "tools", "functions")


def decoding(request: Decoding, model: Served, limits: Limits) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(options of the task, texts that end the answer). Refused says which field asks for what is not had here."""
    for name in UNSERVED:
        if getattr(request, name):
            raise Refused(f"{name} is not served here: leave it out", param=name)
    for name in ("n", "best_of"):
        if getattr(request, name) not in (None, 1):
            raise Refused(f"{name} is 1 here: ask several times for several answers", param=name)
    for name in ("logprobs", "echo", "top_logprobs"):
        if getattr(request, name) not in (None, False, 0):
            raise Refused(f"{name} is not served here: leave it out", param=name)
    for name in ("frequency_penalty", "presence_penalty"):
        if getattr(request, name):
            raise Refused(f"{name} is 0 here: answers are decoded as in training's evaluation", param=name)
    if request.response_format and request.response_format.get("type") != "text":
        raise Refused("response_format is text here", param="response_format")
    return _options(request, model, limits), _stops(request)


def _options(request: Decoding, model: Served, limits: Limits) -> dict[str, Any]:
    wanted = request.max_completion_tokens or request.max_tokens
    if wanted is not None and wanted < 1:
        raise Refused(f"max_tokens is at least 1, not {wanted}", param="max_tokens")
    most = wanted or model.max_new_tokens
    if most > limits.new_tokens:
        raise Refused(
            f"max_tokens is at most {limits.new_tokens} on this server, not {most}", param="max_tokens"
        )
    options: dict[str, Any] = {"max_new_tokens": most}
    if request.temperature is not None:
        if not 0 <= request.temperature <= 2:
            raise Refused(
                f"temperature lies between 0 and 2, not at {request.temperature}", param="temperature"
            )
        options["do_sample"] = request.temperature >= 0.01
        if options["do_sample"]:
            options["temperature"] = request.temperature
    if request.top_p is not None:
        if not 0 < request.top_p <= 1:
            raise Refused(f"top_p lies above 0 and at most at 1, not at {request.top_p}", param="top_p")
        options["top_p"] = max(0.01, request.top_p)
    if request.seed is not None:
        options["decoding_seed"] = request.seed % 2**31
    return options


def _stops(request: Decoding) -> tuple[str, ...]:
    given = [request.stop] if isinstance(request.stop, str) else request.stop or []
    if len(given) > 4 or any(not text or len(text) > 200 for text in given):
        raise Refused("stop is up to four texts of at most 200 characters", param="stop")
    return tuple(given)


def wishes(
    model: Served,
    texts: Sequence[str],
    messages: Sequence[Mapping[str, str]],
    count: Callable[[Served, str, Sequence[Mapping[str, str]]], int],
    limits: Limits,
) -> list[Wish]:
    """Every question of a request, each short enough for the model. Nothing is cut in silence."""
    if len(texts) > limits.prompts:
        raise Refused(f"a request holds at most {limits.prompts} texts, not {len(texts)}", param="input")
    found = []
    for text in texts or [""]:
        chat = tuple(dict(turn) for turn in messages)
        if not text.strip() and not any(turn["content"].strip() for turn in chat):
            raise Refused("the text is empty: give one that the model shall read")
        try:
            tokens = count(model, text, chat)
        except ValueError as error:  # a chat template that does not take these turns
            raise Refused(str(error)) from error
        if tokens > model.prompt_room:
            raise Refused(
                f"the text has {tokens} tokens, and {model.id} reads {model.prompt_room}: shorten it",
                code="context_length_exceeded",
            )
        found.append(Wish(text, chat, tokens))
    return found


def fitting(options: Mapping[str, Any], wish: Wish, model: Served, *, asked: bool) -> dict[str, Any]:
    """The options with an answer that has room behind the question. What was `asked` for is not shortened."""
    wanted = int(options["max_new_tokens"])
    left = wanted if model.room is None else model.room - wish.prompt_tokens
    if left < 1 or (asked and wanted > left):
        raise Refused(
            f"the text has {wish.prompt_tokens} tokens and the answer may have {wanted}, and {model.id} takes {model.room}"
            " together: shorten the text or lower max_tokens",
            code="context_length_exceeded",
        )
    return dict(options) | {"max_new_tokens": min(wanted, left)}
