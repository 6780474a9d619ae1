"""Presets hold values only, and every one of them is checked before anything is loaded."""

import dataclasses

import pytest
import yaml

from workbench import presets, registry
from workbench.home import shipped
from workbench.presets import MethodChoice, from_values, load, override, plan, to_values, to_yaml
from workbench.spec import DataSpec, Setting

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
    assert named_like(load(saved), preset) == preset


def named_like(preset, other):
    """With the name and path of another file, in each hop of a chain too."""
    hops = tuple(
        dataclasses.replace(hop, preset=named_like(hop.preset, other)) if preset.chain else hop
        for hop in preset.chain
    )
    return dataclasses.replace(preset, name=other.name, path=other.path, chain=hops)


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
        (
            {"data": {"source": "reviews", "augmnet": {}}},
            "data: unknown key(s) augmnet (did you mean augment?)",
        ),
        (
            {"data": {"source": "reviews", "augment": {"synonims": {}}}},
            "data: unknown augmentation(s) synonims (did you mean synonyms?)",
        ),
        (
            {"data": {"source": "reviews", "augment": {"synonyms": {"copy": 2}}}},
            "data: augment: synonyms: unknown option(s) copy (did you mean copies?)",
        ),
        (
            {"data": {"source": "reviews", "mix": [{"source": "intents", "shares": 0.3}]}},
            "data: mix: unknown key(s) shares (did you mean share?)",
        ),
        ({"data": {"source": "reviews", "subsets": [10, "x"]}}, "data: subsets is a list of numbers"),
        ({"data": {"source": "reviews", "subsets": [10], "train_rows": 5}}, "not both"),
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


def test_data_tools_are_kept_as_they_were_written_and_files_of_a_mix_are_found(tmp_path):
    (tmp_path / "more.csv").write_text("text,label\n")
    data = {
        "source": "reviews",
        "subsets": [50, 10],
        "augment": {"synonyms": {"copies": 2}},
        "mix": [{"source": "more.csv", "rows": 5}],
    }
    preset = from_values(GOOD | {"data": data, "seeds": [0, 1]}, name="x", path=tmp_path / "x.yaml")
    assert preset.data["subsets"] == [10, 50]
    assert preset.data["augment"] == {"synonyms": {"copies": 2}}
    assert preset.data["mix"] == [{"source": str(tmp_path / "more.csv"), "rows": 5}]
    assert preset.runs == 8
    assert yaml.safe_load(to_yaml(preset))["data"]["augment"] == {"synonyms": {"copies": 2}}
    assert override(preset, {"data.subsets": "[20]"}).data["subsets"] == [20]
    assert "subsets" not in override(preset, {"data.subsets": "[]"}).data


# -- tasks -----------------------------------------------------------------------------------------------------------

TOLD = {
    "task": "generation",
    "model": "m",
    "data": "fields_to_text",
    "methods": ["lora"],
    "template": "Say {prompt}:",
    "max_new_tokens": 20,
}


def test_options_of_a_task_stand_beside_the_others_and_enter_the_setting():
    preset = from_values(TOLD, name="told")
    assert preset.task_options == {"template": "Say {prompt}:", "max_new_tokens": 20}
    assert from_values(to_values(preset), name="told") == preset
    changed = override(preset, {"max_new_tokens": "5", "do_sample": "true"})
    assert changed.task_options == {"template": "Say {prompt}:", "max_new_tokens": 5, "do_sample": True}


def test_another_template_is_another_setting_and_classification_keeps_its_ids():
    from workbench.data import Prepared

    def setting(**changes):
        preset = from_values({**TOLD, **changes}, name="told")
        return plan(preset, Prepared(DataSpec("d", fingerprint="f"), {}))[0].setting

    ids = {setting().id, setting(template="Tell {prompt}:").id, setting(max_new_tokens=21).id}
    assert len(ids) == 3
    assert setting().task_options["template_hash"]
    assert Setting.from_dict(setting().to_dict()) == setting()
    plain = Setting(DataSpec("d", fingerprint="f"), "m")
    assert "task_options" not in plain.to_dict()
    assert plain.id == "b402a8f85d4f6270"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"max_tokens": 3}, "did you mean max_new_tokens"),
        ({"max_new_tokens": "many"}, "max_new_tokens is a whole number"),
        ({"template": "alpacca"}, "did you mean alpaca"),
        ({"task": "classification"}, "unknown key(s) template"),
        ({"task": "generatoin"}, "did you mean generation"),
    ],
)
def test_options_of_a_task_are_checked(change, sentence):
    with pytest.raises(ValueError) as caught:
        from_values({**TOLD, **change}, name="told")
    assert sentence in str(caught.value)
