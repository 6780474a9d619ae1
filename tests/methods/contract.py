"""What every method must keep to, as functions of a Method and a layout: the contract tests call them for all that are
found, and anybody can call them for a method of their own."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model
from workbench import saving
from workbench.architecture import head_names, is_head
from workbench.method import Context, Method, Unsuitable, card_parts
from workbench.parameters import count_parameters, total_parameters

LABELS = ("negative", "positive")


def prepared(method: Method, layout: str, **options):
    """A tiny model with the method on it, or a skip where it can't serve, for which it must give a sentence."""
    torch.manual_seed(0)
    try:
        model = method.apply(tiny_model(layout), method.options(**tiny_options(method, options)), Context())
    except Unsuitable as reason:
        check_sentence(str(reason))
        pytest.skip(f"{method.name} on {layout}: {reason}")
    return model


def tiny_options(method: Method, options: dict) -> dict:
    """Options that fit a model of two blocks."""
    names = {fact.name for fact in method.options.facts()}
    return ({"layers": 1} if "layers" in names else {}) | options


def check_sentence(text: str) -> None:
    assert len(text) > 30, "a reason says what is wrong and what would be right"
    assert "\n" not in text
    assert "Traceback" not in text


def train(model, steps: int = 5, rate: float = 1e-2) -> None:
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    for step in range(steps):
        model(**tiny_batch(seed=step)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


@torch.no_grad()
def logits(model, batch=None):
    batch = dict(batch or tiny_batch(seed=99))
    batch.pop("labels", None)
    return model(**batch).logits


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


def check_training(method: Method, layout: str) -> None:
    """Something is trained, the head with it; what is frozen does not move by one bit, what is trained moves."""
    model = prepared(method, layout)
    heads = head_names(model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert any(is_head(name, heads) for name in trained)
    train(model)
    after = dict(model.named_parameters())
    assert set(after) == set(before)
    moved = {name for name in before if not torch.equal(before[name], after[name].detach())}
    assert moved <= trained
    assert all(torch.isfinite(p).all() for p in after.values())
    body = {name for name in trained if not is_head(name, heads)}
    assert any(is_head(name, heads) for name in moved)
    if body:
        assert len(moved & body) >= len(body) * 0.75, f"hardly moved: {sorted(body - moved)[:5]}"


def check_saving(method: Method, layout: str, folder: Path, **options) -> None:
    """Saved and loaded onto a base whose head is another one, it predicts exactly the same."""
    model = prepared(method, layout, **options)
    start = logits(model)
    train(model)
    wanted = logits(model)
    assert not torch.equal(start, wanted)
    chosen = method.options(**tiny_options(method, options))
    saving.save_trained(model, folder, method=method, options=chosen, context=Context())
    base = tiny_model(layout)
    for head in head_names(base):
        for parameter in getattr(base, head).parameters():
            parameter.data.normal_()
    again = saving.load_trained(base, folder)
    assert not again.training
    assert torch.equal(logits(again), wanted)
    assert saving.read_recipe(folder)["labels"] == list(LABELS)
    assert 0 < saving.trained_bytes(folder) == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def check_state(method: Method, layout: str) -> None:
    """The best checkpoint can be kept in memory and put back, exactly."""
    model = prepared(method, layout)
    start, state = logits(model), saving.trainable_state(model)
    train(model)
    assert not torch.equal(logits(model), start)
    saving.load_trainable_state(model, state)
    assert torch.equal(logits(model), start)


def check_switching_off(method: Method, layout: str) -> None:
    """With the method off the model is the base again, bit by bit, and with it on again the trained one."""
    torch.manual_seed(0)
    base = logits(tiny_model(layout))
    model = prepared(method, layout)
    original = saving.trainable_state(model)
    train(model)
    trained = logits(model)
    assert not torch.equal(trained, base)
    with saving.without_method(model, original):
        assert torch.equal(logits(model), base)
    assert torch.equal(logits(model), trained)


def check_padding(method: Method, layout: str) -> None:
    """What a text is predicted to be does not depend on its neighbours in the batch, nor on padding."""
    model = prepared(method, layout)
    train(model)
    batch = tiny_batch(seed=7)
    together = logits(model, batch)
    for i, length in enumerate(batch["attention_mask"].sum(1).tolist()):
        alone = {k: batch[k][i : i + 1, :length] for k in ("input_ids", "attention_mask")}
        assert torch.allclose(logits(model, alone)[0], together[i], atol=1e-5), (i, length)


def check_merging(method: Method, layout: str) -> None:
    """A method that claims to fold into the base gives the same answers when folded, from a plain model."""
    model = prepared(method, layout)
    train(model)
    wanted = logits(model)
    if not method.mergeable:
        return
    merged = saving.merge(model)
    assert not saving.is_peft(merged)
    assert total_parameters(merged) == total_parameters(tiny_model(layout))
    assert torch.allclose(logits(merged), wanted, atol=1e-4)
    assert torch.equal(logits(model), wanted), "merging a copy left the trained model as it was"


def check_counting(method: Method, layout: str) -> None:
    """Counted on the meta device it is what the real model has, and the parts add up."""
    from workbench.models import model_from_config

    real = prepared(method, layout)
    base = tiny_model(layout)
    meta = model_from_config(base.config, "classification", LABELS)
    options = method.options(**tiny_options(method, {}))
    shapes = method.apply(meta, options, Context(on_meta=True))
    assert all(p.device.type == "meta" for p in shapes.parameters())
    counts = count_parameters(real, base=total_parameters(base))
    assert count_parameters(shapes, base=total_parameters(base)) == counts
    assert counts.trainable == counts.head + counts.method > 0
    assert counts.head == sum(
        p.numel() for name in head_names(base) for p in getattr(base, name).parameters()
    )
    assert counts.base <= counts.total
    assert counts.trainable <= counts.total
    if hasattr(real, "get_nb_trainable_parameters"):
        assert (counts.trainable, counts.total) == real.get_nb_trainable_parameters()


CHECKS = (
    check_training,
    check_state,
    check_switching_off,
    check_padding,
    check_merging,
    check_counting,
)
