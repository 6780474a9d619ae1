"""The command `infer`: one text, or a file of prompts, through finished runs and their base on one loaded model; and why a label was given."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.cli.look import _pairs, find_run
from workbench.cli.printing import print_json, print_table, say
from workbench.home import default_store
from workbench.result import Run
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with its arguments; `command` is the parser's own way to add one."""
    infer = command(
        "infer",
        infer_runs,
        "one text or a file of prompts through several finished runs and the base, side by side",
    )
    infer.add_argument("--runs", required=True, metavar="ID[,ID]")
    asked = infer.add_mutually_exclusive_group(required=True)
    asked.add_argument("--text", help="the text that is judged, or the prompt that is answered")
    asked.add_argument(
        "--file",
        metavar="FILE",
        help="a prompt to a line, or CSV, TSV or JSON Lines with a column prompt or text",
    )
    infer.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="K=V",
        help="how a generated text is decoded: max_new_tokens=20, do_sample=true, decoding_seed=1 ...",
    )
    infer.add_argument(
        "--explain",
        action="store_true",
        help="say which words each label rests on (classification, with --text)",
    )


def infer_runs(arguments: argparse.Namespace) -> int:
    if arguments.text is not None and not arguments.text.strip():
        raise ValueError("--text is empty: give the text that the runs shall judge")
    store = Store(default_store())
    chosen = [find_run(store, part.strip()) for part in arguments.runs.split(",") if part.strip()]
    for run in chosen:
        if run.state != "finished":
            raise ValueError(f"run {run.id} is {run.state}: only finished runs can answer")
    options = _task_options(chosen, dict(_pairs(arguments.option, "--option")))
    if arguments.file:
        return _ask_file(store, chosen, Path(arguments.file), options, arguments.json)
    return _ask_text(store, chosen, arguments.text, options, arguments)


def _ask_text(
    store: Store, chosen: list[Run], text: str, options: dict[str, Any], arguments: argparse.Namespace
) -> int:
    from workbench.inference import answer, engine_for

    ids = [run.id for run in chosen]
    answers = answer(store, ids, text, options=options)
    explained: list[dict[str, Any]] = []
    if arguments.explain:
        from workbench.attributions import explain

        explained = explain(str(store.folder), ids, text)
    contents = engine_for(store).contents()
    if arguments.json:
        found = {"text": text, "options": options, "answers": answers, "loaded": contents}
        print_json(found | ({"explained": explained} if explained else {}))
        return 0
    labels = {run.id: f"{run.label} seed {run.spec.seed}" for run in chosen}
    if any("text" in a for a in answers):
        for a in answers:
            print(
                f"{labels.get(a['run_id'], 'base')}  {_told(a)}\n{a.get('text') or a.get('reason') or ''}\n"
            )
    else:
        rows = [_answer_line(a, labels) for a in answers]
        print_table(["", "label", "probability", "ms", ""], rows, right=(2, 3))
    for one in explained:
        print(f"\n{labels[one['run_id']]}  {one['label'] or ''}\n{_words(one)}")
    say(_loaded(contents))
    return 0


def _ask_file(store: Store, chosen: list[Run], path: Path, options: dict[str, Any], as_json: bool) -> int:
    from workbench import prompt_sets

    if not path.is_file():
        raise ValueError(f"there is no file {path}: give one with a prompt to a line")
    prompts = prompt_sets.read_prompts(path)
    say(f"{len(prompts)} prompts through {len(chosen)} runs and their base")
    found = prompt_sets.ask_prompts(str(store.folder), [run.id for run in chosen], prompts, True, options)
    prompt_sets.keep(store, chosen[0].spec.setting.id, path.name, found)
    if as_json:
        print_json({"file": str(path), **found})
        return 0
    labels = {run.id: f"{run.label} seed {run.spec.seed}" for run in chosen} | {"base": "base"}
    print(prompt_sets.as_csv(found, labels), end="")
    for key, reason in found["reasons"].items():
        say(f"{labels[key]}: {reason}")
    return 0


def _task_options(runs: list[Run], given: dict[str, str]) -> dict[str, Any]:
    """`--option max_new_tokens=20`, read as the task's options are."""
    if not given or not runs:
        return {}
    known = registry.task(runs[0].spec.setting.task).options
    values = known.from_text(given).to_dict()
    return {name: values[name] for name in given}


def _told(answer: Mapping[str, Any]) -> str:
    if answer.get("tokens") is None:
        return ""
    end = "" if answer.get("ended") else ", cut at the limit"
    first, pace = answer.get("first_token_ms"), answer.get("tokens_per_second")
    speed = f", first token after {first:.0f} ms" if first is not None else ""
    speed += f", {pace:.0f} tokens/s" if pace is not None else ""
    return f"({answer['tokens']} tokens{end}{speed})"


def _answer_line(answer: Mapping[str, Any], labels: Mapping[str, str]) -> list[Any]:
    best = max(answer["probabilities"].values()) if answer.get("probabilities") else None
    return [
        labels.get(answer["run_id"], "base"),
        answer.get("label"),
        f"{best:.3f}" if best is not None else "",
        f"{answer['ms']:.1f}" if answer.get("ms") is not None else "",
        answer.get("reason") or "",
    ]


def _words(explained: Mapping[str, Any]) -> str:
    if explained["reason"]:
        return str(explained["reason"])
    ranked: Sequence[Mapping[str, Any]] = sorted(explained["tokens"], key=lambda t: -abs(t["score"]))
    return "  ".join(f"{token['text'].strip()} {token['score']:+.2f}" for token in ranked[:8])


def _loaded(contents: Mapping[str, Any]) -> str:
    parts = [
        f"{base['title']} loaded once, {base['bytes'] / 2**20:.1f} MiB, with {len(base['runs'])} runs,"
        f" {sum(run['bytes'] for run in base['runs']) / 2**20:.1f} MiB"
        for base in contents["bases"]
    ]
    return "; ".join(parts)
