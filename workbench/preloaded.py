"""Imported once by the warm parent: loads the heavy libraries, so that every process forked from it has them.

A library that can't be loaded is skipped here; the run that needs it says so. WORKBENCH_PRELOAD overrides the list
(module names with commas; `none` for nothing: runs then start cold, and half a gigabyte of memory stays free).
"""

import contextlib
import importlib
import os
import warnings

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
    "transformers.tokenization_utils_tokenizers",
    "peft",
    "accelerate",
    "datasets",
    "pandas",
    "sklearn.linear_model",
    "sklearn.feature_extraction.text",
    "workbench.worker",
    "workbench.train",
    "workbench.inference",
    "workbench.estimate",
    "workbench.data",
    "workbench.references",
)


def load(names: str | None) -> None:
    chosen = MODULES if names is None else [n.strip() for n in names.split(",") if n.strip() not in ("", "none")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in chosen:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


# What a library prints must not end up in a command's JSON.
os.dup2(2, 1)
load(os.environ.get("WORKBENCH_PRELOAD"))
