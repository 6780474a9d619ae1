"""Runs to queue next: shared new seeds, the smallest change after a divergence, the preset that repeats."""

import pytest

from tests.ui import fake_store
from workbench import presets
from workbench.more_runs import calmer_choice, more_seeds, repeating_preset
from workbench.store import Store


def _told(specs):
    return sorted((spec.choice.label, spec.seed) for spec in specs)


def test_both_methods_of_a_verdict_get_the_same_new_seeds(store: Store):
    fake_store.fill(store, methods=("full", "lora", "head"), seeds=(0, 1))
    runs = store.runs()
    keys = [run.spec.choice.id for run in runs[:2]]
    specs = more_seeds(runs, keys, 2)
    assert _told(specs) == [("Full fine-tuning", 2), ("Full fine-tuning", 3), ("LoRA", 2), ("LoRA", 3)]
    assert {spec.setting.id for spec in specs} == {runs[0].spec.setting.id}


def test_a_seed_that_one_has_already_is_only_queued_for_the_other(store: Store):
    shared = fake_store.setting()
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,), shared=shared)
    store.add([fake_store.spec(shared, "lora", 1)])
    keys = [run.spec.choice.id for run in store.runs()[:2]]
    assert _told(more_seeds(store.runs(), keys, 2)) == [
        ("Full fine-tuning", 1),
        ("Full fine-tuning", 2),
        ("LoRA", 2),
    ]


def test_a_seed_that_failed_is_left_alone(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0, 1), failing="lora")
    keys = [run.spec.choice.id for run in store.runs()[:2]]
    lora = [spec.seed for spec in more_seeds(store.runs(), keys[1:], 2)]
    assert lora == [2, 3]


def test_bad_requests_are_refused(store: Store):
    fake_store.fill(store, methods=("full",), seeds=(0,))
    with pytest.raises(ValueError, match="1 to 20 more seeds"):
        more_seeds(store.runs(), [store.runs()[0].spec.choice.id], 0)
    with pytest.raises(ValueError, match="no run of choice nobody"):
        more_seeds(store.runs(), ["nobody"], 1)


@pytest.mark.parametrize(("rate", "calmer"), [(3e-2, 1e-2), (1e-2, 3e-3), (5e-4, 2e-4), (1e-3, 3e-4)])
def test_the_calmer_rate_is_a_third_in_one_figure(rate: float, calmer: float):
    choice = fake_store.spec(fake_store.setting(), "lora", learning_rate=rate).choice
    found = calmer_choice(choice)
    assert found.learning_rate == pytest.approx(calmer)
    assert found.options == choice.options
    assert f"{calmer:g}" in found.label or found.learning_rate == pytest.approx(1e-3)


def test_the_repeating_preset_plans_the_same_choices_and_setting(store: Store):
    shared = fake_store.setting(weight_decay=0.2, schedule="cosine")
    specs = [fake_store.spec(shared, "full"), fake_store.spec(shared, "lora", 4, r=2, learning_rate=2e-3)]
    store.add(specs)
    preset = repeating_preset(shared, store.runs())
    again = presets.from_values(presets.to_values(preset), name="comparison")
    assert [m.choice().id for m in again.methods] == [spec.choice.id for spec in specs]
    assert again.seeds == (0, 4)
    assert again.setting["budget"] == shared.budget
    assert (again.setting["weight_decay"], again.setting["schedule"]) == (0.2, "cosine")
    assert again.data["source"] == shared.data.source
