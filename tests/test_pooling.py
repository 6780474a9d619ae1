"""With learned prompt vectors in front, a padded decoder still reads its last real token."""

import pytest
import torch

from tests.methods.contract import logits
from tests.tiny import DECODERS, tiny_batch, tiny_model
from workbench import registry
from workbench.method import Context
from workbench.pooling import pool_last_real_token


def alone_and_together(model):
    batch = tiny_batch(seed=7)
    together = logits(model, batch)
    lengths = batch["attention_mask"].sum(1).tolist()
    assert len(set(lengths)) > 2
    alone = [
        logits(model, {k: batch[k][i : i + 1, :n] for k in ("input_ids", "attention_mask")})[0]
        for i, n in enumerate(lengths)
    ]
    return torch.stack(alone), together


@pytest.mark.parametrize("layout", DECODERS)
def test_without_the_hook_padding_changes_the_answer(layout, monkeypatch):
    """If this ever fails, transformers finds the last token of embeddings by itself, and the hook can go."""
    monkeypatch.setattr("workbench.methods._peft.pool_last_real_token", lambda model: None)
    method = registry.method("prompt")
    model = method.apply(tiny_model(layout), method.options(), Context()).eval()
    alone, together = alone_and_together(model)
    assert not torch.allclose(alone, together, atol=1e-3)


@pytest.mark.parametrize("layout", DECODERS)
@pytest.mark.parametrize("name", ["prompt", "p_tuning", "prefix"])
def test_with_it_it_does_not(layout, name):
    method = registry.method(name)
    model = method.apply(tiny_model(layout), method.options(), Context()).eval()
    alone, together = alone_and_together(model)
    assert torch.allclose(alone, together, atol=1e-5)


@pytest.mark.parametrize("layout", DECODERS)
def test_it_is_the_last_real_token_that_counts(layout):
    """Embeddings with padding give what the same token ids give, for which transformers looks by itself."""
    model = tiny_model(layout)
    batch = tiny_batch(seed=3)
    wanted = logits(model, batch)
    pool_last_real_token(model)
    pool_last_real_token(model)  # twice does no harm
    embeds = model.get_input_embeddings()(batch["input_ids"])
    with torch.no_grad():
        got = model(inputs_embeds=embeds, attention_mask=batch["attention_mask"]).logits
        left = model(inputs_embeds=embeds.flip(1), attention_mask=batch["attention_mask"].flip(1)).logits
    assert torch.allclose(got, wanted, atol=1e-5)
    assert left.shape == wanted.shape
    assert torch.equal(logits(model, batch), wanted), "token ids are left alone"


def test_nothing_is_said_about_padding(caplog):
    method = registry.method("prompt")
    logits(method.apply(tiny_model("llama"), method.options(), Context()).eval())
    assert "padding" not in caplog.text


def test_encoders_pool_their_first_position_and_get_no_hook():
    model = tiny_model("bert")
    pool_last_real_token(model)
    assert not model._forward_pre_hooks
