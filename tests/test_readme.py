"""The README's map, commands and front matter say what is true; requirements.txt says what pyproject says."""

import re
import tomllib

import pytest
import yaml

from tests.readme import FOLDERS, ROOT, first_sentence, modules, source_map, written_map

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_map_names_every_module_in_its_own_words():
    assert written_map(README) == source_map(), "run `python -m tests.readme`"


def test_every_path_on_the_map_exists():
    named = re.findall(r"^(\S+)  ", written_map(README), re.M)
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert set(FOLDERS) <= set(named)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_in_a_sentence_what_lives_there(path):
    assert 15 <= len(first_sentence(path)) <= 170


def test_every_picture_exists():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert pictures
    assert [p for p in pictures if not (ROOT / p).is_file()] == []


def test_spaces_front_matter():
    head = yaml.safe_load(README.split("---\n")[1])
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    gradio = next(line for line in lines if line.startswith("gradio"))
    low, high = re.findall(r"\d+(?:\.\d+)*", gradio)
    version = tuple(map(int, head["sdk_version"].split(".")))
    assert tuple(map(int, low.split("."))) <= version < tuple(map(int, high.split(".")))
    assert head["sdk"] == "gradio"
    assert (ROOT / head["app_file"]).is_file()
    assert str(head["python_version"]) in ("3.11", "3.12", "3.13")


def test_requirements_say_what_pyproject_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == project["dependencies"]
