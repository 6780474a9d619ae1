"""Compare fine-tuning methods of language models on your own data: one fair, measured table.

In a notebook: `import workbench; c = workbench.compare(data="reviews", methods=["full", "lora"], seeds=3)`, then `c`.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`workbench.compare` and `workbench.load` are there when they are asked for, so that the import stays light."""
    if name == "compare":
        return import_module("workbench.compare")
    if name == "load":
        return import_module("workbench.api").load
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), "compare", "load"]
