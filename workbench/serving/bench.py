"""Times a server: the same streaming requests one at a time and all at once, over HTTP, and whether the answers are equal."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workbench.data import load_prepared
from workbench.result import Run
from workbench.serving.backend import Backend, EngineBackend
from workbench.serving.limits import Limits
from workbench.serving.server import server
from workbench.store import Store

Numbers = dict[str, float]


@dataclass(frozen=True)
class Heard:
    """One answer as a client had it. `error` is empty where there is none."""

    text: str
    seconds: float
    first_seconds: float
    tokens: int
    error: str = ""


def bench(
    store: Store, runs: Sequence[Run], *, requests: int, new_tokens: int, precision: str | None = None
) -> dict[str, Any]:
    """Prompts of the test part, spread over the runs. ValueError where a run writes no text.

    In bfloat16 a product's last digit depends on how many rows are in it, so that an answer may change with its company
    where two tokens are nearly as likely; `precision` float32 leaves next to nothing of that."""
    for run in runs:
        if run.spec.setting.task == "classification":
            raise ValueError(f"run {run.id} gives labels: time the server with runs that write texts")
    prompts = _prompts(store, runs[0])
    asks = [
        {
            "model": runs[i % len(runs)].id,
            "prompt": prompts[i % len(prompts)],
            "max_tokens": new_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        for i in range(requests)
    ]
    backend = EngineBackend(store, runs, precision)
    with running(backend, Limits(port=0, new_tokens=max(1024, new_tokens))) as url:
        return {"precision": backend.precisions, **asyncio.run(compare(url, asks))}


async def compare(url: str, asks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Both ways on the same server, after one answer of each model that does not count."""
    import httpx

    async with httpx.AsyncClient(
        base_url=url, timeout=None, limits=httpx.Limits(max_connections=None)
    ) as client:
        for name in dict.fromkeys(ask["model"] for ask in asks):
            await _ask(client, next(ask for ask in asks if ask["model"] == name))
        begun = time.perf_counter()
        singly = [await _ask(client, ask) for ask in asks]
        middle = time.perf_counter()
        together = await asyncio.gather(*(_ask(client, ask) for ask in asks))
        ended = time.perf_counter()
    alone, at_once = numbers(singly, middle - begun), numbers(together, ended - middle)
    return {
        "requests": len(asks),
        "models": len({ask["model"] for ask in asks}),
        "equal": sum(a.text == b.text and not a.error for a, b in zip(singly, together)),
        "errors": sum(bool(heard.error) for heard in (*singly, *together)),
        "one_at_a_time": alone,
        "at_once": at_once,
        "speed_up": alone["seconds"] / at_once["seconds"],
    }


def numbers(heard: Sequence[Heard], seconds: float) -> Numbers:
    times, firsts = [1000 * h.seconds for h in heard], [1000 * h.first_seconds for h in heard]
    return {
        "seconds": seconds,
        "requests_per_second": len(heard) / seconds,
        "tokens_per_second": sum(h.tokens for h in heard) / seconds,
        "p50_ms": _quantile(times, 0.5),
        "p95_ms": _quantile(times, 0.95),
        "first_p50_ms": _quantile(firsts, 0.5),
    }


def _quantile(values: Sequence[float], share: float) -> float:
    import numpy as np

    return float(np.quantile(values, share))


async def _ask(client: Any, ask: Mapping[str, Any]) -> Heard:
    begun = time.perf_counter()
    text, first, tokens = "", 0.0, 0
    async with client.stream("POST", "/v1/completions", json=dict(ask)) as answer:
        if answer.status_code != 200:
            return Heard("", time.perf_counter() - begun, 0.0, 0, (await answer.aread()).decode()[:300])
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            event = json.loads(line.removeprefix("data: "))
            if "error" in event:
                return Heard(text, time.perf_counter() - begun, first, tokens, event["error"]["message"])
            if event.get("usage"):
                tokens = event["usage"]["completion_tokens"]
            for choice in event["choices"]:
                if choice["text"] and not text:
                    first = time.perf_counter() - begun
                text += choice["text"]
    return Heard(text, time.perf_counter() - begun, first, tokens)


def _prompts(store: Store, run: Run) -> list[str]:
    setting = run.spec.setting
    rows = load_prepared(store.data_folder(setting.data.fingerprint)).rows["test"]
    found = [str(row["prompt"]) for row in rows if row.get("prompt")]
    if not found:
        raise ValueError(f"the data of run {run.id} has no prompts to ask")
    return found


@contextmanager
def running(backend: Backend, limits: Limits) -> Iterator[str]:
    """A server in a thread of this process; its address. Ended gracefully with the block."""
    one = server(backend, limits)
    one.install_signal_handlers = lambda: None
    thread = threading.Thread(target=one.run, name="server", daemon=True)
    thread.start()
    begun = time.monotonic()
    while not one.started:
        if not thread.is_alive() or time.monotonic() - begun > 60:
            raise OSError(f"the server did not start on {limits.host}:{limits.port}")
        time.sleep(0.01)
    port = one.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://{limits.host}:{port}"
    finally:
        one.should_exit = True
        thread.join(limits.shutdown_seconds + 10)
