"""Fills the templates of the stand-alone script: the pieces of a task's file, the lines that a setting asks for, imports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
LONGEST = 120
"""Lines of a script."""
LONGEST_METHOD = 8
"""Lines that put the method on: what every frame leaves free, whatever the setting."""


def pieces_of(task: str) -> dict[str, str]:
    """The pieces of a task's file by their names."""
    text = (HERE / f"{task}.txt").read_text(encoding="utf-8")
    names = re.findall(r"^# == (\w+)$", text, flags=re.M)
    pieces = re.split(r"^# == \w+$", text, flags=re.M)[1:]
    return {name: piece.strip("\n") for name, piece in zip(names, pieces)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with every <<NAME>> replaced."""
    for _ in range(2):  # what is filled in may hold places of its own
        for name, value in values.items():
            if not value and name != "IMPORTS":  # a line of its own goes with it
                text = re.sub(rf"^<<{name}>>\n", "", text, flags=re.M)
            text = text.replace(f"<<{name}>>", _imports(values) if name == "IMPORTS" else value)
    return text


def _imports(values: Mapping[str, str]) -> str:
    """Sorted as a reader expects them: the standard library, then the rest."""
    own = [line for line in (values["IMPORTS"] + "\x00" + values.get("EXTRA", "")).split("\x00") if line]
    classes = ", ".join(sorted(["AutoTokenizer", *values["CLASSES"].split(", ")])) + ", set_seed"
    plain = {"import json", "import math", *(x for x in own if x == "import re")}
    standard = sorted(plain) + [x for x in own if x.startswith(("from decimal", "from collections"))]
    others = [x for x in own if x not in standard]
    return "\n".join(
        [
            *standard,
            "",
            "import torch",
            *sorted(
                [
                    *others,
                    f"from transformers import {classes}",
                    "from transformers.trainer_pt_utils import get_parameter_names",
                ]
            ),
        ]
    )


def tidy(script: str) -> str:
    """One empty line at a time; fewer of them where the script would be too long."""
    text = re.sub(r"\n{3,}", "\n\n", script).strip() + "\n"
    for before in (r"(?=def |@torch)", r"(?=# %%|import torch)"):
        if len(text.splitlines()) > LONGEST:
            text = re.sub(rf"\n\n{before}", "\n", text)
    return text


def step(accumulation: int, *, smoothed: bool) -> dict[str, str]:
    """One step's loss: the mean over all of it, however many batches it has."""
    more = ", SMOOTHING" if smoothed else ""
    if accumulation == 1:
        lines: tuple[str, ...] = (
            "batch = next(loader)",
            f"(loss_sum(*batch{more}) / (batch[2] != -100).sum()).backward()",
        )
    else:
        lines = (
            f"group = [next(loader) for _ in range({accumulation})]",
            "count = sum(int((wanted != -100).sum()) for _, _, wanted in group)",
            "for batch in group:",
            f"    (loss_sum(*batch{more}) / count).backward()",
        )
    return {"STEP": "\n".join(f"    {line}" for line in lines)}


def patience(patience: int | None) -> dict[str, str]:
    """The lines that stop early; none where that was not asked for."""
    if patience is None:
        return dict.fromkeys(("WAITED_NAME", "WAITED_START", "WAITED_COUNT", "WAITED_END"), "")
    return {
        "WAITED_NAME": ", waited",
        "WAITED_START": ", 0",
        "WAITED_COUNT": "        waited = 0 if best is None or now <<BETTER>> best else waited + 1",
        "WAITED_END": f"        if waited >= {patience}:\n            break",
    }


def autocast(is_on: bool, plain_kernel: bool) -> dict[str, str]:
    """Where it was trained in bfloat16, the line that computes so."""
    if not is_on:
        return {"AUTOCAST_LINE": "", "GENERATE_AUTOCAST": "", "INDENT": ""}
    line = "with torch.autocast(DEVICE, torch.bfloat16)"
    kernel = ", sdpa_kernel(SDPBackend.MATH)" if plain_kernel else ""
    return {
        "AUTOCAST_LINE": f"    {line}{kernel}:",
        "GENERATE_AUTOCAST": f"        {line}{kernel}:",
        "INDENT": "    ",
    }
