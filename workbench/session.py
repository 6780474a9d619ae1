"""What the page and the command line both do: read the data of a preset, keep it, queue its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench import background
from workbench.presets import Preset, plan
from workbench.store import Store

if TYPE_CHECKING:
    from workbench.data import Prepared


@dataclass(frozen=True)
class Submitted:
    """What was queued: the setting's id and the runs in order."""

    setting_id: str
    run_ids: tuple[str, ...]


def prepare_data(store: Store, preset: Preset) -> Prepared:
    """Read, check, repair and split the preset's data, and keep the rows in the store so that runs can be repeated."""
    from workbench.data import prepare, save_prepared

    arguments = dict(preset.data)
    prepared = prepare(arguments.pop("source"), **arguments)
    save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))
    return prepared


def submit(
    store: Store,
    preset: Preset,
    *,
    prepared: Prepared | None = None,
    seeds: Sequence[int] | None = None,
    owner: str = "",
    key: str | None = None,
) -> Submitted:
    """Queue every run of a preset. Bad data or an unknown model is a ValueError, and nothing is queued then."""
    prepared = prepared or prepare_data(store, preset)
    revision = model_revision(preset.model, store)
    specs = plan(preset, prepared, model_revision=revision, seeds=seeds)
    background.call(
        "workbench.session:compute_references", str(store.folder), prepared.spec.fingerprint, pool="estimate"
    )
    ids = store.add(specs, owner=owner, key=key)
    return Submitted(specs[0].setting.id, tuple(ids))


def model_revision(model: str, store: Store) -> str | None:
    """What exactly the model's name stands for today: a commit, a content hash, or a run's id."""
    return background.call("workbench.session:resolve_revision", model, str(store.folder), pool="estimate")


def resolve_revision(model: str, store_folder: str) -> str | None:
    """`model_revision`, in a process that may import the deep-learning libraries."""
    from workbench.models import resolve

    return resolve(model, store=Store(store_folder)).revision


def compute_references(store_folder: str, fingerprint: str) -> None:
    """Score the majority class and TF-IDF once for these rows, away from the page."""
    from workbench.data import load_prepared
    from workbench.references import reference_results

    folder = Store(store_folder).data_folder(fingerprint)
    reference_results(load_prepared(folder), folder)
