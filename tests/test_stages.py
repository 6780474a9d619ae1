"""Stages: how a budget is divided, the record of what is complete, and whole runs that are stopped in each."""

import json

import pytest

from tests.preferences import HeardStages, preference_prepared, preference_spec
from tests.training import Heard, quickly, tiny_folder, tiny_prepared, tiny_spec
from workbench import stages
from workbench.metric import metric
from workbench.progress import Progress
from workbench.result import Result
from workbench.spec import Budget
from workbench.stages import Complete, Stage
from workbench.train import OUTCOMES, Cancelled, read_outcomes, train


def stage(name, share=1.0):
    return Stage(name, name.title(), "Learns.", share)


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_folder("qwen2", tmp_path_factory.mktemp("models"))


# -- the plan --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shares", "total", "expected"),
    [([1], 7, [7]), ([0.5, 0.5], 7, [4, 3]), ([0.4, 0.2, 0.4], 10, [4, 2, 4]), ([1, 0.001, 1], 3, [1, 1, 1])],
)
def test_steps_are_divided_by_share_and_every_stage_has_one(shares, total, expected):
    found = stages.steps([stage(str(i), share) for i, share in enumerate(shares)], total)
    assert found == expected
    assert sum(found) == total


def test_bad_plans_are_refused():
    with pytest.raises(ValueError, match="can't be divided among 2 stages"):
        stages.steps([stage("a"), stage("b")], 1)
    with pytest.raises(ValueError, match="a name of its own"):
        stages.check([stage("a"), stage("a")])
    with pytest.raises(ValueError, match="above 0"):
        stages.check([stage("a", 0)])


def test_the_record_comes_back_and_a_torn_one_counts_as_none(tmp_path):
    assert stages.read(tmp_path) == []
    told = [Complete("a", Progress(4, step=4, best_metrics={"x": 1.0}), {"x": 1.0})]
    stages.write(tmp_path, told)
    assert stages.read(tmp_path) == told
    (tmp_path / stages.FILE).write_text('{"complete": [{"na')
    assert stages.read(tmp_path) == []


# -- whole runs ------------------------------------------------------------------------------------------------------


def run(spec, folder, heard=None, **arguments):
    heard = heard or HeardStages()
    result = train(
        spec,
        preference_prepared(),
        folder,
        emit=heard.emit,
        should_stop=heard.should_stop,
        device="cpu",
        **arguments,
    )
    return result, heard


STAGES = ("supervised", "reward", "policy")


def rlhf(model, **more):
    return preference_spec(
        model,
        "rlhf",
        options={"samples_per_prompt": 2},
        learning_rate=1e-3,
        budget=Budget("steps", 10),
        **more,
    )


