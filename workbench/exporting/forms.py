"""The forms that a finished run can be taken home in, and for each run which of them it can become, or why not.

Read off the run's folder alone: the page asks it without loading a model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench import registry
from workbench.result import Run
from workbench.store import Store

TRAINED = "trained"
TENSORS, PEFT_CONFIG, ADAPTER = "trained.safetensors", "adapter_config.json", "adapter_model.safetensors"
# What a result consists of.
PEFT, WEIGHTS, PARTS, ROUNDED = "peft", "weights", "parts", "rounded"
PRUNED_SHARE = 0.3
"""A third of the weights or less can mostly go without training again; half and more can not."""
# Tuners of PEFT that serve several tasks, and must be told which.
TASK_IDS = ("POLY", "MULTITASK_PROMPT_TUNING")


@dataclass(frozen=True)
class Form:
    """One form. `loads` says in a few words with what it is opened."""

    name: str
    title: str
    sentence: str
    loads: str
    whole: bool = True


FORMS = (
    Form(
        "adapter",
        "Adapter",
        "Only what was trained: a small folder that is put on the base model when it is loaded.",
        "peft",
        whole=False,
    ),
    Form(
        "merged",
        "Whole model",
        "One plain model with the method folded in: nothing but transformers is needed, and no time is lost on an adapter.",
        "transformers",
    ),
    Form(
        "int8",
        "8-bit model",
        "The whole model with each weight of its linear layers in one byte (torchao): about a quarter of their size.",
        "transformers and torchao",
    ),
    Form(
        "nf4",
        "4-bit model",
        "The whole model with each weight of its linear layers in half a byte (bitsandbytes, NF4): about an eighth of"
        " their size, and the largest rounding.",
        "transformers and bitsandbytes",
    ),
    Form(
        "pruned",
        "Pruned model",
        "The whole model with the smallest weights of its linear layers set to zero. Same file size and speed in plain"
        " transformers: it is what sparse runtimes start from.",
        "transformers",
    ),
    Form(
        "onnx",
        "ONNX model",
        "The whole model as a graph that runs without PyTorch, in ONNX Runtime.",
        "onnxruntime",
    ),
)
BY_NAME = {form.name: form for form in FORMS}


@dataclass(frozen=True)
class Offer:
    """Whether a run can become `form`: `reason` is None, or one sentence that says why not and what can be had."""

    form: Form
    reason: str | None = None
    note: str = ""


def form(name: str) -> Form:
    """The form of that name; ValueError where there is none."""
    if name not in BY_NAME:
        raise ValueError(f"a run is exported as one of {', '.join(BY_NAME)}, not {name!r}")
    return BY_NAME[name]


def offers(store: Store, run: Run) -> list[Offer]:
    """Every form, with what stands against it."""
    return [offer(store, run, one) for one in FORMS]


def offer(store: Store, run: Run, wanted: Form) -> Offer:
    if run.state != "finished":
        return Offer(wanted, f"This run is {run.state}: only a finished run can be exported.")
    trained = store.run_folder(run.id) / TRAINED
    if not trained.is_dir():
        return Offer(wanted, "This run's trained weights are gone from its folder: retry the run.")
    title = _title(run)
    made = made_of(trained)
    if not wanted.whole:
        return Offer(wanted, _no_adapter(made, title), _adapter_note(trained, made, run))
    if reason := _no_whole_model(trained, made, title):
        return Offer(wanted, reason)
    return Offer(wanted, no_onnx() if wanted.name == "onnx" else None)


def _title(run: Run) -> str:
    """The label that was given, or else the method's own title."""
    method = registry.methods().get(run.spec.choice.method)
    return run.spec.choice.label or (method.title if method else run.spec.choice.method)


def made_of(trained: Path) -> str:
    """What the saved result consists of."""
    if (trained / PEFT_CONFIG).is_file():
        return PEFT
    names = tensor_names(trained / TENSORS)
    if any(name.endswith(".qdata") for name in names):
        return ROUNDED
    return PARTS if any(".adapter." in name for name in names) else WEIGHTS


def tensor_names(path: Path) -> list[str]:
    """Names in a safetensors file, from its header alone."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return [name for name in header if name != "__metadata__"]


def peft_config(trained: Path) -> dict[str, Any]:
    """PEFT's own record of the adapter."""
    return dict(json.loads((trained / PEFT_CONFIG).read_text(encoding="utf-8")))


def _no_adapter(made: str, title: str) -> str | None:
    if made == WEIGHTS:
        return f"{title} changed the model's own weights, so there is no adapter: take the whole model."
    if made == ROUNDED:
        return f"{title} rounded the model's own weights, so there is no adapter: take the whole model."
    return None


def _adapter_note(trained: Path, made: str, run: Run) -> str:
    if made == PARTS:
        return "Opened by load.py in the folder: PEFT does not know this kind of adapter."
    if made != PEFT:
        return ""
    config = peft_config(trained)
    if config.get("peft_type") in TASK_IDS:
        return "The model is asked with task_ids=torch.zeros(rows, dtype=torch.long): this tuner serves several tasks."
    if config.get("num_virtual_tokens") and run.spec.setting.task == "classification":
        return "Ask one text at a time: with plain PEFT and a decoder, padding in a batch hides the last word from the head."
    return ""


def _no_whole_model(trained: Path, made: str, title: str) -> str | None:
    if made == PARTS:
        return f"{title} adds networks that plain transformers has no place for: take the adapter, which brings its loader."
    if made != PEFT:
        return None
    kind = str(peft_config(trained).get("peft_type"))
    if kind not in foldable():
        return f"{title} is no change of weights that could be folded into the model: take the adapter."
    return None


def foldable() -> set[str]:
    """PEFT's types that some method claims to fold into the base exactly."""
    return {str(m.peft_type) for m in registry.methods().values() if m.mergeable and m.peft_type} | {"LORA"}


def no_onnx() -> str:
    """Why there is no ONNX here: optimum's exporter does not go with the transformers that the workbench needs."""
    return (
        "The ONNX exporter (optimum-onnx, up to 0.1) works with transformers below 4.58 only, and this is"
        f" {metadata.version('transformers')}: take the whole model, and convert it with torch.onnx.export(..., dynamo=True)"
        " where onnx and onnxscript are installed."
    )
