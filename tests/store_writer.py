"""Writes to a store until it is killed; says what was committed, one line each: `python store_writer.py STORE ACKS`."""

import os
import sys
from pathlib import Path

from workbench.spec import Choice, DataSpec, RunSpec, Setting
from workbench.store import Store

SETTING = Setting(DataSpec("reviews", labels=("a", "b"), fingerprint="f0"), "embedded:fable-8m")


def main(folder: str, acknowledged: str) -> None:
    store = Store(folder)
    acks = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    number = 0
    while True:
        number += 1
        specs = [RunSpec(SETTING, Choice("lora", {"r": r}, 1e-3), number) for r in (1, 2)]
        ids = store.add(specs, owner=f"{os.getpid()}-{number}")
        os.write(acks, f"run {ids[0]} {ids[1]}\n".encode())
        for step in range(1, 4):
            store.add_event(ids[0], "step", {"step": step, "steps": 9, "loss": 1 / step})
            os.write(acks, f"step {ids[0]} {step}\n".encode())
        store.change_state(ids[1], "cancelled")
        os.write(acks, f"cancelled {ids[1]} -\n".encode())


if __name__ == "__main__":
    main(*map(str, map(Path, sys.argv[1:3])))