@pytest.fixture(scope="module")
def finished(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rlhf")
    return folder, *run(rlhf(model), folder)


def test_every_stage_is_trained_in_order_and_measured(finished):
    folder, result, _ = finished
    assert [one["name"] for one in result.stages] == list(STAGES)
    assert [one["steps"] for one in result.stages] == [4, 2, 4]
    assert result.steps == 10
    assert result.train_seconds == pytest.approx(sum(one["seconds"] for one in result.stages))
    assert result.peak_memory_bytes == max(one["peak_memory_bytes"] for one in result.stages)
    assert result.samples_seen == sum(one["samples"] for one in result.stages) == 10 * 8
    assert set(result.stages[1]["metrics"]) == {"reward_accuracy", "reward_margin"}
    assert result.metrics["reward_accuracy"] == result.stages[1]["metrics"]["reward_accuracy"]
    assert all(metric(name).help for name in result.metrics), (
        "whatever is shown has a name and an explanation"
    )
    gain = result.stages[0]["gain"]
    assert (gain["rows"], gain["metric"]) == (16, "preference_accuracy")
    before, after = (
        sum(row["preferred"] for row in read_outcomes(folder / name)) / 16
        for name in ("outcomes_supervised.jsonl", OUTCOMES)
    )
    assert gain["mean"] == pytest.approx(after - before)
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert not (folder / "stages").exists()


def test_events_bear_their_stage_and_count_on(finished):
    _, _, heard = finished
    order = list(dict.fromkeys(where for where, kind, _ in heard.events if kind == "step"))
    assert order == list(STAGES)
    steps = heard.of("step")
    assert [one["step"] for one in steps] == list(range(1, 11))
    assert {one["steps"] for one in steps} == {10}
    assert [one["stage_step"] for one in steps] == [1, 2, 3, 4, 1, 2, 1, 2, 3, 4]
    shares = [one["progress"] for one in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    for counted in ("seconds", "tokens"):
        so_far = [one[counted] for one in steps]
        assert so_far == sorted(so_far)
        assert so_far[-1] > so_far[0] > 0
    started = heard.of("started")
    assert [(one["stage_title"], one["stage_number"], one["stages"]) for one in started] == [
        ("Supervised", 1, 3),
        ("Reward model", 2, 3),
        ("Policy", 3, 3),
    ]
    assert set(heard.of("evaluated", "reward")[0]) >= {"reward_accuracy", "loss"}
    assert {"reward", "kl", "answer_tokens"} <= set(heard.of("step", "policy")[-1])


@pytest.mark.parametrize("where", STAGES)
def test_a_run_stopped_in_any_stage_goes_on_in_it(model, tmp_path, where):
    with pytest.raises(Cancelled):
        run(rlhf(model), tmp_path, HeardStages(stop_in=where), checkpoint_seconds=0)
    done = [one.name for one in stages.read(tmp_path)]
    assert done == list(STAGES[: STAGES.index(where)])
    result, heard = run(rlhf(model), tmp_path)
    assert list(dict.fromkeys(w for w, kind, _ in heard.events if kind == "step")) == list(
        STAGES[STAGES.index(where) :]
    )
    first = heard.of("started", where)[0]
    assert first["resumed"] or where != "supervised"
    assert heard.of("step", where)[0]["stage_step"] == 2
    assert [one["steps"] for one in result.stages] == [4, 2, 4]


def test_a_run_stopped_while_it_is_measured_only_measures_again(model, tmp_path, monkeypatch):
    spec = preference_spec(model, "dpo", learning_rate=1e-3)

    def stopped(*args, **kwargs):
        raise Cancelled

    with monkeypatch.context() as patched:
        patched.setattr("workbench.train._measure", stopped)
        with pytest.raises(Cancelled):
            run(spec, tmp_path)
    assert [one.name for one in stages.read(tmp_path)] == ["supervised", "preference"]
    result, heard = run(spec, tmp_path)
    assert heard.of("step") == []
    assert result.steps == 6
    assert [one["steps"] for one in result.stages] == [3, 3]
    assert result.live is True


def test_a_resumed_preference_stage_ends_where_an_unbroken_one_does(model, tmp_path):
    """Its reference is the stage's own start, whatever the checkpoint says."""
    spec = preference_spec(model, "dpo", learning_rate=1e-3)
    whole, _ = run(spec, tmp_path / "whole")
    with pytest.raises(Cancelled):
        run(spec, tmp_path / "torn", HeardStages(stop_in="preference"), checkpoint_seconds=0)
    torn, _ = run(spec, tmp_path / "torn")
    first, second = (read_outcomes(tmp_path / name / OUTCOMES) for name in ("whole", "torn"))
    assert [one["margin"] for one in first] == pytest.approx([one["margin"] for one in second], abs=1e-5)
    assert torn.metrics["preference_accuracy"] == whole.metrics["preference_accuracy"]


def test_a_budget_of_seconds_is_divided_too(model, tmp_path):
    result, heard = run(preference_spec(model, "dpo", budget=Budget("seconds", 0.3)), tmp_path)
    assert all(0.1 < one["seconds"] < 1.0 for one in result.stages)
    assert heard.of("step")[-1]["progress"] == 1


def test_a_method_without_stages_has_none(model, tmp_path):
    heard = Heard()  # takes no stage
    result = train(
        tiny_spec(model, "lora", budget=Budget("steps", 2), evaluations=1),
        tiny_prepared(),
        tmp_path,
        emit=heard.emit,
        should_stop=heard.should_stop,
        device="cpu",
    )
    assert result.stages == ()
    assert not (tmp_path / stages.FILE).exists()
