"""Experts and routers of mixtures: one is trained, the other stays bit-identical."""

import pytest
import torch

from tests.methods.contract import prepared, train
from tests.tiny import EXPERTS, LAYERS, MIXTURES, tiny_model
from workbench import experts, registry
from workbench.method import Context, Unsuitable

PAIRS = [(layout, task) for layout in MIXTURES for task in ("classification", "generation")]
PAIRS.remove(("olmoe", "classification"))
ROUTERS = [f"model.layers.{i}.mlp.gate.weight" for i in range(LAYERS)]
FUSED = [
    f"model.layers.{i}.mlp.experts.{name}" for i in range(LAYERS) for name in ("gate_up_proj", "down_proj")
]


def moved_by(name, layout, task):
    method = registry.method(name)
    model = prepared(method, layout, task)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    train(model, task=task)
    return {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}


@pytest.mark.parametrize(("layout", "task"), PAIRS)
def test_experts_only_leaves_the_router_bit_identical(layout, task):
    head = {"score.weight"} if task == "classification" else set()
    assert moved_by("moe_experts", layout, task) == set(FUSED) | head


@pytest.mark.parametrize(("layout", "task"), PAIRS)
def test_router_only_leaves_the_experts_bit_identical(layout, task):
    head = {"score.weight"} if task == "classification" else set()
    assert moved_by("moe_router", layout, task) == set(ROUTERS) | head


@pytest.mark.parametrize(("layout", "task"), PAIRS)
def test_lora_stands_beside_the_experts_alone(layout, task):
    moved = moved_by("lora_experts", layout, task)
    body = {n for n in moved if "score" not in n}
    assert len(body) == 2 * len(FUSED)
    assert all(".mlp.experts." in n and ".lora_" in n for n in body)


@pytest.mark.parametrize(("layout", "inner"), [("qwen3_moe", 24), ("mixtral", 48)])
def test_loras_weights_by_formula(layout, inner):
    """experts * r * (inputs + outputs) for gate and up together (32 -> 2 * inner) and for down (inner -> 32)."""
    model = prepared(registry.method("lora_experts"), layout, "generation", r=3)
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert count == LAYERS * EXPERTS * 3 * ((32 + 2 * inner) + (inner + 32))


@pytest.mark.parametrize("layout", MIXTURES)
def test_every_expert_gets_its_own_update(layout):
    """Folded in, the change of each expert's matrix has the rank that was asked for."""
    from workbench import saving

    model = prepared(registry.method("lora_experts"), layout, "generation", r=2)
    train(model, steps=8, task="generation")
    before, after = tiny_model(layout, task="generation"), saving.merge(model)
    for name in FUSED:
        change = (after.get_parameter(name) - before.get_parameter(name)).detach()
        assert change.shape[0] == EXPERTS
        ranks = torch.linalg.matrix_rank(change, rtol=1e-3)
        assert ranks.tolist() == [2] * EXPERTS
    assert all(torch.equal(after.get_parameter(n), before.get_parameter(n)) for n in ROUTERS)


@pytest.mark.parametrize("name", ["moe_experts", "moe_router", "lora_experts"])
@pytest.mark.parametrize("layout", ["qwen2", "bert"])
def test_dense_models_have_none(name, layout):
    method = registry.method(name)
    with pytest.raises(Unsuitable, match=f"this {layout} model has no experts"):
        method.apply(tiny_model(layout), method.options(), Context())


def test_other_names_of_mixtures():
    """Routers called `router`, biases of experts, and shared experts, which every word passes and which stay out."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64,
        "num_key_value_heads": 2, "num_experts_per_tok": 2, "pad_token_id": 0, "head_dim": 8,
    }  # fmt: skip
    with torch.device("meta"):
        gpt_oss = AutoModelForCausalLM.from_config(
            AutoConfig.for_model("gpt_oss", num_local_experts=4, **sizes)
        )
        qwen2 = AutoModelForCausalLM.from_config(
            AutoConfig.for_model(
                "qwen2_moe",
                num_experts=4,
                moe_intermediate_size=24,
                shared_expert_intermediate_size=24,
                **sizes,
            )
        )
    assert experts.router_parameters(gpt_oss)[:2] == [
        f"model.layers.0.mlp.router.{p}" for p in ("weight", "bias")
    ]
    assert "model.layers.1.mlp.experts.down_proj_bias" in experts.expert_parameters(gpt_oss)
    assert not any("bias" in name for name in experts.fused_expert_parameters(gpt_oss))
    assert experts.router_parameters(qwen2) == ROUTERS
    assert experts.expert_parameters(qwen2) == FUSED


def test_experts_that_are_not_fused_are_sent_to_lora():
    model = tiny_model("mixtral", task="generation")
    for layer in model.model.layers:
        layer.mlp.experts = torch.nn.ModuleList(torch.nn.Linear(32, 32) for _ in range(EXPERTS))
    assert len(experts.expert_parameters(model)) == LAYERS * EXPERTS * 2
    with pytest.raises(Unsuitable, match="separate matrices"):
        experts.fused_expert_parameters(model)
