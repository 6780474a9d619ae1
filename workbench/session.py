"""What the page and the command line both do: read the data of a preset, keep it, queue its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from workbench import background, optimizers, registry
from workbench.fitting import methods_that_fit
from workbench.method import Context
from workbench.model_config import config_of, width_of
from workbench.presets import Preset, plan
from workbench.ratings import rated_singly
from workbench.result import ACTIVE_STATES
from workbench.spec import RunSpec, Setting
from workbench.store import Store

if TYPE_CHECKING:
    from workbench.data import Prepared
    from workbench.data.augment import Say


@dataclass(frozen=True)
class Submitted:
    """What was queued: the setting's id (with learning-curve subsets that of the largest, `setting_ids` of all, smallest
    first; of a chain that of the last hop) and the runs in order. `left_out`: of a preset of all methods those that can't
    serve, with the reason."""

    setting_id: str
    run_ids: tuple[str, ...]
    setting_ids: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    study_id: str | None = None


def prepare_data(store: Store, preset: Preset, progress: Say | None = None) -> list[Prepared]:
    """Read, check, repair and split the preset's data, and keep the rows in the store so that runs can be repeated. One
    preparation for each size of the preset's subsets."""
    from workbench.data import prepare_subsets, save_prepared

    arguments = dict(preset.data)
    if preset.task != "classification":
        arguments["task"] = preset.task
    subsets = arguments.pop("subsets", ())
    found = prepare_subsets(arguments.pop("source"), subsets=subsets, progress=progress, **arguments)
    for prepared in found:
        save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))
    return found


def submit(
    store: Store,
    preset: Preset,
    *,
    prepared: Sequence[Prepared] | None = None,
    seeds: Sequence[int] | None = None,
    owner: str = "",
    key: str | None = None,
    progress: Say | None = None,
    go_on: bool = False,
) -> Submitted:
    """Queue every run of a preset. Bad data or an unknown model is a ValueError, and nothing is queued then.

    With `go_on` those that the store has finished, or that wait or train there, choice and seed alike, are not made
    again: they stand among the others in the answer.
    """
    if preset.chain:
        from workbench import chain

        return chain.submit(
            store, preset, prepared=prepared, seeds=seeds, owner=owner, key=key, progress=progress
        )
    if reason := optimizers.refusal(str(preset.setting.get("optimizer", Setting.optimizer))):
        raise ValueError(reason)
    prepared = prepared or prepare_data(store, preset, progress)
    preset, left_out = _fitting(store, preset, owner, rated_singly(prepared[0].rows["train"]))
    revision = model_revision(preset.model, store)
    width = model_width(preset.model, store)
    plans = [_planned(store, preset, one, revision, seeds, width) for one in prepared]
    # All sizes of a learning curve have their first seed before any has its second.
    order = [spec for position in zip(*plans) for spec in position]
    order.sort(key=lambda spec: list(seeds or preset.seeds).index(spec.seed))
    setting_ids = tuple(specs[0].setting.id for specs in plans)
    there = _there(store, setting_ids, owner) if go_on else {}
    new = [spec for spec in order if _place(spec) not in there]
    added = iter(store.add(new, owner=owner, key=key) if new else ())
    ids = [there[place] if (place := _place(spec)) in there else next(added) for spec in order]
    return Submitted(setting_ids[-1], tuple(ids), setting_ids, left_out)


def _place(spec: RunSpec) -> tuple[str, str, int]:
    return spec.setting.id, spec.choice.id, spec.seed


def _there(store: Store, setting_ids: Sequence[str], owner: str) -> dict[tuple[str, str, int], str]:
    """Runs that need not be made again: what has finished before what waits or trains."""
    runs = [
        run
        for states in (ACTIVE_STATES, ("finished",))
        for setting_id in setting_ids
        for run in store.runs(setting_id=setting_id, states=states, owner=owner or None)
    ]
    return {_place(run.spec): run.id for run in runs}


