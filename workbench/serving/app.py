"""The HTTP face of a server: OpenAI's models, completions and chats, /v1/classify, health and metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from workbench import __version__
from workbench.serving.answering import Answering, error_body
from workbench.serving.backend import Backend, Served
from workbench.serving.batching import Batcher, Busy, Closing
from workbench.serving.gate import Gate
from workbench.serving.limits import Limits
from workbench.serving.metrics import Metrics
from workbench.serving.requests import ChatRequest, ClassifyRequest, CompletionRequest, Refused


def create_app(backend: Backend, limits: Limits) -> FastAPI:
    """The application; its batcher starts and ends with it."""
    metrics = Metrics()
    batcher = Batcher(backend, metrics, most=limits.batch, waiting=limits.waiting)
    served = tuple(backend.models())
    answering = Answering(backend, batcher, metrics, limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(batcher.close, limits.shutdown_seconds)

    app = FastAPI(
        title="Fine-tuning workbench", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.batcher, app.state.metrics = batcher, metrics
    app.add_middleware(Gate, limits=limits, metrics=metrics)

    @app.get("/health")
    async def health() -> Response:
        ready = not batcher.is_closing
        body = {
            "status": "ok" if ready else "shutting down",
            "models": len(served),
            "waiting": batcher.queued,
        }
        return JSONResponse(body, status_code=200 if ready else 503)

    @app.get("/metrics")
    async def read_metrics() -> PlainTextResponse:
        gauges = {
            "waiting_requests": batcher.queued,
            "running_requests": batcher.running,
            "served_models": len(served),
        }
        return PlainTextResponse(metrics.text(gauges), media_type="text/plain; version=0.0.4")

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [model_body(model) for model in served]}

    @app.get("/v1/models/{name}")
    async def model(name: str) -> dict[str, Any]:
        return model_body(answering.model(name))

    @app.post("/v1/completions")
    async def completions(request: CompletionRequest) -> Response:
        return await answering.completions(request)

    @app.post("/v1/chat/completions")
    async def chat(request: ChatRequest) -> Response:
        return await answering.chat(request)

    @app.post("/v1/classify")
    async def classify(request: ClassifyRequest) -> Response:
        return await answering.classify(request)

    _catch_errors(app)
    return app


def model_body(model: Served) -> dict[str, Any]:
    """A model as OpenAI lists it, with what is ours beside."""
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": "workbench",
        "title": model.title,
        "base": model.base,
        "task": model.task,
        **({"labels": list(model.labels)} if model.classifies else {}),
    }


def _catch_errors(app: FastAPI) -> None:
    """Every refusal in the shape that OpenAI's clients read."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse(error_body(str(error), error.code, error.param), status_code=error.status)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return JSONResponse(
            error_body(f"{where or 'the request'}: {first['msg']}", "invalid_value", where or None), 400
        )

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(error_body(str(error.detail), "not_found"), status_code=error.status_code)

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> JSONResponse:
        return JSONResponse(error_body(str(error), "rate_limit_exceeded"), 429, headers={"Retry-After": "1"})

    @app.exception_handler(Closing)
    async def closing(request: Request, error: Closing) -> JSONResponse:
        return JSONResponse(error_body(str(error), "shutting_down"), 503)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> JSONResponse:
        body = error_body(
            f"that went wrong in a way nobody foresaw ({type(error).__name__})", "internal_error"
        )
        return JSONResponse(body, 500)
