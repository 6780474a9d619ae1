"""LoRA that starts with more rank than it may keep and takes it away, step by step, where it matters least.

**Use it** when you don't know which layers need rank: the matrices that matter most keep more of it.
**Costs** LoRA's weights at the starting rank init_r and a score for each of them while ranks are cut; folded in, it costs nothing when answering. Always trained with AdamW, whatever the setting's optimiser.
**Watch** the length of the run: ranks are cut between tinit and total_step - tfinal. With a budget of seconds the number of steps isn't known, and 1000 are taken for granted unless total_step is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.architecture import checked_targets
from workbench.method import Context, Method
from workbench.methods._low_rank import ADAPTER, linear_targets
from workbench.methods._peft import attach
from workbench.optimizers import adamw
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn

ASSUMED_STEPS = 1000


@dataclass(frozen=True)
class AdaloraOptions(Options):
    init_r: int = option(12, "Rank of each update at the start.", min=2, max=1024)
    target_r: int = option(8, "Rank that is left in the end, on average over the updates.", min=1, max=1023)
    lora_alpha: int = option(32, "Scale: the update is multiplied by lora_alpha / init_r.", min=1, max=4096)
    lora_dropout: float = option(
        0.0, "Share of the update's inputs dropped at random in training.", min=0, max=0.9
    )
    target_modules: tuple[str, ...] = linear_targets()
    orth_reg_weight: float = option(
        0.5, "How strongly the factors are held to be orthogonal.", min=0, max=100, advanced=True
    )
    tinit: int | None = option(
        None, "Steps before the first cut; none given means a tenth of the run.", min=0, advanced=True
    )
    tfinal: int | None = option(
        None, "Steps after the last cut; none given means a third of the run.", min=0, advanced=True
    )
    deltaT: int = option(1, "Ranks are cut every so many steps.", min=1, max=10_000, advanced=True)
    beta1: float = option(
        0.85, "How slowly the score of a weight follows its last steps.", min=0.01, max=0.999, advanced=True
    )
    beta2: float = option(
        0.85, "How slowly the doubt about that score follows.", min=0.01, max=0.999, advanced=True
    )
    total_step: int | None = option(
        None, "Steps of the schedule; none given means the run's own number.", min=2, advanced=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target_r >= self.init_r:
            raise ValueError(f"target_r is below init_r ({self.init_r}), not {self.target_r}")


def apply(model: nn.Module, options: AdaloraOptions, context: Context) -> nn.Module:
    from peft import AdaLoraConfig

    total, first, last = _schedule(options, context.steps)
    config = AdaLoraConfig(
        task_type=context.peft_task,
        init_r=options.init_r,
        target_r=options.target_r,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=checked_targets(model, options.target_modules),
        orth_reg_weight=options.orth_reg_weight,
        tinit=first,
        tfinal=last,
        deltaT=options.deltaT,
        beta1=options.beta1,
        beta2=options.beta2,
        total_step=total,
    )
    peft_model = attach(model, config, context)
    for name, parameter in peft_model.named_parameters():
        if ".ranknum." in name:  # a constant; PEFT marks it as trained where the model has no weights
            parameter.requires_grad_(False)
    return peft_model


def _schedule(options: AdaloraOptions, steps: int | None) -> tuple[int, int, int]:
    """All steps, those before the first cut, and those after the last."""
    total = options.total_step or max(2, steps or ASSUMED_STEPS)
    first = total // 10 if options.tinit is None else options.tinit
    last = total // 3 if options.tfinal is None else options.tfinal
    if first + last >= total:
        raise ValueError(
            f"tinit and tfinal are together below the {total} steps of the run, not {first} and {last}: ranks are cut"
            " between them"
        )
    return total, first, last


def optimizer(model: Any, options: AdaloraOptions, learning_rate: float, weight_decay: float) -> Any:
    """AdamW that also holds the factors orthogonal and cuts ranks; its state holds what the cuts go by."""
    made = adamw(model, learning_rate, weight_decay)
    Cuts(model, options.orth_reg_weight).ride_on(made)
    return made


class Cuts:
    """What AdaLoRA does at each step besides the optimiser's own: both need the gradients."""

    SCORES = ("ipt", "exp_avg_ipt", "exp_avg_unc")

    def __init__(self, model: Any, orthogonal: float) -> None:
        self.tuner, self.orthogonal = model.base_model, orthogonal
        self.config = model.peft_config[ADAPTER]
        self.step, self.pattern = 0, None
        self.factors = [p for n, p in model.named_parameters() if ".lora_A." in n or ".lora_B." in n]

    def ride_on(self, optimizer: Any) -> None:
        optimizer.register_step_pre_hook(lambda *_: self.hold_orthogonal())
        optimizer.register_step_post_hook(lambda *_: self.cut())
        optimizer.register_state_dict_post_hook(lambda _, state: state | {"adalora": self.state()})
        optimizer.register_load_state_dict_pre_hook(lambda _, state: self.load(state.get("adalora")))

    def hold_orthogonal(self) -> None:
        """Add the gradient of PEFT's regularisation, which PEFT itself adds only where it is asked for the loss."""
        import torch

        if not self.orthogonal:
            return
        with torch.enable_grad():
            parts = []
            for factor in self.factors:
                square = factor @ factor.T if factor.shape[0] <= factor.shape[1] else factor.T @ factor
                parts.append(torch.linalg.norm(square - torch.eye(len(square), device=square.device)))
            pulls = torch.autograd.grad(self.orthogonal * sum(parts) / len(parts), self.factors)
        for factor, pull in zip(self.factors, pulls):
            if factor.grad is not None:
                factor.grad.add_(pull)

    def cut(self) -> None:
        self.step += 1
        # PEFT would shrink the saved file by its last pattern, which need not be that of the best step.
        self.config.rank_pattern = self.pattern
        self.tuner.update_and_allocate(self.step)
        self.pattern, self.config.rank_pattern = self.config.rank_pattern, None

    def state(self) -> dict[str, Any]:
        scores = {name: getattr(self.tuner.rankallocator, name) for name in self.SCORES}
        return {"step": self.step, "pattern": self.pattern, **scores}

    def load(self, state: dict[str, Any] | None) -> None:
        if state is None:
            raise ValueError("this optimiser state is not AdaLoRA's: it says nothing of the ranks")
        self.step, self.pattern = state["step"], state["pattern"]
        devices = {name: p.device for name, p in self.tuner.model.named_parameters()}
        for name in self.SCORES:
            scores = {key: value.to(devices[key]) for key, value in state[name].items()}
            setattr(self.tuner.rankallocator, name, scores)


METHOD = Method(
    name="adalora",
    title="AdaLoRA",
    family="low_rank",
    options=AdaloraOptions,
    apply=apply,
    learning_rate=5e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2303.10512",
    mergeable=True,
    peft_type="ADALORA",
    optimizer=optimizer,
)
