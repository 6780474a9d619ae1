"""What the stages of a method need that trains in several: each one's step is followed as its trainer makes it.

The run's memory is that of its highest stage. A stage is known by its trainer's name: what DPO, KTO, ORPO, a reward model
and a policy read in a step, and which models stand beside the one that is trained.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from workbench import evaluate, registry
from workbench.fake_tensors import without_padding
from workbench.ledger import Counted, Ledger
from workbench.memory_trace import Following, row_of_blocks
from workbench.method import Context, Method
from workbench.models import model_from_config
from workbench.options import Options
from workbench.training_step import Step, following, mark_loss, widened

if TYPE_CHECKING:
    from workbench.stages import Stage

# Pairs are read as both of their answers.
PAIRS = ("dpo", "kto", "orpo", "reward")
SUPERVISED, POLICY, REWARD = "supervised", "policy", "reward"


@dataclass(frozen=True)
class StageStep:
    """A stage's step: `step.batch_size` sequences of `step.length` tokens, of which a policy wrote the last `answer`."""

    kind: str
    step: Step
    answer: int = 0


def kind_of(stage: Stage) -> str:
    """ValueError where the stage's trainer is none that is known."""
    if stage.trainer is None:
        return SUPERVISED
    kind = getattr(stage.trainer, "__name__", "")
    if kind not in (*PAIRS, POLICY):
        raise ValueError(
            f"stage {stage.title} has a trainer of its own, whose steps can't be followed; those that can are of"
            f" {', '.join((*PAIRS, POLICY))}, or supervised"
        )
    return kind


def read_by(kind: str, row: Mapping[str, Any], answer: int) -> int:
    """How many tokens a stage reads of a row at once: the longer answer of a pair, or a prompt with its answer."""
    if kind == POLICY:
        return len(row["prompt_ids"]) + answer
    other = row.get("rejected")
    return max(len(row["input_ids"]), len(other["input_ids"]) if other else 0)


def stage_step(kind: str, step: Step, answer: int = 0, *, paired: bool = True) -> StageStep:
    """A step of so many rows, each as long as can be; `paired` says that a row has two answers."""
    times = 2 if kind in PAIRS and paired else 1
    return StageStep(kind, replace(step, batch_size=times * step.batch_size), min(answer, step.length - 1))


def trained_in(kind: str, method: Method, options: Any, task: str) -> tuple[Method, Options, str, int | None]:
    """Which method is put on which task's model in a stage, and how many labels that has: a reward model is one number in
    place of words, trained in a way of its own."""
    if kind != REWARD:
        return method, options, task, None
    own = registry.method(options.reward_parameterisation)
    return own, own.options(), "classification", 1


def following_stage(found: StageStep, method: Method, options: Any, task: str) -> Following:
    """How the stage's trainer makes this step. `options` are those of the whole method."""
    known = registry.task(task)
    if found.kind == SUPERVISED:
        return following(found.step, method, options, known)
    own, own_options, trained_task, _ = trained_in(found.kind, method, options, task)
    plain = following(found.step, own, own_options, registry.task(trained_task))
    others: dict[str, Any] = {}

    def beside(model: Any) -> Sequence[Any]:
        others.clear()
        if _has_reference(found.kind, options):
            others["reference"] = _reference(model)
        if found.kind == POLICY and options.reward == "learnt":
            others[REWARD] = _reward_model(model, options)
        return list(others.values())

    def loss(model: Any, ledger: Ledger) -> tuple[torch.Tensor, Any]:
        with evaluate.computing(found.step.precision, "cpu"):
            return LOSSES[found.kind](_Read(model, others, found, options, ledger)), None

    return replace(plain, loss=loss, beside=beside)


def _has_reference(kind: str, options: Any) -> bool:
    """Whether the start of the stage stands beside what is trained."""
    if kind == "dpo":
        return not options.reference_free
    return kind == "kto" or (kind == POLICY and bool(options.kl_coefficient))


def _reference(model: Any) -> Any:
    """A frozen copy; with an adapter only of what is trained."""
    if not hasattr(model, "peft_config"):
        return copy.deepcopy(model).requires_grad_(False).eval()
    return torch.nn.ParameterList(
        [torch.nn.Parameter(p.detach().clone(), requires_grad=False) for p in _trained(model)]
    )


def _trained(model: Any) -> Iterator[Any]:
    return (p for p in model.parameters() if p.requires_grad)


