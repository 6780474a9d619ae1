"""The header: what all runs share, how many there are, and the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from workbench import machine
from workbench.result import ACTIVE_STATES, Run
from workbench.sources import embedded
from workbench.spec import Budget, Setting
from workbench.store import Store
from workbench.ui import parts
from workbench.ui.language import switch
from workbench.ui.plan import Plan, budget_of


def header_html(
    store: Store, plan: Plan, setting_id: str | None, tab: str, owner: str | None, language: str = "en"
) -> str:
    """Data and Methods speak of the plan, the other tabs of the setting on show."""
    runs = store.runs(setting_id=setting_id, owner=owner) if setting_id else []
    shows_runs = bool(runs) and tab in ("train", "inference", "compare")
    words = setting_words(runs[0].spec.setting, runs) if shows_runs else plan_words(plan)
    return str(
        parts.header(
            words,
            machine_line(),
            setting_id=(setting_id or "")[:6] if shows_runs else "",
            tab_counts=tab_counts(plan, runs),
            aside=switch(language),
        )
    )


def tab_counts(plan: Plan, runs: Sequence[Run]) -> dict[str, str]:
    """The grey words behind the names of the tabs; empty where there is nothing to count."""
    done = sum(1 for run in runs if run.is_final)
    active = any(run.state in ACTIVE_STATES for run in runs)
    live = sum(1 for run in runs if run.state == "finished" and run.result and run.result.live is not False)
    methods = len({run.spec.choice.id for run in runs})
    ticked = len(plan["choices"])
    return {
        "Data": str(plan["data"].get("title", "")) if plan["data"] else "",
        "Methods": f"{ticked} ticked" if ticked else "",
        "Train": (f"{done} of {len(runs)}" if active else f"{len(runs)} done") if runs else "",
        "Inference": f"{live} live" if live else "",
        "Compare": f"{methods} method{'' if methods == 1 else 's'}" if methods else "",
    }


def plan_words(plan: Plan) -> list[str]:
    if not plan["data"]:
        return []
    labels = plan["data"].get("labels")
    seeds = len(plan["seeds"])
    setting = plan["setting"]
    return [
        str(plan["data"].get("title") or plan["data"]["source"]),
        model_title(plan["model"]),
        f"{plan['task']}, {labels} labels" if labels else plan["task"],
        f"{budget_words(budget_of(plan))}, batch {setting.get('batch_size', Setting.batch_size)}",
        f"{seeds} seed{'' if seeds == 1 else 's'}",
    ]


def setting_words(setting: Setting, runs: Sequence[Run]) -> list[str]:
    seeds = len({run.spec.seed for run in runs})
    return [
        data_title(setting.data.source),
        model_title(setting.model),
        f"{setting.task}, {len(setting.data.labels)} labels" if setting.data.labels else setting.task,
        f"{budget_words(setting.budget)}, batch {setting.batch_size}",
        f"{seeds} seed{'' if seeds == 1 else 's'}",
    ]


def budget_words(budget: Budget) -> str:
    """`3 epochs`, `1 step`, `90 seconds`, and what is capped."""
    return budget.words


def data_title(source: str) -> str:
    """A file by its own name, everything else as it was given."""
    return Path(source).name if Path(source).is_absolute() else source


def model_title(ref: str) -> str:
    titles: Mapping[str, str] = {card.ref: card.title for card in embedded()}
    if ref.startswith("run:"):
        return f"run {ref[4:10]}"
    if ref.startswith("best:"):
        return f"the best of {ref.count('+') + 1} runs"
    return titles.get(ref) or data_title(ref)


def machine_line() -> str:
    """`4 cores, 15.6 GiB, no GPU`."""
    cores, gpus = machine.cores(), len(machine.gpus())
    memory = f"{machine.memory_bytes() / 2**30:.1f}".removesuffix(".0")
    graphics = f"{gpus} GPU{'' if gpus == 1 else 's'}" if gpus else "no GPU"
    return f"{cores} core{'' if cores == 1 else 's'}, {memory} GiB, {graphics}"


def lost_strip() -> Markup:
    """Shown by frame.js while the server does not answer; runs do not need the page."""
    return Markup(
        '<div class="wb-lost" id="wb-lost" role="status" hidden><span class="wb-lost-words">{}</span>'
        '<button type="button" class="wb-button wb-button-secondary wb-small" data-reload hidden>Reload</button></div>'
    ).format("Not connected. Runs go on.")
