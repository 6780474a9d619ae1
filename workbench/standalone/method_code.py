"""The lines of a script that put the method on the model: PEFT's config as it was, or which weights are trained."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from workbench.architecture import head_names
from workbench.exporting import forms

NOT_SAID = (
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "auto_mapping",
    "peft_version",
    "peft_type",
)
WIDTH = 108


def method_lines(trained: Path, shapes: Any) -> tuple[list[str], list[str]]:
    """(import lines, code lines). `shapes` is the base, with weights or without."""
    if forms.made_of(trained) == forms.PEFT:
        name, values = _peft(trained)
        values |= _short_names(values, [name for name, _ in shapes.named_modules()])
        call = _call(f"config = {name}", values)
        heads = _heads_beside(trained, shapes)
        return [f"from peft import {name}, get_peft_model"], [
            *call,
            "model = get_peft_model(model, config)",
            *(
                f"model.get_submodule({head!r}).requires_grad_(True)  # PEFT leaves it as it was"
                for head in heads
            ),
        ]
    parameters = [name for name, _ in shapes.named_parameters()]
    trained_names = set(forms.tensor_names(trained / forms.TENSORS))
    if trained_names == set(parameters):
        return [], ["# every weight is trained"]
    expression = selection(trained_names, parameters)
    return ["import re"] if "re." in expression[0] + expression[-1] else [], [
        *expression,
        "for name, parameter in model.named_parameters():",
        "    parameter.requires_grad_(is_trained(name))",
    ]


def selection(trained: Collection[str], parameters: Sequence[str]) -> list[str]:
    """A function `is_trained` that is true for these names and no others, in as few words as can be found."""
    prefixes = _prefixes(trained, parameters)
    ends = _ends(trained, parameters)
    rest = [name for name in trained if not name.endswith(tuple(ends))]
    begins = _prefixes(rest, [name for name in parameters if name not in trained or name in rest])
    patterns = sorted({re.sub(r"(?<=\.)\d+(?=\.)", r"[0-9]+", re.escape(name)) for name in trained})
    matched = {name for name in parameters if any(re.fullmatch(p, name) for p in patterns)}
    if ends and len(ends) + len(begins) < min(len(prefixes), len(patterns)):
        either = " or ".join(
            f"name.{how}swith({_tuple(words)})" for how, words in (("start", begins), ("end", ends)) if words
        )
        return [f"def is_trained(name): return {either}  # noqa: E704"]
    if len(prefixes) > len(patterns) and matched == set(trained):
        return [
            *_wrapped("TRAINED = (", [repr(p) for p in patterns], ",)" if len(patterns) == 1 else ")"),
            "def is_trained(name): return any(re.fullmatch(one, name) for one in TRAINED)  # noqa: E704",
        ]
    lines = _wrapped("TRAINED = (", [repr(p) for p in prefixes], ",)" if len(prefixes) == 1 else ")")
    return [*lines, "def is_trained(name): return name.startswith(TRAINED)  # noqa: E704"]


def _tuple(words: Sequence[str]) -> str:
    return repr(words[0]) if len(words) == 1 else repr(tuple(words))


def _ends(trained: Collection[str], parameters: Sequence[str]) -> list[str]:
    """The last parts of names, dot included, that several trained names have and no other has."""
    others = {name.rpartition(".")[2] for name in parameters if name not in trained}
    lasts = [name.rpartition(".")[2] for name in trained]
    return [f".{last}" for last in sorted(set(lasts)) if last not in others and lasts.count(last) > 1]


def _heads_beside(trained: Path, shapes: Any) -> list[str]:
    """Heads that were trained beside an adapter whose config does not name them."""
    if forms.peft_config(trained).get("modules_to_save"):
        return []
    saved = forms.tensor_names(trained / forms.ADAPTER)
    heads = [f"base_model.model.{head}" for head in head_names(shapes)]
    return [head for head in heads if any(name.startswith(f"{head}.") for name in saved)]


def _short_names(values: Mapping[str, Any], modules: Sequence[str]) -> dict[str, Any]:
    """The lists of modules with short names: all of them or none, since PEFT holds one against the other."""
    lists = {name: values[name] for name in ("target_modules", "feedforward_modules") if values.get(name)}
    short = {name: shortest(targets, modules) for name, targets in lists.items()}
    return short if all(short[name] is not lists[name] for name in lists) else lists


def shortest(targets: Any, modules: Sequence[str]) -> Any:
    """The last parts of the targets' names, where PEFT finds the same modules by them."""
    if isinstance(targets, str):
        return targets

    def found(names: Collection[str]) -> set[str]:
        return {m for m in modules if any(m == name or m.endswith(f".{name}") for name in names)}

    lasts = sorted({name.rpartition(".")[2] for name in targets})
    return lasts if found(lasts) == found(targets) else targets


def _prefixes(trained: Collection[str], parameters: Sequence[str]) -> list[str]:
    """The shortest beginnings, cut at dots, that only trained names have."""
    others = [name for name in parameters if name not in trained]
    found = []
    for name in sorted(trained):
        parts = name.split(".")
        options = [".".join(parts[:i]) + "." for i in range(1, len(parts))] + [name]
        found.append(
            next(p for p in options if not any(other.startswith(p) for other in others) or p == name)
        )
    return list(dict.fromkeys(found))


def _peft(trained: Path) -> tuple[str, dict[str, Any]]:
    """The config's class and what was not PEFT's own default."""
    from peft import PeftConfig

    config = PeftConfig.from_pretrained(str(trained))
    values = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        default = (
            field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        )
        if field.name in NOT_SAID or not field.init or value == default or not _writable(value):
            continue
        values[field.name] = _plain(value)
    return type(config).__name__, values


def _writable(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_writable(v) for v in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return all(_writable(v) for v in value)
    return value is None or isinstance(value, str | int | float | bool | Enum)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value


def model_lines(auto_class: str, arguments: Sequence[str]) -> list[str]:
    """The base model at full precision, with what the task and its revision ask for."""
    given = ["BASE", "dtype=torch.float32", "pad_token_id=PAD", "use_cache=False", *arguments]
    return _wrapped(f"model = {auto_class}.from_pretrained(", given, ")")


def _call(begin: str, values: Mapping[str, Any]) -> list[str]:
    return _wrapped(f"{begin}(", [f"{name}={value!r}" for name, value in values.items()], ")")


def _wrapped(begin: str, items: Sequence[str], end: str) -> list[str]:
    """One line where it fits, else as few as hold the items."""
    whole = f"{begin}{', '.join(items)}{end}"
    if len(whole) <= WIDTH:
        return [whole]
    lines, line = [], begin
    for place, item in enumerate(items):
        words = f" {item}," if line.endswith(",") or line.endswith("   ") else f"{item},"
        if place and len(line) + len(words) > WIDTH:
            lines.append(line)
            line, words = "   ", f" {item},"
        line += words
    return [*lines, line.removesuffix(",") + end]
