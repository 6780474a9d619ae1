"""Commands that start or stop something: run, cancel, delete, retry, resume, page."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence

from workbench import bases, presets
from workbench.cli.look import _pairs, find_run, headline
from workbench.cli.printing import print_json, say
from workbench.home import default_store, is_hosted
from workbench.result import Run
from workbench.runner import Runner
from workbench.store import Store


def run(arguments: argparse.Namespace) -> int:
    """Train a preset's runs; 1 when some did not finish (they are in the table with their reasons)."""
    from workbench import learning_curve, report
    from workbench.cli.study_command import show
    from workbench.compare import comparison
    from workbench.metric import metric
    from workbench.session import submit
    from workbench.study import find

    preset = presets.override(presets.load(arguments.preset), dict(_pairs(arguments.set, "--set")))
    if arguments.methods:
        preset = _only(preset, [name.strip() for name in arguments.methods.split(",") if name.strip()])
    if arguments.go_on and preset.chain:
        raise ValueError("--go-on serves presets whose runs stand alone; a chain is begun anew each time")
    if arguments.seeds is not None and arguments.seeds < 1:
        raise ValueError(f"--seeds is at least 1, not {arguments.seeds}")
    seeds = range(arguments.seeds) if arguments.seeds else None
    store = Store(default_store())
    runner = Runner(store, slots=arguments.slots)
    runner.start()
    try:
        submitted = submit(store, preset, seeds=seeds, progress=_say_progress, go_on=arguments.go_on)
        for name, reason in submitted.left_out.items():
            say(f"left out: {name}: {reason}")
        there = sum(run.is_final for run in store.runs(ids=submitted.run_ids))
        queued = f"{len(submitted.run_ids) - there} runs queued{f', {there} there already,' if there else ''} in setting"
        say(f"{queued}{'s' * (len(submitted.setting_ids) > 1)} {', '.join(submitted.setting_ids)}")
        watch(runner, store, submitted.run_ids)
    finally:
        runner.stop()
    if submitted.study_id is not None:
        show(store, find(store, submitted.study_id), as_json=arguments.json)
        ended = store.runs(ids=submitted.run_ids)
        return 0 if all(run.state == "finished" for run in ended) else 1
    found = [comparison(store, one, run_ids=submitted.run_ids) for one in submitted.setting_ids]
    curve = learning_curve.points(
        store, submitted.setting_ids, compare={one.setting.id: one for one in found}.__getitem__
    )
    if arguments.json:
        documents = [one.document() for one in found]
        print_json(
            documents[0]
            if len(found) == 1
            else {"varies": "train_rows", "sizes": curve.sizes, "settings": documents}
        )
    else:
        print("\n\n".join(map(report.to_text, found)))
        if len(found) > 1:
            print(
                f"\nTest {metric(curve.metric).title.lower()} in % by training rows\n\n{learning_curve.to_text(curve)}"
            )
    return 0 if all(run.state == "finished" for one in found for run in one.runs) else 1