def _reward_model(model: Any, options: Any) -> Any:
    """As deep as the model is here, which may be cut."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    made = model_from_config(copy.deepcopy(inner.config), "classification", (REWARD,))
    ours, its = row_of_blocks(inner), row_of_blocks(made)
    if ours is not None and its is not None:
        del its[len(ours) :]
    method = registry.method(options.reward_parameterisation)
    return method.put_on(
        made, method.options(), Context(task="classification", labels=1, on_meta=True)
    ).eval()


@dataclass(frozen=True)
class _Read:
    """What a loss is made of: the model, those beside it, and sequences without values."""

    model: Any
    others: Mapping[str, Any]
    found: StageStep
    options: Any
    ledger: Ledger

    @property
    def shape(self) -> tuple[int, int]:
        return self.found.step.batch_size, self.found.step.length

    @property
    def inputs(self) -> dict[str, torch.Tensor]:
        return {
            "input_ids": torch.ones(self.shape, dtype=torch.long),
            "attention_mask": torch.ones(self.shape, dtype=torch.long),
        }

    def read(self, model: Any, **more: Any) -> Any:
        whole = contextlib.nullcontext() if self.found.step.padded else without_padding()
        with whole:
            return model(**self.inputs, use_cache=False, **more)

    def log_probs(self, model: Any, *outputs: str) -> Any:
        """Of each token, by TRL's head that never has all logits at once."""
        from trl.trainer.utils import add_fused_lm_head

        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        before = inner.__dict__.get("forward")
        add_fused_lm_head(inner, outputs=("log_probs", *outputs))
        try:
            labels = torch.zeros(self.shape, dtype=torch.long)
            return self.read(model, labels=labels, fused_lm_head=True).log_probs
        finally:
            del inner.forward
            if before is not None:
                inner.forward = before

    @torch.no_grad()
    def at_start(self) -> Any:
        """The reference's; an adapter's copy computes as much as the adapter itself."""
        reference = self.others.get("reference")
        if reference is None:
            return torch.zeros(())
        alone = not isinstance(reference, torch.nn.ParameterList)
        return self.log_probs(reference if alone else self.model).sum(1)


def _dpo(read: _Read) -> torch.Tensor:
    apart = read.log_probs(read.model).sum(1) - read.at_start()
    chosen, rejected = apart.chunk(2)
    return -torch.nn.functional.logsigmoid(read.options.beta * (chosen - rejected)).mean()


def _kto(read: _Read) -> torch.Tensor:
    with torch.no_grad():
        other = read.log_probs(read.model).sum(1)
    now = read.log_probs(read.model).sum(1)
    distance = (other - read.at_start()).mean().clamp(min=0)
    apart = now - read.at_start()
    return (1 - torch.sigmoid(read.options.beta * (apart - distance))).mean()


def _orpo(read: _Read) -> torch.Tensor:
    from trl.experimental.orpo import ORPOTrainer

    logits = _logits(read)
    labels: Any = torch.zeros(read.shape, dtype=torch.long)
    half = len(labels) // 2
    shifted = logits[:half, :-1].contiguous()
    told = torch.nn.functional.cross_entropy(
        shifted.view(-1, shifted.shape[-1]), labels[:half, 1:].reshape(-1)
    )
    del shifted
    chosen, rejected = ORPOTrainer.get_batch_logps(logits, labels, average_log_prob=True).chunk(2)
    odds = chosen - rejected - (torch.log1p(-torch.exp(chosen)) - torch.log1p(-torch.exp(rejected)))
    return told - read.options.beta * torch.nn.functional.logsigmoid(odds).mean()


def _reward(read: _Read) -> torch.Tensor:
    chosen, rejected = _logits(read).squeeze(-1).chunk(2)
    return -torch.nn.functional.logsigmoid(chosen - rejected).mean()


def _logits(read: _Read) -> Any:
    outputs = read.read(read.model)
    if read.found.step.precision != "float32":
        outputs = widened(outputs)
    mark_loss(read.ledger, outputs["logits"])
    return outputs["logits"]


def _policy(read: _Read) -> torch.Tensor:
    """Answers are written, read by the reference and the reward model, and then learnt."""
    with torch.no_grad():
        _count_writing(read)
        before = read.log_probs(read.model).sum(1)
        start = read.at_start()
        if REWARD in read.others:
            read.read(read.others[REWARD])
    ratio = torch.exp(read.log_probs(read.model, "entropy").sum(1) - before)
    advantage = torch.ones_like(before) + start
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()


def _count_writing(read: _Read) -> None:
    """The work of `answer` tokens, one after the other: followed for one."""
    ledger, rows = read.ledger, read.found.step.batch_size
    earlier = ledger.counted
    one = torch.ones((rows, 1), dtype=torch.long)
    read.model(input_ids=one, attention_mask=one, use_cache=False)
    more: Counted = ledger.counted.minus(earlier).times(max(0, read.found.answer - 1))
    ledger.narrow += more.narrow_flops
    ledger.wide += more.wide_flops
    ledger.moved += more.moved_bytes
    ledger.operations += round(more.operations)


LOSSES: Mapping[str, Callable[[_Read], torch.Tensor]] = {
    "dpo": _dpo,
    "kto": _kto,
    "orpo": _orpo,
    REWARD: _reward,
    POLICY: _policy,
}
