"""Makes the small store that is kept for the present schema: `python -m tests.stores.make`. Never remake an old one."""

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

from workbench.migrations import STEPS
from workbench.result import Reason, Result
from workbench.spec import Choice, DataSpec, RunSpec, Setting
from workbench.store import Store
from workbench.study_records import NewStudy

HERE = Path(__file__).parent


def main() -> None:
    target = HERE / f"version-{len(STEPS)}.sqlite"
    if target.exists():
        raise SystemExit(f"{target} exists: a released schema is never written again")
    data = DataSpec("reviews", labels=("negative", "positive"), fixes=("strip_html",), fingerprint="ab12")
    setting = Setting(data, "embedded:fable-8m")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        methods = ("lora", "full", "head", "bitfit", "ia3")
        ids = store.add(
            [RunSpec(setting, Choice(m, {"r": 8}, 1e-3, m.upper()), 0) for m in methods],
            owner="someone",
            key="form-1",
            name="Première comparaison",
            study=NewStudy("c0ffee", "Une chaîne", {"hops": [{"title": "first"}]}, [0] * len(methods)),
        )
        for run_id in ids[:4]:
            store.claim(run_id)
            store.change_state(run_id, "running")
            for step in (1, 2):
                store.add_event(run_id, "step", {"step": step, "steps": 2, "loss": 1 / step, "seconds": step})
        store.add_event(ids[0], "evaluated", {"step": 2, "accuracy": 0.75, "loss": 0.5})
        result = Result(metrics={"accuracy": 0.75}, trainable_parameters=1234, confusion=((3, 1), (1, 3)))
        store.change_state(ids[0], "finished", result=result)
        store.change_state(
            ids[1], "failed", reason=Reason("diverged", "The loss is not a number since step 2.")
        )
        store.change_state(ids[2], "cancelled", reason=Reason("cancelled", "Cancelled at step 2."))
        store.change_state(ids[3], "lost", reason=Reason("lost", "The worker is gone."))
        store._db.close()
        with contextlib.closing(sqlite3.connect(store.path)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("VACUUM")
        shutil.copy(store.path, target)


if __name__ == "__main__":
    main()
