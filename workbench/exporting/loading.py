"""Opens an exported folder with plain transformers and PEFT, as the card says it; for checking and for scoring it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from workbench.models import quiet

NOTE = "export.json"


def read_note(folder: Path) -> dict[str, Any]:
    """What was written there: form, auto class, base, labels. ValueError where it is no export."""
    try:
        return dict(json.loads((folder / NOTE).read_text(encoding="utf-8")))
    except OSError:
        raise ValueError(f"{folder} is no export of the workbench: {NOTE} is missing") from None


def load_plain(folder: Path, device: str = "cpu") -> Any:
    """The model, in evaluation mode, by nothing but public libraries."""
    note = read_note(folder)
    auto = getattr(transformers, note["auto_class"])
    with torch.random.fork_rng(devices=[]), quiet():
        if (folder / "load.py").is_file():
            return _by_its_loader(folder).to(device)
        if note["form"] == "adapter":
            from peft import PeftModel

            model = PeftModel.from_pretrained(_base(folder, note, auto), str(folder)).to(device)
        elif note["form"] in ("int8", "nf4"):
            model = auto.from_pretrained(str(folder), device_map=device)
        else:
            model = auto.from_pretrained(str(folder), dtype=torch.float32).to(device)
    return model.requires_grad_(False).eval()


def _base(folder: Path, note: Mapping[str, Any], auto: Any) -> Any:
    where = note["base"]
    if where == "base":
        return auto.from_pretrained(str(folder / "base"), dtype=torch.float32)
    labels = note["labels"]
    more: dict[str, Any] = {}
    if labels:
        more = {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    model = auto.from_pretrained(where, revision=note["base_revision"], dtype=torch.float32, **more)
    if model.config.pad_token_id is None:
        model.config.pad_token_id = note["pad_token_id"]
    return model


def _by_its_loader(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("exported_loader", folder / "load.py")
    if spec is None or spec.loader is None:
        raise ValueError(f"{folder / 'load.py'} can't be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.load()[0]


def snippet(note: Mapping[str, Any], where: str) -> str:
    """The lines that open the export, for the card; `where` is the folder or the repository."""
    auto, form = note["auto_class"], note["form"]
    if note.get("loader"):
        return "from load import load  # in this folder\n\nmodel, tokenizer = load()"
    if form == "adapter":
        base = f"{where}/base" if note["base"] == "base" else str(note["base"])
        more = f', revision="{note["base_revision"]}"' if note.get("base_revision") else ""
        if note["labels"] and note["base"] != "base":
            more += f", num_labels={len(note['labels'])}"
        return "\n".join(
            (
                "import torch",
                "from peft import PeftModel",
                f"from transformers import AutoTokenizer, {auto}",
                "",
                f'tokenizer = AutoTokenizer.from_pretrained("{where}")',
                f'base = {auto}.from_pretrained("{base}", dtype=torch.float32{more})',
                f'model = PeftModel.from_pretrained(base, "{where}").eval()',
            )
        )
    if form == "onnx":
        return f'import onnxruntime\n\nsession = onnxruntime.InferenceSession("{where}/model.onnx")'
    return "\n".join(
        (
            f"from transformers import AutoTokenizer, {auto}",
            "",
            f'tokenizer = AutoTokenizer.from_pretrained("{where}")',
            f'model = {auto}.from_pretrained("{where}").eval()',
        )
    )
