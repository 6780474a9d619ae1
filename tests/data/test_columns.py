"""Which column is text and which is label."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.data.tables import rows, write
from workbench import data
from workbench.data import DataError


def raw(tmp_path: Path, **columns: list[str]) -> data.RawData:
    return data.read(write(tmp_path / "a.json", json.dumps(columns, ensure_ascii=False)))


TEXTS = [text for text, _ in rows(40)]
NAMES = [label for _, label in rows(40)]
NUMBERS = [str(i) for i in range(40)]


@pytest.mark.parametrize(
    ("text", "label"),
    [("text", "label"), ("Sentence", "Label"), ("review", "stars"), ("utterance", "intent"), ("customer_review", "category"),
     ("评论", "标签"), ("评论内容", "情感类别"), ("Question", "class"), ("content", "sentiment"), ("v2", "v1")],
)  # fmt: skip
def test_names(tmp_path: Path, text: str, label: str) -> None:
    found = raw(tmp_path, **{"id": NUMBERS, label: NAMES, "extra": NUMBERS, text: TEXTS})
    assert data.guess_columns(found) == (text, label)


def test_content_decides_where_names_say_nothing(tmp_path: Path) -> None:
    found = raw(tmp_path, a=NUMBERS, b=TEXTS, c=NAMES, d=["same"] * 40)
    assert data.guess_columns(found) == ("b", "c")


def test_a_column_named_like_labels_but_full_of_texts_is_not_one(tmp_path: Path) -> None:
    assert data.guess_columns(raw(tmp_path, topic=TEXTS, group=NAMES)) == ("topic", "group")


def test_names_of_classes_before_their_numbers(tmp_path: Path) -> None:
    found = raw(tmp_path, text=TEXTS, label=["0", "1"] * 20, label_text=NAMES)
    assert data.guess_columns(found) == ("text", "label_text")


def test_what_is_given_wins_and_is_checked(tmp_path: Path) -> None:
    found = raw(tmp_path, text=TEXTS, other=TEXTS, label=NAMES)
    assert data.guess_columns(found, text="other") == ("other", "label")
    with pytest.raises(DataError, match=r"unknown column\(s\) txet \(did you mean text\?\)"):
        data.guess_columns(found, text="txet")
    with pytest.raises(DataError, match="both column"):
        data.guess_columns(found, text="label", label="label")


def test_sentence_pairs_are_out_of_scope_unless_a_text_is_named(tmp_path: Path) -> None:
    found = raw(tmp_path, premise=TEXTS, hypothesis=TEXTS, label=NAMES)
    with pytest.raises(DataError, match="pairs are not supported") as caught:
        data.guess_columns(found)
    assert caught.value.code == "columns"
    assert data.guess_columns(found, text="premise") == ("premise", "label")


def test_no_labels(tmp_path: Path) -> None:
    answers = [f"because of {text}" for text in TEXTS]
    with pytest.raises(DataError, match="no column looks like labels"):
        data.guess_columns(raw(tmp_path, question=TEXTS, answer=answers))


def test_conversations_are_no_table(tmp_path: Path) -> None:
    items = [{"messages": [{"role": "user", "content": text}]} for text in TEXTS]
    with pytest.raises(DataError, match="lists or objects in messages"):
        data.guess_columns(data.read(write(tmp_path / "a.json", json.dumps(items))))


def test_a_label_column_of_free_text_blocks(tmp_path: Path) -> None:
    report = data.examine(raw(tmp_path, text=TEXTS, label=[text[::-1] for text in TEXTS]))
    assert report.blocks
    assert "40 different labels in 40 rows" in str(report.blocking_sentence)
