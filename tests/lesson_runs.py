"""Invented finished runs of a lesson's preset, for tests: nothing here is a measurement."""

import json

import numpy as np

from workbench import registry
from workbench.lessons import lesson
from workbench.result import Reason, Result
from workbench.spec import DataSpec, RunSpec, Setting
from workbench.store import Store

ROWS = 240


def setting_of(lesson_id: str, size: int | None = None) -> Setting:
    """The setting that the lesson's preset makes, with an invented fingerprint."""
    preset = lesson(lesson_id).preset
    data = preset.data
    task = registry.task(preset.task)
    spec = DataSpec(
        data["source"],
        labels=("negative", "positive") if preset.task == "classification" else (),
        train_rows=size if size is not None else data.get("train_rows"),
        validation_rows=data.get("validation_rows"),
        test_rows=data.get("test_rows"),
        task=preset.task,
        fingerprint=f"ab{size or 0}",
    )
    options = task.options.from_dict(preset.task_options).to_dict()
    return Setting(
        spec,
        preset.model,
        task=preset.task,
        task_version=task.version,
        task_options=options,
        **preset.setting,
    )


def finish(store: Store, lesson_id: str, scores, *, size=None, owner="", seeds=None, **measured) -> list[str]:
    """Runs of every method and seed. `scores` are accuracies by method in order; None fails the method. Each further
    name of `measured` is a column with a value by method."""
    preset = lesson(lesson_id).preset
    setting = setting_of(lesson_id, size)
    ids = []
    for seed in preset.seeds if seeds is None else seeds:
        for place, line in enumerate(preset.methods):
            (run_id,) = store.add([RunSpec(setting, line.choice(), seed)], owner=owner)
            store.claim(run_id)
            ids.append(run_id)
            if scores[place] is None:
                reason = Reason("diverged", "The loss became infinite at step 3.")
                store.change_state(run_id, "failed", reason=reason)
                continue
            columns = {name: values[place] for name, values in measured.items()}
            _finish(store, run_id, scores[place], seed, columns)
    return ids


def _finish(store: Store, run_id: str, accuracy: float, seed: int, columns) -> None:
    drawn = np.random.default_rng(seed).permutation(ROWS)
    wrong = set(drawn[: round((1 - accuracy) * ROWS)].tolist())
    folder = store.run_folder(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"label": "positive", "predicted": "negative" if i in wrong else "positive"})
        for i in range(ROWS)
    ]
    (folder / "outcomes.jsonl").write_text("\n".join(lines))
    metrics = {"accuracy": 1 - len(wrong) / ROWS}
    named = {name: value + 0.001 * seed for name, value in columns.items()}
    store.add_event(run_id, "started", {"steps": 20})
    for step in range(1, 21):
        store.add_event(run_id, "step", {"step": step, "steps": 20, "loss": 1 / step, "seconds": step / 4})
    store.add_event(run_id, "evaluated", {"step": 20, "accuracy": accuracy, "seconds": 5.0})
    environment = {"device": "Invented CPU", "device_kind": "cpu", "threads": 1, "libraries": {"torch": "0"}}
    result = Result(metrics=metrics, environment=environment, **named)
    assert store.change_state(run_id, "finished", result=result)
