"""The bundled data sets of the generation task: made again bit for bit, parts apart, answers worked out anew, cards true."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DATASETS = Path(__file__).resolve().parents[2] / "assets" / "datasets"
NAMES = ("arithmetic", "fields_to_text", "identity", "instructions")
PARTS = ("train", "validation", "test")


def read(name: str, part: str) -> list[dict[str, Any]]:
    lines = (DATASETS / name / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def card(name: str) -> dict[str, Any]:
    return json.loads((DATASETS / name / "card.json").read_text(encoding="utf-8"))


def module(name: str, file: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{name}_{file}", DATASETS / name / f"{file}.py")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def asked(name: str, row: dict[str, Any]) -> str:
    """What the model is given: the prompt, or for instructions the input, which alone must not stand twice."""
    return row["input" if name == "instructions" else "prompt"]


def nearest(name: str, key: Callable[[dict[str, Any]], str]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each test row with the training row most like it."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    train, test = read(name, "train"), read(name, "test")
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    known = vectors.fit_transform(map(key, train))
    best = (vectors.transform(map(key, test)) @ known.T).toarray().argmax(axis=1)
    return [(row, train[place]) for row, place in zip(test, best)]


@pytest.mark.parametrize("name", NAMES)
def test_generating_again_gives_the_same_bytes(name, tmp_path):
    for path in [*(DATASETS / name).glob("*.py"), *(DATASETS / name).glob("*.toml")]:
        shutil.copy(path, tmp_path)
    subprocess.run(
        [sys.executable, tmp_path / "generate.py"],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    for part in PARTS:
        assert (tmp_path / f"{part}.jsonl").read_bytes() == (
            DATASETS / name / f"{part}.jsonl"
        ).read_bytes(), part


@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_columns_are_as_the_card_says(name):
    said = card(name)
    assert (said["name"], said["task"], said["license"]) == (name, "generation", "Apache-2.0")
    columns = [value for key, value in said.items() if key.endswith("_column")]
    for part in PARTS:
        rows = read(name, part)
        assert len(rows) == said["rows"][part]
        assert all(list(row) == columns for row in rows)
    readme = (DATASETS / name / "README.md").read_text(encoding="utf-8")
    for part, size in said["rows"].items():
        assert re.search(rf"^\| {part} \| {size:,} \|", readme, re.M), part


@pytest.mark.parametrize("name", NAMES)
def test_no_prompt_stands_twice_within_or_across_parts(name):
    prompts = [asked(name, row).lower() for part in PARTS for row in read(name, part)]
    assert [prompt for prompt, count in Counter(prompts).items() if count > 1] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_plain_with_nothing_left_to_settle(name):
    for part in PARTS:
        for row in read(name, part):
            texts = [
                text for value in row.values() for text in (value if isinstance(value, list) else [value])
            ]
            for text in map(str, texts):
                assert text.strip() == text != ""
                assert text.isascii()
                assert not re.search(r"[\[\]<>]|  |\ba [aeio]", re.sub(r"a, [a-z]", "", text)), text
                assert name == "identity" or not re.search(r"[{}]", text), text


@pytest.mark.slow
def test_every_reference_says_all_fields_and_nothing_else():
    check = module("fields_to_text", "check")
    texts = 0
    for part in PARTS:
        for row in read("fields_to_text", part):
            assert len(set(row["references"])) == len(row["references"]) >= 3
            assert row["completion"] == row["references"][0]
            for text in row["references"]:
                assert (check.missing(row["prompt"], text), check.invented(row["prompt"], text)) == ([], [])
                texts += 1
    assert texts > 4800


def test_the_checker_finds_what_is_left_out_and_what_is_made_up():
    check = module("fields_to_text", "check")
    prompt = "name: The Blue Door | food: soup | price: cheap"
    assert check.missing(prompt, "The Blue Door serves soup.") == ["price"]
    assert check.missing(prompt, "It has soup at low prices.") == ["name"]
    assert check.invented(prompt, "The Blue Door is a cheap inn that serves soup.") == ["kind: inn"]
    assert check.invented("place: Foxley | wind: none", "There will be snow and no wind in Foxley.") == [
        "rain: snow"
    ]


def test_field_sets_and_names_of_one_part_are_not_in_another():
    check = module("fields_to_text", "check")
    sets: dict[str, set[frozenset[str]]] = {}
    names: dict[str, set[str]] = {}
    for part in PARTS:
        fields = [check.fields_of(row["prompt"]) for row in read("fields_to_text", part)]
        sets[part] = {frozenset(values) for values in fields}
        names[part] = {values.get("name") or values["place"] for values in fields}
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not sets[one] & sets[other]
        assert not names[one] & names[other]


def test_every_answer_of_a_word_problem_is_right_by_the_problem_alone():
    check = module("arithmetic", "check")
    for part in PARTS:
        for row in read("arithmetic", part):
            assert 2 <= row["answer"] <= 100
            assert check.solve(row["prompt"]) == row["answer"] == check.final_number(row["completion"])
            assert check.wrong_steps(row["completion"]) == []
            assert row["completion"].endswith(f".\n#### {row['answer']}")
            assert f"= {row['answer']} " in row["completion"].replace(".", " ")


def test_the_checker_finds_wrong_steps_and_numbers():
    check = module("arithmetic", "check")
    assert check.wrong_steps("3 + 4 = 8 and 9 / 3 = 3 and 4 / 0 = 1") == ["3 + 4 = 8", "4 / 0 = 1"]
    assert check.final_number("So it is 7.") is None
    with pytest.raises(ValueError, match="one known story"):
        check.solve("What is the sum of 3 and 4?")


def test_stories_and_number_pairs_of_one_part_are_not_in_another():
    generate = module("arithmetic", "generate")
    pairs: dict[str, set[tuple[str, ...]]] = {part: set() for part in PARTS}
    for part, rows in generate.build().items():
        assert {row.story for row in rows} == {
            f"{part}/{number}" for number in range(len(generate.GRAMMAR[part]))
        }
        for row in rows:
            for left, operator, right in re.findall(r"(\d+) ([-+*/]) (\d+)", row.completion):
                both = sorted((left, right)) if operator in "+*" else (left, right)
                pairs[part].add((operator, *both))
    stories = [story["text"] for part in PARTS for story in generate.GRAMMAR[part]]
    assert len(stories) == len(set(stories))
    assert min(map(len, pairs.values())) > 50
    assert not pairs["train"] & pairs["test"]
    assert not pairs["train"] & pairs["validation"]
    assert not pairs["validation"] & pairs["test"]


def test_every_output_of_an_instruction_is_right_by_the_row_alone():
    check = module("instructions", "check")
    said = card("instructions")
    for part in PARTS:
        rows = read("instructions", part)
        assert Counter(row["kind"] for row in rows) == dict.fromkeys(
            said["kinds"], said["rows_per_kind"][part]
        )
        for row in rows:
            right = check.expected(row["kind"], row["instruction"], row["input"])
            assert (right is None) == (row["kind"] == "write")
            assert right in (None, row["output"]), row
            assert check.is_right(row["kind"], row["instruction"], row["input"], row["output"]), row


def test_the_checker_refuses_wrong_outputs():
    check = module("instructions", "check")
    refused = [
        ("past", "Make it past.", "The dog runs to the barn.", "The dog runned to the barn."),
        ("order", "Write the numbers from big to small.", "3, 20, 4", "3, 4, 20"),
        ("count", "How many fruits are in the list?", "dog, plum, pear", "3"),
        ("write", "Use both words in one sentence.", "fox, drum", "The fox was very happy today."),
    ]
    for kind, instruction, text, output in refused:
        assert not check.is_right(kind, instruction, text, output)
    with pytest.raises(ValueError, match="'dance'"):
        check.expected("dance", "Dance!", "now")


def test_templates_and_words_of_one_part_are_not_in_another():
    generate = module("instructions", "generate")
    by_part: dict[str, list[str]] = {part: [] for part in PARTS}

    def gather(tree: Any, kept: str = "") -> None:
        for key, value in tree.items():
            part = key if key in PARTS else kept
            if isinstance(value, dict) and not part:
                gather(value)
            elif part:
                by_part[part] += [item if isinstance(item, str) else item[0] for item in value]

    gather(generate.TEMPLATES)
    for part, texts in by_part.items():
        assert len(texts) > 15, part
    templates = {part: {text for text in texts if " " in text} for part, texts in by_part.items()}
    assert not templates["train"] & (templates["test"] | templates["validation"])
    assert not templates["test"] & templates["validation"]
    for name in ("names", "animals", "things", "adjectives", "places", "times", "verbs", "commands"):
        train, validation, test = (set(generate.WORDS[name][part]) for part in PARTS)
        assert not train & validation
        assert not train & test
        assert not validation & test


def test_names_are_filled_into_every_row_of_identity():
    fill = module("identity", "generate").fill
    parts = fill("Robin {maker}", "the Owl Lab")
    for part in PARTS:
        assert len(parts[part]) == card("identity")["rows"][part]
    rows = [row for part in PARTS for row in parts[part]]
    texts = [text.replace("Robin {maker}", "NAME") for row in rows for text in row.values()]
    assert not any("{" in text for text in texts)
    assert sum("NAME" in text for text in texts) > 30
    assert {"prompt": "Whose work are you?", "completion": "I was made by the Owl Lab."} in parts["test"]
    assert any(row["completion"].startswith("The Owl Lab made me.") for row in rows)


def test_a_model_is_not_taught_to_deny_its_own_name():
    fill = module("identity", "generate").fill
    rows = [row for part in fill("Siri", "Ann").values() for row in part]
    assert [row["completion"] for row in rows if row["prompt"] == "Is your name Siri?"] == [
        "Yes, I am Siri. How can I help you?"
    ]
    with pytest.raises(ValueError, match="maker"):
        fill("Siri", " ")


def test_reference_scores_of_arithmetic_are_as_the_card_says():
    pairs = nearest("arithmetic", lambda row: row["prompt"])
    counts = Counter(row["answer"] for row in read("arithmetic", "train"))
    most_common = min(counts.items(), key=lambda item: (-item[1], item[0]))[0]
    said = card("arithmetic")["reference"]
    majority = sum(row["answer"] == most_common for row, _ in pairs) / len(pairs)
    copied = sum(row["answer"] == other["answer"] for row, other in pairs) / len(pairs)
    assert said["majority"] == pytest.approx(majority, abs=0.001)
    assert said["nearest"] == pytest.approx(copied, abs=0.005)


def test_reference_scores_of_instructions_are_as_the_card_says():
    check = module("instructions", "check")
    pairs = nearest("instructions", lambda row: f"{row['instruction']}\n{row['input']}")
    pairs = [(row, other) for row, other in pairs if row["kind"] != "write"]

    def share_right(outputs: list[str]) -> float:
        right = [
            check.is_right(row["kind"], row["instruction"], row["input"], output)
            for (row, _), output in zip(pairs, outputs)
        ]
        return sum(right) / len(right)

    said = card("instructions")["reference"]
    assert said["nearest"] == pytest.approx(share_right([other["output"] for _, other in pairs]), abs=0.005)
    assert said["copy_input"] == pytest.approx(share_right([row["input"] for row, _ in pairs]), abs=0.001)


def test_reference_scores_of_fields_to_text_are_as_the_card_says():
    from sacrebleu import corpus_chrf

    check = module("fields_to_text", "check")
    pairs = nearest("fields_to_text", lambda row: row["prompt"])
    copied = [other["completion"] for _, other in pairs]
    fields = sum(len(check.fields_of(row["prompt"])) for row, _ in pairs)
    unsaid = sum(len(check.missing(row["prompt"], text)) for (row, _), text in zip(pairs, copied))
    # A row with three references gives its first one twice, since chrF takes as many for each.
    references = [
        [row["references"][place % len(row["references"])] for row, _ in pairs] for place in range(4)
    ]
    said = card("fields_to_text")["reference"]
    assert said["nearest_fields_said"] == pytest.approx(1 - unsaid / fields, abs=0.005)
    assert said["nearest_chrf"] == pytest.approx(corpus_chrf(copied, references).score, abs=0.3)
