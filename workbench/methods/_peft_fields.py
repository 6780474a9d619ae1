"""Reads the tuners of the installed PEFT and the fields of their config classes from its source, without importing it.

Importing PEFT imports torch, which listing the methods must not; a tuner that a program registered itself, in a process
that has imported PEFT already, is read from its class.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import importlib.util
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROMPT_BASE = "PromptLearningConfig"
INHERITED = "PeftConfig"
UNREADABLE = object()


@dataclass(frozen=True)
class ConfigField:
    """One field of a config class. `kind` is bool, int, float, str, list (of names), ints (list of whole numbers) or
    pattern (name -> number, as in rank_pattern); None where its type can't be an option: a dictionary, a function, another config."""

    name: str
    kind: str | None
    optional: bool
    default: Any
    help: str
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Tuner:
    """One tuner: its PeftType, config class, that class's docstring and its own fields (bookkeeping left out)."""

    peft_type: str
    config_class: str
    doc: str
    fields: tuple[ConfigField, ...]
    prompt: bool
    paper: str | None


def tuners(without: frozenset[str] = frozenset()) -> tuple[Tuner, ...]:
    """All tuners of the installed PEFT but these, by PeftType; those registered in this process included."""
    found = {tuner.peft_type: tuner for tuner in read_package(_package_folder(), without)}
    mapping = getattr(sys.modules.get("peft.mapping"), "PEFT_TYPE_TO_CONFIG_MAPPING", {})
    for peft_type, config_class in mapping.items():
        name = str(getattr(peft_type, "value", peft_type))
        if name not in found and name not in without:
            found[name] = from_class(name, config_class)
    return tuple(found[name] for name in sorted(found))


def _package_folder() -> Path:
    spec = importlib.util.find_spec("peft")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("PEFT is not installed: pip install peft")
    return Path(next(iter(spec.submodule_search_locations)))


@functools.cache
def read_package(package: Path, without: frozenset[str] = frozenset()) -> tuple[Tuner, ...]:
    """The tuners that the package's `tuners/*/__init__.py` files register, from their source."""
    found = []
    for folder in sorted(path.parent for path in (package / "tuners").glob("*/__init__.py")):
        for peft_type, class_name in _registered(_parsed(folder / "__init__.py")):
            lines = [] if peft_type in without else [*_class_line(package, folder, class_name)]
            if lines:
                found.append(_read(peft_type, class_name, lines, _paper_in(folder)))
    return tuple(found)


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _registered(module: ast.Module) -> Iterator[tuple[str, str]]:
    """(PeftType, config class) of each call of register_peft_method."""
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "register_peft_method":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            name, config = given.get("name"), given.get("config_cls")
            if isinstance(name, ast.Constant) and isinstance(config, ast.Name):
                yield str(name.value).upper(), config.id


def _class_line(package: Path, folder: Path, name: str) -> Iterator[tuple[ast.ClassDef, ast.Module]]:
    """The class of that name and its bases, nearest first, up to PeftConfig."""
    for path in _places(package, folder):
        module = _parsed(path)
        for node in module.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                yield node, module
                for base in node.bases:
                    if isinstance(base, ast.Name) and base.id != INHERITED:
                        yield from _class_line(package, folder, base.id)
                return


def _places(package: Path, folder: Path) -> Iterator[Path]:
    """Where a config class may stand: beside its tuner first, then the common files, then the other tuners."""
    yield from (path for path in (folder / "config.py", package / "config.py") if path.is_file())
    yield from sorted((package / "tuners").glob("*.py"))
    yield from sorted((package / "tuners").glob("*/config.py"))


def _read(
    peft_type: str, class_name: str, line: list[tuple[ast.ClassDef, ast.Module]], paper: str | None
) -> Tuner:
    doc = ast.get_docstring(line[0][0]) or ""
    fields: dict[str, ConfigField] = {}
    for node, module in reversed(
        line
    ):  # as dataclasses do: the bases' fields first, each replaced in its place
        names = _names(module)
        helps = _argument_helps(ast.get_docstring(node) or "")
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                found = _source_field(item, names, helps)
                if found is not None:
                    fields[found.name] = found
                else:
                    fields.pop(item.target.id, None)
    prompt = any(node.name == PROMPT_BASE for node, _ in line)
    return Tuner(peft_type, class_name, doc, tuple(fields.values()), prompt, _link(doc) or paper)


def _names(module: ast.Module) -> dict[str, Any]:
    """What an annotation or a default may mention: typing's names and the module's own enumerations."""
    enums = {}
    for node in module.body:
        if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
            members = {
                target.id: item.value.value
                for item in node.body
                if isinstance(item, ast.Assign) and isinstance(item.value, ast.Constant)
                for target in item.targets
                if isinstance(target, ast.Name)
            }
            enums[node.name] = enum.Enum(node.name, members)  # type: ignore[misc]
    return {**vars(typing), "typing": typing, **enums}


