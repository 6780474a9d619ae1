"""What was measured of a row's deployed forms (adapter, merged, rounded, pruned), over those of its seeds that were scored so."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workbench import deployed_record
from workbench.comparison_rows import Row
from workbench.store import Store

_MEANS = ("score", "drift", "latency_ms_p50", "latency_ratio", "bytes")


@dataclass(frozen=True)
class DeployedForm:
    """One form. `drift` is the mean change of a test row's mark against the run as trained, with a 95 % interval where one
    seed was scored; `latency_ratio` the time against the run as trained, measured in turn. None: not measured."""

    form: str
    title: str
    runs: int
    score: float | None
    drift: float | None
    drift_low: float | None
    drift_high: float | None
    latency_ms_p50: float | None
    latency_ratio: float | None
    bytes: float | None

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def forms_of_rows(store: Store, rows: Sequence[Row]) -> dict[str, tuple[DeployedForm, ...]]:
    """By the row's key; rows of which nobody scored a form are absent."""
    found = {row.key: _forms(store, row.run_ids) for row in rows if not row.reference}
    return {key: forms for key, forms in found.items() if forms}


def stamp(store: Store, run_ids: Sequence[str]) -> tuple[int, ...]:
    """Changes when a form of one of the runs was scored."""
    paths = (store.run_folder(run_id) / deployed_record.RECORD for run_id in run_ids)
    return tuple(path.stat().st_mtime_ns if path.is_file() else 0 for path in paths)


def _forms(store: Store, run_ids: Sequence[str]) -> tuple[DeployedForm, ...]:
    by_form: dict[str, list[Mapping[str, Any]]] = {}
    for run_id in run_ids:
        for form in (deployed_record.read(store.run_folder(run_id)) or {}).get("forms", ()):
            if form["reason"] is None and form["drift"] is not None:
                by_form.setdefault(form["form"], []).append(form)
    return tuple(_together(forms) for forms in by_form.values())


def _together(forms: Sequence[Mapping[str, Any]]) -> DeployedForm:
    first = forms[0]
    bounds = [first["drift_low"], first["drift_high"]] if len(forms) == 1 else [None, None]
    return DeployedForm(
        first["form"],
        first["title"],
        len(forms),
        *(_mean(forms, name) for name in _MEANS[:2]),
        *bounds,
        *(_mean(forms, name) for name in _MEANS[2:]),
    )


def _mean(forms: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [form[name] for form in forms]
    return None if None in values else math.fsum(values) / len(values)
