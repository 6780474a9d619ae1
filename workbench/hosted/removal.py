"""Removes everything of one visitor: what has ended goes at once; what still runs is stopped, and goes when it has.

From the first moment on all runs belong to NOBODY: the visitor's page is empty, and a server that stops in between goes on
where it was when it is back.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from workbench import judgements, learners, prompt_sets, votes, workshop
from workbench.data.bundled import bundled_folders
from workbench.hosted import room
from workbench.hosted.limits import load_limits
from workbench.hosted.owners import is_owner
from workbench.hosted.shared import shared
from workbench.result import ACTIVE_STATES
from workbench.uploads import PREFIX, kept_uploads

if TYPE_CHECKING:
    from workbench.store import Store

NOBODY = "removed"
"""Whose the runs are that nobody owns any more. No visitor is called so: owners are hex digits."""


@dataclass(frozen=True)
class Holdings:
    """How much of one visitor's there is, or was: `active` of the runs wait or train, `tables` are answers to files of
    prompts, `places` those taken in workshops."""

    runs: int = 0
    active: int = 0
    uploads: int = 0
    judgements: int = 0
    tables: int = 0
    lessons: int = 0
    shared: int = 0
    places: int = 0

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def words(self) -> list[str]:
        """Each kind that there is, in words."""
        said = (
            (
                self.runs,
                f"{self.runs:,} run{'' if self.runs == 1 else 's'} with results, logs and trained weights",
            ),
            (
                self.uploads,
                f"{self.uploads:,} uploaded file{'' if self.uploads == 1 else 's'}, prepared rows included",
            ),
            (
                self.judgements,
                f"{self.judgements:,} judgement{'' if self.judgements == 1 else 's'} of answers",
            ),
            (
                self.tables,
                f"{self.tables:,} table{'' if self.tables == 1 else 's'} of answers to files of prompts",
            ),
            (self.lessons, f"progress in {self.lessons:,} lesson{'' if self.lessons == 1 else 's'}"),
            (
                self.shared,
                f"{self.shared:,} shared comparison{'' if self.shared == 1 else 's'}, links included",
            ),
            (self.places, "a place in the workshop"),
        )
        return [sentence for count, sentence in said if count]


def holdings(store: Store, owner: str) -> Holdings:
    """What there is of a visitor now."""
    _check(owner)
    runs = store.runs(owner=owner, limit=1_000_000)
    voted = sum(
        line.get("owner") == owner
        for path in (store.folder / "votes").glob("*.jsonl")
        for line in judgements.read(path)
    )
    rated = sum(
        1 for path in (store.folder / "feedback" / owner).glob("*.jsonl") for _ in judgements.read(path)
    )
    return Holdings(
        runs=len(runs),
        active=sum(run.state in ACTIVE_STATES for run in runs),
        uploads=len(kept_uploads(store, owner)),
        judgements=voted + rated,
        tables=prompt_sets.count(store, owner),
        lessons=sum(one.begun for one in learners.progress(store, owner).values()),
        shared=len(shared(store, load_limits(), owner)),
        places=int(workshop.participant(store, owner) is not None),
    )


def forget_owner(store: Store, owner: str) -> Holdings:
    """Remove everything of a visitor and withdraw what they share. Returns what there was; `active` are the runs that are
    stopping still, which `remove_stopped` takes when they have."""
    found = holdings(store, owner)
    store.hand_over(owner, NOBODY)
    files = {path.name for path in (store.folder / "uploads" / owner).glob("*/*")}
    for folder in room.own_folders(store, owner):
        shutil.rmtree(folder, ignore_errors=True)
    for forget in (votes.forget_owner, prompt_sets.forget_owner, learners.forget_owner):
        forget(store, owner)
    remove_stopped(store)
    _remove_rows(store, files=files)
    room.forget()
    return Holdings(**{**vars(found), "active": len(stopping(store))})


def stopping(store: Store) -> list[str]:
    """The runs of those who are gone that have not stopped yet."""
    return [run.id for run in store.runs(owner=NOBODY, states=ACTIVE_STATES, limit=1_000_000)]


def remove_stopped(store: Store) -> int:
    """Remove what nobody owns any more and has ended. Returns how many runs went."""
    ended = store.delete_ended(NOBODY)
    if ended:
        store.drop_unused()
        _remove_rows(store, fingerprints={run.spec.setting.data.fingerprint for run in ended})
        room.forget()
    return len(ended)


def _remove_rows(store: Store, *, files: Collection[str] = (), fingerprints: Collection[str] = ()) -> None:
    """Rows made from uploads of these names, or of these fingerprints, as far as no run uses them any more. Public data stay:
    they are nobody's, and the next visitor wants them."""
    used = {setting.data.fingerprint for setting, _ in store.settings()}
    for card in (store.folder / "data").glob("*/data.json"):
        try:
            spec = json.loads(card.read_text(encoding="utf-8"))["spec"]
        except (OSError, ValueError, KeyError):
            continue  # gone meanwhile, or broken: the clean-up takes what nobody uses
        uploaded = {one.rpartition("/")[2] for one in _sources(spec) if _is_upload(one)}
        wanted = card.parent.name in fingerprints or not uploaded.isdisjoint(files)
        if uploaded and wanted and card.parent.name not in used:
            shutil.rmtree(card.parent, ignore_errors=True)


def _sources(spec: Mapping[str, Any]) -> Iterator[str]:
    yield str(spec["source"])
    yield from map(str, spec.get("parts", {}).values())
    yield from (str(one["source"]) for one in spec.get("mix", ()))


def _is_upload(source: str) -> bool:
    """A hosted page reads what ships, data sets of the Hub (OWNER/NAME), and uploads: by reference, or by their bare name."""
    return source.startswith(PREFIX) or ("/" not in source and source not in bundled_folders())


def _check(owner: str) -> None:
    if not is_owner(owner):
        raise ValueError(f"a visitor is named by 32 hex digits, not {owner!r:.80}")
