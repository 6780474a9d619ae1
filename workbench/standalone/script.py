"""Writes the stand-alone script of a run, the notebook of the same, and the folder of rows and weights that they read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import build, models, templates
from workbench.batches import LengthBatches
from workbench.compare import judged_by
from workbench.data import Prepared, load_prepared
from workbench.evaluate import PLAIN_ATTENTION_LENGTH, longest_input
from workbench.exporting import whole
from workbench.exporting.card import model_words
from workbench.exporting.opened import Opened, open_run
from workbench.result import Run
from workbench.standalone import claims
from workbench.standalone.filling import HERE, LONGEST, autocast, filled, patience, pieces_of, step, tidy
from workbench.standalone.method_code import method_lines, model_lines
from workbench.store import Store

SCRIPT, NOTEBOOK = "train.py", "train.ipynb"
SCHEDULES = {
    "linear": "1 - rest",
    "cosine": "0.5 * (1 + math.cos(math.pi * rest))",
    "constant": "1.0",
}
EXTRA_IMPORTS = {
    "answer_match": ("from decimal import Decimal",),
    "chrf": ("from collections import Counter",),
}


@dataclass(frozen=True)
class Code:
    """The script's text, and what its folder holds besides."""

    script: str
    rows: Mapping[str, list[dict[str, Any]]]
    order: list[list[int]]
    brings_base: bool

    @property
    def lines(self) -> int:
        return len(self.script.splitlines())


def write_code(store: Store, run: Run, to: Path) -> Code:
    """train.py, train.ipynb, rows/ and, where no Hub has it, base/ in the new folder `to`."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"{to} is there already and is not empty: name a new folder")
    code = code_of(store, run)
    (to / "rows").mkdir(parents=True)
    (to / "rows" / "order.json").write_text(json.dumps(code.order) + "\n", encoding="utf-8")
    (to / SCRIPT).write_text(code.script, encoding="utf-8")
    (to / NOTEBOOK).write_text(
        json.dumps(notebook(code.script), indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    for part, rows in code.rows.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (to / "rows" / f"{part}.jsonl").write_text("".join(lines), encoding="utf-8")
    if code.brings_base:
        whole.write_base(open_run(store, run), to / whole.BASE)
    return code


def code_of(store: Store, run: Run) -> Code:
    """ValueError with one sentence where a script can't repeat the run."""
    if reason := claims.refusal(store, run):
        raise ValueError(reason)
    one = open_run(store, run)
    prepared = load_prepared(store.data_folder(run.spec.setting.data.fingerprint))
    tokenizer = one.tokenizer()
    values, rows = (_classification if one.is_classifier else _generation)(one, run, prepared, tokenizer)
    template = (HERE / "common.txt").read_text(encoding="utf-8")
    script = tidy(filled(template, _shared(one, run, prepared) | values))
    if (lines := len(script.splitlines())) > LONGEST:
        raise ValueError(
            f"The script of {run.label} would have {lines} lines, and {LONGEST} are what one reads at a sitting:"
            " which of the model's weights it trains takes too many words."
        )
    return Code(script, rows, _order(one, run, prepared, tokenizer), whole.brings_base(one))


def _order(one: Opened, run: Run, prepared: Prepared, tokenizer: Any) -> list[list[int]]:
    """The rows of every batch: grouped by length, shuffled by seed and epoch, as every method of the setting had them."""
    setting = run.spec.setting
    length, room = _length(run), longest_input(one.model(), tokenizer)
    options = one.task.options.from_dict(setting.task_options)
    encoded = one.task.encode(tokenizer, prepared.rows["train"], one.labels, length, options, room)
    steps = build.total_steps(setting, len(encoded)) or 0
    lengths = [len(row["input_ids"]) for row in encoded]
    count = steps * setting.gradient_accumulation
    return list(LengthBatches(lengths, setting.batch_size, run.spec.seed, count))


def _length(run: Run) -> int:
    """How many tokens of a row were read."""
    assert run.result is not None
    return int(run.result.environment.get("max_length") or run.spec.setting.max_length)


def notebook(script: str) -> dict[str, Any]:
    """A cell for each part of the script, its title above it."""
    head, *parts = re.split(r"^# %% ", script, flags=re.M)
    docstring = head.strip().strip('"').strip()
    cells = [_cell("markdown", docstring)]
    for part in parts:
        title, _, code = part.partition("\n")
        cells += [_cell("markdown", f"## {title.strip()}"), _cell("code", code.strip("\n"))]
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind: str, text: str) -> dict[str, Any]:
    more: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    name = hashlib.sha256(text.encode()).hexdigest()[:8]
    return {"cell_type": kind, "id": name, "metadata": {}, **more, "source": text.splitlines(keepends=True)}


