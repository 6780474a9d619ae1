"""Only complete checkpoints are gone on from."""

import os

import pytest

from workbench import checkpoints


def make(folder, step, complete=True):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_bytes(b"w" * 100)
    if complete:
        checkpoints.mark_complete(path)
    return path


def test_the_newest_complete_one_by_number_not_by_name(tmp_path):
    make(tmp_path, 9)
    newest = make(tmp_path, 100)
    torn = make(tmp_path, 101, complete=False)
    assert checkpoints.newest_complete(tmp_path) == (newest, [torn])


@pytest.mark.parametrize("harm", ["cut", "missing", "marker"])
def test_a_torn_one_is_not_complete(tmp_path, harm):
    path = make(tmp_path, 5)
    if harm == "cut":
        os.truncate(path / "weights", 60)
    elif harm == "missing":
        (path / "weights").unlink()
    else:
        os.truncate(path / checkpoints.MARKER, 4)
    assert checkpoints.newest_complete(tmp_path) == (None, [path])


def test_nothing_there(tmp_path):
    assert checkpoints.newest_complete(tmp_path / "none") == (None, [])


def test_old_ones_go(tmp_path):
    for step in (5, 10, 15):
        make(tmp_path, step)
    checkpoints.keep_newest(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-15"]


def test_a_link_outlives_its_source(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("first")
    checkpoints.link(source, target)
    source.unlink()
    source.write_text("second")
    assert target.read_text() == "first"
