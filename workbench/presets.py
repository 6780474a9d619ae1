"""Presets: one comparison each, as YAML that holds values only. Unknown keys are refused with file, key and nearest name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from workbench import chain_presets, registry
from workbench.home import shipped
from workbench.options import Options, unknown_names
from workbench.rates import default_rate
from workbench.spec import BUDGET_CAPS, Budget, Choice, DataSpec, RunSpec, Setting

if TYPE_CHECKING:
    from workbench.data import Prepared

DATA_KEYS = (
    "source",
    "train",
    "validation",
    "test",
    "text",
    "label",
    "fixes",
    "train_rows",
    "validation_rows",
    "test_rows",
    "validation_share",
    "test_share",
    "split_seed",
    "encoding",
    "skip_broken",
    "format",
    "columns",
    "fill",
    "mix",
    "augment",
    "subsets",
)
ALL = "all"
PART_KEYS = ("train", "validation", "test")
HEAD_KEYS = ("title", "description", "task", "model", "data", "methods", "seeds")
SETTING_KEYS = tuple(
    f.name
    for f in dataclasses.fields(Setting)
    if f.name not in ("data", "task", "task_version", "task_options", "model", "model_revision")
)


@dataclass(frozen=True)
class MethodChoice:
    """One line of a preset's `methods`: the options that differ from the defaults, and a learning rate or None."""

    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float | None = None

    def choice(self, width: int | None = None) -> Choice:
        """All options spelt out, checked by the method's own class; `width` is the model's, which a default rate heeds."""
        method = registry.method(self.method)
        options = method.options.from_dict(self.options).to_dict()
        usual = default_rate(method, width)
        rate = usual if self.learning_rate is None else self.learning_rate
        return Choice(self.method, options, rate, choice_label(self.method, options, rate, usual))


@dataclass(frozen=True)
class Hop:
    """One link of a chain. Its runs go on from those of hop number `after` (from 0; None: from the chain's model), and of
    these from `base`: `best` on validation, `each` its own (the first method from the first, and so on), or a method.
    `also_test` are the hops whose test parts its runs are scored on besides their own."""

    preset: Preset
    after: int | None = None
    base: str = "best"
    also_test: tuple[int, ...] = ()


@dataclass(frozen=True)
class Preset:
    """A comparison before its data is read. `data` holds the arguments of `data.prepare_subsets`; `setting` fields of Setting;
    `task_options` those of the task's own options that are given. With `all_methods`, those of `methods` that can't serve
    the model are left out when the runs are queued. A chain has its hops in `chain` and is otherwise its first hop."""

    name: str
    model: str
    data: Mapping[str, Any]
    methods: tuple[MethodChoice, ...]
    seeds: tuple[int, ...] = (0,)
    task: str = "classification"
    setting: Mapping[str, Any] = field(default_factory=dict)
    task_options: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    description: str = ""
    path: Path | None = None
    all_methods: bool = False
    chain: tuple[Hop, ...] = ()

    @property
    def runs(self) -> int:
        """How many runs it makes: methods by seeds by sizes of a learning curve, over all hops of a chain."""
        if self.chain:
            return sum(replace(hop.preset, seeds=self.seeds).runs for hop in self.chain)
        return len(self.methods) * len(self.seeds) * max(1, len(self.data.get("subsets") or ()))

    @property
    def needs_hub(self) -> bool:
        """Hub- and GPU-sized presets carry it in their name."""
        return self.name.endswith("-hub")


def shipped_presets() -> list[Preset]:
    """Everything under presets/, the quickstart first."""
    files = sorted(shipped("presets").glob("*.yaml"), key=lambda p: (p.stem != "quickstart", p.stem))
    return [load(path) for path in files]


