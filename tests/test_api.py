"""The workbench in a notebook: light to import, the same store and figures as the page, and the tour that shows it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import workbench
from tests.ui import fake_store
from workbench import api, compare, session
from workbench.store import Store

TOUR = Path(__file__).parents[1] / "assets" / "notebooks" / "tour.ipynb"


@pytest.fixture
def invented(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose runs are made up the moment they are queued."""
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    monkeypatch.setenv("WORKBENCH_HOME", str(store.folder))

    def submit(kept, preset, **_):
        shared = fake_store.setting()
        names = [line.method for line in preset.methods]
        ids = fake_store.fill(kept, methods=names, seeds=preset.seeds, shared=shared)
        return session.Submitted(shared.id, tuple(ids))

    monkeypatch.setattr(session, "submit", submit)
    monkeypatch.setattr(api, "wait", lambda *_, **__: None)
    return store


def code_cells() -> list[str]:
    cells = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_importing_loads_nothing_of_it():
    code = "import sys, workbench; print(sorted(n for n in sys.modules if n.startswith(('workbench.', 'numpy', 'pandas'))))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_name_is_a_module_and_can_be_called(invented: Store):
    assert workbench.compare is compare
    found = workbench.compare(methods=["lora", "head"], seeds=2, progress=False)
    assert found.setting_id == compare.comparison(invented).setting.id
    assert "load" in dir(workbench)
    with pytest.raises(AttributeError, match="no attribute 'compares'"):
        _ = workbench.compares


def test_table_and_verdicts_are_the_comparisons_own(invented: Store):
    c = workbench.compare(methods=["lora", "head", "full"], seeds=3, progress=False)
    found = compare.comparison(invented)
    table = c.table()
    assert list(table.index) == [row.label for row in (*found.rows, *found.references)]
    assert table.loc["LoRA", "accuracy"] == pytest.approx(
        next(row.mean("accuracy") for row in found.rows if row.label == "LoRA")
    )
    assert table.loc["LoRA", "accuracy_low"] < table.loc["LoRA", "accuracy"]
    assert "accuracy_low" not in c.table(intervals=False)
    assert list(c.verdicts()["verdict"]) == [one.sentence for one in found.verdicts]
    assert len(c.runs()) == 9
    assert set(c.claims()["verdict"]) <= {"supported", "refuted", "cannot_tell"}
    assert c.best().id in c.runs().index


def test_figures_show_what_was_measured_and_name_what_was(invented: Store):
    c = workbench.compare(methods=["lora", "head"], seeds=3, progress=False)
    points = [trace for trace in c.plot().data if trace.mode == "markers+text"]
    assert {trace.name for trace in points} == {"LoRA", "Linear probe"}
    assert all(trace.error_y.array is not None for trace in points)
    assert {trace.name for trace in c.curves().data if trace.name} == {"LoRA", "Linear probe"}
    with pytest.raises(ValueError, match="'taste' was not measured here; known: accuracy"):
        c.plot(across="taste")


def test_shown_in_a_notebook_names_stay_text(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    evil = "<script>alert(1)</script>"
    fake_store.fill(store, methods=("lora",), seeds=(0,), shared=fake_store.setting(source=evil))
    html = workbench.load(store=store.folder)._repr_html_()
    assert "<script" not in html
    assert "<table>" in html
    assert "LoRA" in repr(workbench.load(store=store.folder))


def test_a_report_is_written_by_its_ending(invented: Store, tmp_path: Path):
    c = workbench.compare(methods=["lora"], progress=False)
    assert c.report(tmp_path / "a.html").read_text().startswith("<!doctype html>")
    assert c.report(tmp_path / "a.md").read_text().startswith("# ")
    with pytest.raises(ValueError, match=r"ends in \.html or \.md"):
        c.report(tmp_path / "a.pdf")


def test_a_method_that_is_not_there_is_refused_before_anything_runs(store: Store):
    with pytest.raises(ValueError, match="lorra"):
        workbench.compare(methods=["lorra"], store=store.folder)
    assert store.runs() == []


def test_the_tour_runs_as_it_stands(invented: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for source in code_cells():
        exec(compile(source, "tour", "exec"), names)
    assert (tmp_path / "comparison.html").exists()
    assert capsys.readouterr().out


SMALLER = {
    '"train_rows": 400, "test_rows": 200': '"train_rows": 48, "test_rows": 24',
    '"steps": 40': '"steps": 3',
    "seeds=3": "seeds=2",
    "max_length=64": "max_length=24",
}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_tour_trains_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Six runs in real processes; of fewer rows and steps than the tour's own, which says nothing of the way there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "store"))
    names: dict = {}
    for source in code_cells():
        if "workbench.compare(" in source:
            assert all(words in source for words in SMALLER)
            for words, fewer in SMALLER.items():
                source = source.replace(words, fewer)
        exec(compile(source, "tour", "exec"), names)
    found = names["c"].found
    assert len(found.runs) == 6
    assert [run.reason for run in found.runs if run.state != "finished"] == []
    again = workbench.compare(
        data={"source": "reviews", "train_rows": 48, "test_rows": 24}, methods=["head"], seeds=2,
        budget={"steps": 3}, max_length=24,
    )  # fmt: skip
    assert len(again.found.runs) == 6
