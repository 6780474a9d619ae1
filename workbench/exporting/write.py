"""Exports a finished run: writes the form, loads it back with plain libraries, compares it with the run, adds the card."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from workbench import evaluate, models, saving
from workbench.data import load_prepared
from workbench.exporting import adapter, forms, loading, pruned, rounded, whole
from workbench.exporting.card import card
from workbench.exporting.opened import Opened, open_run
from workbench.result import Run
from workbench.store import Store
from workbench.task import Live

Progress = Callable[[str, float], None]
CHECKED_TEXTS = 8


@dataclass(frozen=True)
class Exported:
    """Where it stands, how many bytes it has, and what export.json says of it."""

    folder: Path
    bytes: int
    note: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "bytes": self.bytes, **self.note}


def export(
    store: Store,
    run: Run,
    form_name: str,
    to: Path,
    *,
    share: float = forms.PRUNED_SHARE,
    license: str = "",
    progress: Progress = lambda words, share: None,
) -> Exported:
    """Write `run` as that form to the folder `to`, which is empty or not there. ValueError says why it can't be."""
    form = forms.form(form_name)
    found = forms.offer(store, run, form)
    if found.reason:
        raise ValueError(found.reason)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"{to} is there already and is not empty: name a new folder")
    one = open_run(store, run)
    part = to.with_name(f".{to.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    try:
        progress("Writing the weights", 0.1)
        more = write_form(one, form.name, part, share=share)
        note = _note(one, form.name) | more | {"run": run.id, "note": found.note}
        (part / loading.NOTE).write_text(json.dumps(note, indent=1, ensure_ascii=False), encoding="utf-8")
        if form.name != "onnx":
            progress("Loading it back to compare", 0.6)
            note["check"] = check(one, part)
            (part / loading.NOTE).write_text(json.dumps(note, indent=1, ensure_ascii=False), encoding="utf-8")
        progress("Writing the card", 0.95)
        text = card(run, form, note, loading.snippet(note, "PATH"), same_choice(store, run), license=license)
        (part / "README.md").write_text(text, encoding="utf-8")
        to.parent.mkdir(parents=True, exist_ok=True)
        if to.exists():
            to.rmdir()
        os.replace(part, to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    progress("Done", 1.0)
    return Exported(to, saving.trained_bytes(to), note)


def write_form(one: Opened, form: str, folder: Path, *, share: float = forms.PRUNED_SHARE) -> dict[str, Any]:
    """The weights of that form. What is worth noting of them comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    if form == "adapter":
        if one.made_of == forms.PARTS:
            adapter.write_parts(one, folder)
            return {"loader": True}
        adapter.write_adapter(one, folder)
        return {}
    if form == "merged":
        whole.write_whole(one, folder)
        return {}
    model = one.whole()
    if form == "pruned":
        done = pruned.prune(model, share)
        whole.write_whole(one, folder, model)
        return {"pruned_share": done.share}
    between = folder / ".whole"
    whole.write_whole(one, between, model)
    del model
    try:
        rounded.write_rounded(one, between, folder, form)
    finally:
        shutil.rmtree(between, ignore_errors=True)
    return {}


def _note(one: Opened, form: str) -> dict[str, Any]:
    """What it takes to load the form again."""
    base = whole.BASE if whole.brings_base(one) else one.source.path_or_id
    on_hub = one.source.kind == "hub"
    return {
        "form": form,
        "auto_class": one.task.model_class,
        "labels": list(one.labels) if one.is_classifier else None,
        "base": base,
        "base_revision": one.source.revision if on_hub else None,
        "hub_base": one.source.path_or_id if on_hub else None,
        "pad_token_id": one.tokenizer().pad_token_id,
        "loader": False,
    }


def check(one: Opened, folder: Path) -> dict[str, Any]:
    """The export, loaded by plain libraries, against the run's own model on typical test texts, one at a time."""
    run, store = one.run, one.store
    if run is None or store is None:
        raise ValueError("an export is checked against a run, and none was given")
    setting = run.spec.setting
    prepared = load_prepared(store.data_folder(setting.data.fingerprint))
    ours = live_of(one, one.model())
    room = evaluate.longest_input(ours.model, ours.tokenizer)
    length = min(setting.max_length, room or setting.max_length)
    rows = prepared.rows["test"][: 4 * CHECKED_TEXTS]
    encoded = one.task.encode(ours.tokenizer, rows, ours.labels, length, ours.options, room)
    texts = one.task.probes(encoded, evaluate.pad_id(ours.model))[:CHECKED_TEXTS]
    wanted = torch.cat([one.task.logits(ours, text) for text in texts])
    plain = replace(ours, model=loading.load_plain(folder, ours.device))
    with models.quiet():
        asked = with_task_ids(plain, folder)
        got = torch.cat([one.task.logits(asked, text) for text in texts])
    same = int((got.argmax(-1) == wanted.argmax(-1)).sum())
    return {
        "texts": len(texts),
        "largest_difference": float((got - wanted).abs().max()),
        "largest_logit": float(wanted.abs().max()),
        "same": same,
        "what": "labels" if one.is_classifier else "next words",
    }


def with_task_ids(live: Live, folder: Path) -> Live:
    """A tuner that serves several tasks is told that every row is of the first, as the card says."""
    note = forms.peft_config(folder) if (folder / forms.PEFT_CONFIG).is_file() else {}
    if note.get("peft_type") in forms.TASK_IDS:
        from workbench.methods._peft_derived import settle

        settle(live.model)
    return live


def live_of(one: Opened, model: Any) -> Live:
    """`model` as the run's task asks it, in float32."""
    if one.run is None:
        raise ValueError("only a run's model can be asked: its setting says how")
    setting, device = one.run.spec.setting, evaluate.pick_device()
    options = one.task.options.from_dict(setting.task_options)
    return Live(model.to(device), one.tokenizer(), tuple(setting.data.labels), options, device, "float32")


def same_choice(store: Store, run: Run) -> list[Run]:
    """The finished runs that differ from this one by their seed alone, itself among them."""
    runs = store.runs(setting_id=run.spec.setting.id, states=("finished",), owner=run.owner or None)
    return sorted((r for r in runs if r.spec.choice.id == run.spec.choice.id), key=lambda r: r.spec.seed)
