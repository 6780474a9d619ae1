"""A reward model learnt from pairs, and a policy that follows a reward: TRL's reward trainer, RLOO and GRPO as stages."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import add_fused_lm_head

from workbench import checkers, evaluate, generating, saving
from workbench.callbacks import Job, Watched, arguments
from workbench.preference_trainers import PLAIN, OnTrl, known, no_bars
from workbench.progress import Progress
from workbench.task import Encoded
from workbench.templates import end_ids, transcript

SCORED_AT_ONCE = 32


class _Reward(OnTrl, RewardTrainer):  # type: ignore[misc]
    """Learns to give the better answer of a pair the higher number."""

    def __init__(self, job: Job, model: Any, progress: Progress, watched: bool) -> None:
        self.prepare(job, progress)
        self.pairs = [
            {
                "chosen_ids": list(row["input_ids"]),
                "rejected_ids": list(row["rejected"]["input_ids"]),
            }
            for row in job.train
        ]
        config = RewardConfig(**arguments(job, progress), **PLAIN, max_length=None)
        super().__init__(
            model=model,
            args=config,
            train_dataset=Dataset.from_list(self.pairs),
            processing_class=job.plan.tokenizer,
        )
        self.watch(watched)

    def get_train_dataloader(self) -> Any:
        return self.loader(self.pairs, self.data_collator)

    def counted(self, inputs: Mapping[str, Any]) -> tuple[int, torch.Tensor, torch.Tensor]:
        read = inputs["attention_mask"].sum()
        return len(inputs["input_ids"]) // 2, read, torch.zeros_like(read)

    def judged(self) -> tuple[list[evaluate.Outcome], dict[str, float], float]:
        chosen, rejected = pair_rewards(self.model, self.job.validation, self.job)
        apart = [a - b for a, b in zip(chosen, rejected)]
        metrics = {
            "reward_accuracy": sum(1.0 if one > 0 else 0.5 if one == 0 else 0.0 for one in apart)
            / len(apart),
            "reward_margin": sum(apart) / len(apart),
        }
        return (
            [],
            metrics,
            sum(math.log1p(math.exp(-abs(one))) + max(-one, 0.0) for one in apart) / len(apart),
        )

    def told(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        return known(logs, {"pair_accuracy": "accuracy", "pair_margin": "margin"})


def pair_rewards(model: Any, rows: Sequence[Encoded], job: Job) -> tuple[list[float], list[float]]:
    """What the reward model says of the chosen answers and of the rejected ones."""
    chosen = [row["input_ids"] for row in rows]
    rejected = [row["rejected"]["input_ids"] for row in rows]
    found = score_texts(model, [*chosen, *rejected], job)
    return found[: len(rows)], found[len(rows) :]


def score_texts(model: Any, texts: Sequence[Sequence[int]], job: Job) -> list[float]:
    """One number for each text of token ids."""
    found = [0.0] * len(texts)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    pad = evaluate.pad_id(model)
    for begin in range(0, len(order), SCORED_AT_ONCE):
        job.breathe()
        places = order[begin : begin + SCORED_AT_ONCE]
        rows = [{"input_ids": texts[i], "attention_mask": [1] * len(texts[i]), "labels": 0} for i in places]
        batch = evaluate.collate(rows, pad)
        with generating.evaluating(model):
            scores = evaluate.logits(model, batch, job.plan.device, job.plan.precision)[:, 0]
        for place, score in zip(places, scores.tolist()):
            found[place] = score
    return found


class _Policy(OnTrl):
    """What RLOO and GRPO share here: prompts and end tokens of ours, and a reference that is the stage's own start."""

    temperature: float
    generation_config: Any
    generation_kwargs: dict[str, Any]

    def set_up(self, job: Job, progress: Progress) -> None:
        self.prepare(job, progress)
        self.prompts = {transcript(row["row"]): list(row["prompt_ids"]) for row in job.train}
        self.rows = Dataset.from_list(
            [{"prompt": transcript(row["row"]), "place": place} for place, row in enumerate(job.train)]
        )

    def settings(self, model: Any) -> dict[str, Any]:
        """Of RLOOConfig and GRPOConfig alike."""
        options: Any = self.job.plan.options
        task_options: Any = self.job.plan.task_options
        return {
            **arguments(self.job, self.progress),
            **PLAIN,
            # Where there is no adapter, TRL would load its reference from the name of the base: it is put in place below.
            "beta": options.kl_coefficient if saving.is_peft(model) else 0.0,
            "num_generations": options.samples_per_prompt,
            "max_completion_length": task_options.max_new_tokens,
            "temperature": options.temperature,
        }

    def finish(self, model: Any, watched: bool) -> None:
        options: Any = self.job.plan.options
        if not saving.is_peft(model) and options.kl_coefficient:
            self.beta = options.kl_coefficient
            reference = _bare_reference(model)
            add_fused_lm_head(reference, temperature=self.temperature)
            self.ref_model = self.accelerator.prepare_model(reference, evaluation_mode=True)
        ends = end_ids(self.job.plan.task_options.template, self.job.plan.tokenizer)  # type: ignore[attr-defined]
        self.eos_token_ids = ends
        self.generation_kwargs["eos_token_id"] = ends
        self.generation_config.eos_token_id = ends
        # A resumed run goes on in the round of samples that its step belongs to, with new samples.
        self._step = self.progress.step * self.args.gradient_accumulation_steps
        self.freeze_reference()
        self.watch(watched)

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        return [self.prompts[prompt] for prompt in prompts], None, {}

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        with contextlib.ExitStack() as stack:
            # Prompts are padded on the left, of which models with fixed positions must not see anything.
            for model in (self.model, self.ref_model):
                if model is not None:
                    stack.enter_context(generating.positions_from_mask(model))
            return super().training_step(*args, **kwargs)

    def note(self, inputs: Mapping[str, Any]) -> None:
        return None  # what is trained on is known once it was sampled

    def _prepare_inputs(self, inputs: Any) -> Any:
        found = super()._prepare_inputs(inputs)
        if isinstance(found, dict) and "completion_mask" in found:
            super().note(found)
        return found

    def counted(self, inputs: Mapping[str, Any]) -> tuple[int, torch.Tensor, torch.Tensor]:
        learnt = inputs["completion_mask"].sum()
        return len(inputs["completion_mask"]), inputs["prompt_mask"].sum() + learnt, learnt

    def told(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        names = {
            "reward": "reward",
            "kl": "kl",
            "answer_tokens": "completions/mean_length",
            "entropy": "entropy",
        }
        return known(logs, names)


def _bare_reference(model: Any) -> Any:
    """A frozen copy without the head that TRL put on the model."""
    forward = model.__dict__.pop("forward", None)
    try:
        return copy.deepcopy(model).requires_grad_(False).eval()
    finally:
        if forward is not None:
            model.forward = forward


class _Rloo(_Policy, RLOOTrainer):  # type: ignore[misc]
    def __init__(self, job: Job, model: Any, progress: Progress, reward: Any, watched: bool) -> None:
        self.set_up(job, progress)
        super().__init__(
            model=model,
            reward_funcs=[reward],
            # Else a learning rate would suit one scale of rewards alone.
            args=RLOOConfig(**self.settings(model), normalize_advantages=True),
            train_dataset=self.rows,
            processing_class=job.plan.tokenizer,
        )
        self.finish(model, watched)


class _Grpo(_Policy, GRPOTrainer):  # type: ignore[misc]
    def __init__(self, job: Job, model: Any, progress: Progress, reward: Any, watched: bool) -> None:
        self.set_up(job, progress)
        super().__init__(
            model=model,
            reward_funcs=[reward],
            args=GRPOConfig(**self.settings(model)),
            train_dataset=self.rows,
            processing_class=job.plan.tokenizer,
        )
        self.finish(model, watched)


def _learnt_reward(model: Any, job: Job) -> Callable[..., list[float]]:
    """The reward model's number, in standard deviations of what it says of the given answers; what does not come to an
    end within the room loses by one more."""
    chosen, rejected = pair_rewards(model, job.validation, job)
    scores = torch.tensor([*chosen, *rejected])
    mean, spread = float(scores.mean()), max(1e-6, float(scores.std()))
    ends = set(end_ids(job.plan.task_options.template, job.plan.tokenizer))  # type: ignore[attr-defined]
    cost: float = job.plan.options.missing_end_penalty  # type: ignore[attr-defined]

    def learnt_reward(completion_ids: list[list[int]], place: list[int], **_: Any) -> list[float]:
        texts = [[*job.train[i]["prompt_ids"], *ids] for i, ids in zip(place, completion_ids)]
        scores = score_texts(model, texts, job)
        return [
            (score - mean) / spread - (0.0 if ids and ids[-1] in ends else cost)
            for score, ids in zip(scores, completion_ids)
        ]

    return learnt_reward


def _checked_reward(job: Job) -> Callable[..., list[float]]:
    name: str = job.plan.task_options.checker  # type: ignore[attr-defined]
    if name in (checkers.AUTO, checkers.NONE):
        raise ValueError("reward checker needs data with a checker, and these have none: use reward learnt")
    reward = checkers.checker(name)

    def checked_reward(completions: list[str], place: list[int], **_: Any) -> list[float]:
        prompts = [job.train[i]["row"]["prompt"] for i in place]
        return [float(reward(prompt, text.strip())) for prompt, text in zip(prompts, completions)]

    return checked_reward


def reward(job: Job, model: Any, progress: Progress, given: Mapping[str, Any], watched: bool) -> Watched:
    with no_bars():
        return _Reward(job, model, progress, watched)


def policy(job: Job, model: Any, progress: Progress, given: Mapping[str, Any], watched: bool) -> Watched:
    """By the method's options: which algorithm, and whose reward. `given["reward"]` is the reward model."""
    options: Any = job.plan.options
    count = job.plan.setting.batch_size * job.plan.setting.gradient_accumulation
    if count % options.samples_per_prompt:
        raise ValueError(
            f"batch_size times gradient_accumulation is {count} answers a step, which samples_per_prompt"
            f" {options.samples_per_prompt} does not divide: choose one that does"
        )
    told = _learnt_reward(given["reward"], job) if options.reward == "learnt" else _checked_reward(job)
    trainer = _Rloo if options.algorithm == "rloo" else _Grpo
    with no_bars():
        return trainer(job, model, progress, told, watched)
