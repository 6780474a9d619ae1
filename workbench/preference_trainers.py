"""TRL's trainers as stages of a run, and those of them that learn from pairs without a reward model: DPO, KTO, ORPO.

They learn from this workbench's own tokens, so that every method reads the same template, cuts and end tokens; events,
checkpoints, schedule and evaluation are those of `callbacks.Watched`.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from workbench import evaluate, generating, saving
from workbench.architecture import plain_base
from workbench.callbacks import Job, Watched, arguments
from workbench.progress import Progress
from workbench.task import Encoded

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

REFERENCE = "ref"  # TRL's name for the adapter that stays as it was
PLAIN: dict[str, Any] = {"gradient_checkpointing": False}


class OnTrl(Watched):
    """What TRL's trainers need besides: nothing is sent anywhere, and the model is given back as it was taken."""

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset  # its rows are token ids already

    def _send_telemetry(self) -> None:
        return None

    def freeze_reference(self) -> None:
        """Only the run's own adapter is trained, and stands in a checkpoint."""
        for name, parameter in self.model.named_parameters():  # type: ignore[union-attr]
            if f".{REFERENCE}." in name:
                parameter.requires_grad_(False)

    def release(self) -> None:
        super().release()
        plain_base(self.model).__dict__.pop("forward", None)  # TRL's head that gives log-probabilities alone
        if REFERENCE in getattr(self.model, "peft_config", {}):
            self.model.delete_adapter(REFERENCE)  # type: ignore[union-attr,operator]


def _reference(model: Any) -> Any:
    """The model as it is now. With an adapter TRL keeps a copy of the adapter instead, which is much smaller."""
    if saving.is_peft(model):
        return None
    return copy.deepcopy(model).requires_grad_(False).eval()


def _parts(row: Encoded) -> dict[str, list[int]]:
    """A pair as token ids: the prompt once, and both answers; or the one answer that was rated by itself."""
    learnt = row["labels"].count(generating.NOT_LEARNT)
    first = row.get("rated", "chosen")
    found = {
        "prompt_ids": list(row["input_ids"][:learnt]),
        f"{first}_ids": list(row["input_ids"][learnt:]),
    }
    if "rejected" in row:
        found["rejected_ids"] = list(row["rejected"]["input_ids"][learnt:])
    return found


