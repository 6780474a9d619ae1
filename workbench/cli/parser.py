"""The words of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from workbench import __version__
from workbench.cli import (
    atlas_command,
    bench_command,
    compare_command,
    estimate_table,
    export_command,
    hosted_command,
    infer_command,
    inside_command,
    look,
    pretrain_command,
    repeat_command,
    replay_command,
    serve_command,
    study_command,
    work,
)


class OneLineParser(argparse.ArgumentParser):
    """Bad arguments are said in one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        print(f"workbench: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(2)


def build_parser() -> argparse.ArgumentParser:
    """All commands, each bound to its function."""
    parser = OneLineParser(prog="workbench", description=__doc__)
    parser.description = "Compare fine-tuning methods of language models on your own data."
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=OneLineParser
    )

    def add(
        name: str, function: Callable[[Any], int], help: str, *, store: bool = True
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(command=function)
        command.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
        if store:
            command.add_argument(
                "--store", metavar="DIR", help="the folder that keeps runs (default: a per-user folder)"
            )
        return command

    methods = add(
        "methods", look.methods, "what can be compared; with --model what it can't take, and why", store=False
    )
    methods.add_argument("--task", help="only methods for this task")
    methods.add_argument("--model", help="say which of them this model can't take")
    methods.add_argument("--card", metavar="METHOD", help="print one method's card and options")

    data = commands.add_parser("data", help="look at data before training on it", description="Look at data.")
    kinds = data.add_subparsers(
        title="commands", metavar="COMMAND", required=True, parser_class=OneLineParser
    )
    check = kinds.add_parser(
        "check", help="the dataset doctor: every fault by line and field, each with a fix"
    )
    check.set_defaults(command=look.data_check)
    check.add_argument("source", metavar="FILE|NAME", help="a file, a folder, a bundled data set or a Hub id")
    check.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    check.add_argument(
        "--task", help="what the rows are for (default: what a bundled set is made for, else classification)"
    )
    check.add_argument("--text", help="the column that holds the text or the prompt (default: guessed)")
    check.add_argument("--label", help="the column that holds the label or the completion (default: guessed)")
    check.add_argument(
        "--format", help="how rows of another task are given, such as alpaca (default: guessed)"
    )
    check.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="the column of another role: input, references, kind, answer, system (may be repeated)",
    )
    check.add_argument(
        "--fill",
        action="append",
        default=[],
        metavar="NAME=WORDS",
        help="words for a place that the texts leave open, such as {name} (may be repeated)",
    )
    check.add_argument("--encoding", help="how the file's bytes are read, such as latin-1")
    check.add_argument("--skip-broken", action="store_true", help="leave out rows that can't be read")
    check.add_argument(
        "--fix", action="append", default=[], metavar="ID", help="apply a fix first (may be repeated)"
    )
    check.add_argument("--model", help="count lengths in this model's tokens (default: words)")
    check.add_argument("--max-length", type=int, default=128, help="tokens a run would keep (default: 128)")

    estimate = add(
        "estimate",
        look.estimate,
        "a method's weights, memory, work and time before any run, without the model's weights",
        store=False,
    )
    estimate.add_argument(
        "--model", required=True, help="embedded:NAME, a Hub id, a folder or a well-known name"
    )
    estimate.add_argument("--method", "--methods", required=True, metavar="X[,Y]", help="one or more methods")
    estimate.add_argument(
        "--option", action="append", default=[], metavar="K=V", help="a method option (lists take commas)"
    )
    estimate.add_argument("--task", default="classification")
    estimate.add_argument("--labels", type=int, default=2, help="number of labels (default: 2)")
    estimate_table.add_arguments(estimate)

    run = add("run", work.run, "train every run of a preset and print the table")
    run.add_argument("preset", metavar="PRESET.yaml", help="a preset file, or the name of a shipped one")
    run.add_argument("--methods", metavar="A,B", help="these methods instead of the preset's")
    run.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1 instead of the preset's")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="batch_size=8, budget.steps=20, data.train_rows=100 ...",
    )
    run.add_argument(
        "--go-on", action="store_true", help="train only what the store has not finished or queued already"
    )
    run.add_argument(
        "--slots", type=int, metavar="N", help="runs at once (default: what the machine carries)"
    )

    runs = add("runs", look.runs, "all runs and how they ended")
    runs.add_argument("--setting", help="only of this setting")
    runs.add_argument("--state", help="only in this state")
    show = add("show", look.show, "one run: what was asked, what happened, what was measured")
    show.add_argument("run", metavar="RUN")
    show.add_argument("--log", action="store_true", help="print the end of the worker's log")
    for name, function, help in (
        ("cancel", work.cancel, "stop runs and wait until their processes are gone"),
        ("delete", work.delete, "remove ended runs and their files"),
        ("retry", work.retry, "run the same again as a new run"),
        ("resume", work.resume, "carry an ended run on from its newest complete checkpoint"),
    ):
        command = add(name, function, help)
        command.add_argument("runs", metavar="RUN", nargs="+")

    compare_command.add(add)
    repeat_command.add(add)
    infer_command.add(add)

    pretrain_command.add(add)
    inside_command.add(add)
    export_command.add(add)
    serve_command.add(add)
    bench_command.add(commands, OneLineParser)
    study_command.add(add)
    replay_command.add(add)
    atlas_command.add(add)
    hosted_command.add(add)

    page = add("page", work.page, "open the page")
    page.add_argument("--host", help="address to listen on (default: 127.0.0.1, or GRADIO_SERVER_NAME)")
    page.add_argument("--port", type=int, help="port (default: 7860, or GRADIO_SERVER_PORT)")
    page.add_argument(
        "--workshop", metavar="CODE", help="open it for a class: people join with this code and a nickname"
    )
    add("doctor", look.doctor, "versions, device, and what works here")
    return parser
