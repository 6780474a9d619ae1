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

from workbench.corpus import Masking, Packed, Source, Windows, documents, pack
from workbench.environment import environment
from workbench.models import quiet
from workbench.pretraining import card
from workbench.pretraining.build import build
from workbench.pretraining.config import PretrainConfig, from_values, sources_of
from workbench.pretraining.launch import GIVEN, LOG, PACKED, RESULT, STOP, TOKENIZER
from workbench.pretraining.scores import continue_texts, loops, score
from workbench.pretraining.train import Trained, train

CONTINUATIONS, START_WORDS = 20, 12
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
    packed = {source.name: pack(tokenizer, source, work / PACKED) for source in sources}
    masking = masking_of(config, tokenizer)
    parts = [(packed[source.name]["train"].tokens, source.share) for source in sources]
    first = os.environ.get("RANK", "0") == "0"

    def heldout(most: int) -> dict[str, dict[str, Any]]:
        return {
            name: asdict(score(model, both["heldout"], recipe.context, most, masking))
            for name, both in packed.items()
        }

    with quiet(), _stopping(work / STOP) as should_stop:
        model = build(config, base, tokenizer)
        before = (
            heldout(recipe.heldout_windows) if first and config.start and not config.architecture else None
        )
        if hasattr(model.config, "output_router_logits"):
            model.config.output_router_logits = True  # the loss that keeps experts evenly busy needs them
        trained = train(
            model,
            lambda count: Windows(parts, recipe.context, count, recipe.seed, masking),
            recipe,
            work,
            emit=_logger(work / LOG),
            should_stop=should_stop,
            evaluate=lambda: {"heldout": heldout(min(MID_WINDOWS, recipe.heldout_windows))},
        )
        if first and trained.finished:
            scores = heldout(recipe.heldout_windows)
            _write(config, base, work, model, tokenizer, sources, packed, trained, before, scores)
    return trained.finished


def masking_of(config: PretrainConfig, tokenizer: Any) -> Masking | None:
    """What is hidden where the objective is masked."""
    if config.kind == "decoder":
        return None
    special = frozenset(tokenizer.all_special_ids)
    ids = (tokenizer.mask_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    return Masking(*ids, len(tokenizer), special, config.recipe.mask_share)


def _write(
    config: PretrainConfig,
    base: Path,
    work: Path,
    model: Any,
    tokenizer: Any,
    sources: Sequence[Source],
    packed: Mapping[str, Mapping[str, Packed]],
    trained: Trained,
    before: Mapping[str, Any] | None,
    scores: Mapping[str, Any],
) -> None:
    """Score, sample, save in half precision and write the cards from what happened."""
    folder = work / RESULT
    written: list[dict[str, Any]] = []
    if config.kind == "decoder":
        name = config.continuations or sources[0].name
        starts = story_starts(next(s for s in sources if s.name == name))
        texts = continue_texts(model, tokenizer, starts, seed=config.recipe.seed)
        written = [{"start": s, "continuation": t, "loops": loops(t)} for s, t in zip(starts, texts)]
    if hasattr(model.config, "output_router_logits"):
        model.config.output_router_logits = False
    parameters = sum(parameter.numel() for parameter in model.parameters())
    model.to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    log = [json.loads(line) for line in (work / LOG).read_text(encoding="utf-8").splitlines()]
    facts = card.Facts(
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
        sources=card.source_facts(sources, packed),
        start=card.start_facts(config, base),
        environment=environment("cuda:0" if torch.cuda.is_available() else "cpu", trained.precision),
        log=[line for line in log if line["event"] in ("step", "evaluated")],
    )
    card.write(folder, facts)


def story_starts(source: Source, count: int = CONTINUATIONS, words: int = START_WORDS) -> list[str]:
    """The first words of held-out documents, evenly drawn from the whole file."""
    texts = [text for text in documents(source.heldout) if len(text.split()) >= 2 * words]
    chosen = texts[:: max(1, len(texts) // count)][:count]
    return [" ".join(text.split()[:words]) for text in chosen]


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
