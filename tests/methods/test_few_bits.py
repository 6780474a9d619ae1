"""Methods in few bits: what is stored, what is rounded, and that the rounded model is the one that is saved."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.methods import contract
from tests.tiny import LAYOUTS, tiny_model, tiny_shapes
from workbench import registry, saving
from workbench.method import Context, Unsuitable
from workbench.methods import _bitsandbytes, _torchao, qlora
from workbench.parameters import total_parameters

QLORA, QAT, PTQ = (registry.method(name) for name in ("qlora", "qat", "ptq"))
SCHEMES = {"int8": 8, "int8-int4": 4, "int4": 4, "int2": 2}


# -- qlora -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"bits": "fp4", "double_quant": False}, {"bits": "int8"}, {"tuner": "dora"}]
)
def test_qlora_keeps_the_contract_in_its_other_forms(options, tmp_path):
    found = contract.trial(QLORA, "qwen2", **options)
    # Inputs of 8-bit layers are rounded too, which no folded model imitates.
    skipped = {contract.check_merging, contract.check_padding} if options.get("bits") == "int8" else set()
    for check in set(contract.CHECKS) - skipped:
        check(found)
    contract.check_saving(found, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("bits", ["nf4", "int8"])
@pytest.mark.parametrize("tuner", qlora.TUNERS)
def test_every_tuner_that_is_offered_trains_on_stored_weights_and_folds(tuner, bits, tmp_path):
    if (tuner, bits) == ("dora", "int8"):
        pytest.skip("refused by the options")
    found = contract.trial(QLORA, "llama", tuner=tuner, bits=bits)
    for check in (contract.check_training, contract.check_switching_off, contract.check_counting):
        check(found)
    contract.check_saving(found, tmp_path)
    merged = contract.logits(saving.merge(found.model))
    assert torch.allclose(merged, found.logits, atol=1e-4 if bits == "nf4" else 0.02)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_qlora_stores_the_body_alone_and_trains_the_head_and_the_adapter(layout):
    model = contract.prepared(QLORA, layout)
    narrow = {name for name, p in model.named_parameters() if p.dtype == torch.uint8}
    assert narrow
    assert all(name.endswith("base_layer.weight") for name in narrow)
    assert len(narrow) == len(list(_bitsandbytes.stored_layers(model)))
    wide = [p for name, p in model.named_parameters() if name not in narrow]
    assert all(p.dtype == torch.float32 for p in wide)
    assert model.get_input_embeddings().weight.dtype == torch.float32
    before = {name: p.detach().clone() for name, p in model.named_parameters() if name in narrow}
    contract.train(model)
    assert all(torch.equal(dict(model.named_parameters())[name], kept) for name, kept in before.items())


@torch.no_grad()
@pytest.mark.parametrize("layout", ["qwen2", "gpt2"])  # GPT-2 has its matrices the other way round
@pytest.mark.parametrize(("bits", "error"), [("nf4", 0.1), ("fp4", 0.13), ("int8", 0.01)])
def test_a_stored_matrix_is_near_the_one_it_stands_for(bits, error, layout):
    plain = tiny_model(layout)
    found = _bitsandbytes.store_in_bits(tiny_model(layout), bits, double=False)
    layers = dict(_bitsandbytes.stored_layers(found))
    assert layers
    for name, layer in layers.items():
        wanted = plain.get_submodule(name).weight
        wanted = wanted.T if layout == "gpt2" else wanted
        kept = _bitsandbytes.wide_weight(layer)
        assert kept.shape == wanted.shape
        assert float((kept - wanted).norm() / wanted.norm()) < error
    assert total_parameters(found) == total_parameters(plain)


def test_layers_of_odd_widths_stay_wide_in_4_bits_and_it_is_said():
    """bitsandbytes would read them with the wrong scales on a CPU."""
    model = contract.prepared(QLORA, "qwen2")  # widths 32 and 48
    wide = [name for name, layer in model.named_modules() if name.endswith("down_proj.base_layer")]
    assert wide
    assert all(type(model.get_submodule(name)) is torch.nn.Linear for name in wide)
    assert not any("down_proj" in name for name, _ in _bitsandbytes.stored_layers(model))
    [note] = qlora.notes(model, QLORA.options())
    assert "width 48 stay at full width" in note
    assert qlora.notes(contract.prepared(QLORA, "qwen2", bits="int8"), QLORA.options(bits="int8")) == ()
    short = tiny_model("qwen2")
    for name, layer in list(short.named_modules()):
        if isinstance(layer, torch.nn.Linear) and name != "score":
            short.set_submodule(name, torch.nn.Linear(40, layer.out_features))
    with pytest.raises(Unsuitable, match="widths that 32 divides"):
        _bitsandbytes.store_in_bits(short, "nf4", double=True)


def test_storing_twice_is_storing_once():
    first = _bitsandbytes.store_in_bits(tiny_model("bert"), "nf4", double=True)
    kept = contract.logits(first)
    assert torch.equal(contract.logits(_bitsandbytes.store_in_bits(first, "int8", double=False)), kept)


def test_a_widened_base_says_what_the_stored_one_says():
    stored = _bitsandbytes.store_in_bits(tiny_model("gpt2"), "nf4", double=True)
    kept = contract.logits(stored)
    wide = _bitsandbytes.widen(stored)
    assert not _bitsandbytes.is_stored_in_bits(wide)
    assert not list(_bitsandbytes.stored_layers(wide))
    assert torch.allclose(contract.logits(wide), kept, atol=1e-5)


def test_stored_layers_can_be_trained_after_they_have_answered():
    """bitsandbytes would repack them on some CPUs, and gradients would be gone without a word."""
    model = contract.prepared(QLORA, "qwen2")
    contract.logits(model)
    model.train()
    contract.one_loss(model, contract.tiny_batch(), None, None).backward()
    grads = [p.grad for name, p in model.named_parameters() if "lora_B" in name]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in grads)


@torch.no_grad()
@pytest.mark.parametrize("bits", ["nf4", "int8"])
def test_answers_do_not_depend_on_what_precision_came_first(bits):
    """bitsandbytes' own layers go on in the precision of the first input, and round their bias to it."""
    model = _bitsandbytes.store_in_bits(tiny_model("bert"), bits, double=True)
    biases = {n: p.clone() for n, p in model.named_parameters() if n.endswith("bias")}
    wide = contract.logits(copy.deepcopy(model))
    with torch.autocast("cpu", torch.bfloat16):
        narrow = contract.logits(model).float()
    assert torch.equal(contract.logits(model), wide)
    assert 0 < float((narrow - wide).abs().max()) < 0.05
    assert all(torch.equal(dict(model.named_parameters())[name], bias) for name, bias in biases.items())


