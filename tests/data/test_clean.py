"""Fixes are pure, idempotent, and applied in one order whatever the order of the clicks."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.clean import (
    FIXES,
    Row,
    apply_fixes,
    check_fixes,
    has_html,
    label_spellings,
    rename_fix,
    with_single_spaces,
    without_html,
)
from workbench.data.faults import DataError

TEXTS = st.sampled_from(["a b", "A  b", " a b ", "<b>a</b> b", "", "c", "d &amp; e", "e\u0301", "é"])
LABELS = st.sampled_from(["x", "X", " x", "1", "1.0", "y", ""])
ROWS = st.lists(st.builds(Row, TEXTS, LABELS, st.integers(1, 99)), max_size=12)
PARTS = st.fixed_dictionaries({"train": ROWS, "test": ROWS})
NAMES = [name for name in FIXES if name != "rebalance"]


@settings(max_examples=80, deadline=None)
@given(PARTS, st.sampled_from(NAMES))
def test_a_fix_leaves_its_input_alone_and_does_nothing_twice(parts: dict[str, list[Row]], fix: str) -> None:
    before = {part: list(rows) for part, rows in parts.items()}
    once = apply_fixes(parts, [fix])
    assert parts == before
    if fix != "drop_rare":
        assert apply_fixes(once, [fix]) == once


@settings(max_examples=60, deadline=None)
@given(
    PARTS,
    st.permutations(["strip_html", "drop_duplicates", "normalise_labels", "drop_overlap", "drop_empty"]),
)
def test_the_order_of_clicks_does_not_matter(parts: dict[str, list[Row]], fixes: list[str]) -> None:
    assert apply_fixes(parts, fixes) == apply_fixes(parts, sorted(fixes))
    assert check_fixes(fixes) == check_fixes(sorted(fixes))


@pytest.mark.parametrize(
    ("old", "new"), itertools.permutations(["a", "a=b", "50%", "rename:x", "%3D", "雪"], 2)
)
def test_renames_survive_any_label(old: str, new: str) -> None:
    parts = {"train": [Row("t", old), Row("t", "other")]}
    assert apply_fixes(parts, [rename_fix(old, new)]) == {"train": [Row("t", new), Row("t", "other")]}


@pytest.mark.parametrize(
    "fix", ["rename:", "rename:a", "rename:a=", "rename:=b", "rename:a=b=c", "nothing", 3, None]
)
def test_bad_fixes_are_refused(fix: object) -> None:
    with pytest.raises(DataError) as caught:
        check_fixes([fix])  # type: ignore[list-item]
    assert caught.value.code == "fixes"


def test_a_text_instead_of_a_list_is_refused() -> None:
    with pytest.raises(DataError, match="fixes are a list"):
        check_fixes("drop_empty")


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("good<br /><br />film", "good film"),
        ("<p class='x'>a</p> &lt;3 &amp; more", "a <3 & more"),
        ("<script>alert(1)</script>hello", "hello"),
        ("2 < 3 and 5 > 4", "2 < 3 and 5 > 4"),
        ("the <unk> token, R&D; a <3", "the <unk> token, R&D; a <3"),
        ("<B>loud</B>", "loud"),
    ],
)
def test_html(text: str, bare: str) -> None:
    assert without_html(text) == bare
    assert has_html(text) == (text != bare)


def test_white_space() -> None:
    assert with_single_spaces("\ufeff a\u00a0 b\u200b\tc\ne\u0301 ") == "a b c é"


def test_spellings_prefer_the_common_and_the_whole_number() -> None:
    assert label_spellings({"1.0": 90, "1": 10, "0": 50, "Good": 2, "good": 9, " bad": 3}) == {
        "1.0": "1", "Good": "good", " bad": "bad",
    }  # fmt: skip
    assert label_spellings({"1.5": 1, "1": 1, "10": 3}) == {}
