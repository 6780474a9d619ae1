"""The parts of live models are found by layout."""

import pytest
import torch

from tests.tiny import LAYERS, LAYOUTS, tiny_batch, tiny_model
from workbench import architecture as arch

HEADS = {"bert": ("classifier",), "distilbert": ("pre_classifier", "classifier"), "roberta": ("classifier",)}


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return request.param


def test_heads(layout):
    assert arch.head_names(tiny_model(layout)) == HEADS.get(layout, ("score",))


def test_a_language_model_head_is_no_task_head():
    from transformers import AutoModelForCausalLM

    from tests.tiny import tiny_config

    model = AutoModelForCausalLM.from_config(tiny_config("gpt2"))
    assert arch.head_names(model) == ()
    assert not any("lm_head" in name for name in arch.linear_modules(model))


def test_outputs_are_one_per_block_and_as_wide_as_the_model(layout):
    model = tiny_model(layout)
    width = model.config.hidden_size
    assert len(arch.blocks(model)) == LAYERS
    for names in (arch.attention_outputs(model), arch.feed_forward_outputs(model)):
        assert len(set(names)) == LAYERS
        for name in names:
            module = model.get_submodule(name)
            assert getattr(module, "out_features", None) or module.nf == width
    assert not set(arch.attention_outputs(model)) & set(arch.feed_forward_outputs(model))


def test_the_outputs_are_where_the_residual_is_added(layout):
    """With both projections of a block at zero, the block does nothing but its norms: the sublayers end there."""
    model = tiny_model(layout)
    for name in (*arch.attention_outputs(model), *arch.feed_forward_outputs(model)):
        for parameter in model.get_submodule(name).parameters():
            parameter.data.zero_()
    for name in arch.bias_names(model):
        if "norm" in name.lower():
            model.get_parameter(name).data.zero_()
    batch = tiny_batch()
    hidden = arch.plain_base(model)(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], output_hidden_states=True
    ).hidden_states
    first, second = hidden[0], hidden[1]
    if layout in (
        "bert",
        "distilbert",
        "roberta",
    ):  # norm after the residual: normalising twice changes next to nothing
        assert torch.allclose(first, second, atol=1e-4)
    else:
        assert torch.equal(first, second)


def test_linear_names_leave_out_the_head_and_are_unambiguous(layout):
    model = tiny_model(layout)
    names = arch.linear_names(model)
    assert len(set(names)) == len(names) >= 4
    full = list(arch.linear_modules(model))
    for name in names:
        assert any(f == name or f.endswith("." + name) for f in full)
    assert not any(arch.is_head(name, arch.head_names(model)) for name in full)


def test_queries_keys_and_values(layout):
    model = tiny_model(layout)
    if layout == "gpt2":
        assert arch.query_names(model) == arch.key_value_names(model) == ["c_attn"]
    else:
        assert len(arch.query_names(model)) == 1
        assert len(arch.key_value_names(model)) == 2


def test_biases():
    assert arch.bias_names(tiny_model("llama")) == []
    model = tiny_model("bert")
    names = arch.bias_names(model)
    assert "bert.embeddings.LayerNorm.bias" in names
    assert "classifier.bias" not in names
    assert all(dict(model.named_parameters())[name].dim() == 1 for name in names)


def test_unknown_targets_are_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"not q_lin, oops; known: all-linear, q_proj, k_proj") as caught:
        arch.checked_targets(tiny_model("qwen2"), ("q_proj", "q_lin", "oops"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", ["score", "classifier", ""])
def test_the_head_is_no_target(target):
    model = tiny_model("bert" if target == "classifier" else "qwen2")
    with pytest.raises(ValueError, match="linear layers"):
        arch.checked_targets(model, (target,) if target else ())


def test_a_new_head_has_the_new_labels(layout):
    model = tiny_model(layout)
    arch.new_head(model, ("a", "b", "c"))
    batch = tiny_batch(labels=3)
    output = model(**batch)
    assert output.logits.shape == (8, 3)
    assert torch.isfinite(output.loss)
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}


def test_the_feed_forward_part_begins_and_ends_in_one_block(layout):
    """It reads vectors as wide as the model and gives such vectors, and no other sublayer lies between."""
    model = tiny_model(layout)
    width = model.config.hidden_size
    sites = arch.feed_forward_sites(model)
    assert [last for _, last in sites] == arch.feed_forward_outputs(model)
    for (first, last), (block, _) in zip(sites, arch.named_blocks(model)):
        assert first.startswith(f"{block}.")
        assert last.startswith(f"{block}.")
        seen = {}
        model.get_submodule(first).register_forward_pre_hook(lambda m, i, seen=seen: seen.update(read=i[0]))
        model.get_submodule(last).register_forward_hook(lambda m, i, o, seen=seen: seen.update(given=o))
        model(**tiny_batch())
        assert seen["read"].shape == seen["given"].shape
        assert seen["read"].shape[-1] == width
    assert arch.mixture_names(model) == []


def test_experts_stand_where_a_feed_forward_part_would():
    model = tiny_model("mixtral")
    mixtures = [f"model.layers.{i}.mlp" for i in range(LAYERS)]
    assert arch.mixture_names(model) == mixtures
    assert arch.feed_forward_sites(model) == [(name, name) for name in mixtures]
    with pytest.raises(arch.Unsuitable, match="no feed-forward output that the workbench knows"):
        arch.feed_forward_outputs(model)


def test_norms_of_the_blocks(layout):
    model = tiny_model(layout)
    names = arch.norm_names(model)
    per_block = 2 if layout in ("qwen2", "llama") else 4  # two norms, each with a bias or without
    assert len(set(names)) == len(names) == per_block * LAYERS
    assert all(model.get_parameter(name).shape == (model.config.hidden_size,) for name in names)
