"""(IA)³ trained the T-Few way: besides learning the right answer, the model learns that other answers are wrong.

**Use it** for short answers with few examples: question, then one of a handful of things to say.
**Costs** (IA)³'s few weights, but each step also reads wrong_answers more texts for every row: some four times the time and memory; folded in, it costs nothing when answering.
**Watch** data whose answers are all alike or all long: wrong answers teach little there. Liu et al. take the wrong ones from the task's own list of choices; here they are other rows' answers from the same batch, so a batch needs different answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.method import Context, Method
from workbench.methods import ia3
from workbench.options import option

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class TFewOptions(ia3.Ia3Options):
    unlikelihood_weight: float = option(
        1.0, "Weight of the loss that makes each token of a wrong answer unlikely.", min=0, max=100
    )
    length_normalised_weight: float = option(
        1.0,
        "Weight of the loss that ranks the right answer above the wrong ones, by likelihood per token.",
        min=0,
        max=100,
    )
    wrong_answers: int = option(
        4, "At most so many wrong answers for each row, taken from the rows that follow it.", min=1, max=64
    )


def apply(model: nn.Module, options: TFewOptions, context: Context) -> nn.Module:
    return ia3.apply(model, options, context)


def objective(model: Any, batch: Any, outputs: Any, options: TFewOptions) -> torch.Tensor:
    """Liu et al. 2022, equations 1 to 3, averaged over the rows: L_LM + L_UL + L_LN with their weights."""
    import torch

    ids, labels, mask = batch["input_ids"], batch["labels"], batch["attention_mask"].bool()
    right = token_log_probabilities(outputs["logits"], ids, labels != -100)
    # A row whose answer was cut off altogether teaches nothing.
    likelihood = torch.stack([row.sum() / max(1, len(row)) for row in right])
    loss = -likelihood.mean()
    if not (options.unlikelihood_weight or options.length_normalised_weight):
        return loss
    prompts = [row[keep & (label == -100)].tolist() for row, keep, label in zip(ids, mask, labels)]
    answers = [row[label != -100].tolist() for row, label in zip(ids, labels)]
    pairs = wrong_pairs(prompts, answers, options.wrong_answers, _room(model))
    if not pairs:
        return loss
    texts = [prompts[i] + answer for i, answer in pairs]
    wrong = _read(model, texts, [len(prompts[i]) for i, _ in pairs], ids)
    owners = [i for i, _ in pairs]
    return (
        loss
        + options.unlikelihood_weight * unlikelihood(wrong, owners, len(answers))
        + options.length_normalised_weight * length_normalised(likelihood, wrong, owners)
    )


def token_log_probabilities(
    logits: torch.Tensor, ids: torch.Tensor, learnt: torch.Tensor
) -> list[torch.Tensor]:
    """For each row the log-probability of each token that is learnt, given all before it."""
    keep = learnt[:, 1:]
    # Only where something is learnt: a softmax over the vocabulary is the largest thing in a step.
    picked = logits[:, :-1][keep].float().log_softmax(-1).gather(-1, ids[:, 1:][keep][:, None])[:, 0]
    return list(picked.split(keep.sum(1).tolist()))


def unlikelihood(wrong: Sequence[torch.Tensor], owners: Sequence[int], rows: int) -> torch.Tensor:
    """-log(1 - p) of the wrong answers' tokens: a mean over all of a row's, then over the rows; without any it is 0."""
    import torch

    total = wrong[0].new_zeros(())
    for row in sorted(set(owners)):
        tokens = torch.cat([answer for answer, owner in zip(wrong, owners) if owner == row])
        # 1 - p as -expm1(log p) keeps its digits; a token of certainty 1 would give an endless loss.
        total = total - (-torch.expm1(tokens)).clamp_min(1e-6).log().mean()
    return total / rows


def length_normalised(
    likelihood: torch.Tensor, wrong: Sequence[torch.Tensor], owners: Sequence[int]
) -> torch.Tensor:
    """Cross-entropy of the right answer among a row's answers, each scored by its mean log-probability per token."""
    import torch

    scores = torch.stack([answer.mean() for answer in wrong])
    places = torch.tensor(owners, device=scores.device)
    total = likelihood.new_zeros(())
    for row in sorted(set(owners)):
        choices = torch.cat([likelihood[row : row + 1], scores[places == row]])
        total = total - choices.log_softmax(0)[0]
    return total / len(likelihood)


def wrong_pairs(
    prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], most: int, room: int | None
) -> list[tuple[int, list[int]]]:
    """(row, wrong answer): for each row the answers of the next rows, round the batch, that are not its own, each once.

    An answer is cut where the model has no room for it behind this row's prompt.
    """
    pairs = []
    for i, prompt in enumerate(prompts):
        if not answers[i]:
            continue
        known = {tuple(answers[i])}
        for step in range(1, len(answers)):
            answer = tuple(answers[(i + step) % len(answers)])[: room and max(0, room - len(prompt))]
            if not answer or answer in known or len(known) > most:
                continue
            known.add(answer)
            pairs.append((i, list(answer)))
    return pairs


def _read(
    model: Any, texts: Sequence[Sequence[int]], begins: Sequence[int], like: torch.Tensor
) -> list[torch.Tensor]:
    """Log-probabilities of each text's tokens from its beginning of the answer on, in one pass, padded on the right."""
    import torch

    longest = max(map(len, texts))
    ids = like.new_zeros((len(texts), longest))
    mask = torch.zeros_like(ids)
    learnt = torch.zeros_like(ids, dtype=torch.bool)
    for i, (text, begin) in enumerate(zip(texts, begins)):
        ids[i, : len(text)] = torch.tensor(text)
        mask[i, : len(text)] = 1
        learnt[i, begin : len(text)] = True
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    return token_log_probabilities(logits, ids, learnt)


def _room(model: Any) -> int | None:
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(room) if room else None


METHOD = Method(
    name="t_few",
    title="T-Few",
    family="added",
    options=TFewOptions,
    apply=apply,
    learning_rate=3e-2,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2205.05638",
    tasks=("generation",),
    mergeable=True,
    objective=objective,
)
