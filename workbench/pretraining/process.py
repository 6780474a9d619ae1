"""One process of a data-parallel pretraining, as torchrun starts it: `python -m workbench.pretraining.process WORK`.

The first process scores the model and writes the result folder; a signal or a file named STOP ends in a checkpoint.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from workbench.corpus import Source
from workbench.environment import environment
from workbench.models import quiet
from workbench.pretraining import card, facts
from workbench.pretraining.build import build
from workbench.pretraining.config import PretrainConfig, from_values, sources_of
from workbench.pretraining.launch import GIVEN, LOG, PACKED, RESULT, STOP, TOKENIZER
from workbench.pretraining.material import Material, material
from workbench.pretraining.tokenizer import save
from workbench.pretraining.train import Trained, train

MID_WINDOWS = 64


def run(work: Path) -> bool:
    """Train what `launch.prepare` left in `work`; whether the result folder was written (False: stopped)."""
    given = json.loads((work / GIVEN).read_text(encoding="utf-8"))
    config, base = from_values(given["config"]), Path(given["base"])
    recipe = config.recipe
    _make_room(recipe.niceness)
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    tokenizer: Any = AutoTokenizer.from_pretrained(work / TOKENIZER, local_files_only=True)
    sources = sources_of(config, base)
    learnt = material(config, sources, tokenizer, work / PACKED)
    first = os.environ.get("RANK", "0") == "0"
    with quiet(), _stopping(work / STOP) as should_stop:
        model = build(config, base, tokenizer)
        goes_on = first and config.start and not config.architecture
        before = learnt.heldout(model, recipe.heldout_windows) if goes_on else None
        if hasattr(model.config, "output_router_logits"):
            model.config.output_router_logits = True  # the loss that keeps experts evenly busy needs them
        trained = train(
            model,
            learnt.windows,
            recipe,
            work,
            emit=_logger(work / LOG),
            should_stop=should_stop,
            evaluate=lambda: {"heldout": learnt.heldout(model, min(MID_WINDOWS, recipe.heldout_windows))},
        )
        if first and trained.finished:
            _write(config, base, work, model, tokenizer, sources, learnt, trained, before)
    return trained.finished


def _write(
    config: PretrainConfig,
    base: Path,
    work: Path,
    model: Any,
    tokenizer: Any,
    sources: Sequence[Source],
    learnt: Material,
    trained: Trained,
    before: Mapping[str, Any] | None,
) -> None:
    """Score, sample, save in half precision and write the cards from what happened."""
    folder = work / RESULT
    scores = learnt.exam(model, learnt.heldout(model, config.recipe.heldout_windows))
    written = learnt.samples(model)
    if hasattr(model.config, "output_router_logits"):
        model.config.output_router_logits = False
    if config.kind != "encoder":
        model.config.use_cache = True  # off while training; whoever loads the model wants to generate
    parameters = sum(parameter.numel() for parameter in model.parameters())
    model.to(torch.float16).save_pretrained(folder)
    save(tokenizer, folder)
    log = [json.loads(line) for line in (work / LOG).read_text(encoding="utf-8").splitlines()]
    found = facts.Facts(
        config=config,
        architecture=model.config.to_dict(),
        class_name=type(model).__name__,
        parameters=parameters,
        bias_terms=any(name.endswith("bias") for name, _ in model.named_parameters()),
        weights_bytes=(folder / "model.safetensors").stat().st_size,
        trained=asdict(trained),
        heldout=scores,
        heldout_before=before,
        continuations=written,
        sources=facts.source_facts(sources, learnt.facts),
        start=facts.start_facts(config, base),
        environment=environment("cuda:0" if torch.cuda.is_available() else "cpu", trained.precision),
        log=[line for line in log if line["event"] in ("step", "evaluated")],
    )
    card.write(folder, found)


def _logger(path: Path) -> Callable[[str, Mapping[str, Any]], None]:
    def emit(event: str, values: Mapping[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **values}) + "\n")

    return emit


@contextlib.contextmanager
def _stopping(file: Path) -> Iterator[Callable[[], bool]]:
    """Asked by a signal, by the file, or by the death of the command that started this process."""
    asked = []
    owner = int(os.environ.get("WORKBENCH_OWNER", "0"))

    def note(number: int, frame: Any) -> None:
        asked.append(number)

    earlier = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked) or file.exists() or (owner > 0 and not _lives(owner))
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _make_room(niceness: int) -> None:
    if niceness and hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))


if __name__ == "__main__":
    run(Path(sys.argv[1]))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