def test_a_layer_without_weights_unpacks_its_matrix_but_keeps_only_the_packed_one():
    """What a prediction of memory follows."""
    shapes = _bitsandbytes.store_in_bits(tiny_shapes("llama"), "nf4", double=True, on_meta=True)
    layer = dict(_bitsandbytes.stored_layers(shapes))["model.layers.0.mlp.gate_proj"]
    kept = []
    x = torch.empty(2, 5, 32, device="meta", requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        found = layer(x)
    found.sum().backward()
    assert found.shape == (2, 5, 48)
    assert x.grad.shape == x.shape
    assert [(t.dtype, t.numel()) for t in kept] == [(torch.uint8, 32 * 48 // 2)]


def test_a_tuner_keeps_its_own_defaults_but_takes_what_is_asked():
    tuner, own = qlora._tuner(QLORA.options(tuner="vera"))
    assert own == tuner.options()
    assert qlora._tuner(QLORA.options(tuner="vera", r=5))[1].r == 5
    assert qlora._tuner(QLORA.options(r=5))[1].r == 5


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"tuner": "dora", "bits": "int8"}, "dora needs bits nf4 or fp4"),
        ({"tuner": "full"}, "tuner is one of lora"),
        ({"bits": "4"}, "bits is one of nf4, fp4, int8"),
    ],
)
def test_what_does_not_go_together_is_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        QLORA.options(**options)