def _fitting(store: Store, preset: Preset, owner: str, singly: bool) -> tuple[Preset, dict[str, str]]:
    """A preset of all methods without those that can't serve its model or data, and why not; any other as it is, where
    its methods take the data: ValueError otherwise."""
    refused = refusals(preset, singly)
    if not preset.all_methods:
        for name, reason in refused.items():
            raise ValueError(f"methods: {name}: {reason}")
        return preset, {}
    reasons, _ = methods_that_fit(store.folder, preset.model, preset.task, owner=owner or None)
    found = {line.method: reasons[line.method] or refused.get(line.method) for line in preset.methods}
    left_out = {name: reason for name, reason in found.items() if reason}
    kept = tuple(line for line in preset.methods if line.method not in left_out)
    if not kept:
        raise ValueError(f"no method fits {preset.model} and {preset.task}: {next(iter(left_out.values()))}")
    return replace(preset, methods=kept), left_out


def refusals(preset: Preset, singly: bool) -> dict[str, str]:
    """The methods that these data don't serve, each with the reason."""
    context = Context(task=preset.task, rated_singly=singly)
    found = {}
    for line in preset.methods:
        method = registry.method(line.method)
        if reason := method.refusal(method.options.from_dict(line.options), context):
            found[line.method] = reason
    return found


def _planned(
    store: Store,
    preset: Preset,
    prepared: Prepared,
    revision: str | None,
    seeds: Sequence[int] | None,
    width: int | None,
) -> list[RunSpec]:
    """The runs on one preparation, its references scored."""
    options = prepare_task(store, preset, prepared.spec.fingerprint, revision)
    return plan(preset, prepared, model_revision=revision, seeds=seeds, task_options=options, width=width)


def prepare_task(store: Store, preset: Preset, fingerprint: str, revision: str | None) -> dict[str, Any]:
    """The task's options with what the model and the data say to them; its references are scored on the way."""
    options, task = dict(preset.task_options), preset.task
    # A task without options has nothing that the model or the data would have to say.
    if registry.task(task).options.facts():
        options = background.call(
            "workbench.session:complete_options",
            str(store.folder),
            fingerprint,
            task,
            options,
            preset.model,
            revision,
            pool="estimate",
        )
    background.call(
        "workbench.session:compute_references", str(store.folder), fingerprint, task, options, pool="estimate"
    )
    return options


def model_revision(model: str, store: Store) -> str | None:
    """What exactly the model's name stands for today: a commit, a content hash, or a run's id."""
    return background.call("workbench.session:resolve_revision", model, str(store.folder), pool="estimate")


def model_width(model: str, store: Store) -> int | None:
    """The width of the model's hidden states, which default learning rates heed; None where its config can't be read."""
    return width_of(config_of(model, store, ask_hub=True))


def resolve_revision(model: str, store_folder: str) -> str | None:
    """`model_revision`, in a process that may import the deep-learning libraries."""
    from workbench.models import resolve

    return resolve(model, store=Store(store_folder)).revision


def complete_options(
    store_folder: str,
    fingerprint: str,
    task: str,
    options: Mapping[str, Any],
    model: str,
    revision: str | None,
) -> dict[str, Any]:
    """The task's options with what only the model and the data can say; ValueError where they don't go together."""
    from workbench.data import load_prepared
    from workbench.models import load_tokenizer, resolve

    store, known = Store(store_folder), registry.task(task)
    tokenizer = load_tokenizer(resolve(model, store=store, revision=revision), store=store)
    rows = load_prepared(store.data_folder(fingerprint)).rows
    return known.complete(known.options.from_dict(options), tokenizer, rows).to_dict()


def compute_references(
    store_folder: str,
    fingerprint: str,
    task: str = "classification",
    task_options: Mapping[str, Any] | None = None,
) -> None:
    """Score the task's references once for these rows, away from the page."""
    from workbench.data import load_prepared
    from workbench.references import reference_results

    folder = Store(store_folder).data_folder(fingerprint)
    reference_results(load_prepared(folder), folder, task, task_options)
