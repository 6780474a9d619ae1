"""Holds predictions against published measurements: weights and peak memory of PEFT's own comparison of methods."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from workbench import registry
from workbench.estimate import without_weights
from workbench.ledger import Ledger
from workbench.measure import quantile
from workbench.memory_trace import Following, Memory, follow
from workbench.method import Context, Method
from workbench.models import load_config, model_from_config, quiet, resolve
from workbench.options import Options
from workbench.parameters import count_parameters, total_parameters
from workbench.published import BATCH_SIZE, MODEL, NOT_OFFERED, PublishedRun, method_of, options_of
from workbench.training_step import mark_loss

# The one number that was fitted to these runs: how many tokens their longest batch has, which nobody published. Rows had
# at most 768, and rows of more than 1300 characters were left out.
LONGEST = 740
MOST_MEDIAN, MOST_P90, MOST_SINGLE = 0.03, 0.06, 0.12


@dataclass(frozen=True)
class Held:
    """One run's figures as predicted, beside what was published. `reason` says why one is missing or far off."""

    run: PublishedRun
    trainable: int | None
    total: int | None
    memory: Memory | None
    seconds: float
    reason: str = ""

    @property
    def error(self) -> float | None:
        """Share by which the predicted peak lies above the measured one."""
        return self.memory.peak / self.run.peak - 1 if self.memory else None


def hold(runs: Sequence[PublishedRun]) -> Iterator[Held]:
    """Predict each run as it was made: a base in bfloat16, four rows of text, AdamW."""
    config = load_config(resolve(MODEL, counting=True))

    def base(device: str) -> Any:
        model = model_from_config(copy.deepcopy(config), "generation", (), device=device)
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        return model

    for run in runs:
        begun = time.perf_counter()
        if run.experiment in NOT_OFFERED:
            yield Held(run, None, None, None, 0.0, f"not offered here: {NOT_OFFERED[run.experiment]}")
            continue
        method = method_of(run)
        options = options_of(run, method)
        model = without_weights(method, options, base, Context(task="generation", labels=2))
        counts = count_parameters(model, base=0)
        if not run.wide_adapter:
            for parameter in model.parameters():
                parameter.data = parameter.data.to(torch.bfloat16)
        memory, reason = None, ""
        try:
            with quiet():
                memory = follow(model, _their_step(method, options)).memory
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        yield Held(run, counts.trainable, counts.total, memory, time.perf_counter() - begun, reason)


def _their_step(method: Method, options: Options) -> Following:
    """A loop of their own, without autocast: the model's loss over all tokens, outputs alive until the next batch."""

    def loss(model: Any, ledger: Ledger) -> tuple[torch.Tensor, Any]:
        ids = torch.ones((BATCH_SIZE, LONGEST), dtype=torch.long)
        taken = []
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        inner = base.loss_function

        def marked(logits: Any, *arguments: Any, **named: Any) -> Any:
            mark_loss(ledger, logits)
            return inner(logits, *arguments, **named)

        base.loss_function = marked
        outputs = model(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids, num_items_in_batch=1000)
        del taken
        return outputs["loss"], outputs

    def optimizer(model: Any) -> Any:
        own = method.optimizer(model, options, 1e-4, 0.1) if method.optimizer else None
        trained = [p for p in model.parameters() if p.requires_grad]
        return own or torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.1, foreach=True)

    return Following(loss, optimizer, on_cuda=True)
