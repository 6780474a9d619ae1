"""The bundled preference, plain-text and Chinese sets: made again bit for bit, parts apart, checkers and cards true."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from workbench.data import check, prepare
from workbench.references import reference_results

DATASETS = Path(__file__).resolve().parents[2] / "assets" / "datasets"
PARTS = ("train", "validation", "test")
PREFERENCE = ("story_endings", "tone")
NAMES = (*PREFERENCE, "field_notes", "reviews_zh")


def each(names):
    """The largest set takes seconds to walk through."""
    return [pytest.param(name, marks=[pytest.mark.slow] if name == "story_endings" else []) for name in names]


MARGIN = 0.15


def rows(name: str, part: str) -> list[dict[str, str]]:
    lines = (DATASETS / name / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def card(name: str) -> dict:
    return json.loads((DATASETS / name / "card.json").read_text(encoding="utf-8"))


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def checkers() -> dict[str, ModuleType]:
    return {name: module(DATASETS / name / "reward.py") for name in PREFERENCE}


@pytest.mark.parametrize("name", each(NAMES))
def test_generating_again_gives_the_same_bytes(name, tmp_path):
    for path in [*(DATASETS / name).glob("*.py"), *(DATASETS / name).glob("*.toml")]:
        shutil.copy(path, tmp_path)
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, tmp_path / "generate.py"], check=True, env=environment)
    made = {path.name: path.read_bytes() for path in tmp_path.glob("t*.[jc]s*")}
    made |= {path.name: path.read_bytes() for path in tmp_path.glob("validation.*")}
    assert len(made) == 3
    assert made == {file: (DATASETS / name / file).read_bytes() for file in made}


@pytest.mark.parametrize("name", [*PREFERENCE, "field_notes"])
def test_sizes_and_columns_are_as_the_card_says_and_no_row_stands_twice(name):
    said = card(name)
    assert said["name"] == name
    columns = [said[key] for key in said if key.endswith("_column")]
    found = [json.dumps(row) for part in PARTS for row in rows(name, part)]
    assert len(set(found)) == len(found) == sum(said["rows"].values())
    for part in PARTS:
        assert len(rows(name, part)) == said["rows"][part]
        assert all(list(row) == columns and all(row.values()) for row in rows(name, part))


@pytest.mark.parametrize("name", each(PREFERENCE))
def test_no_prompt_and_no_situation_stands_in_two_parts(name):
    prompts = {part: {row["prompt"] for row in rows(name, part)} for part in PARTS}
    assert not prompts["train"] & (prompts["validation"] | prompts["test"])
    assert not prompts["validation"] & prompts["test"]
    generator = module(DATASETS / name / "generate.py")
    field = "situation" if name == "story_endings" else "matter"
    used = {part: {getattr(row, field) for row in made} for part, made in generator.build().items()}
    assert all(used.values())
    assert not used["train"] & (used["validation"] | used["test"])
    assert not used["validation"] & used["test"]


@pytest.mark.parametrize("name", each(PREFERENCE))
def test_the_checker_agrees_with_every_pair_by_a_margin(name, checkers):
    checker = checkers[name]
    for part in PARTS:
        for row in rows(name, part):
            better = checker.reward(row["prompt"], row["chosen"])
            worse = checker.reward(row["prompt"], row["rejected"])
            assert 0 <= worse <= better - MARGIN + 1e-6 <= 1, row
    for row in rows(name, "validation")[:50]:
        assert checker.prefers(row["prompt"], row["chosen"], row["rejected"])
        assert not checker.prefers(row["prompt"], row["rejected"], row["chosen"])


STORY = (
    "Once upon a time, there was a little girl named Mia. Under a bush she found a bird that could not fly."
)
REQUEST = "Hello. My lamp broke after one day. What can be done?"
KIND = (
    "Mia helped the bird and fed it some seeds. She gave it a warm scarf. They were friends from that day on."
)


@pytest.mark.parametrize(
    "text",
    [
        "kind kind kind kind kind kind kind kind kind kind kind kind.",
        "Mia helped. " * 10,
        "Mia helped the bird. " * 6,
        "Mia helped shared hugged thanked forgave comforted fed invited kind gentle nice friend love help share.",
        "Mia kind help share hug thank love nice good friend smile warm happy sorry please give.",
        STORY,
        "",
        "!!!",
        "Mia Mia Mia Mia Mia Mia Mia Mia Mia Mia Mia.",
    ],
)
def test_stuffing_a_story_does_not_pay(text, checkers):
    assert checkers["story_endings"].reward(STORY, text) <= 0.45
    assert checkers["story_endings"].prefers(STORY, KIND, text)


def test_a_story_is_judged_by_what_is_done(checkers):
    reward = checkers["story_endings"].reward
    assert reward(STORY, KIND) >= 0.9
    assert reward(STORY, KIND.replace("Mia", "Anna")) <= reward(STORY, KIND) - MARGIN
    assert reward(STORY, KIND[:-9]) <= reward(STORY, KIND) - MARGIN
    assert reward(STORY, KIND + " Then Mia pushed the bird and laughed at it.") < 0.2
    denied = "Mia did not help the bird and never fed it. She was not kind to it. She went home to her bed."
    assert reward(STORY, denied) <= 0.55
    meant = "Mia wanted to help the bird. Then she sat down on the grass and looked at the sky for a while."
    assert reward(STORY, denied) < reward(STORY, meant) < reward(STORY, KIND)
    harmless = (
        "Mia did not push the bird away. She helped it and gave it some seeds to eat. Then it sang to her."
    )
    assert reward(STORY, harmless) >= 0.7


@pytest.mark.parametrize(
    "text",
    [
        "please thank you sorry please thank you sorry please thank you sorry lamp lamp.",
        "Thank you for the lamp. " * 5,
        "Thank you. Sorry. Please. Of course. Certainly. Happy to. Thank you. Sorry. Please. Lamp.",
        "Sorry sorry sorry sorry sorry sorry sorry sorry.",
        REQUEST,
        "",
    ],
)
def test_stuffing_a_reply_does_not_pay(text, checkers):
    good = "I am sorry about this. We will send you a new lamp today. Please let me know if it helps."
    assert checkers["tone"].reward(REQUEST, good) >= 0.9
    assert checkers["tone"].reward(REQUEST, text) <= 0.5
    assert checkers["tone"].prefers(REQUEST, good, text)


def test_a_reply_is_judged_by_manners_length_and_matter(checkers):
    reward = checkers["tone"].reward
    good = "I am sorry about this. We will send you a new lamp today. Please let me know if it helps."
    assert reward(REQUEST, good + " So what? Nobody cares.") < 0.3
    assert reward(REQUEST, good.replace("lamp", "pie")) <= reward(REQUEST, good) - MARGIN
    plain = "We will send you a new lamp today."
    assert 0.4 <= reward(REQUEST, plain) <= reward(REQUEST, good) - MARGIN
    assert reward(REQUEST, "I am not sorry about this. We will send you a new lamp today.") <= reward(
        REQUEST, plain
    )


@pytest.mark.parametrize("name", PREFERENCE)
def test_simple_references_are_as_the_card_says(name):
    import scipy.sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = rows(name, "train"), rows(name, "test")
    longer = sum(len(row["chosen"]) > len(row["rejected"]) for row in test) / len(test)
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    vectors.fit([row[key] for row in train for key in ("chosen", "rejected")])

    def differences(pairs):
        return vectors.transform([row["chosen"] for row in pairs]) - vectors.transform(
            [row["rejected"] for row in pairs]
        )

    seen = differences(train)
    model = LogisticRegression(C=10, max_iter=2000, fit_intercept=False)
    model.fit(scipy.sparse.vstack([seen, -seen]), [1] * len(train) + [0] * len(train))
    right = float((model.decision_function(differences(test)) > 0).mean())
    assert card(name)["reference"] == {
        "longer": pytest.approx(longer, abs=0.002),
        "bag_of_words": pytest.approx(right, abs=0.005),
    }


def test_field_notes_have_the_sizes_of_the_card_and_facts_that_hold():
    said = card("field_notes")
    for part, size in said["bytes"].items():
        assert (DATASETS / "field_notes" / f"{part}.jsonl").stat().st_size == size
    assert said["bytes"]["train"] >= 1_400_000
    general = (DATASETS / "field_notes" / said["general"]["file"]).read_bytes()
    assert hashlib.sha256(general).hexdigest() == said["general"]["sha256"]
    assert len(rows("field_notes", "general")) == said["general"]["rows"]
    animals = module(DATASETS / "field_notes" / "generate.py").WORLD["animal"]
    text = "\n".join(row["text"] for part in PARTS for row in rows("field_notes", part))
    for animal in animals:
        assert (
            f"The {animal['name']} is a{'n' if animal['kin'][0] in 'aeiou' else ''} {animal['kin']}" in text
        )
        others = [other for other in animals if other is not animal]
        assert not any(f"Against {animal['ill']} use {other['cure']}." in text for other in others)


def test_chinese_reviews_are_read_without_a_blocking_fault_and_the_card_is_true():
    folder = DATASETS / "reviews_zh"
    assert not check(folder).blocks
    prepared, said = prepare(folder), card("reviews_zh")
    assert set(prepared.spec.labels) == set(said["labels"])
    texts = [row["text"] for part in PARTS for row in prepared.rows[part]]
    assert len(set(texts)) == len(texts) == sum(said["rows"].values())
    for part in PARTS:
        counts = Counter(row["label"] for row in prepared.rows[part])
        assert counts == dict.fromkeys(said["labels"], said["rows_per_label"][part])
    scores = {record["method"]: record["metrics"]["accuracy"] for record in reference_results(prepared)}
    assert said["reference"] == {name: pytest.approx(score, abs=0.005) for name, score in scores.items()}


def test_no_frame_of_the_chinese_reviews_stands_in_two_parts():
    generator = module(DATASETS / "reviews_zh" / "generate.py")
    frames = [frame for part in PARTS for frame in generator.templates(part).values()]
    assert len(frames) > 80
    assert len(set(frames)) == len(frames)
    for part, made in generator.build().items():
        assert {template.split("/")[1] for row in made for template in row.templates} == {part}
