"""What the methods of LoRA's kind promise beyond the contract."""

import math

import pytest
import torch

from tests.methods.contract import logits, prepared, tiny_options, train
from tests.tiny import tiny_batch, tiny_model
from workbench import registry, saving
from workbench.method import Context, Unsuitable
from workbench.methods._low_rank import ADAPTER, lora_layers

FIRST, SECOND = f".lora_A.{ADAPTER}.", f".lora_B.{ADAPTER}."


def weights(model, part):
    return {n: p for n, p in model.named_parameters() if part in n}


def copied(named):
    return {name: p.detach().clone() for name, p in named.items()}


def steps(model, optimizer, count, begin=0):
    model.train()
    for step in range(begin, begin + count):
        torch.manual_seed(step)  # dropout
        model(**tiny_batch(seed=step)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def reloaded(model, method, layout, folder, **options):
    chosen = method.options(**tiny_options(method, options))
    saving.save_trained(model, folder, method=method, options=chosen, context=Context())
    return saving.load_trained(tiny_model(layout), folder)


# -- LoRA and what differs by one argument ------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["default", "gaussian", "orthogonal"])
def test_lora_starts_as_the_model_it_is_put_on(start):
    model = prepared(registry.method("lora"), "gpt2", init_lora_weights=start)
    assert torch.allclose(logits(model), logits(tiny_model("gpt2")), atol=1e-6)
    assert all((p.abs().sum() > 0) == (start == "orthogonal") for p in weights(model, SECOND).values())


def test_an_orthogonal_start_needs_an_even_rank():
    with pytest.raises(ValueError, match="r is an even number where init_lora_weights is orthogonal, not 3"):
        registry.method("lora").options(r=3, init_lora_weights="orthogonal")


def test_rslora_divides_by_the_square_root_of_the_rank():
    scales = {
        name: next(
            layer.scaling[ADAPTER]
            for _, layer in lora_layers(prepared(registry.method(name), "bert", r=16, lora_alpha=32))
        )
        for name in ("lora", "rslora")
    }
    assert scales == {"lora": 32 / 16, "rslora": 32 / math.sqrt(16)}


def test_dora_starts_with_the_lengths_of_the_weights():
    model = prepared(registry.method("dora"), "bert")
    layer = next(layer for _, layer in lora_layers(model))
    lengths = layer.get_base_layer().weight.norm(dim=1)
    assert torch.allclose(layer.lora_magnitude_vector[ADAPTER].weight, lengths, atol=1e-6)


def test_lora_plus_gives_the_second_factor_its_own_rate():
    method = registry.method("lora_plus")
    model = prepared(method, "bert", loraplus_lr_ratio=8)
    made = method.optimizer(model, method.options(loraplus_lr_ratio=8), 1e-3, 0.1)
    rates = {id(p): group["lr"] for group in made.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in weights(model, FIRST).values()} == {1e-3}
    assert {rates[id(p)] for p in weights(model, SECOND).values()} == {8e-3}
    assert len(rates) == sum(p.requires_grad for p in model.parameters())
    steps(model, made, 2)


def test_lora_fa_counts_and_trains_the_second_factor_alone():
    method = registry.method("lora_fa")
    model = prepared(method, "gpt2")
    assert not any(p.requires_grad for p in weights(model, FIRST).values())
    before, second = copied(weights(model, FIRST)), copied(weights(model, SECOND))
    steps(model, method.optimizer(model, method.options(), 1e-2, 0.01), 3)
    assert all(torch.equal(p, before[n]) for n, p in weights(model, FIRST).items())
    assert not any(torch.equal(p, second[n]) for n, p in weights(model, SECOND).items())
    with saving.without_method(model):
        pass
    assert not any(p.requires_grad for p in weights(model, FIRST).values())


def test_mica_keeps_the_weakest_directions_fixed():
    model = prepared(registry.method("mica"), "bert", r=4)
    base = dict(tiny_model("bert").named_parameters())
    for full, layer in lora_layers(model):
        left, _, _ = torch.linalg.svd(
            base[full.removeprefix("base_model.model.") + ".weight"], full_matrices=False
        )
        assert torch.allclose(layer.lora_B[ADAPTER].weight, left[:, -4:], atol=1e-6)
    before = copied(weights(model, SECOND))
    train(model)
    assert all(torch.equal(p, before[n]) for n, p in weights(model, SECOND).items())
    assert all(p.abs().sum() > 0 for p in weights(model, FIRST).values())


def test_riemannian_steps_differ_from_plain_ones():
    method = registry.method("riemannian_lora")

    def after(make):
        model = prepared(method, "bert")
        steps(model, make(model), 3)
        return logits(model)

    rates = {"lr": 1e-2, "weight_decay": 0.0}
    own = after(lambda model: method.optimizer(model, method.options(), 1e-2, 0.0))
    plain = after(
        lambda model: torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], **rates)
    )
    assert not torch.allclose(own, plain, atol=1e-4)


