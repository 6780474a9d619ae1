"""Offers every tuner of the installed PEFT that has no file of its own, drawn from PEFT's own config classes.

Options, types, defaults and help are the config's; sizes that only the model knows are filled in when it is applied.
A tuner that a new PEFT brings needs no change here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.architecture import checked_targets, head_names, is_head
from workbench.method import Context, Method, Unsuitable
from workbench.methods import _peft_words as words
from workbench.methods._peft import attach, attach_prompt
from workbench.methods._peft_derived import DERIVED, left_to_the_model, settle, unfit, usual_targets
from workbench.methods._peft_fields import UNREADABLE, ConfigField, Tuner, tuners
from workbench.methods._peft_shapes import shapes_only
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn

HERE = Path(__file__).parent
# What is no option: the workbench's own part, or what only another training loop would heed. None leaves PEFT's default.
OURS: dict[str, Any] = {
    "modules_to_save": None,
    "fan_in_fan_out": None,
    "inference_mode": None,
    "progressbar": False,
    "runtime_offload_base_weight": None,
    "tokenizer_name_or_path": None,
    "token_dim": None,
    "num_layers": None,
    "num_attention_heads": None,
    "num_transformer_submodules": None,
    # AdaMSS prunes only where the loop calls it after each step.
    "use_asa": None,
    "asa_target_subspaces": None,
    "asa_importance_beta": None,
    "asa_uncertainty_beta": None,
    "asa_schedule_exponent": None,
    "init_warmup": None,
    "final_warmup": None,
    "mask_interval": None,
    # Every method is trained with the task's own loss, so that their curves mean the same.
    "auxiliary_loss_weight": 0.0,
    "opt_weighted_loss_type": None,
    "opt_loss_decay_factor": None,
}
# Words in a name that mark a long-tail option.
LONG_TAIL = re.compile(
    r"init|seed|prng|bias|layers_|exclude|save|eps|beta|warmup|interval|exponent|pattern|_key|svd|state_dict|neumann"
)
UP_FRONT = 5
PEFT_TYPES = {
    "ints": tuple[str, ...],
    "pattern": tuple[str, ...],
    "list": tuple[str, ...],
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
}


def METHODS() -> list[Method]:
    """One method for each tuner of the installed PEFT that no named file declares as its peft_type."""
    named = _named_elsewhere()
    return [method_of(tuner) for tuner in tuners(named)]


def _named_elsewhere() -> frozenset[str]:
    """The PeftTypes that files of methods declare, read from their text: importing them here would go round in circles."""
    folders = [HERE, *map(Path, filter(None, os.environ.get("WORKBENCH_METHODS_PATH", "").split(os.pathsep)))]
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.py")]
    return frozenset(name for text in texts for name in re.findall(r"\bpeft_type=\"(\w+)\"", text))


def method_of(tuner: Tuner) -> Method:
    """The method that a tuner's config class describes."""
    said = words.WORDS.get(tuner.peft_type) or _words_of(tuner)
    name = tuner.peft_type.lower()

    def apply(model: nn.Module, options: Options, context: Context) -> nn.Module:
        return put_on(tuner, model, options, context)

    return Method(
        name=name,
        title=said.title,
        family=family(tuner),
        options=options_of(tuner, own_targets=said.own_targets),
        apply=apply,
        learning_rate=said.learning_rate or (1e-2 if tuner.prompt else 2e-3),
        rate_by_width=said.rate_by_width and not tuner.prompt,
        card=_card(tuner, said),
        paper=said.paper or tuner.paper or f"https://huggingface.co/docs/peft/package_reference/{name}",
        peft_type=tuner.peft_type,
        mergeable=said.mergeable,
        stackable=said.stackable,
    )