def _source_field(item: ast.AnnAssign, names: dict[str, Any], helps: Mapping[str, str]) -> ConfigField | None:
    name = item.target.id  # type: ignore[union-attr]
    call = item.value if isinstance(item.value, ast.Call) else None
    given: dict[str | None, ast.expr] = {k.arg: k.value for k in call.keywords} if call else {}
    if call is not None and not (isinstance(call.func, ast.Name) and call.func.id == "field"):
        return None
    if _value(given.get("init"), names) is False:
        return None
    metadata = _value(given.get("metadata"), names)
    text = metadata.get("help", "") if isinstance(metadata, dict) else ""
    if "default_factory" in given:
        default = {"list": [], "dict": {}}.get(ast.unparse(given["default_factory"]), UNREADABLE)
    else:
        default = _value(given.get("default") if call else item.value, names)
    try:
        annotation = eval(ast.unparse(item.annotation), {}, names)  # what importing the module would do
    except (NameError, AttributeError, TypeError, SyntaxError):
        annotation = Any
    return _field(name, annotation, default, text or helps.get(name, ""))


def _value(node: ast.expr | None, names: Mapping[str, Any]) -> Any:
    """A literal, or a member of an enumeration of the same file; None where nothing is written."""
    if node is None:
        return None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        kind = names.get(node.value.id)
        if isinstance(kind, enum.EnumMeta) and node.attr in kind.__members__:
            return kind[node.attr]
    if isinstance(node, ast.Dict):
        keys = [_value(key, names) for key in node.keys]
        return dict(zip(keys, (_value(value, names) for value in node.values)))
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return UNREADABLE


def from_class(peft_type: str, config_class: type) -> Tuner:
    """The same from an imported config class."""
    hints = _hints(config_class)
    helps = _argument_helps(config_class.__doc__ or "")
    bases = [base for base in config_class.__mro__ if base.__name__ == INHERITED]
    inherited = {field.name for field in dataclasses.fields(bases[0])} if bases else set()
    fields = []
    for field in dataclasses.fields(config_class):
        if field.name in inherited or not field.init:
            continue
        default = field.default
        if default is dataclasses.MISSING:
            factory = field.default_factory
            default = factory() if factory in (list, dict) else UNREADABLE  # type: ignore[comparison-overlap,operator]
        text = field.metadata.get("help") or helps.get(field.name, "")
        fields.append(_field(field.name, hints.get(field.name, Any), default, text))
    doc = config_class.__doc__ or ""
    prompt = any(base.__name__ == PROMPT_BASE for base in config_class.__mro__)
    return Tuner(peft_type, config_class.__name__, doc, tuple(fields), prompt, _link(doc))


def _hints(config_class: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(config_class)
    except (NameError, TypeError):
        return {}


def _field(name: str, annotation: Any, default: Any, text: Any) -> ConfigField:
    kind, optional, choices = _kind(annotation)
    if name.endswith("_pattern") and _is_dictionary(annotation):
        kind, default = "pattern", default or None
    text = " ".join(text) if isinstance(text, tuple) else str(text or "")
    if isinstance(default, enum.Enum):
        default = default.value
    return ConfigField(name, kind, optional or default is None, default, " ".join(text.split()), choices)


def _kind(annotation: Any) -> tuple[str | None, bool, tuple[str, ...] | None]:
    """(kind, whether None is a value, choices) of a type; kind None where an option can't have it."""
    parts = _parts(annotation)
    optional = type(None) in parts
    parts = [part for part in parts if part is not type(None)]
    enums: list[Any] = [part for part in parts if isinstance(part, enum.EnumMeta)]
    if enums:
        return "str", optional, tuple(str(member.value) for member in enums[0])
    if len(parts) == 1 and typing.get_origin(parts[0]) is typing.Literal:
        values = typing.get_args(parts[0])
        return (
            ("str", optional, values) if all(isinstance(v, str) for v in values) else (None, optional, None)
        )
    if list[str] in parts and set(parts) <= {list[str], str}:
        return "list", optional, None
    if list[int] in parts and set(parts) <= {list[int], int}:
        return "ints", optional, None
    if set(parts) == {int, float}:
        return "float", optional, None
    if len(parts) == 1 and parts[0] in (bool, int, float, str):
        return parts[0].__name__, optional, None
    return None, optional, None


def _is_dictionary(annotation: Any) -> bool:
    return any(part is dict or typing.get_origin(part) is dict for part in _parts(annotation))


def _parts(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [inner for part in typing.get_args(annotation) for inner in _parts(part)]
    if typing.get_origin(annotation) is list:
        return [list[typing.get_args(annotation)[0]]] if typing.get_args(annotation) else [list]  # type: ignore[misc]
    return [annotation]


def _argument_helps(doc: str) -> dict[str, str]:
    """name -> text of a docstring's `Args:` part: what stands in for missing metadata."""
    found = re.findall(
        r"^\s*(\w+)\s*\([^\n]*\):\s*\n((?:\s+.+\n?)+?)(?=^\s*\w+\s*\([^\n]*\):\s*$|\Z)", doc, re.M
    )
    return {name: " ".join(text.split()) for name, text in found}


def _link(text: str) -> str | None:
    """The first paper that a text names, as a page of arXiv where it is one."""
    found = re.search(r"(?:arxiv\.org/abs/|huggingface\.co/papers/|arXiv:)(\d{4}\.\d{4,5})", text)
    if found:
        return f"https://arxiv.org/abs/{found[1]}"
    other = re.search(r"https://(?:doi\.org|openreview\.net)/[^\s)`\"'>\]]+", text)
    return other[0].rstrip(".,") if other else None


def _paper_in(folder: Path) -> str | None:
    model = folder / "model.py"
    return _link(model.read_text(encoding="utf-8")) if model.is_file() else None
