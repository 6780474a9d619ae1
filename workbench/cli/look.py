"""Commands that look and change nothing: methods, data check, estimate, runs, show, infer, doctor."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from workbench import registry
from workbench.cli.printing import print_json, print_table, say
from workbench.fitting import methods_that_fit
from workbench.home import default_store
from workbench.method import Method, card_parts
from workbench.result import STATES, Run
from workbench.store import Store


def methods(arguments: argparse.Namespace) -> int:
    """Without --model no deep-learning library is loaded."""
    if arguments.card:
        return _card(registry.method(arguments.card), arguments.json)
    if arguments.task:
        registry.task(arguments.task)
    found = [m for m in registry.methods().values() if not arguments.task or arguments.task in m.tasks]
    reasons: dict[str, str | None] = dict.fromkeys(m.name for m in found)
    if arguments.model:
        fit, note = methods_that_fit(default_store(), arguments.model, arguments.task or "classification")
        reasons = {name: fit[name] for name in reasons}
        if note:
            say(f"workbench: {note}")
    rows = [
        {
            "name": m.name,
            "title": m.title,
            "family": m.family,
            "tasks": list(m.tasks),
            "needs": m.needs,
            "reason": reasons[m.name],
        }
        for m in found
    ]
    if arguments.json:
        print_json({"methods": rows})
        return 0
    print_table(
        ["method", "title", "family", ""],
        [[m.name, m.title, m.family, reasons[m.name] or m.sentence] for m in found],
    )
    return 0


def _card(method: Method, as_json: bool) -> int:
    card, facts = card_parts(method.card), method.options.facts()
    if as_json:
        options = [dict(vars(fact).items()) for fact in facts]
        print_json(
            {
                "name": method.name,
                "title": method.title,
                "family": method.family,
                "card": vars(card),
                "paper": method.paper,
                "learning_rate": method.learning_rate,
                "options": options,
            }
        )
        return 0
    print(f"{method.title} ({method.name})\n\n{card.summary}\n")
    print(f"Use it  {card.use_it}\nCosts   {card.costs}\nWatch   {card.watch}\nPaper   {method.paper}\n")
    print(f"learning_rate  {method.learning_rate:g}")
    for fact in facts:
        default = ",".join(fact.default) if isinstance(fact.default, tuple) else fact.default
        print(f"{fact.name}  {default}  {fact.help}")
    return 0


def data_check(arguments: argparse.Namespace) -> int:
    """0 with warnings only; 2 and one summary line on standard error when a fault blocks training."""
    from workbench.data import check, data_task

    task = data_task(arguments.task or bundled_task(arguments.source)).name
    tokenizer = None
    if arguments.model:
        from workbench.models import load_tokenizer, resolve

        tokenizer = load_tokenizer(resolve(arguments.model))
    report = check(
        arguments.source,
        text=arguments.text,
        label=arguments.label,
        tokenizer=tokenizer,
        max_length=arguments.max_length,
        fixes=tuple(arguments.fix),
        encoding=arguments.encoding,
        skip_broken=arguments.skip_broken,
        task=task,
        format=arguments.format,
        columns=dict(_pairs(arguments.column, "--column", "ROLE=NAME")),
        fill=dict(_pairs(arguments.fill, "--fill", "NAME=WORDS")),
    )
    if arguments.json:
        print_json(report.to_dict())
    else:
        print(report.to_text())
    if report.blocks:
        say(f"workbench: {report.blocking_sentence}")
        return 2
    return 0


def bundled_task(source: str) -> str:
    """The task that a bundled data set is made for; other data are taken for a classification until somebody says more."""
    from workbench.data import bundled

    return next((card.task for card in bundled(every=True) if card.name == source), "classification")


def estimate(arguments: argparse.Namespace) -> int:
    """Counts, memory, work and time from the real architecture, built without weights."""
    from workbench.cli.estimate_table import print_estimates, training_of
    from workbench.estimate import estimates

    wanted = []
    given = dict(_pairs(arguments.option, "--option"))
    for name in arguments.method.split(","):
        method = registry.method(name.strip())
        wanted.append((method, method.options.from_text(given)))
    training = training_of(arguments)
    rows = estimates(arguments.model, wanted, task=arguments.task, labels=arguments.labels, training=training)
    if arguments.json:
        print_json({"estimates": rows})
    else:
        print_estimates(rows, training)
    for row in rows:
        if reason := row["reason"] or row.get("memory_reason"):
            say(f"workbench: {row['method']}: {reason}")
    return 2 if all(row["reason"] for row in rows) else 0


def runs(arguments: argparse.Namespace) -> int:
    if arguments.state and arguments.state not in STATES:
        raise ValueError(f"a run's state is one of {', '.join(STATES)}, not {arguments.state!r}")
    store = Store(default_store())
    setting = None
    if arguments.setting:
        setting = _setting_id(store, arguments.setting)
    found = store.runs(setting_id=setting, states=[arguments.state] if arguments.state else None)
    if arguments.json:
        from workbench.compare import run_record

        print_json({"runs": [run_record(run) for run in found]})
        return 0
    if not found:
        say("no runs yet: `workbench run quickstart` makes the first")
        return 0
    header = ["run", "state", "method", "seed", "setting", "progress", "score", "reason"]
    print_table(header, [_run_line(run) for run in found], right=(3, 6))
    return 0


def _run_line(run: Run) -> list[Any]:
    return [
        run.id,
        run.state,
        run.label,
        run.spec.seed,
        run.spec.setting.id,
        f"{run.step}/{run.steps}" if run.steps else "",
        headline(run),
        run.reason.message if run.reason else "",
    ]


def headline(run: Run) -> str:
    """The score that a run's setting ranks by, with its name; empty where there is none."""
    from workbench.compare import judged_by
    from workbench.metric import metric
    from workbench.report import format_value

    column = metric(judged_by(run.spec.setting))
    value = run.result.metrics.get(column.name) if run.result else None
    if value is None:
        return ""
    return f"{column.title} {format_value(value, column)}{' %' if column.format == 'share' else ''}"


