"""What all rows of a table share, and under which conditions they were measured: a number without them is no result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from workbench import registry, templates
from workbench.compare import Comparison
from workbench.spec import Setting
from workbench.ui.frame import budget_words, data_title, model_title
from workbench.ui.parts import card, fact_list
from workbench.ui.shown import chosen_by, in_sentence, writes_text

_VERSIONS = ("torch", "transformers", "peft", "python")


def facts_card(comparison: Comparison) -> Markup:
    setting = comparison.setting
    facts = {
        "Data": data_title(setting.data.source),
        "Labels": _few(setting.data.labels),
        "Scored on": f"{rows:,} test rows" if (rows := _test_rows(comparison)) else "",
        "Base model": model_title(setting.model),
        "Budget of each run": budget_words(setting.budget),
        "Batch, longest text": f"{_batch(setting)} rows, {setting.max_length} tokens",
        **_answers(setting),
        "Schedule, optimiser": f"{setting.schedule}, {setting.optimizer.replace('_', ' ')}",
        **_environment(comparison),
        "Setting": setting.id,
    }
    body = fact_list({name: value for name, value in facts.items() if value})
    return card("What all rows share", body, level=2)


def _test_rows(comparison: Comparison) -> int:
    """As many as the confusion matrix of any finished run counts, or as verdicts compare."""
    matrices = (run.result.confusion for run in comparison.runs if run.result and run.result.confusion)
    counted = next((sum(map(sum, matrix)) for matrix in matrices), 0)
    return counted or max((verdict.difference.rows for verdict in comparison.verdicts), default=0)


def _answers(setting: Setting) -> dict[str, str]:
    """How texts are laid out and answers drawn, where the task writes any."""
    if not writes_text(setting):
        return {}
    options = registry.task(setting.task).options.from_dict(setting.task_options).to_dict()
    drawn = "greedy"
    if options.get("do_sample"):
        drawn = f"drawn at temperature {options['temperature']:g}, top-p {options['top_p']:g}"
    template, digest = options.get("template", ""), options.get("template_hash", "")
    name = template if template in templates.NAMES else "a text of its own"
    longest = options.get("max_new_tokens")
    return {
        "Template": (f"{name} ({digest})" if digest else name) if template else "",
        "Answers": f"{drawn}, at most {longest:,} tokens" if longest else "",
        "Checkpoint picked by": f"validation {in_sentence(chosen_by(setting))}",
    }


def _batch(setting: Setting) -> str:
    if setting.gradient_accumulation == 1:
        return str(setting.batch_size)
    return f"{setting.batch_size} × {setting.gradient_accumulation}"


def _few(labels: Iterable[str], most: int = 5) -> str | Markup:
    labels = list(labels)
    if not labels:
        return ""
    if len(labels) > most:
        return f"{len(labels)} labels"
    return Markup('<span translate="no">{}</span>').format(", ".join(labels))


def _environment(comparison: Comparison) -> dict[str, str]:
    """Where every run says the same, that; otherwise that they differ."""
    found: list[Mapping[str, object]] = [
        {**run.result.environment, **run.result.environment.get("libraries", {})}
        for run in comparison.runs
        if run.result and run.result.environment
    ]
    if not found:
        return {}
    devices = {str(each.get("device")) for each in found if each.get("device")}
    threads = {run.threads for run in comparison.runs if run.threads}
    where = devices.pop() if len(devices) == 1 else "several devices" if devices else ""
    if len(threads) == 1:
        count = next(iter(threads))
        where += f", {count} thread{'' if count == 1 else 's'} each"
    precisions = {str(each["precision"]) for each in found if each.get("precision")}
    if len(precisions) == 1:
        where += f", {precisions.pop()}"
    versions = []
    for name in _VERSIONS:
        said = {str(each[name]) for each in found if each.get(name)}
        if said:
            versions.append(f"{name} {said.pop() if len(said) == 1 else 'differs'}")
    return {"Measured on": where, "Versions": ", ".join(versions)}
