"""Studies: settings that belong together, what tells them apart, and one table over them. Verdicts stay within a setting.

A learning curve and a mix are found from the settings themselves; a chain was recorded when it was queued.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench import chain, learning_curve
from workbench.spec import Setting
from workbench.store import Store
from workbench.study_records import StudyRecord

CURVE, SOURCES = "learning_curve", "sources"
VARIES = {
    chain.KIND: "",
    CURVE: "train_rows",
    SOURCES: "source",
}
SAYS = {
    chain.KIND: "hops, one after the other",
    CURVE: "settings that differ in their number of training rows alone",
    SOURCES: "one setting on mixed data, scored for each source",
}


@dataclass(frozen=True)
class Study:
    """`varies` names the one field that differs; of a chain it is empty, and `setting_ids` are in the order of the hops.
    `run_ids` narrows it to the runs that were queued for it; None means all runs of its settings."""

    id: str
    kind: str
    title: str
    setting_ids: tuple[str, ...]
    run_ids: tuple[str, ...] | None = None
    record: StudyRecord | None = None

    @property
    def varies(self) -> str:
        return VARIES[self.kind]


def studies(store: Store, owner: str | None = None) -> list[Study]:
    """Chains, newest first, then learning curves, then mixes."""
    known = {setting.id: setting for setting, _ in store.settings(owner)}
    found = [recorded(store, record) for record in store.studies(owner=owner)]
    found += [
        Study(group[-1], CURVE, f"{known[group[-1]].data.source} by training rows", tuple(group))
        for group in learning_curve.groups(store, owner)
    ]
    found += [_of_sources(one) for one in known.values() if one.data.mix]
    return found


def find(store: Store, study_id: str, owner: str | None = None) -> Study:
    """A study by id or by an unambiguous beginning of it. LookupError lists the ones that there are."""
    found = studies(store, owner)
    chosen = [one for one in found if one.id.startswith(study_id)]
    if len(chosen) == 1:
        return chosen[0]
    known = ", ".join(one.id[:8] for one in found) or "none yet"
    what = "no study begins" if not chosen else "several studies begin"
    raise LookupError(f"{what} with {study_id!r:.40}; known: {known}")


def of_setting(store: Store, setting_id: str, owner: str | None = None) -> Study | None:
    """The newest chain that a setting belongs to, or what it is by itself; None where it stands alone. Learning curves are
    asked of workbench.learning_curve."""
    for record in store.studies(setting_id=setting_id, owner=owner):
        return recorded(store, record)
    setting = store.setting(setting_id)
    return _of_sources(setting) if setting.data.mix else None


def _of_sources(setting: Setting) -> Study:
    title = f"{setting.data.source} and {_others(setting.data.mix)}"
    return Study(setting.id, SOURCES, title, (setting.id,))


def recorded(store: Store, record: StudyRecord) -> Study:
    """A chain as it was queued, with the runs that were made again since."""
    ids = [run_id for run_id, _ in record.runs]
    hops = dict(record.runs)
    runs = sorted(store.runs(ids=ids), key=lambda run: hops[run.id])
    settings = dict.fromkeys(run.spec.setting.id for run in runs)
    return Study(record.id, chain.KIND, record.title, tuple(settings), tuple(run.id for run in runs), record)


def _others(mix: Sequence[object]) -> str:
    titles = [str(one["source"]) for one in mix if isinstance(one, dict)]
    return ", ".join(titles) or "others"
