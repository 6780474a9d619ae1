"""Bottleneck adapters against their papers: where they stand, what they add, how many weights they have."""

import copy

import pytest
import torch

from tests.methods.contract import logits, prepared, train
from tests.tiny import LAYERS, LAYOUTS, tiny_batch, tiny_model
from workbench import architecture, estimate, registry, saving
from workbench.method import Context, Unsuitable

NAMES = ("adapter", "adapter_pfeiffer", "adapter_parallel")
# Width 32 and reduction_factor 8 leave 4 channels: 2 m d + d + m (Houlsby et al. 2019, section 2.1).
ONE = 2 * 32 * 4 + 4 + 32
PLACES = {"adapter": 2, "adapter_pfeiffer": 1, "adapter_parallel": 1}
PAIRS = [(layout, "classification") for layout in LAYOUTS] + [
    (layout, "generation") for layout in ("qwen2", "gpt2", "mixtral", "olmoe")
]


def adapters(model):
    return {n: m for n, m in model.named_modules() if n.endswith(".adapter")}


@pytest.mark.parametrize(("layout", "task"), PAIRS)
@pytest.mark.parametrize("name", NAMES)
def test_the_model_starts_unchanged_and_every_adapter_learns(name, layout, task):
    before = logits(tiny_model(layout, task=task), task=task)
    model = prepared(registry.method(name), layout, task)
    assert torch.equal(logits(model, task=task), before)
    found = adapters(model)
    assert len(found) == PLACES[name] * LAYERS
    assert all(sum(p.numel() for p in adapter.parameters()) == ONE for adapter in found.values())
    train(model, task=task)
    assert all(adapter.up.weight.abs().sum() > 0 for adapter in found.values())
    assert not torch.equal(logits(model, task=task), before)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_houlsby_has_both_sites_and_the_others_the_feed_forward_one(layout):
    sites = {}
    for name in NAMES:
        model = prepared(registry.method(name), layout)
        sites[name] = {n.removesuffix(".adapter") for n in adapters(model)}
    base = tiny_model(layout)
    attention, feed_forward = (
        set(found(base)) for found in (architecture.attention_outputs, architecture.feed_forward_outputs)
    )
    assert sites["adapter"] == attention | feed_forward
    assert sites["adapter_pfeiffer"] == sites["adapter_parallel"] == feed_forward


@pytest.mark.parametrize("layout", ["qwen2", "gpt2", "bert", "distilbert", "mixtral"])
def test_a_parallel_adapter_reads_what_the_feed_forward_part_reads(layout):
    """h <- FFN(x) + scale * up(relu(down(x))), He et al. 2022, equation 6 and table 1."""
    model = prepared(registry.method("adapter_parallel"), layout, scale=3.0)
    train(model)
    seen = {}
    first, last = architecture.feed_forward_sites(model)[0]
    model.get_submodule(first).register_forward_pre_hook(
        lambda module, inputs: seen.__setitem__("x", inputs[0].detach())
    )
    adapter = model.get_submodule(f"{last}.adapter")
    model.get_submodule(last).register_forward_hook(
        lambda module, inputs, output: seen.__setitem__("with", output.detach())
    )
    logits(model)
    adapter.workbench_enabled = False
    others = dict(seen)
    seen.clear()
    logits(model)
    x, plain = seen["x"], seen["with"]
    assert torch.equal(x, others["x"]), "the first block's input does not depend on its own adapter"
    hidden = torch.relu(x @ adapter.down.weight.T + adapter.down.bias)
    added = 3.0 * (hidden @ adapter.up.weight.T + adapter.up.bias)
    assert added.abs().max() > 1e-3
    assert torch.allclose(others["with"] - plain, added, atol=1e-5)


@pytest.mark.parametrize("layout", ["qwen2", "bert"])
def test_a_serial_adapter_reads_what_its_place_gives(layout):
    """h <- h + up(gelu(down(h))) before the residual is added."""
    model = prepared(registry.method("adapter_pfeiffer"), layout)
    train(model)
    [place, *_] = architecture.feed_forward_outputs(model)
    module = model.get_submodule(place)
    given = torch.randn(3, module.in_features)
    plain = torch.nn.functional.linear(given, module.weight, module.bias)
    adapter = module.adapter
    inner = torch.nn.functional.gelu(plain @ adapter.down.weight.T + adapter.down.bias)
    expected = plain + inner @ adapter.up.weight.T + adapter.up.bias
    assert torch.allclose(module(given), expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_has_adapters_of_its_own(name):
    model = prepared(registry.method(name), "bert")
    train(model)
    before, twin = logits(model), copy.deepcopy(model)
    for adapter in adapters(twin).values():
        adapter.up.weight.data.zero_()
        adapter.up.bias.data.zero_()
    assert torch.equal(logits(model), before)
    assert not torch.equal(logits(twin), before)


def test_nothing_of_a_step_stays_in_memory():
    model = prepared(registry.method("adapter_parallel"), "qwen2")
    model(**tiny_batch()).loss.backward()
    assert not any("read" in vars(adapter) for adapter in adapters(model).values())
    with saving.without_method(model, saving.trainable_state(model)):
        logits(model)
    logits(model)
    assert not any("read" in vars(adapter) for adapter in adapters(model).values())


def test_houlsbys_layer_norms_are_trained_where_asked():
    """2 d for each of a block's two norms."""
    plain = estimate.count("bert-base-uncased", "adapter")
    paper = estimate.count("bert-base-uncased", "adapter", {"layer_norms": True})
    assert paper.trainable - plain.trainable == 12 * 2 * (2 * 768)


def test_shares_of_the_papers():
    """He et al. 2022, table 3: a parallel adapter of 512 channels at each feed-forward part; their 200 channels are 2.4 %
    of BART-large's 406 million weights (24 blocks of width 1024, biases not counted)."""
    counts = estimate.count("bert-large-uncased", "adapter_parallel", {"reduction_factor": 2})
    assert counts.method == 24 * (2 * 1024 * 512 + 512 + 1024)
    per_channel = (counts.method - 24 * (512 + 1024)) / 512
    assert round(100 * per_channel * 200 / 406e6, 1) == 2.4


def test_one_place_is_half_of_two():
    two, one = (estimate.count("gpt2", name).method for name in ("adapter", "adapter_pfeiffer"))
    assert two == 2 * one == 2 * 12 * (2 * 768 * 96 + 96 + 768)


def test_an_adapter_that_starts_near_identity():
    before = logits(tiny_model("qwen2"))
    after = logits(prepared(registry.method("adapter"), "qwen2", init_scale=1e-3))
    assert not torch.equal(after, before)
    assert torch.allclose(after, before, atol=1e-3)


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_adapters_do_not_stack(first, second):
    model = prepared(registry.method(first), "gpt2")
    method = registry.method(second)
    with pytest.raises(Unsuitable, match="already"):
        method.apply(model, method.options(), Context())
