"""Recordings are made of finished runs of one setting, survive their file, and are no runs."""

import json

import pytest

from tests.lesson_runs import finish
from workbench import replay
from workbench.replay import Recording, at, record


@pytest.fixture
def runs(store):
    ids = finish(store, "lesson-2", (0.6, 0.7, 0.75, 0.6), seeds=[0])
    return store.runs(ids=ids)


def test_a_recording_keeps_what_the_run_said_on_the_way(store, runs):
    found = record(store, runs, "rank", preset="lesson-2", title="Ranks")
    assert [run.label for run in found.runs] == [run.label for run in runs]
    assert found.runs[0].loss[0] == (0.25, 1.0)
    assert found.runs[0].seconds == 5.0
    assert found.runs[1].final == pytest.approx(0.7)
    assert found.machine == "Invented CPU, 1 thread"
    assert found.versions == {"torch": "0"}


def test_a_recording_survives_its_file(store, runs):
    made = record(store, runs, "rank")
    assert Recording.from_json(made.to_json(), "rank.json") == made


def test_a_recording_names_no_machine_path_or_owner(store, runs):
    text = record(store, runs, "rank").to_json()
    assert str(store.folder) not in text
    assert runs[0].id not in text


def test_only_finished_runs_of_one_setting_are_recorded(store, runs):
    other = store.runs(ids=finish(store, "lesson-3", [0.7] * 5, seeds=[0], latency_ratio=(1, 2, 3, 4, 5)))
    broken = store.runs(ids=finish(store, "lesson-2", (None, 0.7, 0.7, 0.7), seeds=[1]))
    for chosen, sentence in (
        ([*runs, *other], "several"),
        (broken, "only finished"),
        ([], "at least one run"),
    ):
        with pytest.raises(ValueError, match=sentence):
            record(store, chosen, "rank")
    with pytest.raises(ValueError, match="lower-case"):
        record(store, runs, "../rank")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{}", "no recording"), ("[", "no recording"), ('{"format": 99}', "newer workbench")],
)
def test_what_is_no_recording_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        Recording.from_json(text, "x.json")


def test_the_value_at_a_moment_is_the_last_known():
    points = ((1.0, 0.9), (2.0, 0.5))
    assert [at(points, when) for when in (0.5, 1.0, 1.9, 5.0)] == [None, 0.9, 0.9, 0.5]


def test_shipped_recordings_are_real_small_and_dated():
    assert len(replay.recordings()) >= 2
    for one in replay.recordings():
        assert one.machine
        assert one.recorded_at >= "2026"
        assert all(run.loss and run.final is not None for run in one.runs)
        assert len(one.to_json()) < 200_000
        assert "/" not in json.dumps(one.versions)


def test_playing_marks_every_line_as_a_replay(capsys):
    from workbench.cli.replay_command import _play

    one = replay.recordings()[0]
    waits = []
    assert _play(one, 100, as_json=False, wait=waits.append) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("replay") for line in lines)
    assert len(lines) == 20 + len(one.runs)
    assert sum(waits) == pytest.approx(one.seconds / 100)