class _Dpo(OnTrl, DPOTrainer):  # type: ignore[misc]
    def __init__(self, job: Job, model: Any, progress: Progress, watched: bool) -> None:
        options: Any = job.plan.options
        self.prepare(job, progress)
        self.pairs: list[dict[str, Any]] = [_parts(row) for row in job.train]
        if options.reference_free:
            self.pairs = [pair | {"ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0} for pair in self.pairs]
        config = DPOConfig(
            **arguments(job, progress),
            **PLAIN,
            beta=options.beta,
            loss_type=[options.loss_type],
            label_smoothing=options.label_smoothing,
            max_length=None,
            precompute_ref_log_probs=options.reference_free,
        )
        super().__init__(
            model=model,
            ref_model=None if options.reference_free else _reference(model),
            args=config,
            train_dataset=Dataset.from_list(self.pairs),
            processing_class=job.plan.tokenizer,
        )
        self.freeze_reference()
        self.watch(watched)

    def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset  # without a reference they are all zero

    def get_train_dataloader(self) -> Any:
        return self.loader(self.pairs, self.data_collator)

    def counted(self, inputs: Mapping[str, Any]) -> tuple[int, torch.Tensor, torch.Tensor]:
        read, learnt = inputs["attention_mask"].sum(), inputs["completion_mask"].sum()
        return len(inputs["input_ids"]) // 2, read, learnt

    def told(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        return known(logs, {"pair_accuracy": "rewards/accuracies", "pair_margin": "rewards/margins"})


def known(logs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, float]:
    found = {name: logs.get(theirs) for name, theirs in names.items()}
    return {name: float(value) for name, value in found.items() if value is not None}


class _Kto(OnTrl, KTOTrainer):  # type: ignore[misc]
    """Each pair is two single ratings here. A batch has both of its pairs, as many tokens as DPO reads in a step. Answers
    that were rated by themselves are taken as they are."""

    def __init__(self, job: Job, model: Any, progress: Progress, watched: bool) -> None:
        options: Any = job.plan.options
        self.prepare(job, progress)
        self.pairs = [_parts(row) for row in job.train]
        rated = _rated(self.pairs)
        self.per_rating = len(self.pairs) / len(rated)
        given = arguments(job, progress)
        given["per_device_train_batch_size"] *= 2  # at most; TRL wants to know that it is above 1
        config = KTOConfig(
            **given,
            **PLAIN,
            beta=options.beta,
            loss_type=options.loss_type,
            desirable_weight=options.desirable_weight,
            undesirable_weight=options.undesirable_weight,
            max_length=None,
        )
        super().__init__(
            model=model,
            ref_model=_reference(model),
            args=config,
            train_dataset=Dataset.from_list(rated),
            processing_class=job.plan.tokenizer,
        )
        self.freeze_reference()
        self.watch(watched)

    def get_train_dataloader(self) -> Any:
        return self.loader(self.pairs, lambda pairs: self.data_collator(_rated(pairs)))

    def counted(self, inputs: Mapping[str, Any]) -> tuple[int, torch.Tensor, torch.Tensor]:
        read = inputs["attention_mask"].sum()
        if "KL_attention_mask" in inputs:
            read = read + inputs["KL_attention_mask"].sum()
        return round(len(inputs["input_ids"]) * self.per_rating), read, inputs["completion_mask"].sum()

    def told(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        return known(logs, {"kl": "kl"})


def _rated(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Both answers of each pair with a rating, and with the answer to another prompt, by which KTO tells its distance
    from the reference."""
    ratings = [
        {"prompt_ids": pair["prompt_ids"], "completion_ids": pair[f"{name}_ids"], "label": name == "chosen"}
        for name in ("chosen", "rejected")
        for pair in pairs
        if f"{name}_ids" in pair
    ]
    others = [ratings[-1], *ratings[:-1]]
    return [one | {"KL_completion_ids": other["completion_ids"]} for one, other in zip(ratings, others)]


class _Orpo(OnTrl, ORPOTrainer):  # type: ignore[misc]
    def __init__(self, job: Job, model: Any, progress: Progress, watched: bool) -> None:
        self.prepare(job, progress)
        options: Any = job.plan.options
        config = ORPOConfig(**arguments(job, progress), **PLAIN, beta=options.beta, max_length=10**6)
        pad = evaluate.pad_id(model)
        super().__init__(
            model=model,
            args=config,
            # It would tokenise texts by itself: it is given one empty row, and our tokens at get_train_dataloader.
            train_dataset=Dataset.from_list([{"prompt": "", "chosen": "", "rejected": ""}]),
            processing_class=job.plan.tokenizer,
            data_collator=lambda rows: _sides(rows, pad),
        )
        self.watch(watched)

    def tokenize_row(self, feature: Any, model: Any = None) -> dict[str, Any]:
        return {}

    def get_train_dataloader(self) -> Any:
        return self.loader(self.job.train, self.data_collator)

    def counted(self, inputs: Mapping[str, Any]) -> tuple[int, torch.Tensor, torch.Tensor]:
        sides = ("chosen", "rejected")
        read = sum((inputs[f"{side}_attention_mask"].sum() for side in sides), torch.tensor(0))
        learnt = sum(((inputs[f"{side}_labels"] != -100).sum() for side in sides), torch.tensor(0))
        return len(inputs["chosen_labels"]), read, learnt

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        super().log(logs, start_time)


def _sides(rows: Sequence[Encoded], pad: int) -> dict[str, torch.Tensor]:
    sides = {"chosen": rows, "rejected": [row["rejected"] for row in rows]}
    return {
        f"{side}_{name}": tensor
        for side, found in sides.items()
        for name, tensor in generating.collate(found, pad).items()
    }


def dpo(job: Job, model: Any, progress: Progress, given: Mapping[str, Any], watched: bool) -> Watched:
    with no_bars():
        return _Dpo(job, model, progress, watched)


def kto(job: Job, model: Any, progress: Progress, given: Mapping[str, Any], watched: bool) -> Watched:
    with no_bars():
        return _Kto(job, model, progress, watched)


def orpo(job: Job, model: Any, progress: Progress, given: Mapping[str, Any], watched: bool) -> Watched:
    with no_bars():
        return _Orpo(job, model, progress, watched)


@contextlib.contextmanager
def no_bars() -> Iterator[None]:
    """datasets draws a bar for every map."""
    import datasets

    shown = datasets.utils.logging.is_progress_bar_enabled()
    datasets.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            datasets.utils.logging.enable_progress_bar()
