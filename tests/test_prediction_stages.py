"""What a run of several stages is said to need, against what its stages' own trainers take."""

from dataclasses import replace

import pytest

from tests.preferences import preference_prepared, preference_spec
from tests.training import tiny_folder, tiny_prepared, tiny_spec
from workbench import registry, staged
from workbench.build import apply_method, encode, load_base, plan_run
from workbench.callbacks import Job
from workbench.prediction import predict
from workbench.prediction_stages import kind_of
from workbench.spec import Budget
from workbench.stages import Stage


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_folder("qwen2", tmp_path_factory.mktemp("models"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options", "highest"),
    [
        ("dpo", {"parameterisation": "lora"}, "Preference (DPO)"),
        ("kto", {}, "Preference (KTO)"),
        ("orpo", {"parameterisation": "freeze"}, "Preference (ORPO)"),
        ("rlhf", {"samples_per_prompt": 2}, "Policy"),
        ("rlhf", {"samples_per_prompt": 2, "parameterisation": "lora"}, "Policy"),
    ],
)
def test_predicted_memory_is_that_of_the_highest_stage(folder, tmp_path, method, options, highest):
    spec = preference_spec(folder, method, options=options, budget=Budget("steps", 9))
    plan = plan_run(spec, preference_prepared(), device="cpu")
    built = apply_method(plan, load_base(plan))
    rows = encode(plan, built.model).rows
    job = Job(plan, rows["train"], rows["validation"], tmp_path)
    sizes, _ = staged.peaks(staged.untrained(job, built), lambda: apply_method(plan, load_base(plan)))
    said = predict(spec, preference_prepared(), device="cpu", threads=1)
    assert said.reason == ""
    assert said.cost.stage == highest
    assert said.peak_memory_bytes == pytest.approx(max(sizes), rel=0.03)
    assert (said.steps, said.seconds > 0) == (9, True)


def test_a_trainer_that_is_not_known_is_named():
    stage = Stage("own", "My stage", "Learns.", 1.0, trainer=lambda *_: None)
    with pytest.raises(ValueError, match="stage My stage has a trainer of its own"):
        kind_of(stage)


def test_rows_that_are_sampled_first_are_taken_to_be_as_long_as_the_given_ones(folder, monkeypatch):
    lora = registry.method("lora")
    found = dict(registry.methods())
    found["lora"] = replace(lora, make_rows=lambda *_: [])
    monkeypatch.setattr(registry, "methods", lambda: found)
    said = predict(tiny_spec(folder, "lora"), tiny_prepared(), device="cpu", threads=1)
    assert "as if they were as long as the given ones" in said.reason
    assert said.peak_memory_bytes > 0
    assert said.seconds is None
