"""A file of prompts through several runs: read in every form, the same answers as one by one, kept with the setting."""

import pytest

from tests.served import served
from workbench import inference, prompt_sets
from workbench.asking import Ask, write
from workbench.store import Store

SETTING = "ab12cd34"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.txt", "one two\n\n  three \n"),
        ("p.csv", 'id,prompt\n1,one two\n2,"three"\n'),
        ("p.tsv", "text\tid\none two\t1\nthree\t2\n"),
        ("p.jsonl", '{"prompt": "one two"}\n{"prompt": "three"}\n'),
        ("p.json", '["one two", {"text": "three"}]'),
    ],
)
def test_prompts_are_read(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert prompt_sets.read_prompts(path) == ["one two", "three"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.txt", " \n", "has no prompts"),
        ("p.csv", "label\ngood\n", "needs a column named prompt"),
        ("p.jsonl", "{broken", "is not JSON"),
        ("p.txt", "a\n" * 1001, "up to 1,000"),
    ],
)
def test_what_can_not_be_read_says_why(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        prompt_sets.read_prompts(path)


def test_all_prompts_go_through_all_runs(tmp_path):
    inference.forget()
    many = served(tmp_path, [("lora", {"r": 2}), ("lora", {"r": 4}), "ia3"], task="generation", spread=1.0)
    prompts = ["film slow", "room", "food bad", "a plot", "scene"]
    told = tmp_path / "told"
    found = prompt_sets.ask_prompts(
        str(many.store.folder), many.ids, prompts, True, {"max_new_tokens": 4}, str(told)
    )
    assert found["keys"] == ["base", *many.ids]
    assert [row["prompt"] for row in found["rows"]] == prompts
    assert '"done": 5' in told.read_text()
    engine = inference.engine_for(many.store)
    for row in found["rows"]:
        alone = write(
            engine, [Ask(r, row["prompt"], options={"max_new_tokens": 4}) for r in many.ids], proof=False
        )
        assert [row["answers"][r]["text"] for r in many.ids] == [a["text"] for a in alone]
    lines = prompt_sets.as_csv(found, {"base": "Base"}).splitlines()
    assert lines[0].startswith("prompt,Base,")
    assert len(lines) == 6
    inference.forget()


def test_tables_are_kept_with_their_setting(store: Store):
    found = {"keys": ["a"], "rows": [{"prompt": "p", "answers": {"a": {"label": "x"}}}], "reasons": {}}
    table_id = prompt_sets.keep(store, SETTING, "mine.txt", found)
    (kept,) = prompt_sets.kept(store, SETTING)
    assert (kept["id"], kept["name"], kept["rows"]) == (table_id, "mine.txt", found["rows"])
    assert prompt_sets.kept(store, "ffffffff") == []
    assert prompt_sets.kept(store, SETTING, owner="somebody") == []
