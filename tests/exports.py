"""What the tests of export and serving share: a store with runs that were really trained, and a fresh interpreter."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.training import Heard, quickly
from workbench.data import Prepared, data_task, save_prepared
from workbench.spec import RunSpec
from workbench.store import Store
from workbench.train import train


def train_run(store: Store, spec: RunSpec, prepared: Prepared) -> str:
    """Train it here, in this process, and give its id."""
    fingerprint = spec.setting.data.fingerprint
    folder = store.data_folder(fingerprint)
    if not folder.is_dir():
        save_prepared(prepared, folder)
    (run_id,) = store.add([spec])
    store.claim(run_id)
    store.change_state(run_id, "running")
    heard = Heard()
    with quickly():
        result = train(
            spec,
            prepared,
            store.run_folder(run_id),
            emit=heard.emit,
            should_stop=heard.should_stop,
            device="cpu",
            store=store,
        )
    store.change_state(run_id, "finished", result=dataclasses.replace(result))
    return run_id


def with_fingerprint(spec: RunSpec, prepared: Prepared) -> tuple[RunSpec, Prepared]:
    """The same with the true fingerprint of the rows, so that they can be kept and read back."""
    found = data_task(spec.setting.task).fingerprint(prepared.rows, prepared.spec.labels)
    data = dataclasses.replace(prepared.spec, fingerprint=found)
    return (
        dataclasses.replace(spec, setting=dataclasses.replace(spec.setting, data=data)),
        dataclasses.replace(prepared, spec=data),
    )


def fresh(script: str, folder: Path, *, seconds: float = 280, **environment: Any) -> str:
    """What a script prints that knows nothing of the workbench."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            **{name: str(value) for name, value in environment.items()},
        },
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