def family(tuner: Tuner) -> str:
    """Prompts by their base class, rotations by their name or words, the rest by whether they have a rank."""
    if tuner.prompt or "PROMPT" in tuner.peft_type:
        return "prompt"
    said = words.WORDS.get(tuner.peft_type)
    text = f"{tuner.doc} {said.summary if said else ''}".lower()
    if "OFT" in tuner.peft_type or re.search(r"householder|rotation|orthogonal fine", text):
        return "rotation"
    if re.search(r"low-rank|\brank\b", text) or any(field.name == "r" for field in tuner.fields):
        return "low_rank"
    return "added"


def _words_of(tuner: Tuner) -> words.Words:
    """Title and summary of a tuner that nobody has described: from its class name and its docstring."""
    title = re.sub(r"Config$", "", tuner.config_class) or tuner.peft_type.replace("_", " ").title()
    first = re.split(r"(?<=[.!?])\s", " ".join(tuner.doc.split("Args:")[0].split()), maxsplit=1)[0]
    if not first or re.match(r"(This is the|Stores the) configuration", first) or len(first) <= 20:
        first = f"{title}, one of PEFT's tuners, as PEFT's own documentation describes it."
    return words.Words(title, first if first.endswith((".", "!", "?")) else f"{first}.")


def _card(tuner: Tuner, said: words.Words) -> str:
    kind = "PROMPT" if tuner.prompt else "WEIGHT"
    return "\n".join(
        [
            said.summary,
            "",
            f"**Use it** {said.use_it or getattr(words, f'{kind}_USE')}",
            f"**Costs** {said.costs or getattr(words, f'{kind}_COSTS')}",
            f"**Watch** {said.watch or getattr(words, f'{kind}_WATCH')}",
        ]
    )


def options_of(tuner: Tuner, *, own_targets: bool = False) -> type[Options]:
    """The Options class of a tuner, made of its config's fields."""
    made: list[tuple[str, Any, Any]] = []
    shown, given = 0, left_to_the_model(tuner.peft_type)
    for field in tuner.fields:
        if field.kind is None or field.default is UNREADABLE or field.name in OURS:
            continue
        tail = bool(LONG_TAIL.search(field.name)) or field.kind == "bool" or shown >= UP_FRONT
        if field.name == "target_modules":
            tail = False
        shown += not tail
        linear = not own_targets and _takes_linear_layers(tuner, field)
        made.append((field.name, *_option(field, tail, linear, given)))
    name = f"{''.join(part.title() for part in tuner.peft_type.split('_'))}Options"
    return dataclasses.make_dataclass(
        name, made, bases=(Options,), frozen=True, namespace={"__module__": __name__}
    )


def _option(field: ConfigField, tail: bool, linear: bool, given: Mapping[str, Any]) -> tuple[Any, Any]:
    """(type, dataclass field) of one option."""
    kind: Any = PEFT_TYPES[str(field.kind)]
    text, default, low = _sentence(field), field.default, None
    if field.name in given:
        default = given[field.name]
        text += " Left empty, it is chosen to fit the model." if default is None else ""
        low = 1
    optional = default is None or (field.optional and field.name not in given)
    if field.kind == "pattern":
        text += " Written as name=number."
    if field.kind in ("list", "ints", "pattern"):
        default, optional = tuple(str(item) for item in default or ()), False
        if field.name == "target_modules":
            default, text = _targets(linear)
    if field.kind == "int" and isinstance(field.default, int):
        low = 1 if field.default >= 1 and not LONG_TAIL.search(field.name) else min(field.default, 0)
    high = None
    if field.kind == "float" and "dropout" in field.name:
        low, high = 0, 0.95
    choices = field.choices or _choices_in(field)
    return (kind | None if optional else kind), option(
        default, text, min=low, max=high, choices=choices, advanced=tail
    )


