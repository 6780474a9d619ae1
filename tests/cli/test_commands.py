"""Commands as a person types them: exit status, one JSON document on standard output, one line for bad input."""

import csv
import json
import random
import re

import pytest

from workbench.cli import main
from workbench.cli.look import stage_table
from workbench.presets import MethodChoice
from workbench.spec import DataSpec, RunSpec, Setting
from workbench.store import Store


def run(capsys, *words: str) -> tuple[int, str, str]:
    try:
        status = main(list(words))
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def queued(own_home):
    """A store with one queued run."""
    store = Store(own_home)
    setting = Setting(DataSpec("x", labels=("a", "b"), fingerprint="ab"), "embedded:fable-8m")
    (run_id,) = store.add([RunSpec(setting, MethodChoice("lora").choice(), 0)])
    return store, run_id


@pytest.fixture
def reviews(tmp_path):
    """A small, clean file of reviews."""
    path = tmp_path / "reviews.csv"
    draw = random.Random(0)
    words = re.findall(
        r"\w+", "the room was bright and quiet with a view of the old town and a soft bed near window"
    )
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "stars"])
        for i in range(80):
            writer.writerow([" ".join(draw.sample(words, 9)) + f" {i}", "good" if i % 2 else "bad"])
    return path


def test_methods_json_is_one_document(capsys):
    status, out, _ = run(capsys, "methods", "--json")
    rows = json.loads(out)["methods"]
    assert status == 0
    assert len(rows) >= 11
    assert {"name", "title", "family", "tasks", "needs", "reason"} <= set(rows[0])
    assert all(row["reason"] is None for row in rows)


def test_a_methods_card_has_its_options(capsys):
    status, out, _ = run(capsys, "methods", "--card", "lora", "--json")
    assert status == 0
    assert "r" in [option["name"] for option in json.loads(out)["options"]]


def test_data_check_reports_on_standard_output(capsys, reviews):
    status, out, err = run(capsys, "data", "check", str(reviews), "--json")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert report["labels"] == {"bad": 40, "good": 40}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"text,label\n", "no rows"),
        (b"text,label\nx\x00y,a\n", "NUL"),
        (b"text,label\ncaf\xe9,a\nx,b\n", "encoding"),
        (b"text,label\na good day,yes\nanother one,yes\nthird,yes\n", "label"),
    ],
)
def test_data_that_blocks_training_is_one_line_and_status_2(capsys, tmp_path, content, word):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    status, _, err = run(capsys, "data", "check", str(path))
    assert status == 2
    assert word.lower() in err.lower()
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "quikstart"], "there is no preset 'quikstart'"),
        (["run", "quickstart", "--methods", "lorra"], "did you mean lora?"),
        (["run", "quickstart", "--set", "batch_size"], "--set takes KEY=VALUE"),
        (["run", "quickstart", "--set", "batch_size=many"], "batch_size is a whole number"),
        (["run", "quickstart", "--set", "data=/no/such/file.csv"], "/no/such/file.csv"),
        (["run", "quickstart", "--seeds", "0"], "--seeds is at least 1"),
        (["show", "zzzz"], "no run begins with 'zzzz'"),
        (["show", "../../etc/passwd"], "no run begins with"),
        (["cancel", "%2e%2e"], "no run begins with"),
        (["runs", "--state", "asleep"], "a run's state is one of"),
        (["compare"], "no runs yet"),
        (["compare", "--setting", "zz"], "no setting begins with 'zz'"),
        (["infer", "--runs", "zz", "--text", "x"], "no run begins with 'zz'"),
        (["infer", "--runs", "zz", "--text", " "], "--text is empty"),
        (["methods", "--task", "poetry"], "unknown task(s) poetry"),
        (["methods", "--card", "lorra"], "did you mean lora?"),
        (
            ["estimate", "--model", "embedded:fable-8m", "--method", "lora", "--option", "rank=3"],
            "unknown option(s) rank",
        ),
        (
            ["estimate", "--model", "embedded:fable-8m", "--method", "lora", "--option", "r=zero"],
            "not 'zero'",
        ),
        (["estimate", "--model", "../../etc", "--method", "lora"], "../../etc"),
        (["estimate", "--model", "embedded:fabel-8m", "--method", "lora"], "fable-8m"),
        (["dance"], "invalid choice"),
        (["run"], "required"),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, words, sentence):
    status, out, err = run(capsys, *words)
    assert status == 2
    assert sentence in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""


