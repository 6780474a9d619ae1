"""Prepares a pretraining once, starts its processes with torchrun, shows how far they are, puts the result in place."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench import checkpoints, machine
from workbench.corpus import refuse_heldout
from workbench.pretraining.config import PretrainConfig, model_folder, sources_of, with_processes

GIVEN, LOG, STOP, RESULT, TOKENIZER, PACKED = (
    "given.json",
    "log.jsonl",
    "STOP",
    "result",
    "tokenizer",
    "packed",
)
OUTPUT = "processes.log"
Show = Callable[[Mapping[str, Any]], None]


def pretrain(config: PretrainConfig, base: Path, out: Path, *, show: Show, keep_work: bool = False) -> bool:
    """Make the model folder `out`; False if it was stopped (the same call goes on from the last checkpoint).

    ValueError for bad input, RuntimeError with the last words of the processes when they fail. Work files lie beside
    `out`, in OUT.work, and go when all is done.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} exists already: name another folder, or move it away")
    work = out.with_name(out.name + ".work")
    gpus = len(machine.gpus())
    count = config.recipe.processes or gpus or machine.cores()
    if gpus and count > gpus:
        raise ValueError(
            f"processes is {count}, and there are {gpus} GPUs, one for each; WORKBENCH_DEVICE=cpu uses cores"
        )
    config = with_processes(config, count)
    tokens = prepare(config, base, work)
    show(
        {
            "event": "prepared",
            "processes": count,
            "sources": tokens,
        }
    )
    finished = _processes(work, count, show)
    if finished:
        if out.exists():
            out.rmdir()
        os.replace(work / RESULT, out)
        if not keep_work:
            shutil.rmtree(work)
    return finished


def prepare(config: PretrainConfig, base: Path, work: Path) -> dict[str, int]:
    """Check the files, make the tokenizer and the packed tokens, or find them made; tokens to train on by source.
    ValueError if `work` belongs to another pretraining."""
    sources = sources_of(config, base)
    refuse_heldout(sources)
    for ref in (config.start, config.tokenizer):
        if ref:
            model_folder(ref, base)
    given = {"base": str(base.resolve()), "config": config.to_dict()}
    _same_as_before(work, given)
    work.mkdir(parents=True, exist_ok=True)
    (work / STOP).unlink(missing_ok=True)
    shutil.rmtree(work / RESULT, ignore_errors=True)
    (work / GIVEN).write_text(json.dumps(given), encoding="utf-8")
    from workbench.pretraining import tokenizer as making

    if not (work / TOKENIZER / "tokenizer.json").exists():
        taken = config.tokenizer or config.start
        if taken:
            backend = making.read_backend(model_folder(taken, base))
        else:
            backend = making.train_tokenizer(sources, config.vocabulary)
        making.wrap(backend, config.recipe.objective, _longest(config, base)).save_pretrained(
            work / TOKENIZER
        )
    from transformers import AutoTokenizer

    from workbench.pretraining.build import check
    from workbench.pretraining.material import material

    loaded: Any = AutoTokenizer.from_pretrained(work / TOKENIZER, local_files_only=True)
    settings = check(config, base, loaded)
    found = material(config, sources, loaded, work / PACKED)
    with tempfile.TemporaryDirectory(dir=work) as trial:
        settings.save_pretrained(trial)
        loaded.save_pretrained(trial)
        making.check_loads_back(Path(trial), found.texts())
    found.windows(1)  # finds out before any process starts whether there is enough for one
    return dict(found.train_tokens)


def _longest(config: PretrainConfig, base: Path) -> int:
    """The longest text that the model takes, for the tokenizer to cut at."""
    settings: Mapping[str, Any] = config.architecture
    if not settings and config.start:
        settings = json.loads((model_folder(config.start, base) / "config.json").read_text(encoding="utf-8"))
    return int(settings.get("max_position_embeddings", config.recipe.context))


def _same_as_before(work: Path, given: Mapping[str, Any]) -> None:
    """Going on from a checkpoint is only right with the same model, texts and schedule; how many processes do it does
    not matter. Where there is none yet, all but packed texts is made anew."""
    file = work / GIVEN
    if not file.is_file():
        return
    earlier, now = _plan(json.loads(file.read_text(encoding="utf-8"))), _plan(json.loads(json.dumps(given)))
    changed = sorted(key for key in {*earlier, *now} if earlier.get(key) != now.get(key))
    if not changed:
        return
    if checkpoints.newest_complete(work / "checkpoints")[0]:
        raise ValueError(
            f"{work} holds a pretraining begun with another {', '.join(changed)}: go on with the same,"
            " or remove that folder to begin anew"
        )
    shutil.rmtree(work / TOKENIZER, ignore_errors=True)
    (work / LOG).unlink(missing_ok=True)


def _plan(given: Mapping[str, Any]) -> dict[str, Any]:
    free = ("processes", "niceness", "checkpoint_minutes", "log_steps", "precision")
    kept = {key: value for key, value in given["config"].items() if key not in free}
    return kept | {"folder": given["base"]}


def _processes(work: Path, count: int, show: Show) -> bool:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TOKENIZERS_NO_WARNING": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "WORKBENCH_OWNER": str(os.getpid()),
        "TORCHELASTIC_LOG_LEVEL": "ERROR",
    }
    if not machine.gpus():
        settings["CUDA_VISIBLE_DEVICES"] = ""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
    command += [
        "--master-addr=127.0.0.1",
        f"--master-port={port}",
        "-m",
        "workbench.pretraining.process",
        str(work),
    ]
    log = work / LOG
    seen = log.stat().st_size if log.exists() else 0
    with (work / OUTPUT).open("ab") as output:
        begun = output.tell()
        # In a session of its own, so that Ctrl-C reaches this command alone, which asks the processes to stop.
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=output, stderr=output, start_new_session=True
        )
        with _asking(work / STOP, process):
            while process.poll() is None:
                time.sleep(0.3)
                seen = _show_new(log, seen, show)
    _show_new(log, seen, show)
    if process.returncode != 0:
        raise RuntimeError(_last_words(work / OUTPUT, begun))
    return (work / RESULT / "card.json").is_file()


@contextlib.contextmanager
def _asking(stop: Path, process: subprocess.Popen[bytes]) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks for a checkpoint and an end; the second ends the processes at once."""
    asked: list[int] = []

    def ask(number: int, frame: Any) -> None:
        asked.append(number)
        if len(asked) == 1:
            stop.touch()
        else:
            _end(process)

    earlier = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        if process.poll() is None:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _show_new(log: Path, seen: int, show: Show) -> int:
    if not log.exists():
        return seen
    with log.open("rb") as file:
        file.seek(seen)
        for line in file:
            if not line.endswith(b"\n"):
                break
            seen += len(line)
            show(json.loads(line))
    return seen


def _last_words(output: Path, begun: int) -> str:
    with output.open("rb") as file:
        file.seek(begun)
        lines = file.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if "Error:" in line and "ChildFailedError" not in line]
    words = errors[0].split("]:")[-1].strip() if errors else (lines[-1] if lines else "they said nothing")
    return f"pretraining failed: {words}; the whole output is in {output}"
