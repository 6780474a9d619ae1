"""What a report holds, gathered once and laid out by report_html.py and report_markdown.py: everything a reader needs to judge."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from workbench import claims, curves, example_rows, registry, svg_plots
from workbench.compare import Comparison
from workbench.example_rows import Example, Voice
from workbench.metric import Metric, metric
from workbench.repeating import commands, preset_yaml
from workbench.report import cell_text, format_value, printed_columns, row_name
from workbench.result import Run
from workbench.store import Store
from workbench.uploads import shown_source

SAMPLES = 5
VOICES = 6
PRICES = ("peak_memory_bytes", "trainable_parameters", "latency_ms_p50", "train_seconds")


@dataclass(frozen=True)
class Table:
    """Heads and texts; the first column names the row, the others hold figures."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plot:
    """A picture, its title, and the same figures as a table."""

    title: str
    svg: Markup
    table: Table


@dataclass(frozen=True)
class Report:
    """`facts`, `data` and `environment` are name and value; `failed` is row and reason."""

    title: str
    subtitle: str
    verdicts: tuple[tuple[str, str], ...]
    table: Table
    columns: tuple[tuple[str, str], ...]
    plots: tuple[Plot, ...]
    findings: tuple[claims.Finding, ...]
    voices: tuple[Voice, ...]
    samples: tuple[Example, ...]
    facts: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    runs: Table
    commands: str
    preset: str


def gather(store: Store, found: Comparison, *, owner: str | None = None) -> Report:
    """Everything of one setting. What was not measured is left empty."""
    setting = found.setting
    names = printed_columns(found)
    voices = _voices(found)
    examples = example_rows.examples(store, found, [voice.key for voice in voices])
    apart = [one for one in example_rows.ordered(examples, "disagree") if one.disagreement > 0]
    return Report(
        title=f"{_source(setting.data.source)}: {len(found.rows)} fine-tuning methods compared",
        subtitle=f"{setting.task} on {setting.model}, setting {setting.id}, {_when(found.runs)}",
        verdicts=tuple((v.sentence, v.detail) for v in found.verdicts),
        table=Table(
            ("Method", *(_head(metric(name)) for name in names), "Group"),
            tuple(
                (row_name(row), *(cell_text(row.cells.get(n), metric(n)) for n in names), row.letters)
                for row in (*found.rows, *found.references)
            ),
        ),
        columns=tuple((metric(name).title, metric(name).help) for name in names),
        plots=tuple(_plots(store, found)),
        findings=tuple(claims.findings(store, found, owner=owner)),
        voices=tuple(voices),
        samples=tuple(apart[:SAMPLES]),
        facts=_facts(found),
        data=_data(store, found),
        environment=_environment(found),
        failed=tuple((row.label, reason) for row in found.rows for reason in row.reasons),
        runs=_runs(found),
        commands=commands(found),
        preset=preset_yaml(found),
    )


def _voices(found: Comparison) -> list[Voice]:
    known = example_rows.voices(found)
    references = {row.key for row in found.references}
    methods = [voice for voice in known if voice.key not in references]
    return methods[:VOICES] + [voice for voice in known if voice.key == found.yardstick]


def _plots(store: Store, found: Comparison) -> list[Plot]:
    score = found.metric
    known = metric(score)

    def write(value: float) -> str:
        return format_value(value, known)

    rows = [row for row in (*found.rows, *found.references) if row.mean(score) is not None]
    if not rows:
        return []
    plots = [
        Plot(
            f"{known.title} and its 95 % interval",
            svg_plots.whiskers(rows, score, write),
            Table(("Method", _head(known)), tuple((r.label, cell_text(r.cells[score], known)) for r in rows)),
        )
    ]
    for price in PRICES:
        points = curves.scatter_points(found, price, score)
        if len(points) > 1 and len({point.x for point in points}) > 1:
            plots.append(_scatter(points, price, score))
            break
    lines = curves.seed_lines(store, found.runs, _validated(found))
    if any(len(line.x) > 1 for line in lines):
        plots.append(_curve_plot(lines, _validated(found)))
    return plots


def _scatter(points: Sequence[curves.Point], price: str, score: str) -> Plot:
    across, up = metric(price), metric(score)
    return Plot(
        f"{up.title} for its price: {across.title.lower()}",
        svg_plots.scatter(points, price, score, lambda value: format_value(value, across)),
        Table(
            ("Method", _head(across), _head(up), "On the front"),
            tuple(
                (p.label, format_value(p.x, across), format_value(p.y, up), "yes" if p.on_front else "")
                for p in points
            ),
        ),
    )


