"""Options: the one place where a fact about an option stands.

A method's options class says name, type, default, limits and help once; the form, the command line,
the preset check, the method card and the comparison table all read it here.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

_KEY = "workbench"


def option(
    default: Any,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    choices: Sequence[Any] | None = None,
    step: float | None = None,
    advanced: bool = False,
    names: Sequence[str] | None = None,
    derived: bool = False,
) -> Any:
    """Declare one field of an Options class.

    `min` and `max` are inclusive. `choices` closes the set of values; `names` are those with a name of their own, beside
    any other text. `advanced` folds the option away in the form; what is `derived` the workbench fills in, no form asks.
    """
    facts = {"help": help, "min": min, "max": max, "choices": choices, "step": step, "advanced": advanced}
    facts |= {"names": tuple(names or ()), "derived": derived}
    return dataclasses.field(default=default, metadata={_KEY: facts})


@dataclass(frozen=True)
class OptionFact:
    """What is known of one option. `kind` is bool, int, float, str or list (of str); `optional` admits None."""

    name: str
    kind: str
    optional: bool
    default: Any
    help: str
    min: float | None
    max: float | None
    choices: tuple[Any, ...] | None
    step: float | None
    advanced: bool
    names: tuple[str, ...] = ()
    derived: bool = False


@dataclass(frozen=True)
class Options:
    """Base of each method's options: checked where they are made, and the same way for every method."""

    def __post_init__(self) -> None:
        for fact in type(self).facts():
            value = _checked(fact, getattr(self, fact.name))
            object.__setattr__(self, fact.name, value)

    @classmethod
    def facts(cls) -> tuple[OptionFact, ...]:
        """All options of this class, in the order in which they are written."""
        hints = typing.get_type_hints(cls)
        return tuple(_fact(field, hints[field.name]) for field in dataclasses.fields(cls))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make options from plain values (a preset, a form, JSON). ValueError names an unknown or bad one."""
        known = [fact.name for fact in cls.facts()]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ValueError(unknown_names("option", unknown, known))
        return cls(**dict(values))

    @classmethod
    def from_text(cls, values: Mapping[str, str]) -> Self:
        """Make options from command-line text: `r=8`, `target_modules=q_lin,v_lin`, `use_rslora=true`."""
        facts = {fact.name: fact for fact in cls.facts()}
        return cls.from_dict(
            {name: _parsed(facts[name], text) if name in facts else text for name, text in values.items()}
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict(to_dict())` gives equal options."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    def changed(self) -> dict[str, Any]:
        """Only what differs from the defaults: what a label or a preset needs to say."""
        return {f.name: v for f in self.facts() if (v := self.to_dict()[f.name]) != _plain(f.default)}


def unknown_names(what: str, unknown: Iterable[str], known: Iterable[str]) -> str:
    """The sentence for names that nobody knows, with the nearest known one."""
    unknown, known = list(unknown), list(known)
    near = [m[0] for name in unknown if (m := difflib.get_close_matches(str(name), known, n=1))]
    hint = f" (did you mean {', '.join(near)}?)" if near else ""
    return f"unknown {what}(s) {', '.join(map(str, unknown))}{hint}; known: {', '.join(known) or 'none'}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _fact(field: dataclasses.Field[Any], hint: Any) -> OptionFact:
    if _KEY not in field.metadata:
        raise TypeError(f"{field.name}: declare it with option(default, help, ...)")
    kind, optional = _kind(hint)
    facts = dict(field.metadata[_KEY])
    choices = facts.pop("choices")
    return OptionFact(
        field.name, kind, optional, field.default, choices=tuple(choices) if choices else None, **facts
    )


def _kind(hint: Any) -> tuple[str, bool]:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(parts) != 1:
            raise TypeError(f"an option has one type (or None), not {hint}")
        return _kind(parts[0])[0], True
    if typing.get_origin(hint) is tuple:
        return "list", False
    if hint in (bool, int, float, str):
        return hint.__name__, False
    raise TypeError(f"an option is bool, int, float, str or tuple[str, ...], not {hint}")


def _parsed(fact: OptionFact, text: str) -> Any:
    if fact.optional and text.lower() in ("none", "null", ""):
        return None
    if fact.kind == "list":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if fact.kind == "bool":
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"{fact.name} is true or false, not {text!r}")
        return text.lower() in ("true", "1", "yes")
    if fact.kind in ("int", "float"):
        try:
            return int(text) if fact.kind == "int" else float(text)
        except ValueError:
            raise ValueError(f"{fact.name} is {_wanted(fact)}, not {text!r}") from None
    return text


def _checked(fact: OptionFact, value: Any) -> Any:
    wrong = ValueError(f"{fact.name} is {_wanted(fact)}, not {value!r}")
    if value is None:
        if fact.optional:
            return None
        raise wrong
    if fact.kind == "list":
        items = tuple([value] if isinstance(value, str) else value)
        if not all(isinstance(item, str) for item in items):
            raise wrong
        if fact.choices and not set(items) <= set(fact.choices):
            raise wrong
        return items
    if fact.kind == "bool":
        if not isinstance(value, bool):
            raise wrong
        return value
    if fact.kind in ("int", "float"):
        if isinstance(value, str):
            value = _parsed(fact, value)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise wrong
        if fact.kind == "int":
            if value != int(value):
                raise wrong
            value = int(value)
        else:
            value = float(value)
        if (fact.min is not None and value < fact.min) or (fact.max is not None and value > fact.max):
            raise wrong
    elif not isinstance(value, str):
        raise wrong
    if fact.choices and value not in fact.choices:
        raise wrong
    return value


def _wanted(fact: OptionFact) -> str:
    if fact.choices:
        return ("some of " if fact.kind == "list" else "one of ") + ", ".join(map(str, fact.choices))
    words = {
        "int": "a whole number",
        "float": "a number",
        "str": "a text",
        "bool": "true or false",
        "list": "a list of names",
    }
    limits = [f"at least {fact.min:g}"] if fact.min is not None else []
    limits += [f"at most {fact.max:g}"] if fact.max is not None else []
    return words[fact.kind] + (" of " + " and ".join(limits) if limits else "")
