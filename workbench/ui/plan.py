"""The reader's plan, as plain JSON that the browser keeps: task, data, model, ticked methods, seeds, setting. Pure functions.

{"data": {arguments of data.prepare, "title", "fingerprint", "labels", "rows"[, "rated_singly"]} or None, "task", "model",
 "choices": [{"key", "method", "options", "learning_rate"}], "drafts": the same by key, "seeds": [..], "setting": {..},
 "task_options": {task: {option: value, where it differs from the default}}}

A choice's key is its method's name; the same method again gets "lora-2". Drafts are options changed before ticking.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench import presets, registry
from workbench.method import Method
from workbench.model_config import config_of, width_of
from workbench.options import unknown_names
from workbench.presets import DATA_KEYS, SETTING_KEYS, MethodChoice, Preset
from workbench.rates import default_rate
from workbench.sources import embedded
from workbench.spec import Budget, DataSpec, Setting
from workbench.store import Store
from workbench.ui.plan_task import change_task_options, checked_task_options, task_options_of
from workbench.uploads import shown_source

Plan = dict[str, Any]
DATA_FACTS = ("title", "fingerprint", "labels", "rows", "rated_singly")
MOST_SEEDS = 20
NAME = "my-comparison"


def empty_plan() -> Plan:
    cards = embedded()
    return {
        "data": None,
        "task": "classification",
        "model": cards[0].ref if cards else "",
        "choices": [],
        "drafts": {},
        "seeds": [0],
        "setting": {},
        "task_options": {},
    }


def checked_plan(value: Any) -> Plan:
    """A plan from whatever the browser kept: what this version can't use is left out, the rest stays."""
    plan = empty_plan()
    if not isinstance(value, Mapping):
        return plan
    if isinstance(value.get("model"), str) and value["model"].strip():
        plan["model"] = value["model"].strip()
    if value.get("task") in registry.tasks():
        plan["task"] = value["task"]
    plan["task_options"] = checked_task_options(value.get("task_options"))
    plan["data"] = _checked_data(value.get("data"))
    plan["choices"] = _checked_choices(value.get("choices"))
    drafts = value.get("drafts")
    if isinstance(drafts, Mapping):
        plan["drafts"] = {entry["key"]: entry for entry in _checked_choices(list(drafts.values()))}
    seeds = value.get("seeds")
    if isinstance(seeds, list) and seeds and all(type(s) is int and 0 <= s < 2**31 for s in seeds):
        plan["seeds"] = list(dict.fromkeys(seeds))[:MOST_SEEDS]
    for name, given in (
        (value.get("setting") or {}).items() if isinstance(value.get("setting"), Mapping) else ()
    ):
        try:
            plan = change_setting(plan, name, given)
        except (ValueError, TypeError):
            continue
    return plan


def entry_of(plan: Plan, key: str) -> dict[str, Any]:
    """The choice or draft of that key; a method nobody touched yet has its defaults."""
    for entry in (*plan["choices"], *plan["drafts"].values()):
        if entry["key"] == key:
            return dict(entry)
    registry.method(key)
    return _entry(key, key)


def method_of(key: str) -> str:
    """The method behind a key: `lora-2` is LoRA once more."""
    return key if key in registry.methods() else key.rpartition("-")[0]


def ticked_keys(plan: Plan) -> list[str]:
    return [entry["key"] for entry in plan["choices"]]


def with_ticks(plan: Plan, keys: Sequence[str]) -> Plan:
    """Exactly these are ticked, in the order of the cards; options of what is no longer ticked are kept as drafts."""
    known = {entry["key"]: entry for entry in (*plan["drafts"].values(), *plan["choices"])}
    plan = copy.deepcopy(plan)
    order = list(registry.methods())
    for key in keys:
        if key not in known:
            registry.method(key)
    wanted = sorted(dict.fromkeys(keys), key=lambda key: (order.index(method_of(key)), len(key), key))
    plan["choices"] = [dict(known.get(key) or _entry(key, key)) for key in wanted]
    drafts = {key: entry for key, entry in known.items() if key not in wanted and _is_changed(entry)}
    plan["drafts"] = drafts
    return plan


def tick(plan: Plan, key: str) -> Plan:
    return with_ticks(plan, [*ticked_keys(plan), key])


