"""Predictions do not depend on how rows were batched; precision and limits are resolved honestly."""

import math

import pytest
import torch

from tests.tiny import tiny_model, tiny_tokenizer
from tests.training import LABELS, tiny_rows
from workbench import evaluate, registry
from workbench.method import Context

TASK = registry.task("classification")


def encoded(layout, count=12):
    return TASK.encode(tiny_tokenizer(layout), tiny_rows(count, 5), LABELS, 32)


@pytest.mark.parametrize("layout", ["qwen2", "gpt2", "bert"])
@pytest.mark.parametrize("method", ["full", "prompt", "prefix"])
def test_padding_and_batching_change_no_prediction(layout, method):
    model = tiny_model(layout)
    model.config.pad_token_id = 0
    if method == "prefix" and layout == "bert":
        pytest.skip("this layout takes no prefix")
    found = registry.method(method)
    model = found.apply(model, found.options(), Context()).eval()
    rows = encoded(layout)
    together = evaluate.predict(model, TASK, rows, labels=LABELS, batch_size=12)
    alone = evaluate.predict(model, TASK, rows, labels=LABELS, batch_size=1)
    for one, other in zip(together, alone):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=2e-5)


def test_outcomes_stand_in_the_order_of_the_rows():
    rows = encoded("qwen2")
    outcomes = evaluate.predict(tiny_model("qwen2"), TASK, rows, labels=LABELS, batch_size=5)
    assert [o["label"] for o in outcomes] == [LABELS[row["labels"]] for row in rows]
    for outcome in outcomes:
        assert sum(outcome["probabilities"]) == pytest.approx(1, abs=1e-5)
        best = outcome["probabilities"].index(max(outcome["probabilities"]))
        assert outcome["predicted"] == LABELS[best]


def test_a_model_in_training_mode_is_put_back_and_its_dropout_is_off():
    model = tiny_model("bert").train()
    rows = encoded("bert")
    first = evaluate.predict(model, TASK, rows, labels=LABELS)
    assert first == evaluate.predict(model, TASK, rows, labels=LABELS)
    assert model.training


def test_predicting_draws_no_random_numbers():
    model, state = tiny_model("bert").train(), torch.get_rng_state()
    evaluate.predict(model, TASK, encoded("bert"), labels=LABELS)
    assert torch.equal(torch.get_rng_state(), state)


def test_tick_is_called_before_every_batch():
    calls = []
    evaluate.predict(
        tiny_model("qwen2"), TASK, encoded("qwen2"), labels=LABELS, batch_size=5, tick=lambda: calls.append(1)
    )
    assert len(calls) == 3


def test_mean_loss_is_cross_entropy_in_nats():
    outcomes = [
        {"label": "positive", "probabilities": [0.25, 0.75]},
        {"label": "negative", "probabilities": [0.5, 0.5]},
    ]
    assert evaluate.mean_loss(outcomes, LABELS) == pytest.approx(-(math.log(0.75) + math.log(0.5)) / 2)
    assert math.isfinite(evaluate.mean_loss([{"label": "positive", "probabilities": [1.0, 0.0]}], LABELS))
    assert math.isnan(evaluate.mean_loss([{"label": "positive", "probabilities": [math.nan] * 2}], LABELS))


def test_auto_precision_follows_the_processor(monkeypatch):
    for name, expected in (("_is_avx512_bf16_supported", "bfloat16"), ("_is_amx_tile_supported", "bfloat16")):
        for check in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, check, lambda check=check, name=name: check == name)
        assert evaluate.resolve_precision("auto", "cpu") == expected
    for check in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, check, lambda: False)
    assert evaluate.resolve_precision("auto", "cpu") == "float32"
    assert evaluate.resolve_precision("bfloat16", "cpu") == "bfloat16"
    with pytest.raises(ValueError, match="float16 needs a CUDA device"):
        evaluate.resolve_precision("float16", "cpu")


def test_plain_attention_gives_the_same_answers():
    rows = encoded("qwen2")
    plain = evaluate.predict(tiny_model("qwen2"), TASK, rows, labels=LABELS)
    with evaluate.attention("cpu", "bfloat16", 20) as kernel:
        assert kernel == "math"
        for one, other in zip(plain, evaluate.predict(tiny_model("qwen2"), TASK, rows, labels=LABELS)):
            assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
    with evaluate.attention("cpu", "bfloat16", 500) as kernel:
        assert kernel == "default"


def test_a_soft_prompt_takes_positions_from_the_text():
    tokenizer = tiny_tokenizer()
    assert evaluate.longest_input(tiny_model("qwen2"), tokenizer) == 64
    method = registry.method("prompt")
    model = method.apply(tiny_model("qwen2"), method.options(num_virtual_tokens=20), Context())
    assert evaluate.longest_input(model, tokenizer) == 44
