"""Exports of real, tiny runs: what each can become, what is written, that it is checked, and what its card says."""

import json
import zipfile

import pytest
import yaml

from tests.exports import train_run, with_fingerprint
from tests.generation import generation_prepared, generation_spec
from tests.training import tiny_folder, tiny_prepared, tiny_spec
from workbench import deployed, deployed_record
from workbench.cli import main
from workbench.exporting import calls, forms, push
from workbench.exporting.write import export
from workbench.spec import Budget
from workbench.store import Store


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store with four finished runs by method, on a tiny llama: three that label, one that writes."""
    folder = tmp_path_factory.mktemp("export")
    store, model = Store(folder / "store"), tiny_folder("llama", folder)
    ids = {}
    for method, rate in (("lora", 2e-2), ("full", 5e-3), ("adapter", 1e-2), ("prompt", 1e-2)):
        spec = tiny_spec(model, method, learning_rate=rate, budget=Budget("steps", 16), evaluations=1)
        ids[method] = train_run(store, *with_fingerprint(spec, tiny_prepared()))
    spec = generation_spec(model, "lora", learning_rate=1e-2, budget=Budget("steps", 8))
    ids["writer"] = train_run(store, *with_fingerprint(spec, generation_prepared()))
    return store, ids


def run_of(trained, name):
    store, ids = trained
    return store, store.run(ids[name])


def reasons(trained, name):
    return {offer.form.name: offer.reason for offer in forms.offers(*run_of(trained, name))}


def test_what_a_run_can_become(trained):
    lora, full = reasons(trained, "lora"), reasons(trained, "full")
    assert [name for name, reason in lora.items() if reason is None] == [
        "adapter",
        "merged",
        "int8",
        "nf4",
        "pruned",
    ]
    assert "changed the model's own weights" in full["adapter"]
    assert full["merged"] is None
    assert "load" in reasons(trained, "adapter")["merged"]
    assert "no change of weights" in reasons(trained, "prompt")["int8"]
    assert all("transformers below 4.58" in found["onnx"] for found in (lora, full))
    assert "one text at a time" in forms.offer(*run_of(trained, "prompt"), forms.form("adapter")).note


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("lora", "adapter"),
        ("full", "merged"),
        ("adapter", "adapter"),
        ("writer", "int8"),
        ("writer", "pruned"),
    ],
)
def test_an_export_is_loaded_back_by_public_libraries_and_compared(trained, name, form, tmp_path):
    done = export(*run_of(trained, name), form, tmp_path / "out")
    check = done.note["check"]
    exact = form in ("adapter", "merged")
    assert check["largest_difference"] <= (1e-4 if exact else 1) * check["largest_logit"]
    assert exact is False or check["same"] == check["texts"] > 0
    assert (form == "pruned") == (check["largest_difference"] > 0 and "pruned_share" in done.note)
    text = json.dumps(done.note) + (tmp_path / "out" / "README.md").read_text()
    config = tmp_path / "out" / "adapter_config.json"
    text += config.read_text() if config.is_file() else ""
    assert "/tmp" not in text, "nothing of this machine goes out"
    assert not [path for path in tmp_path.iterdir() if path.name != "out"], "nothing is left behind"


def test_what_can_not_be_exported_says_why_and_leaves_nothing(trained, tmp_path):
    with pytest.raises(ValueError, match="own weights"):
        export(*run_of(trained, "full"), "adapter", tmp_path / "out")
    with pytest.raises(ValueError, match="shares scales among 64"):
        export(*run_of(trained, "lora"), "nf4", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        export(*run_of(trained, "lora"), "adapter", tmp_path / "full")
    with pytest.raises(ValueError, match="between 0 and 1"):
        export(*run_of(trained, "writer"), "pruned", tmp_path / "out", share=1.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_the_card_is_filled_in_from_the_run(trained, tmp_path):
    store, run = run_of(trained, "lora")
    export(store, run, "adapter", tmp_path / "out", license="apache-2.0")
    text = (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "apache-2.0"
    assert front["library_name"] == "peft"
    assert "base_model" not in front, "a base that no Hub has can't be named there"
    for part in (
        "How to load it",
        "Results",
        "Data",
        "How it was trained",
        "Environment",
        "Limits",
        "Licence",
    ):
        assert f"## {part}" in text
    accuracy = run.result.metrics["accuracy"]
    assert f"{accuracy:.1%}".replace("%", " %") in text
    assert "one seed: no interval" in text
    assert run.spec.setting.data.fingerprint in text
    assert "Loaded back so" in text
    sending = push.dry_run(tmp_path / "out", "me/model")
    assert sending.open_fields == tuple(push.open_fields(text))
    assert len(sending.open_fields) == 3
    assert dict(sending.files)["adapter_model.safetensors"] > 0
    assert sending.bytes == sum(size for _, size in sending.files)


def test_several_seeds_give_an_interval(trained):
    from workbench.exporting.card import _over_seeds

    assert _over_seeds([0.8, 0.9], "accuracy").startswith("85.0 % (")
    assert "2 seeds" in _over_seeds([0.8, 0.9], "accuracy")


def test_deployed_forms_are_scored_and_kept(trained):
    store, run = run_of(trained, "lora")
    found = deployed.measure_forms(store, run, ["adapter", "merged", "pruned", "nf4"], share=0.9, seconds=0.0)
    rows = {row["form"]: row for row in found["forms"]}
    assert rows["trained"]["score"] == run.result.metrics["accuracy"]
    for name in ("adapter", "merged"):
        assert rows[name]["score"] == rows["trained"]["score"]
        assert rows[name]["drift"] == rows[name]["changed_rows"] == 0
        assert rows[name]["logit_difference_max"] < 1e-4
    assert rows["pruned"]["logit_difference_max"] > 1e-2
    assert rows["pruned"]["pruned_share"] == pytest.approx(0.9, abs=0.01)
    assert "64 weights" in rows["nf4"]["reason"]
    assert all(rows[name]["latency_ms_p50"] > 0 for name in ("trained", "adapter", "merged", "pruned"))
    kept = deployed_record.read(store.run_folder(run.id))
    assert [row["form"] for row in kept["forms"]] == [row["form"] for row in found["forms"]]
    heads, lines = deployed_record.table(kept)
    assert [line[0] for line in lines] == ["As trained", "Adapter", "Whole model", "Pruned model"]
    assert all(len(line) == len(heads) for line in lines)
    assert not list(store.run_folder(run.id).glob(".forms-*"))


def test_drift_is_the_mean_over_rows_with_its_interval():
    found = deployed.drift([1, 1, 0, 0], [1, 0, 0, 0])
    assert found["drift"] == -0.25
    assert found["drift_low"] < -0.25 < found["drift_high"]
    assert deployed.drift([1.0], [0.0]) == {"drift": -1.0, "drift_low": None, "drift_high": None}


def test_the_page_gets_a_zip_and_progress(trained, tmp_path):
    store, run = run_of(trained, "writer")
    assert calls.progress(store, run.id) is None
    done = calls.make(str(store.folder), run.id, "merged", str(tmp_path), 0.3, "")
    with zipfile.ZipFile(done["zip"]) as archive:
        assert {"model.safetensors", "config.json", "README.md", "export.json"} <= set(archive.namelist())
    assert calls.made(store, run.id)["merged"]["bytes"] == done["bytes"]
    assert calls.progress(store, run.id) is None


def test_the_command_line(trained, tmp_path, monkeypatch, capsys):
    store, ids = trained
    monkeypatch.setenv("WORKBENCH_HOME", str(store.folder))
    assert main(["export", ids["lora"], "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["forms"]
    assert {form["name"] for form in listed} == set(forms.BY_NAME)
    to = tmp_path / "whole"
    command = ["export", ids["lora"], "--merge", "--to", str(to), "--push", "me/model", "--dry-run", "--json"]
    assert main(command) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["form"] == "merged"
    assert "commit" not in done["push"]
    assert main(["export", ids["full"], "--as", "adapter", "--to", str(tmp_path / "no")]) == 2
    assert "own weights" in capsys.readouterr().err
    assert main(["export", ids["full"], "--to", str(tmp_path / "no"), "--push", "no-name"]) == 2
    assert "OWNER/NAME" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
