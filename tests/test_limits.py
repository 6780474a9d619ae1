"""Caps of a budget: a run that needs more than the setting allows fails before it trains, and says how to go on."""

from dataclasses import replace

import pytest

from tests.tiny import save_tiny
from tests.training import Heard, tiny_prepared, tiny_spec
from workbench.callbacks import TrainingFailed
from workbench.presets import from_values, override, to_values
from workbench.spec import Budget, RunSpec, Setting
from workbench.train import train


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny("qwen2", tmp_path_factory.mktemp("model"))


def trained(spec, folder):
    heard = Heard()
    result = train(
        spec, tiny_prepared(), folder, emit=heard.emit, should_stop=heard.should_stop, device="cpu"
    )
    return result, heard


def refused(tiny, folder, **caps):
    spec = tiny_spec(tiny, "lora", budget=Budget("steps", 4, **caps))
    heard = Heard()
    with pytest.raises(TrainingFailed) as failed:
        train(spec, tiny_prepared(), folder, emit=heard.emit, should_stop=heard.should_stop, device="cpu")
    assert failed.value.reason.code == "budget"
    assert not heard.of("step")
    return failed.value.reason.message


def test_too_many_trained_weights(tiny, tmp_path):
    message = refused(tiny, tmp_path, trainable_parameters=100)
    assert "LoRA trains" in message
    assert "the budget allows 100" in message


def test_too_much_memory(tiny, tmp_path):
    message = refused(tiny, tmp_path, peak_memory_bytes=50_000)
    assert "MiB of memory at its peak" in message
    assert "smaller batch_size" in message


def test_what_is_within_the_caps_trains_as_without_them(tiny, tmp_path):
    spec = tiny_spec(tiny, "lora", budget=Budget("steps", 4))
    free, _ = trained(spec, tmp_path / "free")
    caps = {"peak_memory_bytes": free.peak_memory_bytes, "trainable_parameters": free.trainable_parameters}
    capped = replace(spec, setting=replace(spec.setting, budget=Budget("steps", 4, **caps)))
    held, heard = trained(capped, tmp_path / "held")
    assert held.metrics == free.metrics
    assert heard.of("step")[-1]["step"] == 4
    assert capped.setting.id != spec.setting.id


def test_settings_without_caps_keep_their_ids():
    budget = Budget("steps", 10)
    assert budget.caps == {}
    spec = tiny_spec("somewhere", budget=budget)
    assert "peak_memory_bytes" not in spec.setting.to_dict()["budget"]
    capped = replace(spec.setting, budget=replace(budget, trainable_parameters=7))
    assert Setting.from_dict(capped.to_dict()) == capped
    assert RunSpec.from_dict(spec.to_dict()) == spec


def test_a_preset_may_cap():
    values = {"model": "embedded:fable-8m", "data": "reviews", "methods": ["lora"]}
    preset = from_values({**values, "budget": {"steps": 5, "trainable_parameters": 1000}}, name="capped")
    assert preset.setting["budget"] == Budget("steps", 5, trainable_parameters=1000)
    assert from_values(to_values(preset), name="capped").setting == preset.setting
    changed = override(preset, {"budget.epochs": "2", "budget.peak_memory_bytes": "5000000"})
    assert changed.setting["budget"] == Budget("epochs", 2, 5_000_000, 1000)
    alone = from_values({**values, "budget": {"peak_memory_bytes": 9}}, name="capped")
    assert alone.setting["budget"] == Budget(peak_memory_bytes=9)
    with pytest.raises(ValueError, match="trainable_parameters is a whole number from 1"):
        from_values({**values, "budget": {"trainable_parameters": 0.5}}, name="capped")
    assert (
        Budget("steps", 1, 2**21, 10).words == "1 step, at most 2 MiB of memory, at most 10 trained weights"
    )