def _curve_plot(lines: Sequence[curves.Line], score: str) -> Plot:
    known = metric(score)
    steps = sorted({x for line in lines for x in line.x})
    steps = steps[:: max(1, len(steps) // 6)]
    rows = []
    for line in lines:
        values = dict(zip(line.x, line.y))
        rows.append((line.label, *(format_value(values.get(step), known) for step in steps)))
    return Plot(
        f"Validation {known.title.lower()} on the way",
        svg_plots.curves(lines, score, "training step"),
        Table(("Method", *(f"step {step:g}" for step in steps)), tuple(rows)),
    )


def _validated(found: Comparison) -> str:
    """What is measured on the validation part on the way."""
    task = registry.task(found.setting.task)
    return task.chosen_by(task.options.from_dict(found.setting.task_options))


def _facts(found: Comparison) -> tuple[tuple[str, str], ...]:
    setting = found.setting
    values: dict[str, Any] = {
        "Task": f"{setting.task}, version {setting.task_version}",
        "Base model": setting.model,
        "Model revision": setting.model_revision,
        "Budget of each run": setting.budget.words,
        "Batch": _times(setting.batch_size, setting.gradient_accumulation),
        "Longest text": f"{setting.max_length} tokens",
        "Precision": setting.precision,
        "Schedule": f"{setting.schedule}, {setting.warmup_share:.0%} warm-up",
        "Optimiser": setting.optimizer.replace("_", " "),
        "Weight decay": setting.weight_decay,
        "Gradient clip": setting.gradient_clip,
        "Evaluations on the way": setting.evaluations,
        "Learning-rate trials": setting.search_trials,
        "General texts read for forgetting": setting.forgetting_texts,
        **{name.replace("_", " "): value for name, value in setting.task_options.items()},
        "Setting": setting.id,
    }
    return _shown(values)


def _data(store: Store, found: Comparison) -> tuple[tuple[str, str], ...]:
    data = found.setting.data
    folder = store.data_folder(data.fingerprint) if data.fingerprint else None
    counts = (
        {part: _count(folder / f"{part}.jsonl") for part in ("train", "validation", "test")} if folder else {}
    )
    sizes = ", ".join(f"{count:,} {part}" for part, count in counts.items() if count)
    return _shown(
        {
            "Source": _source(data.source),
            "Revision": data.revision,
            "Rows": sizes,
            "Labels": ", ".join(data.labels[:20]) + (" ..." if len(data.labels) > 20 else ""),
            "Columns": ", ".join(f"{role}: {name}" for role, name in data.columns.items())
            or f"text: {data.text}, label: {data.label}",
            "Repairs": ", ".join(data.fixes),
            "Further sources": ", ".join(_source(str(one.get("source", ""))) for one in data.mix),
            "Split seed": data.split_seed,
            "Fingerprint": data.fingerprint,
        }
    )


def _environment(found: Comparison) -> tuple[tuple[str, str], ...]:
    """Where every run says the same, that; otherwise every answer there is."""
    said: dict[str, set[str]] = {}
    for run in found.runs:
        if run.result is None:
            continue
        for name, value in _flat(run.result.environment):
            said.setdefault(name, set()).add(str(value))
        if run.threads:
            said.setdefault("threads", set()).add(str(run.threads))
    return tuple((name, " or ".join(sorted(values))) for name, values in said.items() if values)


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value)
        elif value not in (None, "", [], ()):
            found.append((name.replace("_", " "), value))
    return found


def _runs(found: Comparison) -> Table:
    score = metric(found.metric)
    rows = tuple(
        (
            run.id,
            run.label,
            str(run.spec.seed),
            run.state,
            format_value(run.result.metrics.get(score.name) if run.result else None, score),
            f"{run.spec.choice.learning_rate:g}".replace("e-0", "e−").replace("e-", "e−"),
        )
        for run in found.runs
    )
    return Table(("Run", "Method", "Seed", "State", _head(score), "Learning rate"), rows)


def _shown(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in values.items() if value not in (None, "", (), [], {}))


def _head(column: Metric) -> str:
    return (
        f"{column.title}, {column.unit}" if column.unit and column.unit not in column.title else column.title
    )


def _source(source: str) -> str:
    """A file by its own name: paths of a machine say nothing to anybody else."""
    return Path(source).name if Path(source).is_absolute() else shown_source(source)


def _times(batch: int, accumulation: int) -> str:
    return str(batch) if accumulation == 1 else f"{batch} × {accumulation}"


def _when(runs: Sequence[Run]) -> str:
    ended = [run.ended_at for run in runs if run.ended_at]
    if not ended:
        return "nothing has ended yet"
    return f"last run {time.strftime('%Y-%m-%d %H:%M', time.gmtime(max(ended)))} UTC"


def _count(path: Path) -> int:
    try:
        with path.open("rb") as stream:
            return sum(1 for _ in stream)
    except FileNotFoundError:
        return 0
