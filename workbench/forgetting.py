"""What a run has forgotten of general text: nats per token after training minus before, where its setting asks for that.

A classifier's trunk is read under the base's own language-model head: of next tokens, or of hidden ones where the base
fills gaps, with the same ones hidden before and after.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from workbench import evaluate, generating, language_scores, models, registry, saving
from workbench.method import Unsuitable
from workbench.task import Encoded, Live, Outcome, Task

if TYPE_CHECKING:
    from workbench.build import Plan

WINDOW = 256
READING, CAUSAL, MASKED = "language_modelling", "AutoModelForCausalLM", "AutoModelForMaskedLM"
HIDDEN_SHARE, HIDDEN_SEED = 0.15, 20_260_701
AT_ONCE = 16
# Of a head that was never trained: no better than every token alike.
UNTRAINED = 0.95
Told = tuple[dict[str, Any], tuple[str, ...]]


def measured(plan: Plan, finished: Any, tick: Callable[[], object] | None = None) -> Told:
    """Fields of Result, and a note where they can't be told. Nothing where the setting does not ask."""
    count = plan.setting.forgetting_texts
    if not count:
        return {}, ()
    try:
        return _measured(plan, finished, language_scores.general_texts(count), tick), ()
    except (Unsuitable, models.ModelError) as reason:
        return {}, (f"Forgetting was not measured: {str(reason).rstrip('.')}.",)


def _measured(
    plan: Plan, finished: Any, texts: Sequence[str], tick: Callable[[], object] | None
) -> dict[str, Any]:
    reader, read = _reader(plan), _read_hidden
    if reader.model_class == CAUSAL:
        read = language_scores.read
    teller = models.load_model(plan.source, reader, (), store=plan.store).to(plan.device)
    live = replace(plan.live(teller, tick=tick), labels=())
    rows = _rows(live, reader, texts)
    before = read(live, rows)
    if language_scores.nats_per_token(before) > UNTRAINED * math.log(
        teller.config.get_text_config().vocab_size
    ):
        raise Unsuitable(f"{plan.source.title} has no trained head that tells tokens")
    if plan.task.model_class == reader.model_class:
        live = plan.live(finished, tick=tick)
    else:
        setattr(teller, teller.base_model_prefix, _trunk(finished, teller.base_model_prefix))
    after = read(live, rows)
    told = [math.exp(min(700.0, language_scores.nats_per_token(part))) for part in (before, after)]
    return {
        "forgetting": language_scores.nats_per_token(after) - language_scores.nats_per_token(before),
        "metrics": {"general_perplexity_start": told[0], "general_perplexity": told[1]},
    }


def _reader(plan: Plan) -> Task:
    """The task by which the base tells tokens: next ones, or hidden ones."""
    causal = registry.task(READING)
    try:
        causal.check_model(models.load_config(plan.source, store=plan.store), plan.source.title)
    except Unsuitable:
        return replace(causal, model_class=MASKED, check_model=lambda config, title: None)
    return causal


def _trunk(finished: Any, prefix: str) -> Any:
    """The part of the trained model that is under its head, with the method in it."""
    if saving.is_peft(finished):
        if any(config.is_prompt_learning for config in finished.peft_config.values()):
            raise Unsuitable("its virtual tokens stand before the trunk, not in it")
        finished = finished.get_base_model()
    trunk = getattr(finished, prefix, None)
    if trunk is None:
        raise Unsuitable(f"the trained model has no trunk by the name of {prefix}")
    return trunk


def _rows(live: Live, reader: Task, texts: Sequence[str]) -> list[Encoded]:
    room = evaluate.longest_input(live.model, live.tokenizer)
    length = min(WINDOW, room or WINDOW)
    if reader.model_class == CAUSAL:
        return reader.encode(live.tokenizer, [{"text": text} for text in texts], (), length)
    return _hidden(live.tokenizer, texts, length)


def _hidden(tokenizer: Any, texts: Sequence[str], length: int) -> list[Encoded]:
    """Each text with a share of its tokens hidden, the same ones whenever it is asked."""
    if tokenizer.mask_token_id is None:
        raise Unsuitable("the tokenizer has no token that hides another")
    draw = random.Random(HIDDEN_SEED)
    rows: list[Encoded] = []
    special = set(tokenizer.all_special_ids)
    for ids in tokenizer(list(texts), truncation=True, max_length=length)["input_ids"]:
        places = [i for i, token in enumerate(ids) if token not in special]
        chosen = set(draw.sample(places, max(1, round(HIDDEN_SHARE * len(places))))) if places else set()
        rows.append(
            {
                "input_ids": [tokenizer.mask_token_id if i in chosen else t for i, t in enumerate(ids)],
                "attention_mask": [1] * len(ids),
                "labels": [t if i in chosen else generating.NOT_LEARNT for i, t in enumerate(ids)],
            }
        )
    return rows


def _read_hidden(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    """Nats of the hidden tokens of each text."""
    import torch

    found: list[Outcome] = []
    was_training = live.model.training
    live.model.eval()
    for first in range(0, len(rows), AT_ONCE):
        if live.tick is not None:
            live.tick()
        batch = generating.collate(rows[first : first + AT_ONCE], evaluate.pad_id(live.model))
        targets = batch.pop("labels").to(live.device)
        with torch.inference_mode(), evaluate.computing(live.precision, live.device):
            logits = live.model(**{name: part.to(live.device) for name, part in batch.items()}).logits
        hidden = targets != generating.NOT_LEARNT
        nats = torch.zeros(targets.shape, device=logits.device)
        nats[hidden] = torch.nn.functional.cross_entropy(
            logits[hidden].float(), targets[hidden], reduction="none"
        )
        found += [{"nats": n, "tokens": c} for n, c in zip(nats.sum(1).tolist(), hidden.sum(1).tolist())]
    live.model.train(was_training)
    return found