# -- a start that is taken out of the weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layout", "options"),
    [
        ("pissa", "qwen2", {}),
        ("pissa", "gpt2", {}),
        ("pissa", "bert", {"init_lora_weights": "pissa_niter_4"}),
        ("olora", "bert", {}),
    ],
)
def test_base_and_start_are_the_model_together(name, layout, options, tmp_path):
    method, base = registry.method(name), tiny_model(layout)
    model = prepared(method, layout, **options)
    plain = dict(base.named_parameters())
    layers = dict(lora_layers(model))
    assert layers
    for full, layer in layers.items():
        weight = plain[full.removeprefix("base_model.model.") + ".weight"]
        assert not torch.allclose(layer.get_base_layer().weight, weight, atol=1e-3)
        whole = layer.get_base_layer().weight + layer.get_delta_weight(ADAPTER)
        assert torch.allclose(whole, weight, atol=1e-5)
    assert torch.allclose(logits(model), logits(base), atol=1e-5)
    train(model)
    torch.manual_seed(5)  # a drawn start must not be drawn anew
    again = reloaded(model, method, layout, tmp_path / "run", **options)
    assert torch.equal(logits(again), logits(model))
    with saving.without_method(again) as off:
        assert torch.allclose(logits(off), logits(base), atol=1e-5)
    assert torch.equal(logits(again), logits(model))
    twice = reloaded(again, method, layout, tmp_path / "again", **options)
    assert torch.equal(logits(twice), logits(model))


def test_pissa_starts_with_the_strongest_directions():
    model = prepared(registry.method("pissa"), "bert", r=4)
    base = dict(tiny_model("bert").named_parameters())
    for full, layer in lora_layers(model):
        values = torch.linalg.svdvals(base[full.removeprefix("base_model.model.") + ".weight"])
        assert torch.allclose(
            torch.linalg.svdvals(layer.get_delta_weight(ADAPTER))[:4], values[:4], atol=1e-4
        )


def test_olora_says_where_it_can_not_start():
    method = registry.method("olora")
    with pytest.raises(Unsuitable, match="choose lora or pissa"):
        method.apply(tiny_model("gpt2"), method.options(), Context())


# -- AdaLoRA ------------------------------------------------------------------------------------------------------------


def adalora(steps=12, **options):
    method = registry.method("adalora")
    torch.manual_seed(0)
    chosen = method.options(**options)
    model = method.apply(tiny_model("bert"), chosen, Context(steps=steps))
    return model, method.optimizer(model, chosen, 1e-2, 0.0)


def ranks(model):
    return [int((p != 0).sum()) for p in weights(model, ".lora_E.").values()]


def test_adalora_cuts_ranks_to_its_target_where_they_matter_least():
    model, optimizer = adalora(init_r=6, target_r=2)
    steps(model, optimizer, 1)
    assert set(ranks(model)) == {6}  # a tenth of the run comes before the first cut
    steps(model, optimizer, 11, begin=1)
    found = ranks(model)
    assert sum(found) == 2 * len(found)
    assert len(set(found)) > 1


def test_adalora_does_not_cut_after_the_last_cut():
    model, optimizer = adalora(init_r=6, target_r=2, tinit=0, tfinal=6)
    steps(model, optimizer, 6)
    pattern = [p != 0 for p in weights(model, ".lora_E.").values()]
    steps(model, optimizer, 8, begin=6)  # more steps than were foreseen
    assert all(torch.equal(p != 0, was) for p, was in zip(weights(model, ".lora_E.").values(), pattern))


def test_adalora_holds_its_factors_orthogonal():
    def distance(weight):
        model, optimizer = adalora(orth_reg_weight=weight)
        steps(model, optimizer, 12)
        return sum((p @ p.T - torch.eye(len(p))).norm() for p in weights(model, ".lora_A.").values())

    assert distance(5.0) < 0.7 * distance(0.0)


def test_adalora_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(tmp_path):
    unbroken, optimizer = adalora(init_r=6, target_r=2)
    steps(unbroken, optimizer, 5)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    half = saving.trainable_state(unbroken)
    steps(unbroken, optimizer, 7, begin=5)
    resumed, fresh = adalora(init_r=6, target_r=2)
    saving.load_trainable_state(resumed, half)
    fresh.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    steps(resumed, fresh, 7, begin=5)
    assert ranks(resumed) == ranks(unbroken)
    assert torch.equal(logits(resumed), logits(unbroken))


