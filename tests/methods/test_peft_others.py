"""PEFT's other weight methods that have files of their own: sizes that fit any width, counts by formula, plain refusals."""

import pytest
import torch

from tests.methods.contract import logits
from tests.tiny import tiny_model
from workbench import registry
from workbench.architecture import head_names, is_head, linear_modules
from workbench.method import Context, Unsuitable

SIZED = ("oft", "boft", "fourierft", "miss", "shira", "c3a", "road")


def put_on(name: str, layout: str = "llama", **options):
    torch.manual_seed(0)
    method = registry.method(name)
    return method.apply(tiny_model(layout), method.options(**options), Context()).eval()


def trained(model) -> int:
    heads = head_names(model)
    return sum(p.numel() for n, p in model.named_parameters() if p.requires_grad and not is_head(n, heads))


def sides() -> list[tuple[int, int]]:
    """(inputs, outputs) of every linear layer of the tiny Llama."""
    return [(m.in_features, m.out_features) for m in linear_modules(tiny_model("llama")).values()]


@pytest.mark.parametrize("name", SIZED)
def test_defaults_fit_widths_that_no_default_of_peft_fits(name):
    assert trained(put_on(name)) > 0


@pytest.mark.parametrize("name", [*SIZED, "ln_tuning"])
def test_the_model_starts_unchanged(name):
    assert torch.allclose(logits(put_on(name)), logits(tiny_model("llama")), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "weights"),
    [
        ("oft", {"oft_block_size": 8}, lambda i, o: i // 8 * 28),
        ("oft", {"r": 2}, lambda i, o: 2 * (i // 2) * (i // 2 - 1) // 2),
        ("boft", {"boft_block_size": 4}, lambda i, o: i * 4 + o),
        ("boft", {"boft_block_num": 4}, lambda i, o: i * i // 4 + o),
        ("fourierft", {"n_frequency": 100}, lambda i, o: 100),
        ("miss", {"r": 4}, lambda i, o: 4 * o),
        ("miss", {"r": 4, "init_weights": "bat"}, lambda i, o: 4 * o),
        ("miss", {"r": 8, "mini_r": 2, "init_weights": "mini"}, lambda i, o: 8 * 2),
        ("shira", {"r": 3}, lambda i, o: 3 * (i + o)),
        ("c3a", {"block_size": 8}, lambda i, o: i * o // 8),
        ("road", {"variant": "road_1"}, lambda i, o: o),
        ("road", {"variant": "road_2"}, lambda i, o: 2 * o),
        ("road", {"variant": "road_4"}, lambda i, o: 4 * o),
        ("mica", {"r": 4}, lambda i, o: 4 * i),
    ],
)
def test_counts_by_formula(name, options, weights):
    assert trained(put_on(name, **options)) == sum(weights(i, o) for i, o in sides())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("oft", {"oft_block_size": 7}, "oft_block_size must divide .* 7 does not: 16 would do"),
        ("oft", {"r": 5}, "r must divide"),
        ("boft", {"boft_block_size": 3}, "boft_block_size must divide"),
        ("fourierft", {"n_frequency": 10_000}, "n_frequency is at most 512 on this model"),
        ("miss", {"r": 33}, "r is at most 32 on this model"),
        ("miss", {"r": 5, "init_weights": "bat"}, "r must divide"),
        ("shira", {"r": 40}, "r is at most 10 on this model"),
        ("c3a", {"block_size": 5}, "block_size must divide"),
        ("road", {"group_size": 3}, "group_size must be even and divide"),
    ],
)
def test_a_size_that_does_not_fit_is_refused_in_words(name, options, words):
    with pytest.raises(Unsuitable, match=words):
        put_on(name, **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("oft", {"r": 4, "oft_block_size": 8}),
        ("boft", {"boft_block_num": 4, "boft_block_size": 8}),
    ],
)
def test_the_same_thing_is_not_said_twice(name, options):
    with pytest.raises(ValueError, match="twice"):
        registry.method(name).options(**options)


def test_boft_does_not_take_fewer_factors_in_silence(monkeypatch):
    from peft.tuners.boft import layer

    monkeypatch.setattr(layer, "get_fbd_cuda", lambda: None)
    with pytest.raises(Unsuitable, match="CUDA extension"):
        put_on("boft", boft_n_butterfly_factor=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"boft_n_butterfly_factor": 6}, "widths that divide by 64"),
        ({"boft_block_num": 2, "boft_n_butterfly_factor": 2}, "4 at least, not 2"),
    ],
)
def test_boft_blocks_must_suit_the_factors(options, words, monkeypatch):
    from peft.tuners.boft import layer

    monkeypatch.setattr(layer, "get_fbd_cuda", lambda: True)
    with pytest.raises(Unsuitable, match=words):
        put_on("boft", **options)


