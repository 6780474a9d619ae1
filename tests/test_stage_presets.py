"""Shipped presets of methods in several stages and in few bits: their budgets can be divided, and the Hub's say so."""

import pytest

from workbench import registry, stages, text_scores
from workbench.home import shipped
from workbench.method import Context
from workbench.presets import load

FILES = {path.stem: path for path in shipped("presets").glob("*.yaml")}
HUB = ("qlora-hub", "dpo-hub", "rlhf-hub", "qat-hub", "upft-hub")


def hops(name):
    preset = load(FILES[name])
    return [hop.preset for hop in preset.chain] or [preset]


@pytest.mark.parametrize("name", HUB)
def test_a_hub_preset_names_a_hub_model_and_hub_data_and_what_it_needs(name):
    preset = load(FILES[name])
    assert preset.needs_hub
    assert preset.model.startswith("Qwen/")
    assert "/" in preset.data["source"]
    assert "Needs the Hub" in preset.description


@pytest.mark.parametrize("name", FILES)
def test_every_stage_gets_a_step_and_samples_divide_a_batch(name):
    for preset in hops(name):
        budget, context = preset.setting.get("budget"), Context(task=preset.task)
        for line in preset.methods:
            choice = line.choice()
            method = registry.method(choice.method)
            assert preset.task in method.tasks
            options = method.options.from_dict(choice.options)
            if method.stages is not None and budget and budget.kind == "steps":
                order = stages.check(method.stages(options, context))
                assert min(stages.steps(order, int(budget.amount))) >= 5
            if hasattr(options, "algorithm"):
                answers = preset.setting.get("batch_size", 16) * preset.setting.get(
                    "gradient_accumulation", 1
                )
                assert answers % options.samples_per_prompt == 0


def test_the_last_number_of_an_answer_is_what_upft_on_school_problems_counts():
    pattern = load(FILES["upft-hub"]).task_options["answer_pattern"]
    said = "She has 3 + 4 = 7 apples, 1,200.50 in all. So it is 1,207.50."
    assert text_scores.answer_match(said, "1207.5", pattern) == 1
    assert text_scores.answer_match(said, "7", pattern) == 0
