"""Holds predictions against published measurements: weights and peak memory of PEFT's own comparison of methods."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from workbench.estimate import without_weights
from workbench.ledger import Ledger
from workbench.measure import quantile
from workbench.memory_trace import Following, Memory, follow, unfollowed
from workbench.method import Context, Method
from workbench.models import load_config, model_from_config, quiet, resolve
from workbench.options import Options
from workbench.parameters import count_parameters
from workbench.published import BATCH_SIZE, KNOWN, MODEL, PublishedRun, method_of, options_of
from workbench.published_layers import as_published
from workbench.training_step import mark_loss

# The one number that was fitted to these runs: how many tokens their longest batch has, which nobody published. Rows had
# at most 768, and rows of more than 1300 characters were left out.
LONGEST = 732
FEWEST_COUNTS = 61
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

    @property
    def far(self) -> bool:
        return self.error is None or abs(self.error) > MOST_SINGLE


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
        method = method_of(run)
        options = options_of(run, method)
        model = without_weights(method, options, base, Context(task="generation", labels=2))
        counts = count_parameters(model, base=0)
        as_published(model)
        _leave_on_host(model)
        if not run.wide_adapter:
            _keep_narrow(model)
        memory, reason = None, KNOWN.get(run.experiment, "")
        try:
            with quiet():
                memory = follow(model, _their_step(run, method, options)).memory
        except Exception as error:  # whatever a library can't do without values
            reason = unfollowed(method, error)
        yield Held(run, counts.trainable, counts.total, memory, time.perf_counter() - begun, reason)


def _keep_narrow(model: Any) -> None:
    """PEFT widens what it adds to a base of 16 bits, the frozen tensors in its containers too, unless told not to."""
    from peft.tuners._buffer_dict import BufferDict

    for parameter in model.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)
    for module in model.modules():
        if isinstance(module, BufferDict):
            module.to(torch.bfloat16)


def _leave_on_host(model: Any) -> None:
    """Their script puts the base on the GPU and the method on it afterwards: PEFT moves what a layer's containers hold,
    but a buffer of the layer itself stays in the machine's memory, and is copied anew in each pass."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer) and isinstance(layer, torch.nn.Module):
            for name, held in layer._buffers.items():
                if held is not None:
                    layer._buffers[name] = torch.empty_like(held, device="cpu")


def _their_step(run: PublishedRun, method: Method, options: Options) -> Following:
    """A loop of their own, without autocast: the model's loss over all tokens, outputs alive until the next batch."""

    def loss(model: Any, ledger: Ledger) -> tuple[torch.Tensor, Any]:
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        of_logits = type(base).loss_function.fget(base)

        def marked(logits: Any, *arguments: Any, **named: Any) -> Any:
            mark_loss(ledger, logits)
            return of_logits(logits, *arguments, **named)

        base.loss_function = marked
        ids = torch.ones((BATCH_SIZE, LONGEST), dtype=torch.long)
        outputs = model(
            input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids, num_items_in_batch=ids.numel()
        )
        return outputs["loss"], outputs

    def optimizer(model: Any) -> Any:
        if run.optimizer != "AdamW" and method.optimizer is not None:
            return method.optimizer(model, options, 1e-4, 0.1)
        trained = [p for p in model.parameters() if p.requires_grad]
        return torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.1, foreach=True)

    return Following(loss, optimizer, on_cuda=True, on_meta=True, host_stays=True)


@dataclass(frozen=True)
class Summary:
    """How far the predictions lie off. `counts` are runs whose trained and total weights both came out exactly."""

    runs: int
    counts: int
    predicted: int
    median: float
    p90: float
    most: float
    far: tuple[str, ...]

    @property
    def holds(self) -> bool:
        good = self.median <= MOST_MEDIAN and self.p90 <= MOST_P90 and not self.far
        return good and self.counts >= FEWEST_COUNTS

    @property
    def sentence(self) -> str:
        found = (
            f"{'holds' if self.holds else 'MISSED'}: weights exact in {self.counts} of {self.runs} runs; peak memory of"
            f" {self.predicted}: median error {self.median:.1%}, 90th percentile {self.p90:.1%}, worst {self.most:.1%}"
            f" (at most {MOST_MEDIAN:.0%}, {MOST_P90:.0%}, {MOST_SINGLE:.0%}); fitted to these runs: their longest batch of"
            f" {LONGEST} tokens, nothing else"
        )
        return (
            f"{found}; beyond {MOST_SINGLE:.0%} without a reason: {', '.join(self.far)}"
            if self.far
            else found
        )


def summary(held: Sequence[Held]) -> Summary:
    errors = [abs(one.error) for one in held if one.error is not None]
    exact = [one for one in held if (one.trainable, one.total) == (one.run.trainable, one.run.total)]
    far = [one.run.experiment for one in held if one.far and not one.reason]
    return Summary(
        len(held),
        len(exact),
        len(errors),
        median(errors) if errors else 0.0,
        quantile(errors, 0.9) if errors else 0.0,
        max(errors, default=0.0),
        tuple(far),
    )
