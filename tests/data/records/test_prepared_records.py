"""Prepared rows of free text: the spec leads back, parts keep prompts apart, folders keep rows, kinds are spread."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.records.rows import every_row, lines, pairs, turns
from tests.data.tables import write
from workbench import data
from workbench.data import DataError
from workbench.data.diagnosis import Record
from workbench.data.records.divide import divided
from workbench.data.split import Split
from workbench.spec import DataSpec, Setting

NAMES = [
    "parts",
    "text",
    "label",
    "fixes",
    "train_rows",
    "validation_rows",
    "test_rows",
    "validation_share",
    "test_share",
    "split_seed",
    "encoding",
    "skip_broken",
    "task",
    "format",
    "columns",
    "fill",
]


def _again(spec: DataSpec) -> data.Prepared:
    return data.prepare(spec.source, **{name: getattr(spec, name) for name in NAMES})


ROWS: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any]]] = {
    "pairs": (
        "generation",
        [*pairs(60), {"prompt": "", "completion": "x"}, *pairs(3)],
        {"fixes": ["drop_duplicates"]},
    ),
    "alpaca": (
        "generation",
        [{"instruction": f"I {i} {{name}}", "output": f"O {i}", "note": f"n{i}"} for i in range(60)],
        {"columns": {"input": "note"}, "fill": {"name": "Robo"}},
    ),
    "messages": (
        "generation",
        [{"messages": turns(f"a{i}", "b", f"c{i}", f"d{i}")} for i in range(60)] + [{"messages": []}],
        {"train_rows": 20, "split_seed": 3},
    ),
    "preference": (
        "preference",
        [{"prompt": f"p{i}", "chosen": f"c{i}", "rejected": f"r{i}"} for i in range(60)],
        {},
    ),
    "language_modelling": ("language_modelling", [{"text": f"A story about {i}."} for i in range(60)], {}),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_spec_leads_back_to_the_same_rows_and_the_folder_keeps_them(tmp_path: Path, name: str) -> None:
    task, rows, arguments = ROWS[name]
    one = data.prepare(lines(tmp_path / "a.jsonl", rows), task=task, **arguments)
    assert one.spec.labels == ()
    assert (one.spec.task, one.spec.format is not None) == (task, True)
    assert _again(one.spec) == one
    spec = Setting.from_dict(json.loads(json.dumps(Setting(one.spec, "m").to_dict()))).data
    assert spec == one.spec
    folder = tmp_path / "kept" / one.spec.fingerprint
    data.save_prepared(one, folder)
    assert data.load_prepared(folder) == one
    changed = (folder / "test.jsonl").read_text().replace('": "', '": "!', 1)
    write(folder / "test.jsonl", changed)
    with pytest.raises(DataError, match="was altered"):
        data.load_prepared(folder)


@pytest.mark.parametrize(
    "line",
    [
        '{"prompt": "a"}',
        '{"prompt": "a", "completion": "b", "references": [1]}',
        '{"prompt": "a", "completion": "b", "x": 1}',
    ],
)
def test_rows_of_another_shape_are_refused(tmp_path: Path, line: str) -> None:
    one = data.prepare(lines(tmp_path / "a.jsonl", pairs()), task="generation")
    folder = tmp_path / "kept"
    data.save_prepared(one, folder)
    write(folder / "test.jsonl", line + "\n")
    with pytest.raises(DataError, match="something else than rows for generation") as caught:
        data.load_prepared(folder)
    assert caught.value.code == "altered"


def test_the_fingerprint_depends_on_rows_and_task(tmp_path: Path) -> None:
    one = data.prepare(lines(tmp_path / "a.jsonl", pairs()), task="generation").spec.fingerprint
    moved = [{"answer": p["completion"], "question": p["prompt"]} for p in pairs()]
    assert data.prepare(lines(tmp_path / "b.jsonl", moved), task="generation").spec.fingerprint == one
    kinds = [{**row, "kind": "one"} for row in pairs()]
    assert data.prepare(lines(tmp_path / "c.jsonl", kinds), task="generation").spec.fingerprint != one


def test_kinds_are_spread_over_the_parts(tmp_path: Path) -> None:
    rows = [{**row, "kind": ("often", "seldom")[i % 10 == 0]} for i, row in enumerate(pairs(400))]
    prepared = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation", train_rows=100)
    counts = {part: Counter(row["kind"] for row in found) for part, found in prepared.rows.items()}
    assert counts["train"] == {"often": 90, "seldom": 10}
    assert counts["test"] == {"often": 72, "seldom": 8}


def test_kinds_of_a_row_each_are_divided_together(tmp_path: Path) -> None:
    rows = [{**row, "id": f"row {i}"} for i, row in enumerate(pairs(100))]
    prepared = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation", columns={"kind": "id"})
    assert {part: len(found) for part, found in prepared.rows.items()} == {
        "train": 65,
        "validation": 15,
        "test": 20,
    }


WORDS = st.text(min_size=1, max_size=3, alphabet="abcde ")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(WORDS, WORDS, st.sampled_from(["", "x", "y"])), min_size=4, max_size=30),
    st.integers(0, 9),
)
def test_what_is_asked_alike_never_stands_in_two_parts(drawn: list[tuple[str, str, str]], seed: int) -> None:
    records = [
        Record({"prompt": p, "completion": c, **({"kind": k} if k else {})}, i)
        for i, (p, c, k) in enumerate(drawn)
    ]
    found = divided({"all": records}, Split(seed=seed), gathers_references=True)
    asked = {part: {" ".join(r.values["prompt"].split()) for r in rows} for part, rows in found.items()}
    assert not asked["train"] & asked["test"]
    assert not asked["train"] & asked["validation"]
    assert not asked["validation"] & asked["test"]
    assert set().union(*asked.values()) == {" ".join(p.split()) for p, _, _ in drawn}
    kept = {
        text
        for rows in found.values()
        for r in rows
        for text in (r.values["completion"], *r.values.get("references", ()))
    }
    assert kept == {c for _, c, _ in drawn}


def test_the_completion_is_one_of_the_references(tmp_path: Path) -> None:
    rows = [{**row, "references": ["Another.", "A third."]} for row in pairs()]
    prepared = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation")
    assert all(
        row["references"] == [row["completion"], "Another.", "A third."] for row in every_row(prepared)
    )
    alone = [{**row, "completion": "", "references": [row["completion"], "More."]} for row in pairs()]
    again = data.prepare(lines(tmp_path / "b.jsonl", alone), task="generation")
    assert {row["completion"] for row in every_row(again)} == {row["completion"] for row in pairs()}


def test_bare_answers_are_read_from_worked_out_completions(tmp_path: Path) -> None:
    rows = [{"question": f"{i} and 1?", "answer": f"{i} + 1 = {i + 1}\n#### {i + 1:,}"} for i in range(40)]
    prepared = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation")
    assert all(row["completion"].endswith(f"#### {row['answer']}") for row in every_row(prepared))
    one_without = [*rows, {"question": "why?", "answer": "so"}]
    prepared = data.prepare(lines(tmp_path / "b.jsonl", one_without), task="generation")
    assert not any("answer" in row for row in every_row(prepared))


@pytest.mark.parametrize(
    "card", [card for card in data.bundled() if card.task in data.DATA_TASKS], ids=lambda c: c.name
)
def test_bundled_sets_are_prepared_by_their_cards(card: data.BundledCard) -> None:
    fill = dict.fromkeys(card.more.get("placeholders", ()), "Robin")
    prepared = data.prepare(card.name, task=card.task, fill=fill)
    assert {part: len(rows) for part, rows in prepared.rows.items()} == card.rows
    columns = {k.removesuffix("_column"): v for k, v in card.more.items() if k.endswith("_column")}
    found = data.check(card.name, task=card.task, fill=fill)
    if found.format is not None:
        assert found.format["columns"] == columns
        assert found.format["sure"] == "certain"
    rows = every_row(prepared)
    for name in {"kind", "references", "answer"} & set(columns):
        assert all(row[name] for row in rows)
