"""Forgetting of classifiers: the trunk under the base's own language-model head, before and after."""

import pytest
import torch

from tests.training import tiny_folder, tiny_prepared, tiny_spec
from workbench import forgetting
from workbench.build import apply_method, load_base, plan_run
from workbench.spec import Setting


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return {
        "qwen2": tiny_folder("qwen2", tmp_path_factory.mktemp("qwen2")),
        "encoder": "embedded:fable-encoder-8m",  # a tiny one's tokenizer hides nothing
    }


@pytest.fixture
def untrained_heads_count(monkeypatch):
    monkeypatch.setattr(forgetting, "UNTRAINED", 10.0)


def planned(folder, method="full", texts=3):
    return plan_run(tiny_spec(folder, method, forgetting_texts=texts), tiny_prepared(), device="cpu")


@pytest.mark.parametrize("kind", ["qwen2", "encoder"])
def test_an_untouched_trunk_has_forgotten_nothing_and_a_spoilt_one_has(folders, kind, untrained_heads_count):
    plan = planned(folders[kind])
    model = apply_method(plan, load_base(plan)).model
    told, notes = forgetting.measured(plan, model)
    assert notes == ()
    assert told["forgetting"] == 0.0
    assert told["metrics"]["general_perplexity"] == told["metrics"]["general_perplexity_start"] > 1
    with torch.no_grad():
        for parameter in getattr(model, model.base_model_prefix).parameters():
            parameter.add_(torch.randn_like(parameter))
    again, _ = forgetting.measured(plan, model)
    assert again["forgetting"] != 0.0
    assert again["metrics"]["general_perplexity_start"] == told["metrics"]["general_perplexity_start"]


def test_an_adapter_in_the_trunk_counts_and_virtual_tokens_cannot_be_told(folders, untrained_heads_count):
    plan = planned(folders["qwen2"], "lora")
    model = apply_method(plan, load_base(plan)).model
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.add_(1.0)
    assert forgetting.measured(plan, model)[0]["forgetting"] != 0.0
    plan = planned(folders["qwen2"], "prompt")
    told, notes = forgetting.measured(plan, apply_method(plan, load_base(plan)).model)
    assert told == {}
    assert "virtual tokens" in notes[0]


def test_a_head_that_was_never_trained_tells_nothing(folders):
    plan = planned(folders["qwen2"])
    told, notes = forgetting.measured(plan, load_base(plan))
    assert told == {}
    assert "no trained head" in notes[0]


def test_settings_that_do_not_ask_keep_their_id_and_cost_nothing(folders):
    plan = planned(folders["qwen2"], texts=None)
    assert forgetting.measured(plan, None) == ({}, ())
    assert "forgetting_texts" not in plan.setting.to_dict()
    asked = planned(folders["qwen2"], texts=3).setting
    assert asked.id != plan.setting.id
    assert Setting.from_dict(asked.to_dict()) == asked
    with pytest.raises(ValueError, match="forgetting_texts is a whole number from 1 to 136"):
        planned(folders["qwen2"], texts=1000)
