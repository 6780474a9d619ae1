"""What every method must keep to, as functions of a Trial: the contract tests call them for all methods that are found,
and anybody can call them for a method of their own: `for check in CHECKS: check(trial(METHOD, "qwen2"))`."""

from __future__ import annotations

import copy
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model, tiny_shapes, tiny_tokenizer
from workbench import estimate, saving
from workbench.architecture import head_names, is_head
from workbench.method import Context, Method, Unsuitable, card_parts
from workbench.parameters import count_parameters, total_parameters
from workbench.standalone import claims
from workbench.standalone.filling import LONGEST_METHOD
from workbench.standalone.method_code import method_lines
from workbench.task import Live

LABELS = ("negative", "positive")
STEPS = 3
ROUNDING = 1e-5


@dataclass(frozen=True)
class Trial:
    """One method trained for a few steps on one tiny model. The checks leave it as they found it."""

    method: Method
    layout: str
    task: str
    options: Any
    model: Any
    base_logits: torch.Tensor
    start_logits: torch.Tensor
    logits: torch.Tensor
    before: Mapping[str, torch.Tensor] = field(repr=False)
    original: Mapping[str, torch.Tensor] = field(repr=False)

    @property
    def context(self) -> Context:
        return context(self.task)


def trial(method: Method, layout: str, task: str = "classification", **options: Any) -> Trial:
    """Train it, or skip where it can't serve, for which it must give a sentence."""
    model = prepared(method, layout, task=task, **options)
    chosen = method.options(**tiny_options(method, options))
    plain = as_stored(method, tiny_model(layout, task=task), chosen, task)
    base, start = logits(plain, task=task), logits(model, task=task)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    original = saving.trainable_state(model)
    train(model, task=task, method=method, options=chosen)
    after = logits(model, task=task)
    return Trial(method, layout, task, chosen, model, base, start, after, before, original)


def prepared(method: Method, layout: str, task: str = "classification", **options: Any) -> Any:
    """A tiny model with the method on it, in evaluation mode; a skip where it can't serve."""
    if task not in method.tasks:
        pytest.skip(f"{method.name} does not serve {task}")
    torch.manual_seed(0)
    model = tiny_model(layout, task=task)
    try:
        return method.put_on(model, method.options(**tiny_options(method, options)), context(task)).eval()
    except Unsuitable as reason:
        check_sentence(str(reason))
        pytest.skip(f"{method.name} on {layout}: {reason}")


def as_stored(method: Method, base: Any, options: Any, task: str) -> Any:
    """The base as the method keeps its weights."""
    return method.prepare_model(base, options, context(task)) if method.prepare_model else base


def context(task: str) -> Context:
    return Context(task=task, labels=len(LABELS), steps=STEPS)