def load(source: Path | str) -> Preset:
    """Read a preset file, or a shipped one by name. ValueError names the file, the key and what would be right."""
    path = Path(source)
    if not path.suffix and not path.exists():
        path = shipped("presets") / f"{source}.yaml"
    if not path.is_file():
        known = ", ".join(p.stem for p in sorted(shipped("presets").glob("*.yaml")))
        raise ValueError(f"there is no preset {str(source)!r}; give a YAML file or one of: {known}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path.name}: not readable as YAML{where}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path.name}: a preset is UTF-8 text") from None
    try:
        return from_values(values, name=path.stem, path=path)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def from_values(values: Any, *, name: str, path: Path | None = None) -> Preset:
    """A preset from plain values, every one of them checked."""
    if not isinstance(values, Mapping):
        raise ValueError("a preset is a mapping of keys to values, such as `model: embedded:fable-8m`")
    if "chain" in values:
        return chain_presets.from_values(values, name=name, path=path)
    values = _searched(values)
    known = (*HEAD_KEYS, *SETTING_KEYS)
    task = str(values.get("task", "classification"))
    options = registry.task(task).options
    own = tuple(fact.name for fact in options.facts())
    if unknown := [str(key) for key in values if key not in (*known, *own)]:
        raise ValueError(unknown_names("key", unknown, (*known, *own)))
    if missing := [key for key in ("model", "data", "methods") if values.get(key) in (None, "")]:
        raise ValueError(f"a preset needs {', '.join(missing)}")
    setting = {key: values[key] for key in SETTING_KEYS if key in values}
    if "budget" in setting:
        setting["budget"] = _budget(setting["budget"])
    preset = Preset(
        name=name,
        title=str(values.get("title") or name),
        description=str(values.get("description", "")).strip(),
        path=path,
        task=task,
        model=str(values["model"]),
        data=_data(values["data"], path),
        methods=_methods(values["methods"], task),
        all_methods=values["methods"] == ALL,
        seeds=_seeds(values.get("seeds", [0])),
        setting=setting,
        task_options=_task_options(options, {key: values[key] for key in own if key in values}),
    )
    Setting(data=DataSpec(source=""), model=preset.model, **setting)
    for chosen in preset.methods:
        try:
            chosen.choice()
        except ValueError as error:
            raise ValueError(f"methods: {chosen.method}: {error}") from None
    return preset