# -- qat and ptq -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"scheme": name} for name in SCHEMES] + [{"scheme": "int4", "train": "lora"}]
)
def test_qat_keeps_the_contract_in_its_other_forms(options, tmp_path):
    found = contract.trial(QAT, "qwen2", **options)
    # Inputs that are rounded to 8 bits fall on another side of a step when padding changes their last digit.
    checks = set(contract.CHECKS) - ({contract.check_padding} if options["scheme"] == "int8-int4" else set())
    for check in checks:
        check(found)
    contract.check_saving(found, tmp_path)


@pytest.mark.parametrize("train", ["full", "lora"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_was_imitated_is_what_comes_out(scheme, train):
    found = contract.trial(QAT, "bert", scheme=scheme, train=train)
    finished = QAT.after_training(copy.deepcopy(found.model), found.options, found.context)
    assert torch.allclose(contract.logits(finished), found.logits, atol=1e-5)
    assert torch.equal(contract.logits(found.model), found.logits), "the trained model is still there"
    numbers = {int(n) for _, w in _torchao.rounded_weights(finished) for n in w.qdata.unique()}
    most = 2 ** (SCHEMES[scheme] - 1)
    assert min(numbers) >= -most
    assert max(numbers) <= most - 1
    assert not any(p.requires_grad for p in finished.parameters())


def test_rounding_afterwards_moves_the_answers_and_less_bits_move_them_more():
    found = contract.trial(PTQ, "qwen2")
    moved = []
    for scheme in ("int8", "int4", "int2"):
        options = PTQ.options(scheme=scheme)
        finished = PTQ.after_training(copy.deepcopy(found.model), options, found.context)
        moved.append(float((contract.logits(finished) - found.logits).abs().max()))
    assert 0 < moved[0] < moved[1] < moved[2]


def test_only_the_factors_are_trained_with_lora():
    model = contract.prepared(QAT, "llama", train="lora")
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    assert {n.split(".")[-1] for n in names if n != "score.weight"} == {"lora_A", "lora_B"}


def test_groups_that_do_not_divide_a_width_become_smaller_and_it_is_said():
    options = QAT.options(group_size=32)
    model = tiny_model("qwen2")  # widths 32 and 48
    assert _torchao.groups(model, options) == {32: 32, 48: 24}
    [note] = _torchao.notes(model, options)
    assert "32 does not divide the layers of width 48: they have groups of 24" in note
    assert _torchao.notes(model, QAT.options(scheme="int8")) == ()
    assert _torchao._group(62, 32) == 31
    assert _torchao._group(34, 16) is None


@pytest.mark.parametrize("method", [QAT, PTQ], ids=["qat", "ptq"])
def test_gpt2_is_refused_before_it_is_trained(method):
    with pytest.raises(Unsuitable, match="Conv1D layers of a gpt2 model"):
        method.apply(tiny_model("gpt2"), method.options(), Context())


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_numbers_are_packed_and_come_back(bits):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    numbers = torch.randint(
        low, high + 1, (7, 13), dtype=torch.int8, generator=torch.Generator().manual_seed(0)
    )
    packed = _torchao.pack(numbers, bits)
    assert packed.numel() == -(-numbers.numel() * bits // 8)
    assert torch.equal(_torchao.unpack(packed, bits, numbers.numel()).reshape(7, 13), numbers)


def test_a_rounded_result_can_be_trained_on_as_a_plain_model():
    found = contract.trial(PTQ, "llama", scheme="int4")
    finished = PTQ.after_training(copy.deepcopy(found.model), found.options, found.context)
    kept = contract.logits(finished)
    plain = saving.plain(finished)
    assert torch.allclose(contract.logits(plain), kept, atol=1e-5)
    lora = registry.method("lora")
    again = lora.apply(plain, lora.options(), contract.context("classification"))
    contract.train(again)
    assert not torch.equal(contract.logits(again), kept)
