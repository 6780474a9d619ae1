"""Presets hold values only, and every one of them is checked before anything is loaded."""

import dataclasses

import pytest
import yaml

from workbench import presets, registry
from workbench.home import shipped
from workbench.presets import MethodChoice, from_values, load, override, to_values, to_yaml

GOOD = {
    "model": "embedded:fable-8m",
    "data": "reviews",
    "methods": ["full", {"lora": {"r": 4, "learning_rate": "1e-3"}}],
}
FILES = sorted(shipped("presets").glob("*.yaml"))


def test_presets_were_found():
    assert len(FILES) >= 5


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_shipped_preset_is_checked_against_the_real_options(path):
    preset = load(path)
    assert preset.title != preset.name
    assert preset.description
    for line in preset.methods:
        choice = line.choice()
        options = registry.method(choice.method).options
        assert options.from_dict(choice.options).to_dict() == choice.options


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_preset_survives_being_saved(path, tmp_path):
    preset = load(path)
    saved = tmp_path / "saved.yaml"
    saved.write_text(to_yaml(preset))
    assert dataclasses.replace(load(saved), name=preset.name, path=preset.path) == preset


def test_quickstart_has_all_eleven_methods():
    names = {line.method for line in load("quickstart").methods}
    assert names >= {
        "full",
        "freeze",
        "head",
        "bitfit",
        "lora",
        "dora",
        "ia3",
        "prefix",
        "prompt",
        "p_tuning",
        "adapter",
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"modle": "x"}, "unknown key(s) modle (did you mean model?)"),
        ({"model": ""}, "a preset needs model"),
        ({"methods": []}, "methods is a list with at least one entry"),
        ({"methods": ["prefx"]}, "unknown method(s) prefx (did you mean prefix?)"),
        ({"methods": [{"lora": {"rank": 4}}]}, "methods: lora: unknown option(s) rank"),
        ({"methods": [{"lora": {"r": 0}}]}, "methods: lora: r is a whole number of at least 1"),
        ({"methods": [{"lora": {"learning_rate": "fast"}}]}, "learning_rate is a number, not 'fast'"),
        ({"methods": [{"lora": [1]}]}, "options are a mapping"),
        ({"budget": 3}, "budget is one kind and its amount"),
        ({"budget": {"hours": 3}}, "a budget is given in epochs, steps, seconds, not 'hours'"),
        ({"budget": {"steps": "many"}}, "a number above 0"),
        ({"seeds": [0, 0]}, "names one seed twice"),
        ({"seeds": [-1]}, "seeds is a list of whole numbers"),
        ({"batch_size": "big"}, "batch_size is a whole number from 1"),
        ({"task": "poetry"}, "unknown task(s) poetry"),
        ({"data": {"trian": "a.csv"}}, "data: unknown key(s) trian (did you mean train?)"),
        ({"data": {"validation": "b.csv"}}, "parts need at least train"),
        ({"schedule": "zigzag"}, "schedule is one of"),
    ],
)
def test_bad_presets_are_refused_by_file_key_and_nearest_name(tmp_path, change, sentence):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **change}))
    with pytest.raises(ValueError) as caught:
        load(path)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("mine.yaml: ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [1", "not readable as YAML at line"),
        ("- 1", "a preset is a mapping"),
        ("", "a preset is a mapping"),
    ],
)
def test_files_that_are_no_presets(tmp_path, content, sentence):
    path = tmp_path / "x.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=sentence):
        load(path)


def test_a_missing_preset_lists_the_shipped_ones():
    with pytest.raises(ValueError, match=r"there is no preset 'quikstart'.*quickstart"):
        load("quikstart")


def test_files_beside_the_preset_are_found_from_anywhere(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, "data": {"train": "a.csv"}}))
    assert load(path).data["parts"] == {"train": str(tmp_path / "a.csv")}


def test_set_changes_one_value_and_checks_it():
    preset = from_values(GOOD, name="x")
    changed = override(preset, {"budget.steps": "20", "batch_size": "8", "data.train_rows": "100"})
    assert (changed.setting["budget"].kind, changed.setting["budget"].amount) == ("steps", 20)
    assert changed.setting["batch_size"] == 8
    assert changed.data == {"source": "reviews", "train_rows": 100}
    with pytest.raises(ValueError, match="unknown key"):
        override(preset, {"batchsize": "8"})


def test_labels_say_what_differs_from_the_defaults():
    title = registry.method("lora").title
    assert MethodChoice("lora").choice().label == title
    chosen = MethodChoice("lora", {"r": 1, "target_modules": ["q_proj"]}, 0.5).choice()
    assert chosen.label == f"{title} r=1 on q_proj, rate 0.5"


def test_values_say_only_what_was_said():
    preset = from_values(GOOD, name="x")
    assert to_values(preset)["methods"] == ["full", {"lora": {"r": 4, "learning_rate": 0.001}}]
    assert presets.to_values(preset)["data"] == "reviews"