def test_runs_show_cancel_delete(capsys, queued):
    _, run_id = queued
    assert run_id in run(capsys, "runs")[1]
    assert json.loads(run(capsys, "show", run_id[:5], "--json")[1])["run"]["state"] == "queued"
    status, _, err = run(capsys, "delete", run_id)
    assert status == 2
    assert "cancel it first" in err
    assert json.loads(run(capsys, "cancel", run_id, "--json")[1])["runs"][0]["reason"]["code"] == "cancelled"
    assert run(capsys, "delete", run_id)[0] == 0
    assert run(capsys, "show", run_id)[0] == 2


def test_a_bench_on_a_gpu_that_is_not_there_is_refused(capsys, monkeypatch: pytest.MonkeyPatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    status, _, err = run(capsys, "bench", "machine", "--device", "cuda")
    assert status == 2
    assert "torch sees none here" in err


def test_show_says_each_stage_on_a_line():
    one = {
        "title": "Supervised",
        "steps": 40,
        "samples": 640,
        "seconds": 3.21,
        "peak_memory_bytes": 3 * 2**20,
    }
    told = {"metrics": {"perplexity": 3.14159}, "gain": {"win_rate": 0.625}}
    header, rows = stage_table([one | told, {"title": "Policy", "peak_memory_bytes": None}])
    assert len(header) == len(rows[0]) == len(rows[1])
    assert rows[0][:6] == ["Supervised", "40", "640", "3.2", "3.0 MiB", "perplexity 3.142"]
    assert "win 62% of the test prompts" in rows[0][6]
    assert rows[1][4] == ""


def test_store_names_another_folder(capsys, tmp_path):
    status, out, _ = run(capsys, "runs", "--json", "--store", str(tmp_path / "other"))
    assert (status, json.loads(out)) == (0, {"runs": []})
    assert (tmp_path / "other" / "workbench.sqlite").exists()


def test_distilbert_lora_counts_exactly_without_a_download(capsys):
    words = "estimate --model distilbert-base-uncased --method lora --option r=1 --option target_modules=q_lin --json"
    status, out, _ = run(capsys, *words.split())
    (row,) = json.loads(out)["estimates"]
    assert status == 0
    assert (row["trainable_parameters"], row["total_parameters"]) == (601_346, 67_556_356)
    # The weights alone take four bytes each.
    assert row["peak_memory_bytes"] > 4 * row["total_parameters"]


def test_doctor_names_what_works(capsys):
    status, out, _ = run(capsys, "doctor", "--json")
    found = json.loads(out)
    assert {"torch", "peft", "device", "store"} <= {check["name"] for check in found["checks"]}
    assert status == (0 if all(c["ok"] for c in found["checks"] if c["required"]) else 1)


def test_data_check_takes_the_task_of_a_bundled_set_roles_and_words_to_fill_in(capsys):
    status, _, err = run(capsys, "data", "check", "identity", "--json")
    assert status == 2
    assert "unfilled placeholders" in err
    words = ("--fill", "name=Robin", "--fill", "maker=the workshop")
    status, out, _ = run(capsys, "data", "check", "identity", *words, "--json")
    report = json.loads(out)
    assert (status, report["task"], report["format"]["name"]) == (0, "generation", "prompt_completion")
    status, out, _ = run(
        capsys,
        "data",
        "check",
        "instructions",
        "--format",
        "prompt_completion",
        "--column",
        "kind=input",
        "--json",
    )
    assert json.loads(out)["format"]["columns"]["kind"] == "input"
    for wrong, right in (
        (("--column", "kind"), "--column takes ROLE=NAME, not 'kind'"),
        (("--task", "generatoin"), "did you mean generation"),
    ):
        status, _, err = run(capsys, "data", "check", "instructions", *wrong)
        assert status == 2
        assert right in err
