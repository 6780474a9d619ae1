"""Claims from the literature, judged by a setting's own runs: supported, refuted or cannot tell, with what is missing.

`workbench compare --claims` prints them. The claims themselves are in claim_list.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from workbench import registry
from workbench.compare import Comparison
from workbench.comparison_rows import Row
from workbench.presets import MethodChoice
from workbench.result import ACTIVE_STATES
from workbench.spec import RunSpec
from workbench.store import Store

Ruling = Literal["supported", "refuted", "cannot_tell"]
WORDS = {"supported": "supported", "refuted": "refuted", "cannot_tell": "cannot tell"}
USUAL_SEEDS = 3


@dataclass(frozen=True)
class Judged:
    """What a predicate found. `why` cites figures, `rows` are the keys they are from; where nothing can be told `why` says
    what is missing, and `needs` with `seeds` are the runs that would fill it, if runs of this setting can."""

    ruling: Ruling
    why: str
    rows: tuple[str, ...] = ()
    needs: tuple[MethodChoice, ...] = ()
    seeds: int = 1


@dataclass(frozen=True)
class Evidence:
    """What a predicate may look at: the setting's comparison, and others that differ from it in one thing."""

    found: Comparison
    by_size: Callable[[], Sequence[tuple[int, Comparison]]] = field(default=lambda: ())
    by_model: Callable[[], Sequence[tuple[int, Comparison]]] = field(default=lambda: ())

    def row(self, method: str, /, **options: Any) -> Row | None:
        """The finished row of a method with these options, that with the most seeds; the best of several."""
        rows = [
            row
            for row in self.found.rows
            if row.method == method
            and row.seeds
            and all(row.options.get(name) == value for name, value in options.items())
        ]
        return max(rows, key=lambda row: len(row.seeds), default=None)


Predicate = Callable[[Evidence], Judged]


@dataclass(frozen=True)
class Claim:
    """`tasks` are those that it is about; empty means all."""

    name: str
    sentence: str
    source: str
    url: str
    judge: Predicate
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A claim with its verdict on one setting, and the runs that would tell more."""

    claim: Claim
    judged: Judged
    missing: tuple[RunSpec, ...] = ()

    @property
    def ruling(self) -> Ruling:
        return self.judged.ruling

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "claim": self.claim.name,
            "sentence": self.claim.sentence,
            "source": self.claim.source,
            "url": self.claim.url,
            "verdict": self.ruling,
            "why": self.judged.why,
            "rows": list(self.judged.rows),
            "missing_runs": [
                {"method": spec.choice.method, "label": spec.choice.label, "seed": spec.seed}
                for spec in self.missing
            ],
        }


def findings(store: Store, found: Comparison, *, owner: str | None = None) -> list[Finding]:
    """Every claim about this task with its verdict: told ones first, then those that runs of this setting could tell."""
    from workbench.claim_list import CLAIMS
    from workbench.related_settings import by_model, by_size

    evidence = Evidence(
        found,
        lambda: by_size(store, found, owner),
        lambda: by_model(store, found, owner),
    )
    about = [one for one in CLAIMS if not one.tasks or found.setting.task in one.tasks]
    judged = [finding(claim, evidence) for claim in about]
    return sorted(judged, key=lambda one: (one.ruling == "cannot_tell", not one.missing))


def finding(claim: Claim, evidence: Evidence) -> Finding:
    judged = claim.judge(evidence)
    return Finding(claim, judged, tuple(missing_runs(evidence.found, judged.needs, judged.seeds)))


def missing_runs(found: Comparison, needs: Sequence[MethodChoice], seeds: int) -> list[RunSpec]:
    """The runs of these choices that are neither finished nor under way, for the first `seeds` seeds of the table."""
    if not needs:
        return []
    known = sorted({run.spec.seed for run in found.runs})
    further = (seed for seed in range(seeds + len(known)) if seed not in known)
    wanted = [*known[:seeds], *(next(further) for _ in range(max(0, seeds - len(known))))]
    had = {
        (run.spec.choice.id, run.spec.seed) for run in found.runs if run.state in ("finished", *ACTIVE_STATES)
    }
    specs = []
    for need in needs:
        if found.setting.task not in registry.method(need.method).tasks:
            return []
        choice = need.choice()
        specs += [RunSpec(found.setting, choice, seed) for seed in wanted if (choice.id, seed) not in had]
    return specs


def to_text(found: Sequence[Finding]) -> str:
    """One claim a paragraph, for a terminal."""
    lines = []
    for one in found:
        lines.append(f"{WORDS[one.ruling]:12} {one.claim.sentence} ({one.claim.source})")
        lines.append(f"{'':12} {one.judged.why}")
        if one.missing:
            labels = dict.fromkeys(spec.choice.label for spec in one.missing)
            count = len(one.missing)
            lines.append(f"{'':12} {count} run{'s' * (count != 1)} would help: {', '.join(labels)}")
    return "\n".join(lines)
