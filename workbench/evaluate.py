"""Predictions of a live model: precision, padding, and per-example outcomes in the order of the rows."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from workbench.task import Task

Row = Mapping[str, Any]
Outcome = dict[str, Any]

BATCH_SIZE = 32
# Up to here a plain softmax(QK)V is faster on a CPU than the blocked kernel, in bfloat16 by a quarter of a step.
PLAIN_ATTENTION_LENGTH = 128
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(wanted: str | None = None) -> str:
    """`wanted`, or CUDA where there is one."""
    return wanted or ("cuda" if torch.cuda.is_available() else "cpu")


def resolve_precision(precision: str, device: str) -> str:
    """What `auto` means here: bfloat16 where the hardware multiplies it, else float32. The weights stay float32."""
    on_gpu = device.startswith("cuda")
    if precision == "float16" and not on_gpu:
        raise ValueError("precision float16 needs a CUDA device: use auto, bfloat16 or float32 here")
    if precision != "auto":
        return precision
    has = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else _cpu_multiplies_bfloat16()
    return "bfloat16" if has else "float32"


def _cpu_multiplies_bfloat16() -> bool:
    # torch has no public question for this yet.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(check() for name in names if (check := getattr(torch.cpu, name, None)))


@contextlib.contextmanager
def computing(precision: str, device: str) -> Iterator[None]:
    """Autocast for one forward pass, in training mode or not."""
    if precision == "float32":
        yield
        return
    with torch.autocast(device.split(":")[0], DTYPES[precision]):
        yield


@contextlib.contextmanager
def attention(device: str, precision: str, length: int) -> Iterator[str]:
    """The fastest attention kernel for texts of at most `length` tokens; yields its name for the record."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if device == "cpu" and precision == "bfloat16" and length <= PLAIN_ATTENTION_LENGTH:
        with sdpa_kernel(SDPBackend.MATH):
            yield "math"
        return
    yield "default"


def collate(rows: Sequence[Row], pad_id: int) -> dict[str, torch.Tensor]:
    """A batch, padded on the right to its own longest row."""
    longest = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), longest), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for i, row in enumerate(rows):
        size = len(row["input_ids"])
        ids[i, :size] = torch.as_tensor(row["input_ids"])
        mask[i, :size] = torch.as_tensor(row["attention_mask"])
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": torch.as_tensor([row["labels"] for row in rows]),
    }


def pad_id(model: Any) -> int:
    found = model.config.get_text_config().pad_token_id
    return 0 if found is None else int(found)


def longest_input(model: Any, tokenizer: Any) -> int | None:
    """How many tokens of text the model takes, virtual tokens of a prompt taken off. None where nothing limits it."""
    limits = [getattr(model.config.get_text_config(), "max_position_embeddings", None)]
    if (limit := getattr(tokenizer, "model_max_length", None)) and limit < 1_000_000:
        limits.append(limit)
    known = [int(limit) for limit in limits if limit]
    if not known:
        return None
    virtual = max(
        (int(getattr(c, "num_virtual_tokens", 0) or 0) for c in getattr(model, "peft_config", {}).values()),
        default=0,
    )
    return max(1, min(known) - virtual)


def predict(
    model: Any,
    task: Task,
    encoded: Sequence[Row],
    *,
    labels: Sequence[str] | None = None,
    batch_size: int = BATCH_SIZE,
    device: str = "cpu",
    precision: str = "float32",
    tick: Callable[[], object] | None = None,
) -> list[Outcome]:
    """Gold label, predicted label and all probabilities of each row. `tick` is called before every batch."""
    names = (
        list(labels)
        if labels is not None
        else [model.config.id2label[i] for i in range(model.config.num_labels)]
    )
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]["input_ids"]))
    outcomes: list[Outcome] = [{}] * len(encoded)
    padding = pad_id(model)
    was_training = model.training
    model.eval()
    try:
        for begin in range(0, len(order), batch_size):
            if tick is not None:
                tick()
            places = order[begin : begin + batch_size]
            batch = collate([encoded[i] for i in places], padding)
            for place, row in zip(places, probabilities(model, batch, device, precision)):
                gold = encoded[place]["labels"]
                best = max(range(len(row)), key=row.__getitem__)
                outcomes[place] = {"label": names[gold], "predicted": names[best], "probabilities": row}
    finally:
        model.train(was_training)
    return outcomes


def probabilities(
    model: Any, batch: Mapping[str, torch.Tensor], device: str, precision: str
) -> list[list[float]]:
    """Softmax in float32, whatever the model computed in."""
    return torch.softmax(logits(model, batch, device, precision), dim=-1).tolist()


def logits(model: Any, batch: Mapping[str, torch.Tensor], device: str, precision: str) -> torch.Tensor:
    """The head's raw outputs, in float32 on the CPU."""
    inputs = {k: v.to(device) for k, v in batch.items() if k != "labels"}
    with torch.inference_mode(), computing(precision, device):
        return model(**inputs).logits.float().cpu()


def mean_loss(outcomes: Sequence[Outcome], labels: Sequence[str]) -> float:
    """Cross-entropy in nats. A probability that rounded to 0 counts as the smallest float32."""
    number = {label: i for i, label in enumerate(labels)}
    shares = [max(o["probabilities"][number[o["label"]]], 1e-38) for o in outcomes]
    return -sum(math.log(share) if share == share else math.nan for share in shares) / max(1, len(shares))