def _shared(one: Opened, run: Run, prepared: Prepared) -> dict[str, str]:
    """What every script is told."""
    setting, choice, result = run.spec.setting, run.spec.choice, run.result
    assert result is not None
    judged = judged_by(setting)
    base = repr(whole.BASE) if whole.brings_base(one) else repr(one.source.path_or_id)
    revision = None if whole.brings_base(one) else one.source.revision
    imports, code = method_lines(one.trained, _shapes(one))
    precision = str(result.environment.get("precision", "float32"))
    length = _length(run)
    plain_kernel = (
        precision == "bfloat16"
        and str(run.device or "cpu").startswith("cpu")
        and length <= PLAIN_ATTENTION_LENGTH
    )
    steps = build.total_steps(setting, len(prepared.rows["train"]))
    libraries = result.environment.get("libraries", {})
    where = ", ".join(f"{n} {libraries[n]}" for n in ("torch", "transformers", "peft") if n in libraries)
    return {
        "RUN": run.id,
        "METHOD": run.label,
        "MODEL": model_words(setting.model),
        "METRIC": judged,
        "SCORE": repr(result.metrics[judged]),
        "WHERE": f"{result.environment.get('device_kind', 'cpu')}, {precision}, {where}",
        "BASE": base + (f", {revision!r}" if revision else ""),
        "REVISION_NAME": ", REVISION" if revision else "",
        "REVISION_USE": ", revision=REVISION" if revision else "",
        "SEED": repr(run.spec.seed),
        "RATE": repr(choice.learning_rate),
        "STEPS": repr(steps),
        "WARMUP": repr(setting.warmup_share),
        "DECAY": repr(setting.weight_decay),
        "CLIP": repr(setting.gradient_clip),
        "SMOOTHING": repr(setting.label_smoothing),
        "EVALUATIONS": repr(setting.evaluations),
        "SCHEDULE": SCHEDULES[setting.schedule],
        "FUSED": ", fused=True" if setting.optimizer == "adamw_torch_fused" else "",
        "MODEL_CODE": "\n".join(
            model_lines(
                one.task.model_class,
                (["num_labels=len(LABELS)"] if one.is_classifier else [])
                + (["revision=REVISION"] if revision else []),
            )
        ),
        "METHOD_CODE": "\n".join(code),
        **step(setting.gradient_accumulation, smoothed=not one.is_classifier and setting.label_smoothing > 0),
        **patience(setting.early_stopping),
        **autocast(precision == "bfloat16", plain_kernel),
        "IMPORTS": "\x00".join(
            [
                *imports,
                *(["from torch.nn.attention import SDPBackend, sdpa_kernel"] if plain_kernel else []),
            ]
        ),
        "LENGTH": repr(length),
    }


def _classification(
    one: Opened, run: Run, prepared: Prepared, tokenizer: Any
) -> tuple[dict[str, str], Mapping[str, list[dict[str, Any]]]]:
    parts = pieces_of("classification")
    rows = {
        part: [{"text": row["text"], "label": row["label"]} for row in found]
        for part, found in prepared.rows.items()
    }
    return {
        "ENCODE": parts["ENCODE"],
        "JUDGE": parts["JUDGE"],
        "BETTER": ">",
        "NUMBERS": f"LABELS, MAX_LENGTH = {list(one.labels)!r}, <<LENGTH>>",
        "CLASSES": one.task.model_class,
    }, rows


def _generation(
    one: Opened, run: Run, prepared: Prepared, tokenizer: Any
) -> tuple[dict[str, str], Mapping[str, list[dict[str, Any]]]]:
    options = one.task.options.from_dict(run.spec.setting.task_options)
    told: Any = options
    parts, judged = pieces_of("generation"), judged_by(run.spec.setting)
    chat = told.template == templates.CHAT
    begin = [] if chat or tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    ends = templates.end_ids(told.template, tokenizer)
    length = _length(run)
    room = longest_input(one.model(), tokenizer)
    longest_prompt = length - 1 if room is None else min(length - 1, room - told.max_new_tokens)
    count = len(prepared.rows["test"])
    answers = count if told.test_answers is None else min(count, told.test_answers)
    numbers = [
        "MAX_LENGTH, MAX_PROMPT, MAX_NEW_TOKENS, TEST_ANSWERS = "
        f"<<LENGTH>>, {longest_prompt}, {told.max_new_tokens}, {answers}",
        f"BEGIN, ENDS = {begin}, {ends}  # what a text begins with, and what ends an answer",
    ]
    if judged == "answer_match":
        numbers.append(f"PATTERN = {told.answer_pattern!r}")
    rows = {
        part: [_laid_out(told.template, tokenizer, row) for row in found]
        for part, found in prepared.rows.items()
    }
    return {
        "ENCODE": parts["ENCODE"],
        "JUDGE": filled(parts["JUDGE"], {"SCORE_FUNCTION": parts[judged]}),
        "BETTER": "<",
        "NUMBERS": "\n".join(numbers),
        "CLASSES": f"{one.task.model_class}, GenerationConfig",
        "EXTRA": "\x00".join(EXTRA_IMPORTS.get(judged, ()))
        + ("\x00import re" if judged == "answer_match" else ""),
    }, rows


def _laid_out(template: str, tokenizer: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt as the template lays it out, and its answer."""
    if template == templates.CHAT:
        head, answer, _ = templates._chat_texts(tokenizer, row)
    else:
        head = templates.text_of(template).replace(templates.PLACE, templates.transcript(row))
        answer = row["completion"]
    found = {
        "prompt": head,
        "completion": answer,
        "references": list(row.get("references") or [row["completion"]]),
    }
    return found | ({"answer": row["answer"]} if "answer" in row else {})


def _shapes(one: Opened) -> Any:
    return models.load_model(one.source, one.task, one.labels, meta=True, store=one.store)
