"""Writes the model card of an export from the measured run: data, method, numbers with intervals, environment.

Nothing in it is guessed: what nobody measured is not there, and what only its owner can say stands as FILL IN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from workbench import registry
from workbench.compare import judged_by
from workbench.exporting.forms import Form
from workbench.metric import metric
from workbench.result import Run
from workbench.statistics import mean_interval
from workbench.uploads import shown_source

FILL_IN = "FILL IN"
PIPELINES = {"classification": "text-classification"}
LIBRARIES = {"adapter": "peft"}


def card(
    run: Run,
    form: Form,
    note: Mapping[str, Any],
    snippet: str,
    siblings: Sequence[Run] = (),
    *,
    license: str = "",
) -> str:
    """`siblings` are the finished runs of the same choice with other seeds; `note` is what export.json holds."""
    parts = [
        _front(run, form, note, license),
        f"# {run.label} on {model_words(run.spec.setting.model)}, {form.title.lower()}",
        _summary(run, form),
        f"## How to load it\n\n```python\n{snippet}\n```" + _checked(note),
        _prompting(run),
        f"## Results\n\n{_results(run, siblings)}",
        f"## Data\n\n{_data(run)}",
        f"## How it was trained\n\n{_training(run)}",
        f"## Environment\n\n{_environment(run)}",
        f"## Intended use\n\n{FILL_IN}: who should use it for what, and what it must not be used for.",
        f"## Limits\n\n{_limits(run, form, note)}",
        f"## Licence\n\n{_licence(run, license)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def open_fields(text: str) -> list[str]:
    """The lines of a card that its owner still has to fill in."""
    return [line.strip() for line in text.splitlines() if FILL_IN in line]


def _front(run: Run, form: Form, note: Mapping[str, Any], license: str) -> str:
    setting = run.spec.setting
    front: dict[str, Any] = {
        "license": license or "other",
        **({} if license else {"license_name": f"{FILL_IN}: the licence of the weights"}),
        "library_name": LIBRARIES.get(form.name, "transformers"),
        "pipeline_tag": PIPELINES.get(setting.task, "text-generation"),
        "tags": ["fine-tuned", run.spec.choice.method, *(["onnx"] if form.name == "onnx" else [])],
        "metrics": sorted(run.result.metrics) if run.result else [],
    }
    if note.get("hub_base"):
        front["base_model"] = note["hub_base"]
        front["base_model_relation"] = "adapter" if form.name == "adapter" else "finetune"
    return "---\n" + yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000) + "---"


def model_words(model: str) -> str:
    """A base model as others know it: a folder of this machine by its name."""
    if model.startswith("embedded:"):
        return model.removeprefix("embedded:")
    return Path(model).name if model.startswith(("/", ".", "~")) else model


def _summary(run: Run, form: Form) -> str:
    method = registry.methods().get(run.spec.choice.method)
    sentence = f"{method.title}: {method.sentence}" if method else f"The method {run.spec.choice.method}."
    return (
        f"{registry.task(run.spec.setting.task).sentence} Run `{run.id}`, seed {run.spec.seed}, of the base model"
        f" `{model_words(run.spec.setting.model)}`.\n\n{sentence}\n\nThis folder holds it as **{form.title.lower()}**. {form.sentence}"
    )


def _checked(note: Mapping[str, Any]) -> str:
    check = note.get("check")
    if not check:
        return ""
    return (
        f"\n\nLoaded back so after it was written, and asked {check['texts']} texts of the test part: its logits differ from"
        f" the measured run's by at most {check['largest_difference']:.2g} (the largest logit there is"
        f" {check['largest_logit']:.3g}), and {check['same']} of {check['texts']} {check['what']} are the same."
    )


def _prompting(run: Run) -> str:
    options = run.spec.setting.task_options
    if "template" not in options:
        labels = ", ".join(f"`{label}`" for label in run.spec.setting.data.labels)
        return f"It gives each text one of the labels {labels}." if labels else ""
    return (
        f"It was trained on prompts laid out by the template `{options['template']}` and answers with at most"
        f" {options.get('max_new_tokens')} tokens."
    )


def _results(run: Run, siblings: Sequence[Run]) -> str:
    if run.result is None:
        return "Nothing was measured."
    runs = [one for one in siblings if one.result is not None] or [run]
    lines = ["| on the test part | this run | over seeds, mean and 95 % interval |", "|---|---|---|"]
    judged = judged_by(run.spec.setting)
    names = [judged, *(name for name in run.result.metrics if name != judged)]
    for name in names:
        own = run.result.metrics.get(name)
        if own is None:
            continue
        values = [one.result.metrics[name] for one in runs if one.result and name in one.result.metrics]
        lines.append(f"| {_title(name)} | {_value(own, name)} | {_over_seeds(values, name)} |")
    facts = {
        "Trained weights": _count(run.result.trainable_parameters),
        "Weights in all": _count(run.result.total_parameters),
        "Peak memory in training": _bytes(run.result.peak_memory_bytes),
        "Training time": f"{run.result.train_seconds:,.0f} s" if run.result.train_seconds else "",
        "Latency at batch 1, median": f"{run.result.latency_ms_p50:.1f} ms"
        if run.result.latency_ms_p50
        else "",
        "Latency against the base": f"{run.result.latency_ratio:.2f} times"
        if run.result.latency_ratio
        else "",
        "Forgetting": f"{run.result.forgetting:+.3f} nats per token on general text"
        if run.result.forgetting is not None
        else "",
    }
    rows = [f"| {name} | {value} |" for name, value in facts.items() if value]
    seeds = ", ".join(str(one.spec.seed) for one in runs)
    return (
        "\n".join(lines)
        + f"\n\nSeeds: {seeds}. Scores are on rows that no choice has seen.\n\n"
        + "\n".join(["| | |", "|---|---|", *rows])
    )


def _title(name: str) -> str:
    try:
        return metric(name).title
    except (KeyError, ValueError):
        return name.replace("_", " ")


def _value(value: float | None, name: str) -> str:
    if value is None:
        return "not known"
    try:
        share = metric(name).format == "share"
    except (KeyError, ValueError):
        share = False
    return f"{value:.1%}".replace("%", " %") if share else f"{value:,.3f}"


def _over_seeds(values: Sequence[float], name: str) -> str:
    if len(values) < 2:
        return "one seed: no interval"
    found = mean_interval(values)
    return f"{_value(found.mean, name)} ({_value(found.low, name)} to {_value(found.high, name)}), {len(values)} seeds"


def _data(run: Run) -> str:
    data = run.spec.setting.data
    lines = [f"- Source: `{shown_source(data.source)}`", f"- Fingerprint of the rows: `{data.fingerprint}`"]
    if data.revision:
        lines.append(f"- Revision: `{data.revision}`")
    if data.fixes:
        lines.append(f"- Repairs: {', '.join(data.fixes)}")
    if data.labels:
        lines.append(f"- Labels: {', '.join(data.labels)}")
    if data.augment:
        lines.append(f"- New training rows made by: {', '.join(data.augment)}")
    lines.append(f"- {FILL_IN}: where the data comes from, its licence, and whom it speaks of.")
    return "\n".join(lines)


def _training(run: Run) -> str:
    setting, choice = run.spec.setting, run.spec.choice
    values = {
        "Method": choice.method,
        "Learning rate": f"{choice.learning_rate:g}",
        **{name: value for name, value in choice.options.items() if value not in (None, [], {}, "")},
        "Budget": f"{setting.budget.amount:g} {setting.budget.kind}",
        "Batch": f"{setting.batch_size} x {setting.gradient_accumulation}",
        "Longest input": f"{setting.max_length} tokens",
        "Optimiser": f"{setting.optimizer}, {setting.schedule}, warm-up {setting.warmup_share:g}",
        "Weight decay": f"{setting.weight_decay:g}",
        "Seed": run.spec.seed,
    }
    if run.result is not None and run.result.steps:
        values["Steps"] = f"{run.result.steps:,}, the best at {run.result.best_step:,}" if run.result.best_step else run.result.steps  # fmt: skip
    rows = [f"| {name} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _environment(run: Run) -> str:
    known = dict(run.result.environment) if run.result else {}
    libraries = known.pop("libraries", {})
    lines = [f"- {name.replace('_', ' ')}: {value}" for name, value in known.items() if value is not None]
    if libraries:
        lines.append("- " + ", ".join(f"{name} {version}" for name, version in libraries.items()))
    return "\n".join(lines)


def _limits(run: Run, form: Form, note: Mapping[str, Any]) -> str:
    found = [f"- {text}" for text in (run.result.notes if run.result else ())]
    if note.get("note"):
        found.append(f"- {note['note']}")
    if form.name in ("int8", "nf4", "pruned"):
        found.append(
            "- The results above are of the run as it was trained; this form rounds or drops weights, so score it on your"
            " own rows before you rely on it."
        )
    found.append(f"- {FILL_IN}: what it gets wrong, and on whose texts it was never tried.")
    return "\n".join(found)


def _licence(run: Run, license: str) -> str:
    base = f"The base model `{model_words(run.spec.setting.model)}` has a licence of its own, which holds for what is made of it."
    if license:
        return f"{license}. {base}"
    return f"{FILL_IN}: the licence of these weights, and that of the data. {base}"


def _count(value: int | None) -> str:
    return f"{value:,}" if value else ""


def _bytes(value: int | None) -> str:
    return f"{value / 1e6:,.1f} MB" if value else ""
