"""A setting's id stands for everything that must be equal, and for nothing else."""

from dataclasses import replace

import pytest

from workbench.spec import Budget, Choice, DataSpec, RunSpec, Setting

DATA = DataSpec("reviews", labels=("negative", "positive"), fingerprint="ab12")
SETTING = Setting(DATA, "embedded:fable-8m")


def test_the_same_rows_from_another_place_are_the_same_setting():
    elsewhere = replace(SETTING, data=replace(DATA, source="/uploads/x.csv", text="review"))
    assert elsewhere.id == SETTING.id


@pytest.mark.parametrize(
    "change",
    [
        {"data": replace(DATA, fingerprint="cd34")},
        {"model": "embedded:other"},
        {"model_revision": "abc"},
        {"budget": Budget("steps", 10)},
        {"batch_size": 8},
        {"precision": "float32"},
        {"max_length": 64},
        {"task_version": 2},
        {"early_stopping": 2},
    ],
)
def test_whatever_could_change_a_score_changes_the_id(change):
    assert replace(SETTING, **change).id != SETTING.id


def test_specs_survive_a_round_trip():
    spec = RunSpec(SETTING, Choice("lora", {"r": 8, "target_modules": ["q"]}, 1e-3, "LoRA"), 3)
    again = RunSpec.from_dict(spec.to_dict())
    assert again == spec
    assert again.setting.id == spec.setting.id
    assert again.choice.id == spec.choice.id


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Budget("hours", 1), "epochs, steps, seconds"),
        (lambda: Budget("steps", 0), "above 0"),
        (lambda: Budget("steps", 1.5), "whole number"),
        (lambda: replace(SETTING, batch_size=0), "batch_size is a whole number from 1"),
        (lambda: replace(SETTING, schedule="zigzag"), "schedule is one of"),
        (lambda: Choice("lora", {}, -1.0), "learning_rate is a number above 0"),
        (lambda: Choice("lora", {}, float("nan")), "learning_rate"),
        (lambda: RunSpec(SETTING, Choice("lora", {}, 1.0), -1), "seed is a whole number"),
    ],
)
def test_impossible_values_fail_before_anything_is_loaded(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
