"""A prediction can be changed until it is committed, and an answer counts once."""

import pytest

from workbench import learners
from workbench.learners import Progress


def test_a_prediction_stands_once_it_is_committed(store):
    learners.predict(store, None, "lesson-1", 2)
    learners.predict(store, None, "lesson-1", 1)
    assert learners.progress(store, None) == {"lesson-1": Progress(1, False)}
    learners.commit(store, None, "lesson-1")
    learners.predict(store, None, "lesson-1", 3)
    assert learners.progress(store, None) == {"lesson-1": Progress(1, True)}


def test_nothing_can_be_committed_to_before_it_is_chosen(store):
    with pytest.raises(ValueError, match="Choose what you expect first"):
        learners.commit(store, None, "lesson-1")


def test_the_first_answer_counts(store):
    learners.answer(store, "a", "lesson-1", 0, 2)
    learners.answer(store, "a", "lesson-1", 0, 1)
    assert learners.progress(store, "a")["lesson-1"].answers == {0: 2}


def test_learners_do_not_see_each_other(store):
    learners.predict(store, "a", "lesson-1", 0)
    learners.answer(store, "a", "lesson-1", 0, 0)
    learners.predict(store, "b", "lesson-1", 1)
    assert learners.progress(store, "b") == {"lesson-1": Progress(1, False)}
    learners.start_over(store, "b", "lesson-1")
    assert learners.progress(store, "b") == {}
    assert learners.progress(store, "a")["lesson-1"] == Progress(0, False, {0: 0})


def test_what_was_said_outlives_the_page(store):
    from workbench.store import Store

    learners.predict(store, None, "lesson-2", 3)
    assert learners.progress(Store(store.folder), None)["lesson-2"].prediction == 3
