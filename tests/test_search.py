"""The search of a learning rate: which rates are tried, what is told, that the test part stays out of it."""

import json

import pytest

from tests.training import tiny_prepared, tiny_spec
from workbench import search
from workbench.presets import from_values, to_values
from workbench.result import Reason, Result
from workbench.search import Trial, best_of, next_rate, train_searched
from workbench.spec import Setting
from workbench.train import TrainingFailed


def climb(score, trials, better="higher", start=1e-3):
    tried = []
    for _ in range(trials):
        rate = next_rate(start, tried, better)
        tried.append(Trial(rate, score(rate)))
    return [trial.learning_rate for trial in tried], best_of(tried, better)


def test_the_method_s_own_rate_comes_first_and_its_neighbours_next():
    rates, best = climb(lambda rate: -abs(rate - 1e-3), 3)
    assert rates == [1e-3, 3.16e-3, 3.16e-4]
    assert best.learning_rate == 1e-3


def test_it_climbs_towards_the_better_side():
    rates, best = climb(lambda rate: rate, 5)
    assert rates == [1e-3, 3.16e-3, 1e-2, 3.16e-2, 1e-1]
    assert best.learning_rate == 1e-1


def test_lower_can_be_better():
    rates, best = climb(lambda rate: abs(rate - 1e-4), 5, "lower")
    assert best.learning_rate == 1e-4
    assert len(set(rates)) == 5


def test_a_rate_that_diverged_is_never_best_and_sends_the_search_down():
    rates, best = climb(lambda rate: None if rate > 5e-4 else rate, 3)
    assert rates == [1e-3, 3.16e-4, 1e-4]
    assert best.learning_rate == 3.16e-4


def test_with_the_peak_known_from_both_sides_the_nearer_end_is_explored():
    rates, _ = climb(lambda rate: -abs(rate - 1e-3), 5)
    assert len(set(rates)) == 5
    assert set(rates) == {1e-4, 3.16e-4, 1e-3, 3.16e-3, 1e-2}


class Trainer:
    """Stands for `train`: a validation score by learning rate, and a record of how it was called."""

    def __init__(self, scores):
        self.scores, self.calls = scores, []

    def __call__(self, spec, prepared, folder, *, emit, should_stop, trial=False, **how):
        rate = spec.choice.learning_rate
        self.calls.append((rate, trial, folder))
        folder.mkdir(parents=True, exist_ok=True)
        emit("step", {"step": 1, "steps": 2, "loss": 1.0})
        score = self.scores(rate)
        if score is None:
            raise TrainingFailed(Reason("diverged", "The loss became nan."))
        return Result(validation={"accuracy": score}, metrics={} if trial else {"accuracy": score})


@pytest.fixture
def trainer(monkeypatch):
    def install(scores):
        made = Trainer(scores)
        monkeypatch.setattr(search, "train", made)
        return made

    return install


def run(spec, folder, told=None):
    def emit(kind, values):
        if told is not None:
            told.append((kind, dict(values)))

    return train_searched(spec, None, folder, emit=emit, should_stop=lambda: False)


def test_the_best_rate_is_what_the_run_trains_with(trainer, tmp_path):
    made, told = trainer(lambda rate: 0.9 if rate > 2e-3 else 0.5), []
    result = run(tiny_spec("m", learning_rate=1e-3, search_trials=3), tmp_path, told)
    assert [trial for _, trial, _ in made.calls] == [True, True, True, False]
    assert made.calls[-1][0] == 3.16e-3
    assert made.calls[-1][2] == tmp_path
    assert [(t["learning_rate"], t["score"], t["chosen"]) for t in result.trials] == [
        (1e-3, 0.5, False),
        (3.16e-3, 0.9, True),
        (1e-2, 0.9, False),
    ]
    assert result.search_seconds is not None
    assert "the best of 3 by accuracy on the validation part" in result.notes[-1]
    assert not (tmp_path / "trials").exists()
    assert [values["share"] for kind, values in told if "share" in values] == [0.1667, 0.5, 0.8333]
    # Curves belong to the run itself.
    assert sum(kind == "step" for kind, _ in told) == 1


def test_a_search_that_was_killed_goes_on_with_the_next_trial(trainer, tmp_path):
    known = [{"learning_rate": 1e-3, "score": 0.5, "seconds": 4.0}]
    (tmp_path / "trials.json").write_text(json.dumps(known))
    made = trainer(lambda rate: 1000 * rate)
    result = run(tiny_spec("m", learning_rate=1e-3, search_trials=2), tmp_path)
    assert [rate for rate, _, _ in made.calls] == [3.16e-3, 3.16e-3]
    assert result.search_seconds >= 4.0


def test_where_all_diverge_the_run_fails_by_itself(trainer, tmp_path):
    trainer(lambda rate: None)
    with pytest.raises(TrainingFailed, match="nan"):
        run(tiny_spec("m", learning_rate=1e-3, search_trials=3), tmp_path)


def test_other_failures_end_the_search(trainer, tmp_path):
    made = trainer(lambda rate: 0.5)

    def full(*args, **kwargs):
        made(*args, **kwargs)
        raise TrainingFailed(Reason("disk", "The disk is full."))

    search.train = full
    with pytest.raises(TrainingFailed, match="disk"):
        run(tiny_spec("m", search_trials=3), tmp_path)
    assert len(made.calls) == 1


def test_without_a_search_nothing_changes(trainer, tmp_path):
    made = trainer(lambda rate: 0.5)
    result = run(tiny_spec("m", learning_rate=1e-3), tmp_path)
    assert [trial for _, trial, _ in made.calls] == [False]
    assert result.trials == ()
    assert not (tmp_path / "trials.json").exists()


def test_the_number_of_trials_is_part_of_the_setting():
    plain = tiny_spec("m").setting
    assert "search_trials" not in plain.to_dict()
    searched = tiny_spec("m", search_trials=4).setting
    assert searched.id != plain.id
    assert Setting.from_dict(searched.to_dict()) == searched
    with pytest.raises(ValueError, match="search_trials is a whole number from 2"):
        tiny_spec("m", search_trials=1)


def test_a_preset_says_search():
    values = {"model": "embedded:fable-8m", "data": "reviews", "methods": ["full"], "search": {"trials": 4}}
    preset = from_values(values, name="x")
    assert preset.setting["search_trials"] == 4
    assert from_values(to_values(preset), name="x").setting == preset.setting
    with pytest.raises(ValueError, match=r"search says how many learning rates .* \{trials: 5\}"):
        from_values(values | {"search": 4}, name="x")


def test_a_real_search_leaves_the_test_part_alone(tmp_path):
    from tests.tiny import save_tiny

    told = []
    model = save_tiny("llama", tmp_path / "model")
    spec = tiny_spec(model, learning_rate=1e-4, search_trials=2)
    result = train_searched(
        spec,
        tiny_prepared(),
        tmp_path / "run",
        emit=lambda kind, values: told.append((kind, values)),
        should_stop=lambda: False,
    )
    assert len(result.trials) == 2
    chosen = max(result.trials, key=lambda trial: trial["score"])
    assert chosen["chosen"]
    assert result.validation["accuracy"] == chosen["score"]
    assert sum(kind == "started" for kind, _ in told) == 1
