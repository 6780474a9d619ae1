"""The bundled data sets: made again bit for bit, parts apart, test frames held out, cards true."""

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

DATASETS = Path(__file__).resolve().parents[2] / "assets" / "datasets"
NAMES = ("intents", "reviews")
PARTS = ("train", "validation", "test")


def read(name: str, part: str) -> list[dict[str, str]]:
    with (DATASETS / name / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def card(name: str) -> dict:
    return json.loads((DATASETS / name / "card.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def generator(name, tmp_path_factory) -> ModuleType:
    folder = tmp_path_factory.mktemp(name)
    for path in [*(DATASETS / name).glob("*.py"), *(DATASETS / name).glob("*.toml")]:
        shutil.copy(path, folder)
    spec = importlib.util.spec_from_file_location(f"{name}_generator", folder / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def normal(text: str) -> str:
    """Text without case, punctuation and spacing, so that two spellings of one sentence count as one."""
    return " ".join(re.findall(r"[a-z{}+|-]+", text.lower()))


def skeleton(frame: str) -> re.Pattern[str]:
    """A frame as a pattern of its own words; slots and choices match anything within a sentence."""
    pieces = re.split(r"(\{[^}]*\}|\[[^\]]*\]|<[^>]*>)", frame.rstrip("."))
    return re.compile("".join("[^.!?]*?" if i % 2 else re.escape(p) for i, p in enumerate(pieces)), re.I)


def test_generating_again_gives_the_same_bytes(name, tmp_path):
    for path in [*(DATASETS / name).glob("*.py"), *(DATASETS / name).glob("*.toml")]:
        shutil.copy(path, tmp_path)
    subprocess.run(
        [sys.executable, tmp_path / "generate.py"], check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    for part in PARTS:
        assert (tmp_path / f"{part}.csv").read_bytes() == (DATASETS / name / f"{part}.csv").read_bytes(), part


def test_no_text_stands_twice_within_or_across_parts(name):
    texts = [row["text"] for part in PARTS for row in read(name, part)]
    counts = Counter(map(normal, texts))
    assert len(texts) >= 2000
    assert [text for text, count in counts.items() if count > 1] == []


def test_size_and_balance_are_as_the_card_says(name):
    said = card(name)
    assert said["name"] == name
    for part in PARTS:
        rows = read(name, part)
        assert list(rows[0]) == [said["text_column"], said["label_column"]]
        assert len(rows) == said["rows"][part]
        counts = Counter(row["label"] for row in rows)
        assert counts == dict.fromkeys(said["labels"], said["rows_per_label"][part])


def test_every_cell_is_one_filled_line_of_plain_text(name):
    for part in PARTS:
        for row in read(name, part):
            assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,.;:!?'\"-]+", row["text"]), row["text"]


def test_rows_come_from_the_frames_of_their_own_part(name, generator):
    for part, rows in generator.build().items():
        assert [(row.text, row.label) for row in rows] == [
            (row["text"], row["label"]) for row in read(name, part)
        ]
        used = {template for row in rows for template in row.templates}
        assert used == set(generator.templates(part))
        assert {template.split("/")[1] for template in used} == {part}


def test_no_frame_stands_in_two_parts(generator):
    frames = [normal(frame) for part in PARTS for frame in generator.templates(part).values()]
    assert [frame for frame, count in Counter(frames).items() if count > 1] == []


def test_no_training_text_has_the_words_of_a_test_frame(name, generator):
    training = "\n".join(row["text"] for row in read(name, "train"))
    frames = generator.templates("test")
    assert any(
        skeleton(frame).search("\n".join(r["text"] for r in read(name, "test"))) for frame in frames.values()
    )
    found = {i: match[0] for i, frame in frames.items() if (match := skeleton(frame).search(training))}
    assert found == {}


def test_reference_scores_are_as_the_card_says(name):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    parts = {part: read(name, part) for part in PARTS}
    texts = {part: [row["text"] for row in rows] for part, rows in parts.items()}
    gold = {part: [row["label"] for row in rows] for part, rows in parts.items()}
    most_common = min(Counter(gold["train"]).items(), key=lambda item: (-item[1], item[0]))[0]
    majority = sum(label == most_common for label in gold["test"]) / len(gold["test"])

    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    features = {part: vectors.fit_transform(texts[part]) for part in ["train"]}
    features |= {part: vectors.transform(texts[part]) for part in PARTS[1:]}
    fitted = [
        LogisticRegression(C=c, max_iter=2000).fit(features["train"], gold["train"])
        for c in (0.1, 1, 10, 100)
    ]
    best = max(fitted, key=lambda model: model.score(features["validation"], gold["validation"]))
    said = card(name)["reference"]
    assert said["majority"] == pytest.approx(majority, abs=0.002)
    assert said["tfidf"] == pytest.approx(best.score(features["test"], gold["test"]), abs=0.002)
