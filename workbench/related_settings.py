"""Settings that differ from one in a single thing: the number of training rows, or the base model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.compare import Comparison, comparison
from workbench.spec import Setting, canonical_json
from workbench.store import Store

MOST = 6


def by_size(store: Store, found: Comparison, owner: str | None) -> Sequence[tuple[int, Comparison]]:
    """(training rows, comparison), fewest first; the setting alone where there is no other."""
    from workbench import learning_curve

    others = learning_curve.related(store, found.setting.id, owner) or [found.setting.id]
    ones = [found if one == found.setting.id else comparison(store, one, owner=owner) for one in others]
    return [(learning_curve.train_rows(store, one.setting), one) for one in ones]


def by_model(store: Store, found: Comparison, owner: str | None) -> Sequence[tuple[int, Comparison]]:
    """(weights of the base model, comparison), smallest first; of many settings the newest."""
    wanted = _without_model(found.setting)
    others = [one for one, _ in store.settings(owner) if _without_model(one) == wanted][:MOST]
    compared = [
        found if one.id == found.setting.id else comparison(store, one.id, owner=owner) for one in others
    ]
    sized = [(base_parameters(one), one) for one in compared]
    return sorted(((size, one) for size, one in sized if size), key=lambda pair: pair[0])


def base_parameters(found: Comparison) -> int | None:
    sizes = (run.result.base_parameters for run in found.runs if run.result and run.result.base_parameters)
    return next(sizes, None)


def _without_model(setting: Setting) -> str:
    values: dict[str, Any] = setting.to_dict()
    for name in ("model", "model_revision"):
        values.pop(name, None)
    options = values.get("task_options", {})
    options.pop("template_hash", None)
    data = values["data"]
    return canonical_json({**values, "data": [data["fingerprint"], data["labels"]]})