def test_mica_leaves_the_frozen_factor_where_the_matrix_is_smallest():
    model = put_on("mica", r=4)
    frozen = dict(model.named_parameters())
    name = next(n for n in frozen if n.endswith("q_proj.lora_B.default.weight"))
    assert not frozen[name].requires_grad
    weight = frozen[name.replace("lora_B.default", "base_layer")]
    strengths = torch.linalg.svdvals(weight.detach())
    along = (frozen[name].T @ weight.detach()).norm(dim=1)
    assert torch.allclose(along.sort().values, strengths[-4:].sort().values, atol=1e-4)


def test_shira_changes_only_the_chosen_weights():
    from workbench import saving

    method = registry.method("shira")
    base = tiny_model("llama")
    model = method.apply(
        tiny_model("llama"), method.options(r=2, target_modules=("q_proj",)), Context(seed=3)
    )
    for name, parameter in model.named_parameters():
        if "shira_" in name:
            parameter.data.fill_(0.5)
    merged = dict(saving.merge(model).named_parameters())
    moved = {
        name: int((parameter != merged[name]).sum())
        for name, parameter in base.named_parameters()
        if not torch.equal(parameter, merged[name])
    }
    assert set(moved.values()) == {2 * (32 + 32)}
    assert all("q_proj" in name for name in moved)


@pytest.mark.parametrize("layout", ["llama", "bert", "gpt2", "distilbert"])
def test_ln_tuning_trains_every_norm_and_nothing_else(layout):
    model, base = put_on("ln_tuning", layout), tiny_model(layout)
    norms = [m for m in base.modules() if "Norm" in type(m).__name__]
    assert trained(model) == sum(p.numel() for m in norms for p in m.parameters())


def test_ln_tuning_takes_some_of_them():
    assert trained(put_on("ln_tuning", target_modules=("input_layernorm",))) == 2 * 32
    with pytest.raises(
        ValueError, match="not q_proj; known: input_layernorm, post_attention_layernorm, norm"
    ):
        put_on("ln_tuning", target_modules=("q_proj",))


def test_p_tuning_v2_is_prefix_tuning_without_the_network():
    deep, prefix = registry.method("p_tuning_v2"), registry.method("prefix")
    assert "prefix_projection" not in {f.name for f in deep.options.facts()}
    assert "prefix_projection" in {f.name for f in prefix.options.facts()}
    assert deep.tasks == ("classification",)
    assert "prefix_projection" in deep.card
    assert "P-tuning v2" in prefix.card
    # Keys and values of 2 layers, 2 key-value heads of width 8.
    assert trained(put_on("p_tuning_v2", num_virtual_tokens=5)) == 5 * 2 * 2 * 16


def test_ia3_scales_inputs_where_told():
    layers = ("q_proj", "up_proj", "down_proj")
    model = put_on("ia3", target_modules=layers, feedforward_modules=("up_proj", "down_proj"))
    assert trained(model) == 2 * (32 + 32 + 48)
    with pytest.raises(ValueError, match="some of target_modules, not v_proj"):
        put_on("ia3", target_modules=layers, feedforward_modules=("v_proj",))
