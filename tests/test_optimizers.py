"""Every optimiser that a setting may name trains, stops and goes on, or is refused before the run with one sentence."""

import importlib.util

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model
from tests.training import Heard, quickly, tiny_folder, tiny_prepared, tiny_spec
from workbench import optimizers, registry
from workbench.build import apply_method, load_base, plan_run
from workbench.callbacks import Job, RunTrainer
from workbench.method import Context
from workbench.progress import Progress
from workbench.spec import OPTIMIZERS, Budget
from workbench.train import Cancelled, train


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


def spec_for(decoder, name):
    rate = 5e-3 * optimizers.BY_NAME[name].rate
    return tiny_spec(decoder, "full", learning_rate=rate, budget=Budget("steps", 40), optimizer=name)


def made_by_a_trainer(spec, folder):
    """A model, and the optimiser as a run makes it."""
    plan = plan_run(spec, tiny_prepared(), device="cpu")
    model = apply_method(plan, load_base(plan)).model
    job = Job(plan, [{"input_ids": [1], "attention_mask": [1], "labels": 0}], [], folder)
    return model.train(), RunTrainer(job, model, Progress(40)).create_optimizer()


def take_steps(model, optimizer, count):
    for _ in range(count):
        loss = model(**tiny_batch()).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_trains_and_goes_on_from_a_checkpoint_or_is_refused(decoder, name, tmp_path):
    spec = spec_for(decoder, name)
    if reason := optimizers.refusal(name, "cpu"):
        assert f"optimizer {name} needs" in reason
        with pytest.raises(ValueError, match=f"^optimizer {name} needs"):
            plan_run(spec, tiny_prepared(), device="cpu")
        return
    model, optimizer = made_by_a_trainer(spec, tmp_path)
    before = take_steps(model, optimizer, 1)
    assert take_steps(model, optimizer, 9) < 0.8 * before
    torch.save({"optimizer": optimizer.state_dict(), "model": model.state_dict()}, tmp_path / "state.pt")
    wanted = take_steps(model, optimizer, 3)
    again, fresh = made_by_a_trainer(spec, tmp_path)
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    again.load_state_dict(saved["model"])
    fresh.load_state_dict(saved["optimizer"])
    assert take_steps(again, fresh, 3) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_stops_and_goes_on(decoder, name, tmp_path):
    if reason := optimizers.refusal(name, "cpu"):
        pytest.skip(reason)
    first, second = Heard(stop_after=10), Heard()
    given = (spec_for(decoder, name), tiny_prepared(), tmp_path)
    with pytest.raises(Cancelled):
        train(*given, emit=first.emit, should_stop=first.should_stop, device="cpu", checkpoint_seconds=0)
    train(*given, emit=second.emit, should_stop=second.should_stop, device="cpu")
    assert second.of("started")[0]["resumed"]
    assert min(step["loss"] for step in second.of("step")) < 0.5 * first.of("step")[0]["loss"]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert optimizers.refusal("galore_adamw") == (
        "optimizer galore_adamw needs the package galore-torch, which is not installed: pip install galore-torch,"
        " or choose adamw_torch_fused"
    )
    assert optimizers.refusal("adamw_torch_fused") is None


def test_paging_needs_a_gpu():
    assert "choose adamw_8bit" in optimizers.refusal("paged_adamw_8bit", "cpu")
    assert optimizers.refusal("paged_adamw_8bit", "cuda:0") is None


@pytest.mark.parametrize("name", ["lion_32bit", "galore_adamw"])
def test_each_trained_weight_is_in_one_group(name):
    if optimizers.refusal(name):
        pytest.skip(optimizers.refusal(name))
    model = tiny_model("bert")
    model.bert.embeddings.requires_grad_(False)
    made = optimizers.create(name, model, 1e-3, 0.1)
    found = [id(p) for group in made.param_groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    decays = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
    assert all(
        (decays[id(p)] == 0) == (name.endswith("bias") or "LayerNorm" in name)
        for name, p in model.named_parameters()
        if p.requires_grad
    )


def test_galore_projects_whole_matrices_alone():
    pytest.importorskip("galore_torch", reason="needs the package galore-torch")
    made = optimizers.create("galore_adamw", tiny_model("bert"), 1e-3, 0.0)
    projected = [group for group in made.param_groups if "rank" in group]
    assert [group["rank"] for group in projected] == [8]
    assert {tuple(p.shape) for p in projected[0]["params"]} == {(32, 32), (48, 32), (32, 48)}
    lora = registry.method("lora")
    adapted = lora.apply(tiny_model("bert"), lora.options(), Context())
    assert not any(
        "rank" in group for group in optimizers.create("galore_adamw", adapted, 1e-3, 0.0).param_groups
    )


def test_eight_bits_are_used_where_matrices_are_large_enough():
    from bitsandbytes.optim import GlobalOptimManager

    GlobalOptimManager.get_instance().initialize()  # knows earlier tests' embeddings by their places in memory
    model = torch.nn.Linear(128, 64)
    made = optimizers.create("lion_8bit", model, 1e-3, 0.0)
    model(torch.ones(2, 128)).sum().backward()
    made.step()
    assert made.state[model.weight]["state1"].dtype == torch.uint8
    assert made.state[model.bias]["state1"].dtype == torch.float32


def test_adamw_decays_as_transformers_does():
    model = tiny_model("qwen2")
    made = optimizers.adamw(model, 1e-3, 0.1)
    from transformers import Trainer

    wanted = set(Trainer.get_decay_parameter_names(None, model))
    decaying = {id(p) for p in made.param_groups[0]["params"]}
    assert decaying == {id(p) for name, p in model.named_parameters() if name in wanted}
    model(**tiny_batch()).loss.backward()
    made.step()
