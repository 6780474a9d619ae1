"""Three stages: learn the chosen answers, learn a reward from the pairs, then sample answers and make rewarded ones likelier.

**Use it** when what is good can be told of any answer, not only of given pairs, and the model shall find better answers than those it was shown.
**Costs** sampling in every step, which takes most of the time, and up to three models at once: the one that learns, its frozen start and the reward model.
**Watch** the distance from the start (KL) and samples, not the reward alone: a policy finds what the reward model overlooks. There is no PPO here: today's TRL has none any more, since RLOO and GRPO need no value model beside the policy and do as well with less to tune; they are what stage three offers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.method import Context, Method, Unsuitable
from workbench.methods import _wrapped
from workbench.methods._preference import (
    ONE_BY_ONE,
    POLICY,
    REWARD,
    StartedOptions,
    reward_model,
    supervised,
    trained_by,
)
from workbench.methods._wrapped import optimizer
from workbench.options import option
from workbench.stages import Stage

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class RlhfOptions(StartedOptions):
    supervised_share: float = option(
        0.4,
        "Share of the budget for the first stage, which learns to say the chosen answers; 0 leaves it out.",
        min=0,
        max=0.9,
    )
    reward: str = option(
        "learnt",
        "Whose reward the policy follows: learnt is a reward model's, trained on the pairs in the second stage; checker is"
        " the data set's own program, where it has one, and needs no second stage.",
        choices=("learnt", "checker"),
    )
    reward_share: float = option(
        0.2, "Share of the budget for the reward model, where the reward is learnt.", min=0.01, max=0.9
    )
    reward_parameterisation: str = option(
        "full",
        "What is trained of the reward model, which starts as a copy of the supervised model.",
        choices=("full", "freeze", "lora"),
        advanced=True,
    )
    reward_learning_rate: float = option(
        1e-4, "Learning rate of the reward model.", min=1e-7, max=1, advanced=True
    )
    algorithm: str = option(
        "rloo",
        "How the policy follows the reward: rloo compares each answer with the mean of the others to its prompt, and takes"
        " the distance off the reward; grpo divides by their spread as well, and adds the distance to the loss.",
        choices=("rloo", "grpo"),
    )
    samples_per_prompt: int = option(
        4, "Answers sampled to each prompt, that are compared with each other.", min=2, max=64
    )
    temperature: float = option(
        1.0,
        "How answers are sampled: below 1 likely tokens are drawn more often.",
        min=0.1,
        max=3,
        advanced=True,
    )
    kl_coefficient: float = option(
        0.05, "How dear it is to move away from the start of the stage; 0 for free.", min=0, max=10
    )
    missing_end_penalty: float = option(
        1.0,
        "What an answer loses that did not come to its end, in standard deviations of the learnt reward.",
        min=0,
        max=100,
        advanced=True,
    )
    iterations: int = option(
        1,
        "Rounds of policy training that divide its share: each takes the last round's model as its start.",
        min=1,
        max=10,
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.policy_share <= 0:
            raise ValueError(
                f"supervised_share {self.supervised_share:g} and reward_share {self.reward_share:g} leave nothing of the budget"
                " for the policy: together they are below 1"
            )

    @property
    def policy_share(self) -> float:
        return 1 - self.supervised_share - (self.reward_share if self.reward == "learnt" else 0)


def apply(model: nn.Module, options: RlhfOptions, context: Context) -> nn.Module:
    if options.reward == "learnt":
        _check_reward_model(model)
    return _wrapped.apply(model, options, context)


def _check_reward_model(model: Any) -> None:
    from transformers import AutoModelForSequenceClassification

    if type(model.config) not in AutoModelForSequenceClassification._model_mapping:
        raise Unsuitable(
            f"transformers has no reward model of type {model.config.model_type}: use reward checker, or DPO"
        )


def refuses(options: RlhfOptions, context: Context) -> str:
    if options.reward != "learnt" or not context.rated_singly:
        return ""
    return f"{ONE_BY_ONE.format('Its reward model learns')}; reward checker needs no reward model"


def stages(options: RlhfOptions, context: Context) -> tuple[Stage, ...]:
    found = supervised(options, options.supervised_share)
    if options.reward == "learnt":
        found += (
            Stage(
                REWARD,
                "Reward model",
                "A copy of the model learns to give the chosen answer of a pair the higher number.",
                options.reward_share,
                learning_rate=options.reward_learning_rate,
                chosen_by="reward_accuracy",
                trainer=trained_by("policy_trainers", "reward"),
                model=reward_model,
            ),
        )
    whose = "the reward model" if options.reward == "learnt" else "the checker"
    many = options.iterations > 1
    for number in range(1, options.iterations + 1):
        found += (
            Stage(
                POLICY if number == 1 else f"{POLICY}_{number}",
                f"Policy, round {number}" if many else "Policy",
                f"Samples answers and makes those likelier that {whose} rewards more than others to the same prompt.",
                options.policy_share / options.iterations,
                trainer=trained_by("policy_trainers", "policy"),
            ),
        )
    return found


METHOD = Method(
    name="rlhf",
    title="RLHF",
    family="feedback",
    options=RlhfOptions,
    apply=apply,
    optimizer=optimizer,
    stages=stages,
    refuses=refuses,
    learning_rate=5e-5,
    card=__doc__,
    paper="https://arxiv.org/abs/2203.02155",
    tasks=("preference",),
)
