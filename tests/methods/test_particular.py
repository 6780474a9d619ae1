"""What single methods promise beyond the contract."""

import pytest
import torch

from tests.methods.contract import prepared, train
from tests.tiny import LAYERS, LAYOUTS, tiny_model
from workbench import registry
from workbench.architecture import blocks, head_names, is_head
from workbench.method import Context, Unsuitable


def method_names(model):
    heads = head_names(model)
    return [n for n, p in model.named_parameters() if p.requires_grad and not is_head(n, heads)]


def test_full_trains_everything():
    model = prepared(registry.method("full"), "bert")
    assert all(p.requires_grad for p in model.parameters())


def test_head_trains_nothing_else():
    assert method_names(prepared(registry.method("head"), "distilbert")) == []


@pytest.mark.parametrize("layout", ["bert", "gpt2", "qwen2"])
def test_bitfit_trains_bias_terms_only(layout):
    model = prepared(registry.method("bitfit"), layout)
    names = method_names(model)
    assert names
    assert all(name.endswith(".bias") for name in names)
    before = {n: p.detach().clone() for n, p in model.named_parameters() if not n.endswith(".bias")}
    train(model)
    heads = head_names(model)
    assert all(
        torch.equal(p, before[n])
        for n, p in model.named_parameters()
        if n in before and not is_head(n, heads)
    )


def test_head_in_generation_is_an_output_layer_of_its_own():
    """Tied to the word embeddings it is no head: training it would change what the model reads."""
    method = registry.method("head")
    model = prepared(method, "qwen2", "generation")
    assert method_names(model) == ["lm_head.weight"]
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    train(model, task="generation")
    moved = [n for n, p in model.named_parameters() if not torch.equal(p, before[n])]
    assert moved == ["lm_head.weight"]
    with pytest.raises(Unsuitable, match="same weights as its word embeddings"):
        method.apply(tiny_model("gpt2", task="generation"), method.options(), Context(task="generation"))


def test_freeze_in_generation_trains_an_output_layer_of_its_own():
    assert {"lm_head.weight", "model.norm.weight"} <= set(
        method_names(prepared(registry.method("freeze"), "qwen2", "generation"))
    )
    tied = method_names(prepared(registry.method("freeze"), "gpt2", "generation"))
    assert "transformer.ln_f.weight" in tied
    assert not any("wte" in n or "lm_head" in n for n in tied)


def test_bitfit_says_so_where_there_are_none():
    method = registry.method("bitfit")
    with pytest.raises(Unsuitable, match="this llama model has no bias terms"):
        method.apply(tiny_model("llama"), method.options(), Context())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_freeze_trains_the_top_alone(layout):
    model = prepared(registry.method("freeze"), layout, layers=1)
    bottom = {n: p.detach().clone() for n, p in blocks(model)[0].named_parameters()}
    embeddings = model.get_input_embeddings().weight.detach().clone()
    top = [p.detach().clone() for p in blocks(model)[-1].parameters()]
    train(model)
    assert torch.equal(model.get_input_embeddings().weight, embeddings)
    assert all(torch.equal(p, bottom[n]) for n, p in blocks(model)[0].named_parameters())
    assert any(not torch.equal(a, b) for a, b in zip(top, blocks(model)[-1].parameters()))


def test_freeze_trains_the_final_norm_between_its_blocks_and_the_head():
    assert "model.norm.weight" in method_names(prepared(registry.method("freeze"), "qwen2"))
    assert "bert.pooler.dense.weight" in method_names(prepared(registry.method("freeze"), "bert"))
    assert not any("embeddings" in n for n in method_names(prepared(registry.method("freeze"), "bert")))


def test_freeze_knows_how_many_blocks_there_are():
    method = registry.method("freeze")
    with pytest.raises(ValueError, match=f"layers is at most {LAYERS}.*not 3"):
        method.apply(tiny_model("bert"), method.options(layers=3), Context())