def _say_progress(name: str, done: int, total: int) -> None:
    """How far an augmentation is, a line for each tenth and at the end."""
    tenth = max(total // 10, 1)
    if done >= total or done % tenth < 1 or done // tenth != (done - 1) // tenth:
        say(f"{name}: {done:,} of {total:,} texts")


def _only(preset: presets.Preset, names: Sequence[str]) -> presets.Preset:
    """The preset's own lines for these methods; a method it does not name comes with its defaults."""
    chosen: list[presets.MethodChoice] = []
    for name in names:
        own = [line for line in preset.methods if line.method == name]
        if not own:
            presets.MethodChoice(name).choice()
        chosen += own or [presets.MethodChoice(name)]
    if not chosen:
        raise ValueError("--methods names no method; see `workbench methods`")
    return dataclasses.replace(preset, methods=tuple(chosen), all_methods=False)


def watch(runner: Runner, store: Store, ids: Sequence[str]) -> None:
    """A progress bar over all steps; stopping the command stops its runs."""
    from tqdm import tqdm

    seen: dict[str, str] = {}
    with tqdm(
        disable=not sys.stderr.isatty(),
        total=len(ids),
        unit="run",
        bar_format="{l_bar}{bar}| {n:.1f}/{total} runs [{elapsed}<{remaining}] {postfix}",
    ) as bar:

        def draw(runs: Sequence[Run]) -> None:
            done = sum(1.0 if r.is_final else (r.step / r.steps if r.steps else 0.0) for r in runs)
            active = [f"{r.label} {r.step}/{r.steps or '?'}" for r in runs if r.state == "running"]
            bar.n = done
            bar.set_postfix_str(", ".join(active)[:80], refresh=False)
            bar.refresh()
            for r in runs:
                if r.is_final and seen.get(r.id) != r.state:
                    seen[r.id] = r.state
                    tqdm.write(_ended(r), file=sys.stderr)

        try:
            runner.wait(ids, on_change=draw)
        except KeyboardInterrupt:
            say("cancelling; what is finished is kept")
            for run_id in ids:
                runner.cancel(run_id)
            runner.wait(ids, on_change=draw)
            raise


def _ended(run: Run) -> str:
    who = f"{run.label}, seed {run.spec.seed}"
    if run.state != "finished" or run.result is None:
        return f"{who}: {run.state}: {run.reason.message if run.reason else ''}"
    score = f"{found}, " if (found := headline(run)) else ""
    return f"{who}: {score}{run.result.train_seconds or 0:.0f} s of training"


def cancel(arguments: argparse.Namespace) -> int:
    store = Store(default_store())
    runner = Runner(store)
    chosen = [find_run(store, name) for name in arguments.runs]
    for found in chosen:
        runner.cancel(found.id)
    runner.wait([found.id for found in chosen])
    return _report(store, [found.id for found in chosen], arguments.json)


def delete(arguments: argparse.Namespace) -> int:
    store = Store(default_store())
    chosen = [find_run(store, name) for name in arguments.runs]
    for found in chosen:
        store.delete(found.id)
    if arguments.json:
        print_json({"deleted": [found.id for found in chosen]})
    else:
        print("\n".join(f"{found.id} deleted" for found in chosen))
    return 0


def retry(arguments: argparse.Namespace) -> int:
    return _again(arguments, "retry")


def resume(arguments: argparse.Namespace) -> int:
    return _again(arguments, "resume")


def _again(arguments: argparse.Namespace, how: str) -> int:
    store = Store(default_store())
    runner = Runner(store)
    chosen = [find_run(store, name) for name in arguments.runs]
    runner.start()
    try:
        ids = [runner.retry(r.id) if how == "retry" else runner.resume(r.id) for r in chosen]
        ids += bases.followers(store, ids)
        watch(runner, store, ids)
    finally:
        runner.stop()
    return _report(store, ids, arguments.json)


def _report(store: Store, ids: Sequence[str], as_json: bool) -> int:
    from workbench.compare import run_record

    ended = [store.run(run_id) for run_id in ids]
    if as_json:
        print_json({"runs": [run_record(r) for r in ended]})
    else:
        print("\n".join(f"{r.id} {r.state} {r.reason.message if r.reason else ''}".rstrip() for r in ended))
    return 0


def page(arguments: argparse.Namespace) -> int:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        from workbench.ui import page as face
    except ImportError as error:
        raise ValueError(f"the page needs gradio, which can't be imported: {error}") from None
    if arguments.workshop:
        from workbench import workshop

        workshop.open_for(arguments.workshop)
    if is_hosted():
        from workbench.hosted.housekeeping import bring_back

        if restored := bring_back(default_store()):
            say(f"the store was restored: {restored}")
    store = Store(default_store())
    if arguments.workshop:
        print("\n".join(workshop.invitation(store)), flush=True)
    return face.serve(store, host=arguments.host, port=arguments.port)
