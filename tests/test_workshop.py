"""A workshop: joining by code and nickname, the teacher's rights, the tally, and a leaderboard of one setting."""

import pytest

from tests.lesson_runs import finish
from workbench import learners, workshop
from workbench.lessons import lesson

A, B, T = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture
def opened(monkeypatch):
    monkeypatch.setenv(workshop.ENVIRONMENT, "FABLE-8")


def test_joining_takes_the_code_and_a_free_nickname(store, opened):
    workshop.join(store, A, "fable-8 ", "  Ada  L. ")
    assert [(one.nickname, one.teacher) for one in workshop.participants(store)] == [("Ada L.", False)]
    with pytest.raises(ValueError, match="called ada l"):
        workshop.join(store, B, "FABLE-8", "ada l.")
    with pytest.raises(ValueError, match="not the code"):
        workshop.join(store, B, "FABLE-9", "Bo")
    workshop.join(store, A, "FABLE-8", "Ada")
    assert [one.nickname for one in workshop.participants(store)] == ["Ada"]


@pytest.mark.parametrize("name", ["", "   ", "x" * 25, "a\u202eb"])
def test_a_nickname_is_short_and_printable(store, opened, name):
    with pytest.raises(ValueError, match="1 to 24"):
        workshop.join(store, A, "FABLE-8", name)


def test_nobody_joins_where_there_is_no_workshop(store):
    with pytest.raises(ValueError, match="not open for a workshop"):
        workshop.join(store, A, "FABLE-8", "Ada")


@pytest.mark.parametrize("code", ["", "ab", "-abc", "a b c", "x" * 25, "../../etc"])
def test_a_code_is_letters_digits_and_hyphens(code):
    with pytest.raises(ValueError, match="a workshop code is"):
        workshop.checked(code)


def test_only_the_teachers_code_makes_a_teacher(store, opened):
    code = workshop.teacher_code(store, "FABLE-8")
    assert code == workshop.teacher_code(store, "FABLE-8")
    workshop.join(store, T, code, "Tina")
    workshop.join(store, A, "FABLE-8", "Ada")
    assert workshop.require_teacher(store, T).nickname == "Tina"
    for owner in (A, B, None):
        with pytest.raises(ValueError, match="Only the teacher"):
            workshop.require_teacher(store, owner)


def test_the_board_keeps_pane_and_lesson(store, opened):
    assert workshop.board(store) == workshop.Board("join", None)
    workshop.show(store, lesson="lesson-2")
    workshop.show(store, pane="tally")
    assert workshop.board(store) == workshop.Board("tally", "lesson-2")
    with pytest.raises(ValueError, match="the projector shows one of"):
        workshop.show(store, pane="cinema")


def test_the_tally_counts_what_participants_committed_to(store, opened):
    for owner, name, choice in ((A, "Ada", 1), (B, "Bo", 1)):
        workshop.join(store, owner, "FABLE-8", name)
        learners.predict(store, owner, "lesson-2", choice)
    learners.commit(store, A, "lesson-2")
    assert workshop.tally(store, lesson("lesson-2")) == [0, 1, 0, 0]


def test_the_leaderboard_takes_each_ones_best_and_marks_the_front(store, opened):
    for owner, name in ((A, "Ada"), (B, "Bo")):
        workshop.join(store, owner, "FABLE-8", name)
    finish(store, "lesson-2", (0.6, 0.7, 0.75, 0.6), owner=A, peak_memory_bytes=(100, 200, 300, 400))
    finish(store, "lesson-2", (0.6, 0.7, 0.7, 0.9), owner=B, peak_memory_bytes=(100, 200, 300, 400))
    finish(store, "lesson-2", (0.99, 0.99, 0.99, 0.99), owner="nobody", peak_memory_bytes=(1, 1, 1, 1))
    first, second = workshop.leaderboard(store, lesson("lesson-2"))
    assert (first.nickname, second.nickname) == ("Bo", "Ada")
    assert first.score.mean == pytest.approx(0.9)
    assert first.score.n == 2
    assert first.on_front
    assert second.on_front  # less memory
    assert set(first.letters + second.letters) <= set("ab")


def test_runs_of_another_setting_are_not_on_the_board(store, opened):
    workshop.join(store, A, "FABLE-8", "Ada")
    finish(store, "lesson-3", [0.7] * 5, owner=A, latency_ratio=(1.1, 1.2, 1.8, 1.05, 1.5))
    assert workshop.leaderboard(store, lesson("lesson-2")) == []


def test_who_has_not_been_seen_for_a_while_is_away(store, opened, monkeypatch):
    workshop.join(store, A, "FABLE-8", "Ada")
    workshop.seen(store, A, "lesson-4")
    (ada,) = workshop.participants(store)
    assert ada.is_here
    assert ada.lesson == "lesson-4"
    monkeypatch.setattr(workshop.time, "time", lambda: ada.seen_at + workshop.HERE_SECONDS + 1)
    assert not ada.is_here