def show(arguments: argparse.Namespace) -> int:
    from workbench.compare import run_record

    store = Store(default_store())
    run = find_run(store, arguments.run)
    if arguments.log:
        path = store.run_folder(run.id) / "worker.log"
        print(path.read_text(encoding="utf-8", errors="replace")[-20_000:] if path.exists() else "no log yet")
        return 0
    record = run_record(run)
    if arguments.json:
        events = [vars(event) for event in store.events(run.id)]
        print_json(
            {
                "run": record,
                "setting": {"id": run.spec.setting.id, **run.spec.setting.to_dict()},
                "events": events,
            }
        )
        return 0
    stages = record.pop("stages", None)
    for key, value in record.items():
        if value not in (None, {}, [], ()):
            print(f"{key:28} {_shown(key, value)}")
    if stages:
        print()
        print_table(*stage_table(stages), right=range(1, 5))
    return 0


def stage_table(stages: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """A line for each stage of a run, with what it reached, and what it added to the one before where that was tested."""
    lines = []
    for one in stages:
        peak, gain = one.get("peak_memory_bytes"), one.get("gain")
        reached = ", ".join(f"{name} {value:.4g}" for name, value in (one.get("metrics") or {}).items())
        lines.append(
            [
                one["title"],
                f"{one.get('steps') or 0:,}",
                f"{one.get('samples') or 0:,}",
                f"{one.get('seconds') or 0:.1f}",
                f"{peak / 2**20:,.1f} MiB" if peak else "",
                reached,
                f"the stages after it win {gain['win_rate']:.0%} of the test prompts" if gain else "",
            ]
        )
    return ["stage", "steps", "rows", "seconds", "peak memory", "reached", ""], lines


def _shown(key: str, value: Any) -> str:
    if key.endswith("_at"):
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def doctor(arguments: argparse.Namespace) -> int:
    """1 when something that training needs is missing."""
    from workbench.doctor import findings

    found = findings(default_store())
    if arguments.json:
        print_json(found)
    else:
        for check in found["checks"]:
            print(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['name']:16} {check['detail']}")
    return 0 if all(check["ok"] or not check["required"] for check in found["checks"]) else 1


def find_run(store: Store, run_id: str) -> Any:
    """A run by the beginning of its id."""
    try:
        return store.run(run_id)
    except KeyError:
        raise LookupError(f"no run begins with {run_id!r}; `workbench runs` lists them") from None


def _setting_id(store: Store, beginning: str) -> str:
    try:
        return store.setting(beginning).id
    except KeyError:
        raise LookupError(f"no setting begins with {beginning!r}; `workbench runs` lists them") from None


def _pairs(items: list[str], flag: str, shape: str = "KEY=VALUE") -> list[tuple[str, str]]:
    pairs = []
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"{flag} takes {shape}, not {item!r}")
        pairs.append((key.strip(), value.strip()))
    return pairs
