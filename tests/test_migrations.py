"""Every released schema still opens; a newer one and a stranger's file are refused as they are."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store_writer import SETTING
from workbench import migrations
from workbench.migrations import STEPS, migrate
from workbench.result import Reason, Result
from workbench.spec import Choice, RunSpec
from workbench.store import Store, StoreError

ROOT = Path(__file__).parents[1]
RELEASED = sorted((Path(__file__).parent / "stores").glob("version-*.sqlite"))


def columns(path: Path) -> dict[str, list[str]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {t: [row[1] for row in db.execute(f"PRAGMA table_info({t})")] for t in sorted(tables)}


def version_of(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def test_a_small_store_is_kept_for_every_released_schema():
    assert [version_of(path) for path in RELEASED] == list(range(1, len(STEPS) + 1))


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_a_store_of_each_release_opens_with_all_it_holds(released, tmp_path):
    """T8."""
    shutil.copy(released, tmp_path / "workbench.sqlite")
    store = Store(tmp_path)
    runs = {run.state: run for run in store.runs()}
    assert set(runs) == {"finished", "failed", "cancelled", "lost", "queued"}
    assert runs["finished"].result == Result(
        metrics={"accuracy": 0.75}, trainable_parameters=1234, confusion=((3, 1), (1, 3))
    )
    assert runs["failed"].reason == Reason("diverged", "The loss is not a number since step 2.")
    assert runs["finished"].name == "Première comparaison"
    assert [e.values["loss"] for e in store.events(runs["failed"].id, kinds=["step"])] == [1.0, 0.5]
    ((setting, count),) = store.settings()
    assert (setting.data.labels, count) == (("negative", "positive"), 5)
    assert store.add([RunSpec(setting, Choice("lora", {"r": 1}, 1e-3), 1)], key="form-2")
    assert store.claim().id == runs["queued"].id
    if int(released.stem.rpartition("-")[2]) >= 2:
        (study,) = store.studies()
        assert (study.title, study.plan) == ("Une chaîne", {"hops": [{"title": "first"}]})
        assert study.hop_of(runs["lost"].id) == 0
    fresh = tmp_path / "fresh"
    assert columns(store.path) == columns(Store(fresh).path)


def test_a_newer_store_is_refused_and_left_alone(store):
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 2}")
    before = store.path.read_bytes()
    with pytest.raises(
        StoreError, match=rf"newer workbench: version {len(STEPS) + 2}.* up to {len(STEPS)}"
    ) as e:
        Store(store.folder)
    assert e.value.code == "newer"
    assert store.path.read_bytes() == before


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "workbench.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (title)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"belongs to another program .it has a table 'recipes'"):
        Store(tmp_path)
    assert path.read_bytes() == before


def test_an_older_store_is_backed_up_with_its_log_and_then_carried_forward(store, monkeypatch):
    path, run_ids = store.path, store.add([RunSpec(SETTING, Choice("lora", {}, 1e-3), 0)])
    assert path.with_name("workbench.sqlite-wal").stat().st_size > 0
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, "ALTER TABLE runs ADD COLUMN mood TEXT;\n"))
    migrate(path)
    assert version_of(path) == len(STEPS) + 1
    assert columns(path)["runs"][-1] == "mood"
    copy = path.with_name(f"workbench.sqlite.version-{len(STEPS)}.backup")
    with contextlib.closing(sqlite3.connect(copy)) as db:
        assert [row[0] for row in db.execute("SELECT id FROM runs")] == run_ids
        assert db.execute("PRAGMA user_version").fetchone()[0] == len(STEPS)


def test_a_step_that_fails_changes_nothing(store, monkeypatch):
    before = columns(store.path)
    broken = "CREATE TABLE halfway (a);\nINSERT INTO nowhere VALUES (1);\n"
    monkeypatch.setattr(migrations, "STEPS", (*STEPS, broken))
    with pytest.raises(StoreError, match="no such table: nowhere"):
        migrate(store.path)
    assert columns(store.path) == before
    assert version_of(store.path) == len(STEPS)


def test_many_processes_may_make_the_same_store_at_once(tmp_path):
    code = f"from workbench.store import Store; print(Store({str(tmp_path / 'new')!r}).version())"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(6)
    ]
    for child in children:
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out.strip()) == (0, b"(0, 0, 0)"), err.decode()
