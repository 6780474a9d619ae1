"""Queues a chain as a whole: every run of every hop at once, each later one waiting for the run that it goes on from.

What a hop's runs are scored on besides their own test part stands in the plan that the store keeps with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import bases, chain_presets, optimizers, session
from workbench.presets import Hop, Preset, plan
from workbench.ratings import rated_singly
from workbench.session import Submitted
from workbench.spec import RunSpec, Setting, canonical_json
from workbench.store import Store, new_id
from workbench.study_records import NewStudy, StudyRecord

if TYPE_CHECKING:
    from workbench.data import Prepared
    from workbench.data.augment import Say

KIND = "chain"
READ = "language_modelling"


@dataclass(frozen=True)
class Part:
    """A test part that runs of a chain are scored on: whose rows, and how that hop's task asks them. `labels` are those of
    all hops, `own_labels` the ones of this data."""

    title: str
    task: str
    task_options: Mapping[str, Any]
    fingerprint: str
    labels: tuple[str, ...]
    own_labels: tuple[str, ...]
    max_length: int
    source: str

    @property
    def key(self) -> str:
        """Under what Result.elsewhere has the scores on these rows, asked this way."""
        asked = canonical_json([self.task, dict(self.task_options), self.max_length])
        return f"{self.fingerprint}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Part:
        lists = {name: tuple(values[name]) for name in ("labels", "own_labels")}
        return cls(**{**values, **lists})


@dataclass(frozen=True)
class Link:
    """A hop as the store keeps it: its own test part, what it goes on from, and the hops that it is scored on besides."""

    part: Part
    after: int | None
    base: str
    also_test: tuple[int, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Link:
        return cls(
            Part.from_dict(values["part"]), values["after"], values["base"], tuple(values["also_test"])
        )


def links(record: StudyRecord) -> list[Link]:
    """The hops of a recorded chain; [] for a study of another kind."""
    if record.plan.get("kind") != KIND:
        return []
    return [Link.from_dict(values) for values in record.plan["hops"]]


def submit(
    store: Store,
    preset: Preset,
    *,
    prepared: Sequence[Prepared] | None = None,
    seeds: Sequence[int] | None = None,
    owner: str = "",
    key: str | None = None,
    progress: Say | None = None,
) -> Submitted:
    """Queue every run of a chain, seed by seed. `prepared` has the data of each hop. Bad data is a ValueError, and nothing
    is queued then."""
    for hop in preset.chain:
        if reason := optimizers.refusal(str(hop.preset.setting.get("optimizer", Setting.optimizer))):
            raise ValueError(f"{hop.preset.title}: {reason}")
    wanted = list(seeds or preset.seeds)
    if prepared is None:
        prepared = [session.prepare_data(store, hop.preset, progress)[0] for hop in preset.chain]
    for hop, one in zip(preset.chain, prepared):
        for name, reason in session.refusals(hop.preset, rated_singly(one.rows["train"])).items():
            raise ValueError(f"{hop.preset.title}: {name}: {reason}")
    prepared = _with_all_labels(store, preset.chain, prepared)
    revision = session.model_revision(preset.model, store)
    options = [
        session.prepare_task(store, hop.preset, one.spec.fingerprint, revision)
        for hop, one in zip(preset.chain, prepared)
    ]
    width = session.model_width(preset.model, store)
    specs, ids, hops = _runs(preset, prepared, options, revision, wanted, width)
    recorded = {
        "kind": KIND,
        "description": preset.description,
        "model": preset.model,
        "hops": [
            asdict(Link(_part(hop, one, given), hop.after, hop.base, hop.also_test))
            for hop, one, given in zip(preset.chain, prepared, options)
        ],
        "shared_rows": shared_rows(preset.chain, prepared),
    }
    study = NewStudy(new_id(), preset.title, recorded, hops)
    found = store.add(specs, owner=owner, key=key, ids=ids, study=study)
    (record,) = store.studies(run_id=found[0])
    settings = dict.fromkeys(run.spec.setting.id for run in store.runs(ids=found))
    return Submitted(next(reversed(settings)), tuple(found), tuple(settings), study_id=record.id)


def _runs(
    preset: Preset,
    prepared: Sequence[Prepared],
    options: Sequence[Mapping[str, Any]],
    revision: str | None,
    seeds: Sequence[int],
    width: int | None,
) -> tuple[list[RunSpec], list[str], list[int]]:
    """All runs with their ids and hops. Whatever the first seed needs comes before the second."""
    specs: list[RunSpec] = []
    ids: list[str] = []
    hops: list[int] = []
    for seed in seeds:
        made: list[list[str]] = []
        for place, (hop, one, given) in enumerate(zip(preset.chain, prepared, options)):
            made.append([])
            for number, line in enumerate(hop.preset.methods):
                model = preset.model if hop.after is None else _base(preset, hop, made[hop.after], number)
                (spec,) = plan(
                    replace(hop.preset, model=model, methods=(line,)),
                    one,
                    model_revision=revision if hop.after is None else None,
                    seeds=[seed],
                    task_options=given,
                    width=width,
                )
                made[-1].append(new_id())
                specs.append(spec)
                hops.append(place)
            ids += made[-1]
    return specs, ids, hops


def _base(preset: Preset, hop: Hop, made: Sequence[str], number: int) -> str:
    """Which of the runs of one seed of the hop before this hop's method number `number` goes on from."""
    assert hop.after is not None
    if hop.base == chain_presets.EACH:
        return bases.reference([made[number]])
    if hop.base == chain_presets.BEST:
        return bases.reference(made)
    methods = [line.method for line in preset.chain[hop.after].preset.methods]
    return bases.reference([made[methods.index(hop.base)]])