def _sentence(field: ConfigField) -> str:
    """PEFT's help, its first two sentences."""
    text = field.help or f"{field.name} of PEFT's config."
    sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z`'\"])", text)
    short = " ".join(sentences[:2] if len(sentences[0]) < 120 else sentences[:1]).strip()
    short = short[0].upper() + short[1:]
    return short if short.endswith(".") else f"{short}."


def _choices_in(field: ConfigField) -> tuple[str, ...] | None:
    """The values of a text option that its help counts up: "Can be 'none', 'all' or 'hra_only'"."""
    if field.kind != "str" or not isinstance(field.default, str):
        return None
    clause = re.search(r"(?:can be|options are|one of|either)\b([^.]*)", field.help, re.I)
    found = tuple(dict.fromkeys(re.findall(r"['\"`](\w+)['\"`]", clause[1]))) if clause else ()
    return found if len(found) > 1 and field.default in found else None


def _takes_linear_layers(tuner: Tuner, field: ConfigField) -> bool:
    """Whether PEFT's words on target_modules speak of all-linear, or name query projections as an example."""
    return "all-linear" in tuner.doc or re.search(r"all-linear|'q'|q_proj", field.help) is not None


def _targets(linear: bool) -> tuple[tuple[str, ...], str]:
    """Default and help: every linear layer where the tuner takes them, as our other methods have it."""
    if linear:
        help = "Layers that are adapted, by name; all-linear means every linear one but the head."
        return ("all-linear",), help
    return (), "Modules that are adapted, by name; none given means PEFT's own choice for this kind of model."


def put_on(tuner: Tuner, model: Any, options: Options, context: Context) -> nn.Module:
    """The model with this tuner on it."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    if reason := unfit(tuner.peft_type, model, context):
        raise Unsuitable(reason)
    config_class = next(c for t, c in PEFT_TYPE_TO_CONFIG_MAPPING.items() if t.value == tuner.peft_type)
    kinds = {field.name: field.kind for field in tuner.fields}
    values: dict[str, Any] = {}
    for name, value in options.to_dict().items():
        if kinds[name] == "ints":
            value = _whole_numbers(name, value)
        if kinds[name] == "pattern":
            value = _numbers_by_name(name, value)
        if isinstance(value, float) and value > 1 and value.is_integer():
            value = int(value)  # a whole number where PEFT takes either means a rank, not a share
        if name == "target_modules" and kinds[name] == "list" and value:
            value = checked_targets(model, value)
        if value not in (None, [], {}):
            values[name] = value
    fields = {field.name for field in tuner.fields}
    values |= {name: value for name, value in OURS.items() if value is not None and name in fields}
    missing = fields - values.keys()
    for name in sorted(missing):
        if derive := DERIVED.get(f"{tuner.peft_type}.{name}", DERIVED.get(name)):
            values |= derive(model, values, context)
    if "target_modules" in missing - values.keys() and (usual := usual_targets(tuner.peft_type, model)):
        values["target_modules"] = usual
    try:
        config = config_class(task_type=context.peft_task, **values)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise Unsuitable(f"PEFT's {tuner.peft_type} does not take these options: {error}") from error
    with shapes_only() if context.on_meta else contextlib.nullcontext():
        changed = (attach_prompt if tuner.prompt else attach)(model, config, context)
    heads = head_names(changed)
    if not any(p.requires_grad and not is_head(name, heads) for name, p in changed.named_parameters()):
        raise Unsuitable(
            f"PEFT's {tuner.peft_type} finds nothing that it can adapt in a {changed.config.model_type} model:"
            " choose LoRA, which takes every kind of linear layer"
        )
    settle(changed)
    return changed  # type: ignore[no-any-return]


def _numbers_by_name(name: str, values: list[str]) -> dict[str, float]:
    """`q_proj=8` for each part of a model: what PEFT takes as a dictionary."""
    try:
        pairs = [value.rsplit("=", 1) for value in values]
        numbers = {part.strip(): float(number) for part, number in pairs}
    except ValueError:
        raise ValueError(f"{name} is a list of name=number, not {', '.join(values)}") from None
    return {part: int(number) if number.is_integer() else number for part, number in numbers.items()}


def _whole_numbers(name: str, values: list[str]) -> list[int]:
    try:
        return [int(value) for value in values]
    except ValueError:
        raise ValueError(f"{name} is a list of whole numbers, not {', '.join(values)}") from None