def test_adalora_saves_the_best_state_with_the_ranks_it_had_then(tmp_path):
    method = registry.method("adalora")
    model, optimizer = adalora(init_r=6, target_r=2)
    steps(model, optimizer, 4)
    best, wanted, had = saving.trainable_state(model), logits(model), ranks(model)
    steps(model, optimizer, 8, begin=4)
    assert sum(ranks(model)) < sum(had)
    saving.load_trainable_state(model, best)
    again = reloaded(model, method, "bert", tmp_path, init_r=6, target_r=2)
    assert torch.equal(logits(again), wanted)
    assert ranks(again) == had


def test_adalora_needs_steps_to_cut_in():
    method = registry.method("adalora")
    with pytest.raises(ValueError, match=r"together below the 10 steps of the run, not 6 and 4"):
        method.apply(tiny_model("bert"), method.options(tinit=6, tfinal=4), Context(steps=10))
    with pytest.raises(ValueError, match=r"target_r is below init_r \(8\), not 8"):
        method.options(init_r=8, target_r=8)
    for given, expected in ((None, 1000), (1, 2), (300, 300)):
        model = method.apply(tiny_model("bert"), method.options(), Context(steps=given))
        assert model.peft_config[ADAPTER].total_step == expected


# -- shared random matrices, products -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shared"), [("vera", "vera_A"), ("randlora", "randlora_A")])
def test_random_matrices_are_shared_drawn_by_the_runs_seed_and_kept(name, shared, tmp_path):
    method = registry.method(name)

    def matrices(seed, **options):
        model = method.apply(tiny_model("qwen2"), method.options(**options), Context(seed=seed))
        return model, getattr(model.base_model, shared)[ADAPTER]

    model, first = matrices(1)
    assert torch.equal(first, matrices(1)[1])
    assert not torch.equal(first, matrices(2)[1])
    assert torch.equal(matrices(1, projection_prng_key=7)[1], matrices(2, projection_prng_key=7)[1])
    layers = [m for m in model.modules() if hasattr(m, shared) and hasattr(m, "base_layer")]
    assert layers
    assert all(getattr(layer, shared)[ADAPTER] is first for layer in layers)
    train(model)
    again = reloaded(model, method, "qwen2", tmp_path)
    assert torch.equal(getattr(again.base_model, shared)[ADAPTER], first)
    trained = sum(p.numel() * 4 for p in model.parameters() if p.requires_grad)
    assert saving.trained_bytes(tmp_path) > trained + first.numel() * 4


def test_hira_scales_each_weight():
    method = registry.method("hira")
    model = prepared(method, "bert")
    train(model)
    base = dict(tiny_model("bert").named_parameters())
    merged = dict(saving.merge(model).named_parameters())
    parts = weights(model, ".hira_A.")
    assert parts
    for name, a in parts.items():
        full = name.removeprefix("base_model.model.").split(".hira_A")[0] + ".weight"
        b = dict(model.named_parameters())[name.replace("hira_A", "hira_B")]
        assert torch.allclose(merged[full], base[full] * (1 + b @ a), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("loha", {"rank_dropout": 0.1, "module_dropout": 0.1}),
        ("lokr", {"decompose_both": True, "r": 2, "decompose_factor": 4, "init_weights": "lycoris"}),
        ("lokr", {"rank_dropout": 0.1, "module_dropout": 0.1}),
        ("randlora", {"sparse": True, "randlora_dropout": 0.1}),
        ("vera", {"r": 8, "d_initial": 0.01, "vera_dropout": 0.1}),
        ("hira", {"init_weights": "gaussian", "hira_dropout": 0.1}),
        ("adalora", {"lora_dropout": 0.1, "total_step": 40, "deltaT": 2}),
        ("rslora", {"lora_dropout": 0.1}),
    ],
)
def test_every_option_reaches_peft_and_the_result_loads_back(name, options, tmp_path):
    method = registry.method(name)
    model = prepared(method, "qwen2", **options)
    config = model.peft_config[ADAPTER].to_dict()
    assert {key: config[key] for key in options} == options
    train(model)
    assert torch.equal(logits(reloaded(model, method, "qwen2", tmp_path, **options)), logits(model))


def test_lokr_has_no_factor_of_none():
    with pytest.raises(ValueError, match="decompose_factor is -1 or a whole number of at least 1, not 0"):
        registry.method("lokr").options(decompose_factor=0)
