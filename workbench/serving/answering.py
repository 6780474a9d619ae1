"""Answers requests through the batcher, whole or as server-sent events, in the shapes of OpenAI's API."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from fastapi.responses import JSONResponse, Response, StreamingResponse

from workbench.serving.backend import Asked, Backend, Served, find
from workbench.serving.batching import Batcher, Closing, Ticket
from workbench.serving.limits import Limits
from workbench.serving.metrics import Metrics
from workbench.serving.requests import (
    ChatRequest,
    ClassifyRequest,
    CompletionRequest,
    Decoding,
    Refused,
    decoding,
    fitting,
    wishes,
)

DONE = "data: [DONE]\n\n"
# How many models an error names before it refers to the list.
NAMED = 5


def error_body(message: str, code: str, param: str | None = None) -> dict[str, Any]:
    kind = {"invalid_api_key": "authentication_error", "rate_limit_exceeded": "rate_limit_error"}
    return {
        "error": {
            "message": message,
            "type": kind.get(code, "invalid_request_error"),
            "param": param,
            "code": code,
        }
    }


class Answering:
    """What the routes do."""

    def __init__(self, backend: Backend, batcher: Batcher, metrics: Metrics, limits: Limits) -> None:
        self.backend, self.batcher, self.metrics, self.limits = backend, batcher, metrics, limits

    def model(self, name: str, *, classifies: bool | None = None) -> Served:
        """Refused where there is none of that name, or one that can't do this."""
        models = self.backend.models()
        found = find(models, name)
        if found is None:
            known = ", ".join(model.id for model in models[:NAMED])
            raise Refused(
                f"there is no model {name!r:.60} here: ask for one of {known}{', ...' if len(models) > NAMED else ''}",
                status=404,
                code="model_not_found",
                param="model",
            )
        if classifies is not None and found.classifies != classifies:
            way = "/v1/classify" if found.classifies else "/v1/completions or /v1/chat/completions"
            what = "gives texts labels" if found.classifies else "writes texts"
            raise Refused(f"{found.id} {what}: ask it at {way}", param="model")
        return found

    async def classify(self, request: ClassifyRequest) -> Response:
        model = self.model(request.model, classifies=True)
        texts = [request.input] if isinstance(request.input, str) else request.input
        if not texts:
            raise Refused("input is empty: give a text or a list of texts", param="input")
        found = wishes(model, texts, (), self.backend.count, self.limits)
        tickets = self._submit([Asked(model.id, wish.text) for wish in found], classifies=True)
        answers = [await _answer(ticket) for ticket in tickets]
        tokens = sum(wish.prompt_tokens for wish in found)
        self.metrics.add("tokens_total", tokens, model=model.id, kind="prompt")
        data = [
            {"index": place, "label": answer["label"], "probabilities": answer["probabilities"]}
            for place, answer in enumerate(answers)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return JSONResponse({"object": "list", "model": model.id, "data": data, "usage": usage})

    async def completions(self, request: CompletionRequest) -> Response:
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
        if not texts:
            raise Refused("prompt is empty: give a text or a list of texts", param="prompt")
        return await self._write(request, texts, (), _Completion())

    async def chat(self, request: ChatRequest) -> Response:
        messages = [message.plain() for message in request.messages]
        return await self._write(request, (), messages, _Chat())

    async def _write(
        self, request: Decoding, texts: Sequence[str], messages: Sequence[Mapping[str, str]], shape: _Shape
    ) -> Response:
        model = self.model(request.model, classifies=False)
        options, stop = decoding(request, model, self.limits)
        asked = (request.max_completion_tokens or request.max_tokens) is not None
        found = wishes(model, texts, messages, self.backend.count, self.limits)
        asks = [
            Asked(model.id, wish.text, wish.messages, fitting(options, wish, model, asked=asked), stop)
            for wish in found
        ]
        tickets = self._submit(asks, classifies=False)
        head = {
            "id": f"{shape.prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model.id,
        }
        prompt_tokens = sum(wish.prompt_tokens for wish in found)
        self.metrics.add("tokens_total", prompt_tokens, model=model.id, kind="prompt")
        if request.stream:
            usage = bool(request.stream_options and request.stream_options.include_usage)
            events = self._events(tickets, head, shape, prompt_tokens, with_usage=usage)
            return StreamingResponse(
                events, media_type="text/event-stream", headers={"Cache-Control": "no-store"}
            )
        choices, written = [], 0
        try:
            for place, ticket in enumerate(tickets):
                answer = await _answer(ticket, self.metrics)
                written += answer["tokens"] or 0
                choices.append(shape.whole(place, answer["text"], _finish(answer)))
        finally:
            _cancel(tickets)
        self.metrics.add("tokens_total", written, model=model.id, kind="completion")
        return JSONResponse(
            {**head, "object": shape.name, "choices": choices, "usage": _usage(prompt_tokens, written)}
        )

    def _submit(self, asks: Sequence[Asked], *, classifies: bool) -> list[Ticket]:
        """All of a request's questions or none: where the queue has no room for the last, the first are taken back."""
        tickets: list[Ticket] = []
        try:
            for ask in asks:
                tickets.append(self.batcher.submit(ask, classifies=classifies))
        except BaseException:
            _cancel(tickets)
            raise
        return tickets

    async def _events(
        self,
        tickets: Sequence[Ticket],
        head: Mapping[str, Any],
        shape: _Shape,
        prompt_tokens: int,
        *,
        with_usage: bool,
    ) -> AsyncIterator[str]:
        """Pieces of all choices as they come. When the client goes, so do its questions."""
        written = 0
        head = {**head, "object": shape.chunk_name}
        merged: asyncio.Queue[tuple[int, Any]] = asyncio.Queue()
        pumps = [asyncio.create_task(_pump(place, ticket, merged)) for place, ticket in enumerate(tickets)]
        try:
            for place in range(len(tickets)):
                if first := shape.first(place):
                    yield _event({**head, "choices": [first]})
            left = len(tickets)
            told = [False] * len(tickets)
            while left:
                place, piece = await merged.get()
                if isinstance(piece, BaseException) or piece.reason:
                    yield _event(error_body(_sentence(piece), "internal_error"))
                    return
                if piece.text and not told[place]:
                    told[place] = True
                    waited = time.perf_counter() - tickets[place].queued_at
                    self.metrics.observe("first_token_seconds", waited)
                if piece.text:
                    yield _event({**head, "choices": [shape.piece(place, piece.text)]})
                if piece.ended:
                    left -= 1
                    written += piece.answer["tokens"] or 0
                    yield _event({**head, "choices": [shape.last(place, _finish(piece.answer))]})
            if with_usage:
                yield _event({**head, "choices": [], "usage": _usage(prompt_tokens, written)})
            yield DONE
        finally:
            _cancel(tickets)
            for pump in pumps:
                pump.cancel()
            self.metrics.add("tokens_total", written, model=str(head["model"]), kind="completion")


async def _pump(place: int, ticket: Ticket, merged: asyncio.Queue[tuple[int, Any]]) -> None:
    while True:
        piece = await ticket.pieces.get()
        await merged.put((place, piece))
        if isinstance(piece, BaseException) or piece.ended:
            return


async def _answer(ticket: Ticket, metrics: Metrics | None = None) -> dict[str, Any]:
    """The whole answer. What the model can't say is an error of the server."""
    first = True
    while True:
        piece = await ticket.pieces.get()
        if isinstance(piece, Closing):
            raise piece
        if isinstance(piece, BaseException):
            raise RuntimeError(_sentence(piece)) from piece
        if first and metrics is not None:
            metrics.observe("first_token_seconds", time.perf_counter() - ticket.queued_at)
            first = False
        answer = piece if isinstance(piece, dict) else piece.answer
        if answer is not None:
            if answer.get("reason"):
                raise Refused(str(answer["reason"]), status=500, code="model_failed")
            return dict(answer)


def _sentence(piece: Any) -> str:
    if isinstance(piece, Closing):
        return str(piece)
    if isinstance(piece, BaseException):
        return f"the model failed ({type(piece).__name__})"
    return str(piece.reason)


def _cancel(tickets: Sequence[Ticket]) -> None:
    for ticket in tickets:
        ticket.cancelled = True


def _finish(answer: Mapping[str, Any]) -> str:
    return "length" if answer.get("finish") == "length" else "stop"


def _usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


class _Completion:
    """Choices of /v1/completions."""

    prefix, name, chunk_name = "cmpl", "text_completion", "text_completion"

    def whole(self, place: int, text: str, finish: str) -> dict[str, Any]:
        return {"index": place, "text": text, "logprobs": None, "finish_reason": finish}

    def first(self, place: int) -> dict[str, Any] | None:
        return None

    def piece(self, place: int, text: str) -> dict[str, Any]:
        return {"index": place, "text": text, "logprobs": None, "finish_reason": None}

    def last(self, place: int, finish: str) -> dict[str, Any]:
        return {"index": place, "text": "", "logprobs": None, "finish_reason": finish}


class _Chat:
    """Choices of /v1/chat/completions."""

    prefix, name, chunk_name = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def whole(self, place: int, text: str, finish: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text, "refusal": None}
        return {"index": place, "message": message, "logprobs": None, "finish_reason": finish}

    def first(self, place: int) -> dict[str, Any] | None:
        return self._delta(place, {"role": "assistant", "content": ""}, None)

    def piece(self, place: int, text: str) -> dict[str, Any]:
        return self._delta(place, {"content": text}, None)

    def last(self, place: int, finish: str) -> dict[str, Any]:
        return self._delta(place, {}, finish)

    def _delta(self, place: int, delta: Mapping[str, Any], finish: str | None) -> dict[str, Any]:
        return {"index": place, "delta": dict(delta), "logprobs": None, "finish_reason": finish}


_Shape = _Completion | _Chat
