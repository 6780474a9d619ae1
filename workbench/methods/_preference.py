"""What methods share that learn from preferences: the parameterisation, a supervised first stage, and a reward model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.methods._wrapped import WrappedOptions
from workbench.options import option
from workbench.stages import Stage

if TYPE_CHECKING:
    from workbench.build import Plan
    from workbench.callbacks import Job, Watched
    from workbench.method import Context
    from workbench.progress import Progress

ONE_BY_ONE = "{} from pairs of a better and a worse answer, and these answers were rated one by one: KTO learns from such ratings"
SUPERVISED, PREFERENCE, REWARD, POLICY = "supervised", "preference", "reward", "policy"


@dataclass(frozen=True)
class TunedOptions(WrappedOptions):
    parameterisation: str = option(
        "full",
        "What is trained: all weights, the last blocks, or a LoRA adapter.",
        choices=("full", "freeze", "lora"),
    )


@dataclass(frozen=True)
class StartedOptions(TunedOptions):
    supervised_share: float = option(
        0.5,
        "Share of the budget for a first stage that learns to say the chosen answers; 0 leaves it out, where the base"
        " model answers such prompts already.",
        min=0,
        max=0.9,
    )
    supervised_learning_rate: float = option(
        5e-4, "Learning rate of that first stage.", min=1e-7, max=1, advanced=True
    )


def supervised(options: StartedOptions, share: float) -> tuple[Stage, ...]:
    """The first stage; none where its share is 0."""
    if not share:
        return ()
    return (
        Stage(
            SUPERVISED,
            "Supervised",
            "Learns to say the chosen answers.",
            share,
            learning_rate=options.supervised_learning_rate,
            chosen_by="perplexity",
            scored=True,
        ),
    )


def pairs_only(options: Any, context: Context) -> str:
    """What refuses answers that were rated one by one."""
    return ONE_BY_ONE.format("It learns") if context.rated_singly else ""


def trained_by(module: str, name: str) -> Any:
    """A trainer of a module that is imported when a stage begins."""

    def make(job: Job, model: Any, progress: Progress, given: Mapping[str, Any], watched: bool) -> Watched:
        import importlib

        found = importlib.import_module(f"workbench.{module}")
        made: Watched = getattr(found, name)(job, model, progress, given, watched)
        return made

    make.__name__ = name  # what a prediction knows the stage's step by
    return make


def reward_model(plan: Plan, model: Any) -> Any:
    """A copy of the model with one number in place of words, trained in the way the options say. Unsuitable where
    transformers has no such model."""
    import copy

    from transformers import set_seed

    from workbench import models, registry, saving
    from workbench.method import Context

    whole = saving.merge(model)
    set_seed(plan.spec.seed)
    made = models.model_from_config(
        copy.deepcopy(whole.config), "classification", (REWARD,), title=plan.source.title, device="cpu"
    )
    body = getattr(whole, whole.base_model_prefix)
    getattr(made, made.base_model_prefix).load_state_dict(body.state_dict())
    options: Any = plan.options
    method = registry.method(options.reward_parameterisation)
    context = Context(task="classification", labels=1, seed=plan.spec.seed)
    return method.apply(made, method.options(), context).to(plan.device)
