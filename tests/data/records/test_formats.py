"""Every format is recognised by its columns, gives the rows agreed on, and survives every kind of file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.records.rows import every_row, lines, pairs, report, turns
from tests.data.tables import write
from workbench import data
from workbench.data import DataError
from workbench.data.records import alpaca, messages, sharegpt
from workbench.data.records.turns import BadRow, turns_of

SAYING = ("from", "value")


def sharegpt_row(i: int) -> dict[str, Any]:
    return {
        "conversations": [
            {"from": "system", "value": "Be brief."},
            {"from": "human", "value": f"Hi {i}"},
            {"from": "gpt", "value": "Hello."},
            {"from": "human", "value": f"And {i}?"},
            {"from": "gpt", "value": f"Also {i}."},
        ]
    }


GIVEN: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "prompt_completion": (pairs(), "prompt", "completion"),
    "question_answer": (
        [{"question": p["prompt"], "answer": p["completion"]} for p in pairs()],
        "question",
        "answer",
    ),
    "input_output": ([{"input": p["prompt"], "output": p["completion"]} for p in pairs()], "input", "output"),
    "source_target": (
        [{"source": p["prompt"], "target": p["completion"]} for p in pairs()],
        "source",
        "target",
    ),
    "text_summary": ([{"text": p["prompt"], "summary": p["completion"]} for p in pairs()], "text", "summary"),
    "article_highlights": (
        [
            {"id": str(i), "highlights": p["completion"], "article": p["prompt"]}
            for i, p in enumerate(pairs())
        ],
        "article",
        "highlights",
    ),
    "chinese": ([{"问题": p["prompt"], "答案": p["completion"]} for p in pairs()], "问题", "答案"),
}


@pytest.mark.parametrize("name", GIVEN)
def test_known_pairs_of_columns_are_taken_with_certainty(tmp_path: Path, name: str) -> None:
    rows, prompt, completion = GIVEN[name]
    found = report(tmp_path, rows)
    assert found.format is not None
    assert (found.format["name"], found.format["sure"]) == ("prompt_completion", "certain")
    assert found.format["columns"] == {"prompt": prompt, "completion": completion}
    assert (found.text, found.label) == (prompt, completion)
    assert not found.blocks
    assert {"prompt": "What comes after 3?", "completion": "The number 4 does."}.items() <= found.preview[
        3
    ].items()


def test_alpaca_joins_instruction_and_input(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"Add {i}.", "input": "to 2" if i % 2 else "", "output": f"{i + 2}"}
        for i in range(40)
    ]
    found = report(tmp_path, rows)
    assert found.format is not None
    assert (found.format["name"], found.format["score"]) == ("alpaca", 0.98)
    prepared = data.prepare(tmp_path / "a.jsonl", task="generation")
    prompts = {row["prompt"] for row in every_row(prepared)}
    assert {"Add 0.", "Add 1.\nto 2"} <= prompts
    assert all(set(row) == {"prompt", "completion"} for row in every_row(prepared))
    chinese = [{"指令": r["instruction"], "输入": r["input"], "输出": r["output"]} for r in rows]
    again = data.prepare(lines(tmp_path / "zh.jsonl", chinese), task="generation")
    assert again.spec.format == "alpaca"
    assert again.spec.fingerprint == prepared.spec.fingerprint


def test_a_context_is_an_input_and_a_category_a_kind(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"Say {i}.", "context": "now", "response": f"{i}!", "category": f"kind {i % 3}"}
        for i in range(60)
    ]
    found = report(tmp_path, rows)
    assert found.format is not None
    assert found.format["columns"]["input"] == "context"
    assert found.kinds == {"kind 0": 20, "kind 1": 20, "kind 2": 20}


def test_system_and_history_become_messages() -> None:
    cells = {"prompt": "c", "completion": "d", "system": "s", "history": json.dumps([["a", "b"]])}
    assert alpaca.to_row(cells, False) == {
        "prompt": "c",
        "completion": "d",
        "messages": [{"role": "system", "content": "s"}, *turns("a", "b", "c")],
    }
    assert isinstance(alpaca.to_row({**cells, "history": "[1]"}, False), BadRow)


def test_sharegpt_and_messages_give_the_same_rows(tmp_path: Path) -> None:
    rows = [sharegpt_row(i) for i in range(40)]
    roles = {"human": "user", "gpt": "assistant", "system": "system"}
    same = [
        {"messages": [{"role": roles[t["from"]], "content": t["value"]} for t in row["conversations"]]}
        for row in rows
    ]
    one = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation")
    notes = data.check(tmp_path / "a.jsonl", task="generation").notes
    assert "40 conversations with earlier answers: only the last answer of each is learned from" in notes
    other = data.prepare(lines(tmp_path / "b.jsonl", same), task="generation")
    assert (one.spec.format, other.spec.format) == ("sharegpt", "messages")
    assert (one.spec.text, one.spec.label) == ("conversations", "")
    assert one.spec.fingerprint == other.spec.fingerprint
    row = min(every_row(one), key=lambda row: len(row["prompt"]))
    assert row["completion"] == f"Also {row['prompt'][4:-1]}."
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant", "user"]
    assert row["messages"][-1]["content"] == row["prompt"]


def test_one_question_and_one_answer_need_no_messages(tmp_path: Path) -> None:
    rows = [{"messages": turns(p["prompt"], p["completion"])} for p in pairs()]
    assert data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation").rows["train"][0].keys() == {
        "prompt",
        "completion",
    }


def test_questions_after_the_last_answer_are_left_out() -> None:
    row = messages.FORMAT.to_row({"messages": json.dumps(turns("a", "b", "c"))}, False)
    assert row == {"prompt": "a", "completion": "b"}


def test_prompts_and_completions_as_turns(tmp_path: Path) -> None:
    rows = [
        {"prompt": turns(p["prompt"]), "completion": turns(p["completion"], first="assistant")}
        for p in pairs()
    ]
    found = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation")
    plain = data.prepare(lines(tmp_path / "b.jsonl", pairs()), task="generation")
    assert found.spec.fingerprint == plain.spec.fingerprint


REFERENCES = [{**row, "references": [row["completion"], f"{i + 1}."]} for i, row in enumerate(pairs())]
CONVERSATIONS = [sharegpt_row(i) for i in range(40)]


def _files(rows: list[dict[str, Any]]) -> dict[str, bytes]:
    frame = pd.DataFrame(rows)
    parquet = io.BytesIO()
    frame.to_parquet(parquet)
    texts = frame.map(lambda cell: cell if isinstance(cell, str) else json.dumps(cell))
    return {
        "list.json": json.dumps(rows, indent=1).encode(),
        "columns.json": json.dumps(frame.to_dict("list")).encode(),
        "a.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode(),
        "a.parquet": parquet.getvalue(),
        "json_in.csv": texts.to_csv(index=False).encode(),
        "python_in.csv": frame.to_csv(index=False).encode(),
    }


@pytest.mark.parametrize("rows", [REFERENCES, CONVERSATIONS], ids=["references", "conversations"])
def test_lists_and_objects_survive_every_kind_of_file(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    found = {
        name: data.prepare(write(tmp_path / name, content), task="generation")
        for name, content in _files(rows).items()
    }
    saved = tmp_path / "saved"
    datasets.Dataset.from_list(rows).save_to_disk(str(saved))
    found["saved"] = data.prepare(saved, task="generation")
    assert {name: one.spec.fingerprint for name, one in found.items()} == dict.fromkeys(
        found, found["a.jsonl"].spec.fingerprint
    )
    first = every_row(found["a.jsonl"])[0]
    assert len(first.get("references", first.get("messages"))) in (2, 4)


def test_turns_as_an_object_of_lists() -> None:
    cell = json.dumps({"role": ["user", "assistant"], "content": ["a", "b"]})
    assert turns_of(cell) == turns("a", "b")


def test_content_in_parts_is_joined_and_pictures_are_refused() -> None:
    good = [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    assert turns_of(json.dumps(good)) == [{"role": "user", "content": "a\nb"}]
    bad = turns_of(json.dumps([{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]))
    assert isinstance(bad, BadRow)
    assert bad.code == "broken_cell"


@pytest.mark.parametrize(
    "text", ["[1, 2]", "{", "[{]", '{"role": 1', "[" * 5000, '["\\d" is 1]', '{"a": {"b": 1}}']
)
def test_texts_that_look_like_json_stay_prompts(text: str, tmp_path: Path) -> None:
    rows = [{**row, "prompt": f"{text} {i}"} for i, row in enumerate(pairs())]
    prepared = data.prepare(lines(tmp_path / "a.jsonl", rows), task="generation")
    assert {row["prompt"] for row in every_row(prepared)} == {row["prompt"] for row in rows}


def test_labels_can_be_written_by_a_model_and_the_report_says_how_sure_it_is(tmp_path: Path) -> None:
    rows = [{"text": f"review {i}", "label": ("good", "bad")[i % 2]} for i in range(40)]
    found = report(tmp_path, rows)
    assert found.format is not None
    assert (found.format["sure"], found.format["score"]) == ("likely", 0.6)
    assert "labels" in found.format["reason"]
    assert found.fingerprint != data.check(tmp_path / "a.jsonl").fingerprint


def test_two_unknown_columns_are_a_guess_that_is_said(tmp_path: Path) -> None:
    rows = [{"left": row["prompt"], "right": row["completion"]} for row in pairs()]
    found = report(tmp_path, rows)
    assert found.format is not None
    assert found.format["sure"] == "a guess"
    assert "unsure_format" in {fault.code for fault in found.faults}
    turned = report(tmp_path, rows, text="right", label="left")
    assert turned.format is not None
    assert (turned.format["sure"], turned.preview[0]["prompt"]) == ("certain", "The number 1 does.")


def test_what_was_chosen_goes_before_every_guess(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Say it.", "input": f"in {i}", "output": f"out {i}", "note": f"n {i}"}
        for i in range(40)
    ]
    path = lines(tmp_path / "a.jsonl", rows)
    plain = data.prepare(path, task="generation", format="prompt_completion", text="input", label="note")
    assert plain.rows["test"][0]["completion"].startswith("n ")
    other = data.prepare(path, task="generation", columns={"input": "note"})
    assert other.spec.format == "alpaca"
    assert other.rows["test"][0]["prompt"].startswith("Say it.\nn ")
    both = data.prepare(path, task="generation", text="instruction", label="output")
    assert both.spec.format == "alpaca"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"format": "alpacca"}, "did you mean alpaca"),
        ({"text": "promt"}, "did you mean prompt"),
        ({"columns": {"kind": "knd"}}, "no column 'knd'|unknown column|knd"),
        ({"text": "prompt", "label": "prompt"}, "both column 'prompt'"),
        ({"format": "messages"}, "no columns look like prompts and completions"),
        ({"task": "generatoin"}, "did you mean generation"),
        ({"task": "classification", "format": "alpaca"}, "classification takes text and label"),
    ],
)
def test_wrong_choices_are_answered(tmp_path: Path, arguments: dict[str, Any], sentence: str) -> None:
    path = lines(tmp_path / "a.jsonl", pairs())
    with pytest.raises(DataError, match=sentence):
        data.prepare(path, **{"task": "generation", **arguments})


def test_one_column_is_no_pair(tmp_path: Path) -> None:
    found = report(tmp_path, [{"body": f"text {i}"} for i in range(9)])
    assert found.blocks
    assert "no columns look like prompts and completions" in str(found.blocking_sentence)


WORDS = st.text(min_size=1, max_size=8, alphabet=st.characters(exclude_categories=["Cs", "Cc"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4), st.none() | WORDS)
def test_conversations_come_back_as_they_were_written(
    said: list[tuple[str, str]], system: str | None
) -> None:
    texts = [text for pair in said for text in pair]
    before = [{"role": "system", "content": system}] if system is not None else []
    spoken = [*before, *turns(*texts)]
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    both = [
        messages.FORMAT.to_row({"messages": json.dumps(spoken)}, False),
        sharegpt.FORMAT.to_row(
            {"messages": json.dumps([{"from": names[t["role"]], "value": t["content"]} for t in spoken])},
            False,
        ),
    ]
    assert both[0] == both[1]
    row = both[0]
    assert isinstance(row, dict)
    asked = row.get("messages", [{"role": "user", "content": row["prompt"]}])
    assert [*asked, {"role": "assistant", "content": row["completion"]}] == spoken


@pytest.mark.slow
def test_real_sets(shared: Path) -> None:
    folder = shared / "data"
    for name, format, rows in (
        ("gsm8k", "prompt_completion", 8792),
        ("llamafactory_demo/alpaca_en_demo.json", "alpaca", 999),
        ("llamafactory_demo/alpaca_zh_demo.json", "alpaca", 1000),
        ("llamafactory_demo/kto_en_demo.json", "messages", 300),
    ):
        found = data.check(folder / name, task="generation")
        assert not found.blocks, found.to_text()
        assert found.format is not None
        assert (found.format["name"], found.format["sure"], found.rows) == (format, "certain", rows)
    prepared = data.prepare(folder / "gsm8k", task="generation", train_rows=50)
    assert prepared.rows["test"][0]["answer"] == "18"


def test_a_role_that_the_format_does_not_have_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"question": f"What is {n}?", "reply": f"It is {n}."} for n in range(30)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    with pytest.raises(data.DataError, match=r"promt.*prompt"):
        data.prepare(path, task="generation", columns={"promt": "question", "completion": "reply"})
    prepared = data.prepare(path, task="generation", columns={"prompt": "question", "completion": "reply"})
    assert prepared.rows["train"][0]["prompt"].startswith("What is")