def untick(plan: Plan, key: str) -> Plan:
    return with_ticks(plan, [kept for kept in ticked_keys(plan) if kept != key])


def tick_methods(plan: Plan, methods: Iterable[str]) -> Plan:
    """Tick these besides what is ticked."""
    return with_ticks(plan, [*ticked_keys(plan), *methods])


def change_options(plan: Plan, key: str, options: Mapping[str, Any], learning_rate: float | None) -> Plan:
    """New options for a choice, or for a draft where it is not ticked. ValueError when the method refuses them."""
    entry = entry_of(plan, key)
    method = registry.method(entry["method"])
    changed = method.options.from_dict(options).changed()
    rate = None if learning_rate in (None, usual_rate(plan, method)) else learning_rate
    MethodChoice(entry["method"], changed, rate).choice()
    new = _entry(key, entry["method"], changed, rate)
    plan = copy.deepcopy(plan)
    if key in ticked_keys(plan):
        plan["choices"] = [new if entry["key"] == key else entry for entry in plan["choices"]]
    else:
        plan["drafts"] = {**plan["drafts"], key: new}
    return plan


def usual_rate(plan: Plan, method: Method, store: Store | None = None) -> float:
    """A method's default learning rate for the plan's model; `store` has the model that an earlier run is based on."""
    return default_rate(method, width_of(config_of(plan["model"], store)))


def add_again(plan: Plan, key: str) -> tuple[Plan, str]:
    """The same method once more, with the options of `key` to start from; returns the new key, ticked."""
    entry = entry_of(plan, key)
    taken = {*ticked_keys(plan), *plan["drafts"]}
    number = next(n for n in range(2, 1000) if f"{entry['method']}-{n}" not in taken)
    new = _entry(f"{entry['method']}-{number}", entry["method"], entry["options"], entry["learning_rate"])
    plan = tick(plan, key)
    place = ticked_keys(plan).index(key)
    plan["choices"].insert(place + 1, new)
    return plan, new["key"]


def remove_again(plan: Plan, key: str) -> Plan:
    """Take a repeated method out of the plan for good."""
    plan = copy.deepcopy(plan)
    plan["choices"] = [entry for entry in plan["choices"] if entry["key"] != key]
    plan["drafts"].pop(key, None)
    return plan


def repeated(plan: Plan) -> list[dict[str, Any]]:
    """Choices and drafts beyond the first of their method: each gets a card of its own."""
    every = (*plan["choices"], *plan["drafts"].values())
    return [entry for entry in every if entry["key"] != entry["method"]]


def change_setting(plan: Plan, name: str, value: Any) -> Plan:
    """One field that is the same for every run. ValueError says what would be right."""
    if name not in SETTING_KEYS:
        raise ValueError(unknown_names("setting", [name], SETTING_KEYS))
    if name == "budget":
        budget = Budget(**value) if isinstance(value, Mapping) else value
        value = {"kind": budget.kind, "amount": budget.amount, **budget.caps}
        Setting(DataSpec(""), "", budget=budget)
    else:
        Setting(DataSpec(""), "", **{name: value})
    plan = copy.deepcopy(plan)
    plan["setting"][name] = value
    return plan


def change_seeds(plan: Plan, count: int) -> Plan:
    """Seeds 0, 1, 2 and so on."""
    if isinstance(count, bool) or count is None or count != int(count) or not 1 <= count <= MOST_SEEDS:
        raise ValueError(f"The number of seeds is a whole number from 1 to {MOST_SEEDS}, not {count!r}.")
    return {**copy.deepcopy(plan), "seeds": list(range(int(count)))}


def budget_of(plan: Plan) -> Budget:
    values = plan["setting"].get("budget")
    return Budget(**values) if values else Budget()


def setting_value(plan: Plan, name: str) -> Any:
    """What the plan says of a field, or what it is where nothing was said."""
    if name == "budget":
        return budget_of(plan)
    return plan["setting"].get(name, getattr(Setting(DataSpec(""), ""), name))


def run_count(plan: Plan) -> int:
    """Methods by seeds, for each size of a learning curve."""
    return len(plan["choices"]) * len(plan["seeds"]) * max(1, len((plan["data"] or {}).get("subsets") or ()))


