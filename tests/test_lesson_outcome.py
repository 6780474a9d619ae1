"""What happened is read from the runs in the store, and said only when all that it hangs on have finished."""

import pytest

from tests.lesson_runs import finish, setting_of
from workbench.compare import comparison
from workbench.lesson_outcome import outcome, runs_of, settings_of
from workbench.lessons import lesson
from workbench.presets import MethodChoice
from workbench.spec import RunSpec


def judged(store, lesson_id, owner=None):
    one = lesson(lesson_id)
    found = [comparison(store, setting.id, owner=owner) for setting in settings_of(store, one.preset, owner)]
    return outcome(one, one.preset, found)


@pytest.fixture
def references(monkeypatch):
    """TF-IDF at 70 % for every number of examples."""
    import workbench.compare

    record = {"method": "tfidf", "label": "TF-IDF", "metrics": {"accuracy": 0.7}, "outcomes": None}
    monkeypatch.setattr(workbench.compare, "reference_records", lambda store, setting: [record])


def test_nothing_happened_before_any_run(store):
    found = judged(store, "lesson-3")
    assert found.happened is None
    assert len(found.places) == 5
    assert runs_of(store, lesson("lesson-3").preset, None) == []


def test_the_highest_column_came_true_and_clear_intervals_are_told_apart(store):
    finish(store, "lesson-3", [0.7] * 5, latency_ratio=(1.1, 1.2, 1.8, 1.05, 1.5))
    found = judged(store, "lesson-3")
    assert found.happened == 2
    assert found.judged.told
    assert found.judged.difference.mean == pytest.approx(0.3)


def test_overlapping_intervals_cannot_be_told(store):
    finish(store, "lesson-3", [0.7] * 5, latency_ratio=(1.1, 1.2, 1.5001, 1.05, 1.5))
    found = judged(store, "lesson-3")
    assert found.happened == 2
    assert found.judged.told is False


def test_a_failed_run_leaves_the_question_open(store):
    finish(store, "lesson-3", [0.7, 0.7, None, 0.7, 0.7], latency_ratio=(1.1, 1.2, 1.8, 1.05, 1.5))
    found = judged(store, "lesson-3")
    assert found.happened is None
    assert found.places[0].row is not None


def test_a_seed_that_is_missing_leaves_the_question_open(store):
    finish(store, "lesson-3", [0.7] * 5, seeds=[0], latency_ratio=(1.1, 1.2, 1.8, 1.05, 1.5))
    assert judged(store, "lesson-3").happened is None


@pytest.mark.parametrize(
    ("scores", "happened"),
    [((0.70, 0.79, 0.80, 0.80), 1), ((0.70, 0.72, 0.75, 0.80), 3), ((0.80, 0.79, 0.70, 0.70), 0)],
)
def test_the_smallest_rank_that_comes_close_enough(store, scores, happened):
    finish(store, "lesson-2", scores)
    found = judged(store, "lesson-2")
    assert found.happened == happened
    is_best = scores[happened] == max(scores)
    assert (found.judged.second == "") == is_best


def test_two_points_are_close_enough_and_a_little_more_is_not(store):
    finish(store, "lesson-2", (0.75, 0.779, 0.80, 0.80))
    assert judged(store, "lesson-2").happened == 2


def test_the_lowest_accuracy_with_the_paired_verdict(store):
    finish(store, "lesson-5", (0.9, 0.88, 0.5, 0.85, 0.89))
    found = judged(store, "lesson-5")
    assert found.happened == 2
    assert found.judged.difference.rows == 240


@pytest.mark.parametrize(
    ("scores", "happened"),
    [((0.5, 0.65, 0.75, 0.8), 2), ((0.5, 0.5, 0.5, 0.6), 4), ((0.8, 0.5, 0.9, 0.9), 0)],
)
def test_the_first_size_above_the_reference(store, references, scores, happened):
    for size, score in zip(lesson("lesson-4").preset.data["subsets"], scores):
        finish(store, "lesson-4", [score], size=size)
    found = judged(store, "lesson-4")
    assert [place.size for place in found.places] == [10, 50, 100, 1000]
    assert found.happened == happened


def test_a_size_that_is_missing_leaves_the_question_open(store, references):
    finish(store, "lesson-4", [0.9], size=10)
    assert judged(store, "lesson-4").happened is None


def test_how_many_can_be_told_from_the_best(store):
    finish(store, "lesson-7", (0.95, 0.95, 0.5, 0.5, 0.5))
    found = judged(store, "lesson-7")
    assert found.happened == 3
    assert found.judged.told is False


def test_other_settings_and_other_owners_runs_are_not_the_lessons(store):
    preset = lesson("lesson-2").preset
    finish(store, "lesson-3", [0.7] * 5, latency_ratio=(1.1, 1.2, 1.8, 1.05, 1.5))
    finish(store, "lesson-2", (0.7, 0.8, 0.8, 0.8), owner="somebody")
    assert runs_of(store, preset, "me") == []
    assert len(runs_of(store, preset, "somebody")) == preset.runs


def test_what_somebody_adds_to_the_setting_is_not_counted(store):
    finish(store, "lesson-2", (0.7, 0.8, 0.8, 0.8))
    store.add([RunSpec(setting_of("lesson-2"), MethodChoice("full").choice(), 0)])
    preset = lesson("lesson-2").preset
    assert len(runs_of(store, preset, None)) == preset.runs


@pytest.mark.parametrize("lesson_id", ["lesson-1", "lesson-4", "lesson-6"])
def test_what_a_preset_really_queues_is_found_again(store, lesson_id):
    from workbench.presets import plan
    from workbench.session import prepare_data

    preset = lesson(lesson_id).preset
    for prepared in prepare_data(store, preset):
        store.add(plan(preset, prepared))
    assert len(runs_of(store, preset, None)) == preset.runs
