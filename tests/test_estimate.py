"""Counts from architectures alone."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.tiny import save_tiny, tiny_model
from workbench import estimate, models, registry
from workbench.method import Context, Unsuitable
from workbench.parameters import size, total_parameters

TUTORIAL = {"r": 1, "target_modules": ["q_lin"]}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Counting well-known models asks nobody."""
    import socket

    def refuse(*arguments, **named):
        raise AssertionError("counting asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_tutorials_count_comes_out():
    counts = estimate.count("distilbert-base-uncased", "lora", TUTORIAL)
    assert (counts.trainable, counts.total) == (601_346, 67_556_356)
    assert (counts.head, counts.method, counts.base) == (592_130, 9_216, 66_955_010)
    assert round(100 * counts.share, 4) == 0.8901
    four = estimate.count("distilbert/distilbert-base-uncased", "lora", TUTORIAL | {"r": 4})
    assert (four.trainable, four.total) == (628_994, 67_584_004)


@pytest.mark.parametrize(
    ("model", "method", "options", "trainable", "total"),
    [
        ("bert-base-uncased", "full", {}, 109_483_778, 109_483_778),
        ("bert-base-uncased", "bitfit", {}, 102_912 + 1_538, 109_483_778),
        ("bert-base-uncased", "head", {}, 1_538, 109_483_778),
        ("bert-base-uncased", "prompt", {"num_virtual_tokens": 20}, 20 * 768 + 1_538, None),
        ("bert-base-uncased", "prefix", {"num_virtual_tokens": 20}, 20 * 2 * 12 * 768 + 1_538, None),
        ("roberta-base", "ia3", {}, 12 * (768 + 768 + 3072) + 592_130, None),
        ("gpt2", "full", {}, 124_439_808 + 2 * 768, 124_439_808 + 2 * 768),
        ("gpt2", "lora", {"r": 8, "target_modules": ["c_attn"]}, 12 * 8 * (768 + 3 * 768) + 1_536, None),
        ("Llama-3.2-3B", "lora", {"r": 32, "target_modules": ["q_proj", "v_proj"]}, 9_175_040 + 6_144, None),
        ("embedded:fable-8m", "full", {}, 8_003_840 + 512, 8_003_840 + 512),
        ("embedded:fable-8m", "adapter", {"reduction_factor": 8}, 16 * (2 * 256 * 32 + 32 + 256) + 512, None),
        (
            "bert-base-uncased",
            "adapter_pfeiffer",
            {"reduction_factor": 12},
            12 * (2 * 768 * 64 + 64 + 768) + 1_538,
            None,
        ),
        (
            "bert-large-uncased",
            "adapter_parallel",
            {"reduction_factor": 2},
            24 * (2 * 1024 * 512 + 512 + 1024) + 2_050,
            None,
        ),
    ],
)
def test_counts_that_can_be_worked_out(model, method, options, trainable, total):
    counts = estimate.count(model, method, options)
    assert counts.trainable == trainable
    assert total is None or counts.total == total


def test_bitfit_is_about_a_tenth_of_a_percent_of_a_bert():
    counts = estimate.count("bert-base-uncased", "bitfit")
    assert 0.0005 < counts.method / counts.base < 0.001


def test_more_labels_are_a_larger_head():
    two, ten = (estimate.count("bert-base-uncased", "lora", labels=n) for n in (2, 10))
    assert ten.head - two.head == 8 * 769
    assert ten.method == two.method
    with pytest.raises(ValueError, match="at least 2"):
        estimate.count("gpt2", "lora", labels=1)


def test_lora_on_a_square_weight():
    """r * (in + out): 4 * (1000 + 1000)."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        hidden_size=1000,
        num_attention_heads=10,
        num_key_value_heads=10,
        num_hidden_layers=1,
        vocab_size=32,
        intermediate_size=8,
        pad_token_id=0,
    )
    model = models.model_from_config(config, "classification", ("a", "b"))
    assert model.get_submodule("model.layers.0.self_attn.q_proj").weight.shape == (1000, 1000)
    lora = registry.method("lora")
    changed = lora.apply(model, lora.options(r=4, target_modules=("q_proj",)), Context(on_meta=True))
    counted = estimate.count_parameters(changed, base=total_parameters(model))
    assert counted.method == 8_000


def test_all_linear_leaves_the_head_alone():
    counts = estimate.count("distilbert-base-uncased", "lora", {"r": 8})
    assert counts.method == 6 * 8 * (4 * (768 + 768) + 2 * (768 + 3072))


def test_rows_carry_counts_or_a_reason():
    rows = estimate.estimates(
        "Llama-3.2-1B", [("lora", None), ("bitfit", None), (registry.method("head"), {})]
    )
    lora, bitfit, head = rows
    assert lora["reason"] is None
    assert lora["trainable_parameters"] == lora["head_parameters"] + lora["method_parameters"]
    assert 0 < lora["trainable_share"] < 0.02
    assert bitfit["trainable_parameters"] is None
    assert "no bias terms" in bitfit["reason"]
    assert head["head_parameters"] == 2 * 2048
    assert all(row["peak_memory_bytes"] is None for row in rows)
    assert json.loads(json.dumps(rows)) == rows


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"target_modules": ["q_proj"]},
            r"not q_proj; known: all-linear, q_lin, k_lin, v_lin, out_lin, lin1, lin2",
        ),
        ({"rank": 3}, r"unknown option\(s\) rank"),
        ({"r": 0}, r"r is a whole number of at least 1"),
    ],
)
def test_bad_options_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        estimate.estimates("distilbert-base-uncased", [("lora", options)])


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match="did you mean lora"):
        estimate.count("gpt2", "lore")
    with pytest.raises(ValueError, match="classification"):
        estimate.estimates("gpt2", [("lora", None)], task="clasification")
    with pytest.raises(Unsuitable, match="T-Few does not serve classification"):
        estimate.count("gpt2", "t_few")


def test_a_local_folder_is_counted_from_its_config(tmp_path):
    folder = save_tiny("roberta", tmp_path / "m")
    counts = estimate.count(str(folder), "full")
    assert counts.total == total_parameters(tiny_model("roberta"))


def test_a_start_that_is_computed_from_the_weights_is_counted_on_random_ones(monkeypatch):
    """There is nothing to decompose on the meta device."""

    def first_row(model, options, context):
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        model.extra = nn.Parameter(torch.full((int(float(next(model.parameters())[0, 0]) * 0) + 7,), 0.5))
        return model

    own = replace(registry.method("head"), name="own", title="Own", apply=first_row)
    assert estimate.count("embedded:fable-8m", own).trainable == 7
    monkeypatch.setattr(estimate, "BUILT_WHOLE", 1_000)
    with pytest.raises(Unsuitable, match="Own computes its start from the weights"):
        estimate.count("embedded:fable-8m", own)


def test_generation_has_no_new_head():
    assert estimate.count("embedded:fable-8m", "full", task="generation").trainable == 8_003_840
    with pytest.raises(Unsuitable, match="output layer is the same weights"):
        estimate.count("gpt2", "head", task="generation")
    untied = estimate.count("pythia-70m", "head", task="generation")
    assert (untied.head, untied.trainable) == (0, 512 * 50_304)


def test_packed_weights_are_counted_unpacked():
    packed = type(
        "Params4bit", (), {"numel": lambda self: 50, "quant_state": type("S", (), {"shape": (10, 10)})()}
    )()
    assert size(packed) == 100