def to_preset(plan: Plan, *, only: str | None = None) -> Preset:
    """The plan as a checked preset; with `only`, one of its choices or drafts. ValueError where it is not complete."""
    if not plan["data"]:
        raise ValueError("The plan has no data yet: choose some on the Data tab.")
    entries = plan["choices"] if only is None else [entry_of(plan, only)]
    if not entries:
        raise ValueError("The plan has no method yet: tick at least one.")
    return _preset(plan, entries, {k: v for k, v in plan["data"].items() if k in (*DATA_KEYS, "parts")})


def to_yaml(plan: Plan, *, only: str | None = None) -> str:
    """The plan as a preset file. An uploaded file stands there by its own name: it belongs beside the preset."""
    if not plan["data"]:
        plan = {**plan, "data": {"source": "YOUR-FILE.csv"}}
    preset = to_preset(plan, only=only)
    data = dict(preset.data)
    shown = shown_source(str(data["source"]))
    note = f"# Put {shown} beside this file.\n" if shown != data["source"] else ""
    data["source"] = shown
    if data.get("mix"):
        data["mix"] = [{**entry, "source": shown_source(str(entry["source"]))} for entry in data["mix"]]
    return note + presets.to_yaml(
        _preset(plan, plan["choices"] if only is None else [entry_of(plan, only)], data)
    )


def from_preset(preset: Preset) -> Plan:
    """A plan that does what the preset does; its data are not read yet."""
    plan = empty_plan()
    plan |= {"task": preset.task, "model": preset.model, "seeds": list(preset.seeds)}
    plan = change_task_options(plan, plan["task"], preset.task_options)
    plan["data"] = json.loads(json.dumps({**preset.data, "title": str(preset.data["source"])}, default=list))
    seen: dict[str, int] = {}
    for chosen in preset.methods:
        seen[chosen.method] = number = seen.get(chosen.method, 0) + 1
        key = chosen.method if number == 1 else f"{chosen.method}-{number}"
        plan["choices"].append(_entry(key, chosen.method, chosen.options, chosen.learning_rate))
    for name, value in preset.setting.items():
        plan = change_setting(plan, name, value)
    return plan


def _preset(plan: Plan, entries: Sequence[Mapping[str, Any]], data: Mapping[str, Any]) -> Preset:
    chosen = tuple(MethodChoice(e["method"], e["options"], e["learning_rate"]) for e in entries)
    ids: dict[str, str] = {}
    for line in chosen:
        choice = line.choice()
        if choice.id in ids:
            raise ValueError(
                f"{choice.label} stands in the plan twice with the same options: change one of them or untick it."
            )
        ids[choice.id] = choice.label
    setting = dict(plan["setting"])
    if "budget" in setting:
        setting["budget"] = budget_of(plan)
    made = Preset(
        name=NAME,
        title="My comparison",
        model=plan["model"],
        task=plan["task"],
        data=dict(data),
        methods=chosen,
        seeds=tuple(plan["seeds"]),
        setting=setting,
        task_options=task_options_of(plan),
    )
    return presets.from_values(presets.to_values(made), name=NAME)


def _entry(
    key: str, method: str, options: Mapping[str, Any] | None = None, learning_rate: float | None = None
) -> dict[str, Any]:
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in (options or {}).items()}
    return {"key": key, "method": method, "options": plain, "learning_rate": learning_rate}


def _is_changed(entry: Mapping[str, Any]) -> bool:
    again = entry["key"] != entry["method"]
    return bool(entry["options"]) or entry["learning_rate"] is not None or again


def _checked_choices(values: Any) -> list[dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = {}
    for value in values if isinstance(values, list) else []:
        if not isinstance(value, Mapping):
            continue
        method, key = value.get("method"), value.get("key") or value.get("method")
        options, rate = value.get("options") or {}, value.get("learning_rate")
        if not isinstance(key, str) or not isinstance(options, Mapping) or method_of(key) != method:
            continue
        try:
            MethodChoice(str(method), options, rate).choice()
        except (ValueError, TypeError):
            continue
        kept[key] = _entry(key, str(method), options, rate)
    return list(kept.values())


def _checked_data(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("source"), str):
        return None
    return {k: v for k, v in value.items() if k in (*DATA_KEYS, *DATA_FACTS, "parts")}
