"""Readers' judgements: lines that survive a torn one, and the preference data that they become."""

import pytest

from workbench import judgements
from workbench.store import Store
from workbench.uploads import located


def test_a_torn_line_costs_that_line_alone(tmp_path):
    path = tmp_path / "new" / "lines.jsonl"
    assert judgements.append(path, {"n": 1}) == 1
    with path.open("a") as file:
        file.write('{"n": ')
    assert judgements.append(path, {"n": 2}) == 2
    assert list(judgements.read(path)) == [{"n": 1}, {"n": 2}]
    assert path.stat().st_mode & 0o077 == 0


def test_the_newest_of_equal_lines_is_forgotten(tmp_path):
    path = tmp_path / "lines.jsonl"
    for n in (1, 2, 1, 3):
        judgements.append(path, {"n": n})
    assert judgements.forget(path, {"n": 1})
    assert not judgements.forget(path, {"n": 4})
    assert [line["n"] for line in judgements.read(path)] == [1, 2, 3]


def test_no_more_are_kept_than_allowed(tmp_path):
    judgements.append(tmp_path / "lines.jsonl", {}, most=1)
    with pytest.raises(ValueError, match="use them as data"):
        judgements.append(tmp_path / "lines.jsonl", {}, most=1)


def test_rows_are_those_that_leave_a_choice_each_once():
    rows = judgements.preference_rows(
        [
            ("p", "good", "bad"),
            ("p", " good", "bad\n"),
            ("p", "a b", "a  b"),
            ("p", "", "bad"),
            ("q", "good", "bad"),
        ]
    )
    assert rows == [{"prompt": prompt, "chosen": "good", "rejected": "bad"} for prompt in "pq"]


def test_rows_become_a_file_of_ones_own(store: Store):
    with pytest.raises(ValueError, match="judge a few"):
        judgements.keep_as_data(store, [], None, "v.jsonl")
    reference = judgements.keep_as_data(store, [{"prompt": "p"}] * 2, None, "v.jsonl")
    with open(located(store, reference, None)) as file:
        assert len(file.readlines()) == 2