def test_peft_does_not_stack():
    method = registry.method("lora")
    with pytest.raises(Unsuitable, match="already"):
        method.apply(prepared(method, "gpt2"), method.options(), Context())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lora_on_all_linear_layers_spares_the_head(layout):
    model = prepared(registry.method("lora"), layout)
    names = method_names(model)
    assert names
    assert all(".lora_" in name for name in names)
    heads = head_names(model)
    assert not any(is_head(name, heads) for name, _ in model.named_parameters() if ".lora_" in name)


def test_lora_names_the_layers_that_there_are():
    method = registry.method("lora")
    with pytest.raises(
        ValueError, match=r"not q_proj; known: all-linear, c_attn, attn\.c_proj, c_fc, mlp\.c_proj"
    ):
        method.apply(tiny_model("gpt2"), method.options(target_modules=("c_attn", "q_proj")), Context())


@pytest.mark.parametrize("name", ["lora", "dora"])
def test_lora_targets_are_the_ones_named(name):
    model = prepared(registry.method(name), "bert", target_modules=("query", "attention.output.dense"))
    targets = {n.split(".lora_")[0].split("layer.")[1][2:] for n in method_names(model)}
    assert targets == {"attention.self.query", "attention.output.dense"}


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("qwen2", {"self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj"}),
        ("bert", {"attention.self.key", "attention.self.value", "output.dense"}),
        ("distilbert", {"attention.k_lin", "attention.v_lin", "ffn.lin2"}),
        ("gpt2", {"attn.c_attn", "mlp.c_proj"}),
    ],
)
def test_ia3_scales_keys_values_and_the_feed_forward_part(layout, expected):
    import re

    model = prepared(registry.method("ia3"), layout)
    found = {re.split(r"\.\d+\.", n.split(".ia3_l")[0])[1] for n in method_names(model)}
    assert found == expected


def test_prefix_says_so_where_the_model_takes_none():
    method = registry.method("prefix")
    with pytest.raises(Unsuitable, match="distilbert model takes no keys and values"):
        method.apply(tiny_model("distilbert"), method.options(), Context())


@pytest.mark.parametrize("name", ["prefix", "prompt", "p_tuning"])
def test_more_virtual_tokens_than_the_model_reads_are_refused(name):
    method = registry.method(name)
    with pytest.raises(ValueError, match="below the model's longest input of 64 tokens, not 64"):
        method.apply(tiny_model("bert"), method.options(num_virtual_tokens=64), Context())


def test_a_prompt_can_start_from_a_text(tmp_path):
    from tests.tiny import save_tiny
    from workbench import models

    base = models.resolve(str(save_tiny("llama", tmp_path / "m")))
    method = registry.method("prompt")
    options = {"num_virtual_tokens": 5, "prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "the film"}
    model = method.apply(
        models.load_model(base, "classification", ("a", "b")), method.options(**options), Context()
    )
    ids = models.load_tokenizer(base)("the film the film the")["input_ids"]
    words = model.get_base_model().get_input_embeddings().weight
    assert torch.equal(model.prompt_encoder["default"].embedding.weight, words[ids])
    with pytest.raises(ValueError, match="prompt_tuning_init_text is a text"):
        method.apply(
            models.load_model(base, "classification", ("a", "b")),
            method.options(**options | {"prompt_tuning_init_text": " "}),
            Context(),
        )


def test_the_tokens_of_a_prefix_do_not_stay_alike():
    """From equal keys and values they would get equal gradients, and sixteen would do the work of one."""
    model = prepared(registry.method("prefix"), "qwen2", num_virtual_tokens=4)
    train(model)
    weight = model.prompt_encoder["default"].embedding.weight
    assert torch.pdist(weight).min() > 0.1


def test_a_prefix_starts_small_unless_told():
    spread = {
        start: prepared(registry.method("prefix"), "bert", init_weights=start)
        .prompt_encoder["default"]
        .embedding.weight.std()
        for start in ("small", "random")
    }
    assert 0.08 < spread["small"] < 0.12
    assert 0.8 < spread["random"] < 1.2