def _part(hop: Hop, prepared: Prepared, options: Mapping[str, Any]) -> Part:
    return Part(
        title=hop.preset.title,
        task=hop.preset.task,
        task_options=dict(options),
        fingerprint=prepared.spec.fingerprint,
        labels=prepared.spec.labels,
        own_labels=tuple(sorted({row["label"] for row in prepared.rows["train"] if "label" in row})),
        max_length=hop.preset.setting.get("max_length", Setting.max_length),
        source=prepared.spec.source,
    )


def _with_all_labels(store: Store, hops: Sequence[Hop], prepared: Sequence[Prepared]) -> list[Prepared]:
    """One head for all hops of a classification chain: a model that shall still be asked about the first data after the
    second needs the labels of both from the beginning."""
    from workbench.data import save_prepared
    from workbench.data.data_tasks import data_task
    from workbench.data.fingerprint import in_order

    found = list(prepared)
    places = [place for place, one in enumerate(found) if one.spec.labels]
    labels = in_order({label for place in places for label in found[place].spec.labels})
    if not any(hops[place].also_test for place in places):
        return found
    for place in places:
        one = found[place]
        if one.spec.labels == labels:
            continue
        fingerprint = data_task(one.spec.task).fingerprint(one.rows, labels)
        found[place] = replace(one, spec=replace(one.spec, labels=labels, fingerprint=fingerprint))
        save_prepared(found[place], store.data_folder(fingerprint))
    return found


def shared_rows(hops: Sequence[Hop], prepared: Sequence[Prepared]) -> list[dict[str, Any]]:
    """Training rows whose text stands in a test part that the same runs are scored on: those scores are too good."""
    from workbench.data.augmenter import text_of
    from workbench.data.clean import key

    def texts(place: int, part: str) -> list[str]:
        return [key(text_of(row)) for row in prepared[place].rows[part]]

    found = []
    after = [hop.after for hop in hops]
    for place, hop in enumerate(hops):
        for tested in hop.also_test:
            held_out = set(texts(tested, "test"))
            for trained in [place, *chain_presets.ancestors(place, after)]:
                rows = sum(text in held_out for text in texts(trained, "train"))
                same = prepared[trained].spec.source == prepared[tested].spec.source
                if rows and not (same and trained == tested):
                    found.append({"rows": rows, "trained": trained, "tested": tested})
    return [one for place, one in enumerate(found) if one not in found[:place]]


@dataclass(frozen=True)
class Tested:
    """What a run is scored on besides its own test part. `at_start` is what the model that its chain begins with is scored
    on, by one run of each chain for all: texts to read alone, since answers take long to write."""

    own: Part
    also: tuple[Part, ...]
    at_start: tuple[Part, ...]
    first: bool


def tested(store: Store, run_id: str) -> Tested | None:
    """None for a run that is in no chain."""
    for record in store.studies(run_id=run_id):
        if known := links(record):
            hop = known[record.hop_of(run_id)]
            first = record.runs[0][0] == run_id
            return Tested(
                hop.part,
                tuple(known[number].part for number in hop.also_test),
                tuple(one.part for one in known if one.part.task == READ and first),
                first,
            )
    return None
