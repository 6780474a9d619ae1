"""Imported once by the warm parent: loads the heavy libraries, so that every process forked from it has them.

A library that can't be loaded is skipped here; the run that needs it says so. WORKBENCH_PRELOAD overrides the list
(module names with commas; `none` for nothing: runs then start cold, and half a gigabyte of memory stays free).
"""

import contextlib
import gc
import importlib
import os
from collections.abc import Iterator

MODULES = (
    "torch",
    "transformers.trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.models.llama.modeling_llama",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.bert.modeling_bert",
    "transformers.models.roberta.modeling_roberta",
    "transformers.models.distilbert.modeling_distilbert",
    "transformers.models.qwen3_moe.modeling_qwen3_moe",
    "transformers.tokenization_utils_tokenizers",
    "peft",
    "accelerate",
    "datasets",
    "pandas",
    "requests",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "evaluate",
    "workbench.scores",
    "workbench.worker",
    "workbench.train",
    "workbench.inference",
    "workbench.estimate",
    "workbench.probe",
    "workbench.data",
    "workbench.references",
)


def load(names: str | None) -> None:
    chosen = (
        MODULES if names is None else [n.strip() for n in names.split(",") if n.strip() not in ("", "none")]
    )
    with _silence():
        for name in chosen:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Libraries greet from C++ as well as from Python. Afterwards what is printed goes to standard error, so that it
    never ends up in a command's JSON."""
    errors, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(errors, 1)
        os.dup2(errors, 2)
        os.close(errors)
        os.close(nowhere)


load(os.environ.get("WORKBENCH_PRELOAD"))
# Children then leave these pages shared: a collection would write to each object's header.
gc.freeze()