def tiny_options(method: Method, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that fit a model of two blocks."""
    names = {fact.name for fact in method.options.facts()}
    return ({"layers": 1} if "layers" in names else {}) | dict(options)


def check_sentence(text: str) -> None:
    assert len(text) > 30, "a reason says what is wrong and what would be right"
    assert "\n" not in text
    assert "Traceback" not in text


def train(
    model: Any,
    steps: int = STEPS,
    rate: float = 1e-2,
    task: str = "classification",
    method: Method | None = None,
    options: Any = None,
) -> None:
    """A few steps, with the method's own optimiser and loss where it has them."""
    model.train()
    optimizer = None
    if method is not None and method.optimizer is not None:
        optimizer = method.optimizer(model, options, rate, 0.0)
    if optimizer is None:
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    for step in range(steps):
        one_loss(model, tiny_batch(rows=4, seed=step, task=task), method, options).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def one_loss(model: Any, batch: dict[str, Any], method: Method | None, options: Any) -> torch.Tensor:
    outputs = model(**batch)
    if method is None or method.objective is None:
        return outputs.loss
    return method.objective(model, batch, outputs, options)


@torch.no_grad()
def logits(model: Any, batch: Mapping[str, Any] | None = None, task: str = "classification") -> torch.Tensor:
    """What the model says of each row; in generation at the tokens of the text, virtual ones before it left out."""
    batch = dict(batch or tiny_batch(rows=4, seed=99, task=task))
    batch.pop("labels", None)
    found = model(**batch).logits
    return found if found.dim() == 2 else found[:, -batch["input_ids"].shape[1] :]


def check_card(method: Method) -> None:
    card = card_parts(method.card)
    for part in (card.summary, card.use_it, card.costs, card.watch):
        assert len(part) > 20
        assert part.strip().endswith((".", "!", "?"))
    assert urllib.parse.urlsplit(method.paper).scheme == "https"
    assert method.sentence == card.summary
    assert 0 < method.learning_rate < 1


def check_options(method: Method) -> None:
    default = method.options()
    assert method.options.from_dict(json.loads(json.dumps(default.to_dict()))) == default
    as_text = {
        name: ",".join(value) if isinstance(value, list) else str(value)
        for name, value in default.to_dict().items()
        if value is not None
    }
    assert method.options.from_text(as_text) == default
    for fact in method.options.facts():
        assert fact.help.endswith("."), fact.name
        assert fact.kind in ("bool", "int", "float", "str", "list")


def check_training(trial: Trial) -> None:
    """Something is trained, the head with it; what is frozen does not move by one bit, what is trained moves."""
    heads = head_names(trial.model)
    trained = set(trial.original)
    after = dict(trial.model.named_parameters())
    assert set(after) == set(trial.before)
    moved = {name for name, p in after.items() if not torch.equal(trial.before[name], p.detach())}
    assert moved <= trained, f"frozen, but moved: {sorted(moved - trained)[:5]}"
    assert all(torch.isfinite(p).all() for p in after.values())
    if heads:
        assert any(is_head(name, heads) for name in moved)
    body = {name for name in trained if not is_head(name, heads)}
    if body:
        assert len(moved & body) >= len(body) * 0.75, f"hardly moved: {sorted(body - moved)[:5]}"
    assert not torch.equal(trial.logits, trial.start_logits)


def check_state(trial: Trial) -> None:
    """The best checkpoint can be kept in memory and put back, exactly."""
    trained = saving.trainable_state(trial.model)
    saving.load_trainable_state(trial.model, trial.original)
    assert torch.equal(logits(trial.model, task=trial.task), trial.start_logits)
    saving.load_trainable_state(trial.model, trained)
    assert torch.equal(logits(trial.model, task=trial.task), trial.logits)


def check_switching_off(trial: Trial) -> None:
    """With the method off the model is the base again, bit by bit, and with it on again the trained one."""
    with saving.without_method(trial.model, trial.original):
        off = logits(trial.model, task=trial.task)
    if hasattr(
        trial.model, "workbench_start"
    ):  # part of the base's weights lies in the method's: rounding remains
        assert torch.allclose(off, trial.base_logits, atol=ROUNDING * max(1.0, float(off.abs().max())))
    else:
        assert torch.equal(off, trial.base_logits)
    assert not torch.equal(trial.logits, trial.base_logits)
    assert torch.equal(logits(trial.model, task=trial.task), trial.logits)


def check_padding(trial: Trial) -> None:
    """What is said of a text does not depend on its neighbours in the batch, nor on padding."""
    batch = tiny_batch(rows=3, seed=7, task=trial.task)
    together = logits(trial.model, batch, trial.task)
    for i, length in enumerate(batch["attention_mask"].sum(1).tolist()):
        alone = {k: batch[k][i : i + 1, :length] for k in ("input_ids", "attention_mask")}
        one = logits(trial.model, alone, trial.task)[0]
        expected = together[i] if one.dim() == 1 else together[i, :length]
        assert torch.allclose(one, expected, atol=ROUNDING), (i, length)


def check_merging(trial: Trial) -> None:
    """A method that claims to fold into the base gives the same answers when folded, from a plain model."""
    if not trial.method.mergeable:
        return
    merged = saving.merge(trial.model)
    assert not saving.is_peft(merged)
    assert total_parameters(merged) == total_parameters(tiny_model(trial.layout, task=trial.task))
    assert torch.allclose(logits(merged, task=trial.task), trial.logits, atol=1e-4)
    assert torch.equal(logits(trial.model, task=trial.task), trial.logits), (
        "merging a copy changed the original"
    )


def check_counting(trial: Trial) -> None:
    """Counted on the meta device it is what the real model has, and the parts add up."""
    base = tiny_model(trial.layout, task=trial.task)
    whole = total_parameters(base)
    shapes = estimate.without_weights(
        trial.method,
        trial.options,
        lambda device: tiny_shapes(trial.layout, task=trial.task, device=device),
        trial.context,
    )
    counts = count_parameters(trial.model, base=whole)
    assert count_parameters(shapes, base=whole) == counts
    assert counts.trainable == counts.head + counts.method > 0
    assert counts.head == sum(
        p.numel() for name in head_names(base) for p in getattr(base, name).parameters()
    )
    assert counts.base <= counts.total
    assert counts.trainable <= counts.total
    if hasattr(trial.model, "get_nb_trainable_parameters"):
        assert (counts.trainable, counts.total) == trial.model.get_nb_trainable_parameters()


def check_saving(trial: Trial, folder: Path) -> None:
    """Saved and loaded onto a base whose head is another one, it says exactly the same."""
    finished = save(trial, folder)
    again = saving.load_trained(_other_head(trial), folder)
    assert not again.training
    assert torch.equal(logits(again, task=trial.task), logits(finished, task=trial.task))
    # P-tuning's encoder is left behind: the vectors that it made are what is kept.
    assert total_parameters(again) <= total_parameters(finished)
    assert saving.read_recipe(folder)["labels"] == list(LABELS)
    assert 0 < saving.trained_bytes(folder) == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def check_stacking(trial: Trial, folder: Path) -> None:
    """Two results on one loaded base, where that is claimed: each says what it says alone, whichever was loaded last."""
    from peft import PeftModel

    if not (trial.method.stackable and saving.is_peft(trial.model)) or hasattr(
        trial.model, "workbench_start"
    ):
        return
    save(trial, folder / "trained")
    trained = saving.trainable_state(trial.model)
    saving.load_trainable_state(trial.model, trial.original)
    save(trial, folder / "start")
    saving.load_trainable_state(trial.model, trained)
    with saving.quiet():
        base = as_stored(trial.method, _other_head(trial), trial.options, trial.task)
        stack = PeftModel.from_pretrained(base, str(folder / "trained"), adapter_name="trained")
        stack.load_adapter(str(folder / "start"), adapter_name="start")
    if stack.active_peft_config.is_prompt_learning:
        saving.pool_last_real_token(stack)
    stack.eval()
    for name, wanted in (
        ("start", trial.start_logits),
        ("trained", trial.logits),
        ("start", trial.start_logits),
    ):
        stack.set_adapter(name)
        assert torch.equal(logits(stack, task=trial.task), wanted), name


def check_half_precision(trial: Trial) -> None:
    """Under bfloat16 autocast a step gives finite gradients to weights that stay float32."""
    trial.model.train()
    batch = tiny_batch(rows=4, seed=1, task=trial.task)
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
        loss = one_loss(trial.model, batch, trial.method, trial.options)
    loss.backward()
    found = [p.grad for p in trial.model.parameters() if p.grad is not None]
    trial.model.zero_grad()
    trial.model.eval()
    assert torch.isfinite(loss)
    assert found
    assert all(torch.isfinite(grad).all() for grad in found)
    assert all(p.dtype == torch.float32 for p in trial.model.parameters() if p.requires_grad)


def check_code(trial: Trial, folder: Path) -> None:
    """The lines of the stand-alone script that put the method on, where it has one: Python, and few enough."""
    if claims.why_not_trained(trial.method, folder, trial.task):
        return
    imports, lines = method_lines(folder, tiny_shapes(trial.layout, task=trial.task))
    compile("\n".join([*imports, *lines]), trial.method.name, "exec")
    assert len(lines) <= LONGEST_METHOD, lines


def check_generating(trial: Trial) -> None:
    """Texts of several lengths, padded on the left, are continued as each is alone."""
    if trial.task != "generation":
        return
    from workbench import generating
    from workbench.tasks.generation import GenerationOptions

    batch = tiny_batch(rows=2, seed=5, task=trial.task)
    prompts = [row[keep == 1].tolist() for row, keep in zip(batch["input_ids"], batch["attention_mask"])]
    live = Live(trial.model, tiny_tokenizer(trial.layout), options=GenerationOptions())
    together = generating.generate(live, generating.collate_prompts(prompts, 0), exactly=3)
    for prompt, answer in zip(prompts, together):
        alone = generating.generate(live, generating.collate_prompts([prompt], 0), exactly=3)[0]
        assert len(answer) == 3
        assert alone == answer, (len(prompt), alone, answer)


def save(trial: Trial, folder: Path) -> Any:
    """Write what answers after training, and give it."""
    model = trial.model
    if trial.method.after_training is not None:
        model = trial.method.after_training(copy.deepcopy(model), trial.options, trial.context)
    saving.save_trained(model, folder, method=trial.method, options=trial.options, context=trial.context)
    return model


def _other_head(trial: Trial) -> Any:
    """A base model whose head has other weights: the saved one must replace them."""
    base = tiny_model(trial.layout, task=trial.task)
    for head in head_names(base):
        for parameter in getattr(base, head).parameters():
            parameter.data.normal_()
    return base


CHECKS = (
    check_training,
    check_state,
    check_switching_off,
    check_padding,
    check_merging,
    check_counting,
    check_half_precision,
    check_generating,
)


def check_all(trial: Trial, folder: Path, *, stacking: bool = True) -> None:
    """The whole contract on one trained model."""
    for check in CHECKS:
        check(trial)
    check_saving(trial, folder / "saving")
    check_code(trial, folder / "saving")
    if stacking:
        check_stacking(trial, folder / "stacking")