def _task_options(known: type[Options], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, checked by the task."""
    checked = known.from_dict(given).to_dict()
    return {name: checked[name] for name in given}


def override(preset: Preset, changes: Mapping[str, str]) -> Preset:
    """Apply `--set key=value`: `batch_size=8`, `budget.steps=20`, `data.train_rows=100`, `model=...`."""
    if preset.chain:
        return chain_presets.override(preset, changes)
    values = to_values(preset)
    for key, text in changes.items():
        value = yaml.safe_load(text) if text != "" else None
        head, _, rest = key.partition(".")
        if head == "budget" and rest:
            kept = values.get("budget") or {}
            # Another kind takes the place of the old one; caps stand beside it.
            kept = {name: kept[name] for name in kept if name in BUDGET_CAPS or rest in BUDGET_CAPS}
            values["budget"] = {**kept, rest: value}
        elif head == "data" and rest:
            if not isinstance(values["data"], dict):
                values["data"] = {"source": values["data"]}
            values["data"][rest] = value
        else:
            values[key] = value
    return from_values(values, name=preset.name, path=preset.path)


def plan(
    preset: Preset,
    prepared: Prepared,
    *,
    model_revision: str | None = None,
    seeds: Sequence[int] | None = None,
    task_options: Mapping[str, Any] | None = None,
    width: int | None = None,
) -> list[RunSpec]:
    """Every run of a preset, seed by seed, so that a first look at all methods comes before the second seed.

    `width` is that of the model's hidden states, where it is known: default learning rates heed it (workbench.rates).
    `task_options` are the preset's with what the model and the data say to them (workbench.session asks them).
    """
    task = registry.task(preset.task)
    options = task.options.from_dict(preset.task_options if task_options is None else task_options)
    setting = Setting(
        data=prepared.spec,
        model=preset.model,
        model_revision=model_revision,
        task=preset.task,
        task_version=task.version,
        task_options=options.to_dict(),
        **preset.setting,
    )
    choices = [chosen.choice(width) for chosen in preset.methods]
    return [RunSpec(setting, choice, seed) for seed in (seeds or preset.seeds) for choice in choices]


def choice_label(
    method_name: str, options: Mapping[str, Any], learning_rate: float, usual_rate: float | None = None
) -> str:
    """`LoRA`, `LoRA r=1 on q_proj`, `LoRA, rate 1e-3`: the title and whatever differs from the defaults."""
    method = registry.method(method_name)
    changed = method.options.from_dict(options).changed()
    words = [f"{k}={v}" for k, v in changed.items() if not isinstance(v, list)]
    words += ["on " + ", ".join(v) for v in changed.values() if isinstance(v, list)]
    label = " ".join([method.title, *words])
    usual = method.learning_rate if usual_rate is None else usual_rate
    return label if learning_rate == usual else f"{label}, rate {learning_rate:g}"


def to_values(preset: Preset) -> dict[str, Any]:
    """The plain values of a preset, as its YAML file says them."""
    if preset.chain:
        return chain_presets.to_values(preset)
    values: dict[str, Any] = {"title": preset.title, "task": preset.task, "model": preset.model}
    if preset.description:
        values["description"] = preset.description
    data = {k: list(v) if isinstance(v, tuple) else v for k, v in preset.data.items() if k != "parts"}
    data |= preset.data.get("parts") or {}
    data = {k: v for k, v in data.items() if v not in (None, [], "")}
    values["data"] = data["source"] if set(data) == {"source"} else data
    values["methods"] = ALL if preset.all_methods else [_method_values(chosen) for chosen in preset.methods]
    values["seeds"] = list(preset.seeds)
    values |= preset.task_options
    for key, value in preset.setting.items():
        is_budget = isinstance(value, Budget)
        values[key] = {value.kind: _whole(value.amount), **value.caps} if is_budget else value
    return values


def to_yaml(preset: Preset) -> str:
    """The YAML file of a preset; loading it gives an equal preset."""
    return yaml.safe_dump(to_values(preset), sort_keys=False, allow_unicode=True, width=100)


def _method_values(chosen: MethodChoice) -> Any:
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in chosen.options.items()}
    if chosen.learning_rate is not None:
        values["learning_rate"] = chosen.learning_rate
    return {chosen.method: values} if values else chosen.method


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _budget(value: Any) -> Budget:
    """One kind with its amount, and caps beside it; caps alone leave the usual kind and amount."""
    caps = {name: value[name] for name in BUDGET_CAPS if name in value} if isinstance(value, Mapping) else {}
    lengths = {name: value[name] for name in value if name not in caps} if isinstance(value, Mapping) else {}
    if len(lengths) > 1 or not (lengths or caps):
        raise ValueError(f"budget is one kind and its amount, such as {{epochs: 3}}, not {value!r}")
    for kind, amount in lengths.items():
        return Budget(str(kind), amount, **caps)
    return Budget(**caps)


def _searched(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """`search: {trials: 5}` as the setting's search_trials."""
    if "search" not in values:
        return values
    search = values["search"]
    if not isinstance(search, Mapping) or list(search) != ["trials"]:
        raise ValueError(
            f"search says how many learning rates each run tries, such as {{trials: 5}}, not {search!r}"
        )
    return {key: value for key, value in values.items() if key != "search"} | {
        "search_trials": search["trials"]
    }


def _seeds(value: Any) -> tuple[int, ...]:
    seeds = _listed(value, "seeds")
    if not all(isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**31 for seed in seeds):
        raise ValueError(f"seeds is a list of whole numbers from 0, such as [0, 1, 2], not {value!r}")
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds names one seed twice: {value!r}")
    return tuple(seeds)


def _listed(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{key} is a list with at least one entry, not {value!r}")
    return value


def _data(value: Any, path: Path | None) -> dict[str, Any]:
    values = {"source": value} if isinstance(value, str) else value
    if not isinstance(values, Mapping):
        raise ValueError(f"data is a name, a path, a Hub id or a mapping, not {value!r}")
    if unknown := [str(key) for key in values if key not in DATA_KEYS]:
        raise ValueError("data: " + unknown_names("key", unknown, DATA_KEYS))
    parts = {key: _located(str(values[key]), path) for key in PART_KEYS if values.get(key)}
    arguments = {key: values[key] for key in values if key not in PART_KEYS and key != "source"}
    if "fixes" in arguments:
        arguments["fixes"] = tuple(str(fix) for fix in _listed(arguments["fixes"], "data: fixes"))
    _check_data_tools(arguments, path)
    if parts and "train" not in parts:
        raise ValueError("data: parts need at least train: FILE")
    source = _located(str(values["source"]), path) if values.get("source") else parts.get("train")
    if source is None:
        raise ValueError("data needs a source (a name, a path or a Hub id) or train: FILE")
    return {"source": source, **({"parts": parts} if parts else {}), **arguments}


def _check_data_tools(arguments: dict[str, Any], path: Path | None) -> None:
    """Mix, augmentation and subsets: checked as they will be, kept as they were written."""
    from workbench.data.augment import check_augment
    from workbench.data.mixing import check_mix
    from workbench.data.subsets import check_subsets

    try:
        check_augment(arguments.get("augment"))
        if entries := check_mix(arguments.get("mix")):
            plain = [entry.to_dict() for entry in entries]
            arguments["mix"] = [{**entry, "source": _located(entry["source"], path)} for entry in plain]
        sizes = check_subsets(arguments.get("subsets"))
    except ValueError as error:
        raise ValueError(f"data: {error}") from None
    if sizes:
        arguments["subsets"] = list(sizes)
        if arguments.get("train_rows") is not None:
            raise ValueError(
                "data: give train_rows or subsets, not both: each size of subsets is a train_rows"
            )
    for name in ("mix", "augment", "subsets"):
        if name in arguments and not arguments[name]:
            del arguments[name]


def _located(name: str, path: Path | None) -> str:
    """A file named beside the preset is found from any working folder."""
    if path is not None and not Path(name).is_absolute() and (path.parent / name).exists():
        return str((path.parent / name).resolve())
    return name


def _methods(value: Any, task: str) -> tuple[MethodChoice, ...]:
    """The entries of a list; `all` is every method that serves the task, with its defaults."""
    if value == ALL:
        return tuple(MethodChoice(name) for name, m in registry.methods().items() if task in m.tasks)
    if isinstance(value, str):
        raise ValueError(f"methods is a list of methods or the word {ALL}, not {value!r}")
    return tuple(_method_choice(item) for item in _listed(value, "methods"))


def _method_choice(item: Any) -> MethodChoice:
    values: Any = {}
    if isinstance(item, str):
        name = item
    elif isinstance(item, Mapping) and len(item) == 1:
        ((name, values),) = item.items()
        values = dict(values or {}) if isinstance(values, Mapping | None) else values
    else:
        raise ValueError(f"methods: an entry is a name or {{name: {{option: value}}}}, not {item!r}")
    if not isinstance(values, dict):
        raise ValueError(f"methods: {name}: options are a mapping such as {{r: 8}}, not {values!r}")
    method = registry.method(str(name))
    rate = values.pop("learning_rate", None)
    if rate is not None:
        try:
            rate = float(rate)
        except (TypeError, ValueError):
            raise ValueError(f"methods: {name}: learning_rate is a number, not {rate!r}") from None
    known = [fact.name for fact in method.options.facts()]
    if unknown := [key for key in values if key not in known]:
        raise ValueError(f"methods: {name}: " + unknown_names("option", unknown, [*known, "learning_rate"]))
    return MethodChoice(str(name), values, rate)
