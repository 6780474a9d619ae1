"""Fills a store with invented runs that have stages: RLHF, UPFT and a search. Every figure is made up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.ui import fake_store
from workbench.presets import MethodChoice
from workbench.result import Result
from workbench.spec import Budget, DataSpec, RunSpec, Setting
from workbench.store import Store
from workbench.tasks.generation import GenerationOptions
from workbench.tasks.preference import PreferenceOptions

STAGES = (("supervised", "Supervised", 40), ("reward", "Reward model", 20), ("policy", "Policy", 40))


def setting(task: str = "preference", **changes: Any) -> Setting:
    options = {
        "preference": PreferenceOptions(
            checker="story_endings", judge_by="mean_reward", choose_by="mean_reward"
        ),
        "generation": GenerationOptions(judge_by="chrf"),
    }[task]
    data = DataSpec(source="invented endings", task=task, fingerprint="5a5a" * 4)
    return Setting(
        data=data, model="embedded:fable-8m", task=task, task_options=options.to_dict(),
        budget=Budget("steps", 100), max_length=64, **changes,
    )  # fmt: skip


def add(store: Store, method: str, shared: Setting, *, begun: bool = True) -> str:
    (run_id,) = store.add([RunSpec(shared, MethodChoice(method, {}, None).choice(), 0)])
    if begun:
        store.claim(run_id)
        store.set_identity(run_id, (999_999_999, "invented", "invented"), threads=1, device="cpu")
        store.change_state(run_id, "running")
    return run_id


def start_rlhf(store: Store, run_id: str, reached: int = 100) -> None:
    """The first `reached` of 100 steps, every second one on record."""
    step = 0
    for number, (name, title, steps) in enumerate(STAGES, 1):
        if step >= reached:
            return
        store.add_event(
            run_id,
            "started",
            {"step": step, "steps": 100, "stage_title": title, "stage_number": number, "stages": 3},
            name,
        )
        for own in range(2, min(steps, reached - step) + 1, 2):
            at = step + own
            values: dict[str, Any] = {
                "step": at, "steps": 100, "stage_step": own, "stage_steps": steps, "seconds": at / 2,
                "loss": {"supervised": 4.0 / own + 2, "reward": 0.7 - own / 60, "policy": 0.001}[name],
                "learning_rate": 1e-4,
            }  # fmt: skip
            if name == "policy":
                values |= {"reward": 0.4 + own / 100, "kl": own / 200}
            store.add_event(run_id, "step", values, name)
            if own in (steps // 2, steps):
                scores = {"reward_accuracy": 0.9} if name == "reward" else {"mean_reward": 0.3 + at / 400}
                told = {"step": at, "seconds": at / 2, "loss": 1.0, **scores}
                store.add_event(run_id, "evaluated", told, name)
        step += steps


def finish_rlhf(store: Store, run_id: str) -> None:
    start_rlhf(store, run_id)
    fake_store.write_outcomes(store.run_folder(run_id), [{"reward": 0.5, "prompt": "p", "output": "o"}])
    gain = {"metric": "mean_reward", "mean": 0.1, "low": 0.05, "high": 0.15, "rows": 300, "win_rate": 0.62}
    metrics: tuple[Mapping[str, Any], ...] = (
        {"metrics": {"mean_reward": 0.42, "perplexity": 9.0}, "gain": gain},
        {"metrics": {"reward_accuracy": 0.91, "reward_margin": 2.0}},
        {"metrics": {"mean_reward": 0.52}},
    )
    stages = tuple(
        {
            "name": name, "title": title, "sentence": f"Invented {name}.", "seconds": steps / 2, "samples": 16 * steps,
            "peak_memory_bytes": (100 + 50 * place) * fake_store.MIB, "steps": steps, "best_step": steps, **more,
        }
        for place, ((name, title, steps), more) in enumerate(zip(STAGES, metrics))
    )  # fmt: skip
    result = Result(
        metrics={
            "mean_reward": 0.52, "win_rate": 0.7, "kl_nats": 0.2, "perplexity": 9.5,
            "reward_accuracy": 0.91, "reward_margin": 2.0,
        },
        stages=stages,
        steps=100,
        train_seconds=50.0,
        peak_memory_bytes=200 * fake_store.MIB,
        notes=("An invented note.",),
    )  # fmt: skip
    store.change_state(run_id, "finished", result=result)
