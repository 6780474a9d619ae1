"""The command `workbench pretrain`: from text files to a model folder, with a progress bar."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.cli.printing import print_json, print_table, say


def add(add_command: Callable[..., argparse.ArgumentParser]) -> None:
    """Bind it with the parser's own `add`."""
    command = add_command(
        "pretrain",
        pretrain,
        "make a small model from text files: tokenizer, training, scores and card",
        store=False,
    )
    command.add_argument(
        "config", metavar="CONFIG.yaml", help="a pretraining file, or the name of a shipped one"
    )
    command.add_argument("--out", metavar="DIR", help="the model folder to write (default: the model's name)")
    command.add_argument("--minutes", type=float, help="this time budget instead of the file's budget")
    command.add_argument("--tokens", type=float, help="this token budget instead of the file's budget")
    command.add_argument(
        "--processes", type=int, metavar="N", help="default: one for each GPU, or for each core"
    )
    command.add_argument(
        "--niceness", type=int, metavar="N", help="stand back behind other programs (0 to 19)"
    )
    command.add_argument("--seed", type=int, help="this seed instead of the file's")
    command.add_argument("--keep-work", action="store_true", help="keep packed tokens, checkpoints and log")


def pretrain(arguments: argparse.Namespace) -> int:
    """Train, or go on where an earlier call was stopped; 1 if it failed, 130 if it was stopped."""
    from workbench.pretraining.config import find_config, load_config
    from workbench.pretraining.launch import pretrain as launch

    if arguments.minutes is not None and arguments.tokens is not None:
        raise ValueError("give --minutes or --tokens, not both")
    path = find_config(arguments.config)
    names = ("minutes", "tokens", "processes", "niceness", "seed")
    config = load_config(path, {name: getattr(arguments, name) for name in names})
    out = Path(arguments.out or config.name).expanduser().absolute()
    with _Bar() as bar:
        try:
            finished = launch(config, path.parent, out, show=bar.show, keep_work=arguments.keep_work)
        except RuntimeError as error:
            bar.close()
            say(f"workbench: {error}")
            return 1
    if not finished:
        say(f"stopped; a checkpoint is kept in {out}.work, and the same command goes on from it")
        return 130
    report = json.loads((out / "pretraining.json").read_text(encoding="utf-8"))
    if arguments.json:
        print_json({"folder": str(out), **{key: value for key, value in report.items() if key != "log"}})
    else:
        _print(out, report)
    return 0


def _print(out: Path, report: Mapping[str, Any]) -> None:
    head = ["held-out source", "nats per token", "score"]
    rows = [[name, f"{one['nats_per_token']:.3f}", _main(one)] for name, one in report["heldout"].items()]
    print_table(head, rows, right=(1,))
    print(
        f"{out}: {report['parameters']:,} weights, {report['tokens'] / 1e6:.1f}M tokens in"
        f" {report['seconds'] / 60:.1f} minutes, {report['tokens_per_second']:,.0f} tokens a second"
    )


class _Bar:
    """Percent of the budget, speed, loss and time left; where there is no terminal, a line now and then."""

    def __init__(self) -> None:
        from tqdm import tqdm

        form = "{l_bar}{bar}| {postfix}"
        self._bar = tqdm(total=100.0, disable=not sys.stderr.isatty(), bar_format=form)
        self._said = -1.0

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._bar.close()

    def show(self, event: Mapping[str, Any]) -> None:
        """One event of the preparation or the training."""
        kind = event["event"]
        if kind == "prepared":
            tokens = ", ".join(f"{name} {count / 1e6:.2f}M" for name, count in event["sources"].items())
            self._write(f"tokens: {tokens}; {event['processes']} processes")
        elif kind == "started" and event["step"]:
            self._write(f"going on from step {event['step']:,}")
        elif kind == "warning":
            self._write(event["message"])
        elif kind == "evaluated":
            scores = ", ".join(f"{name} {_main(one)}" for name, one in event["heldout"].items())
            self._write(f"{event['tokens'] / 1e6:.1f}M tokens, held out: {scores}")
        elif kind == "step":
            self._step(event)

    def _step(self, event: Mapping[str, Any]) -> None:
        share = event["share"]
        left = event["seconds"] / share * (1 - share) if share else 0.0
        line = (
            f"step {event['step']:,}, {event['tokens'] / 1e6:.2f}M tokens, loss {event['loss']:.3f},"
            f" {event['tokens_per_second']:,.0f} tokens/s, {_clock(left)} left"
        )
        self._bar.n = round(100 * share, 1)
        self._bar.set_postfix_str(line)
        if self._bar.disable and (share - self._said >= 0.02 or share >= 1):
            self._said = share
            say(f"{share:6.1%}  {line}")

    def _write(self, text: str) -> None:
        if self._bar.disable:
            say(text)
        else:
            self._bar.write(text, file=sys.stderr)


def _main(score: Mapping[str, Any]) -> str:
    if "exact_match" in score:
        return f"{score['exact_match']:.1%} answered right"
    bits = score.get("bits_per_byte")
    return (
        f"{bits:.3f} bits per byte" if bits is not None else f"{score['token_accuracy']:.1%} of tokens found"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
