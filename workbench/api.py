"""The workbench in a notebook: `workbench.compare(...)` runs a comparison, `workbench.load()` opens one; same store as the page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import notebook_view, presets
from workbench.claims import findings
from workbench.compare import Comparison, comparison
from workbench.comparison_rows import finished_by_seed, measured
from workbench.home import default_store
from workbench.metric import COLUMNS
from workbench.report import to_text
from workbench.result import Run
from workbench.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

DEFAULT_MODEL = "embedded:fable-8m"
MethodLine = str | Mapping[str, Any]


class Compared:
    """One setting's runs. Everything is read anew from the store, so that runs made elsewhere are in it as well."""

    def __init__(self, store: Store, setting_id: str) -> None:
        self.store, self.setting_id = store, setting_id

    @property
    def found(self) -> Comparison:
        """All that is known, as the page and the command line have it."""
        return comparison(self.store, self.setting_id)

    def table(self, *, intervals: bool = True) -> pd.DataFrame:
        """One line per choice and reference, best first: means, with `_low` and `_high` where there are several seeds."""
        import pandas as pd

        found = self.found
        lines = []
        for row in (*found.rows, *found.references):
            line: dict[str, Any] = {"method": row.label, "seeds": len(row.seeds), "group": row.letters}
            for name, cell in row.cells.items():
                line[name] = cell.mean
                if intervals and cell.low is not None:
                    line |= {f"{name}_low": cell.low, f"{name}_high": cell.high}
            lines.append(line)
        order = [c.name + end for c in COLUMNS for end in ("", "_low", "_high")]
        frame = pd.DataFrame(lines).set_index("method")
        heads = ["seeds", "group", *(name for name in (found.metric, *order) if name in frame)]
        return frame[list(dict.fromkeys(heads))]

    def runs(self) -> pd.DataFrame:
        """One line per run, failed ones with their reason."""
        import pandas as pd

        lines = []
        for run in self.found.runs:
            line: dict[str, Any] = {
                "run": run.id,
                "method": run.label,
                "seed": run.spec.seed,
                "state": run.state,
                "reason": run.reason.message if run.reason else "",
            }
            lines.append(line | {c.name: measured(run, c.name) for c in COLUMNS})
        return pd.DataFrame(lines).set_index("run").dropna(axis="columns", how="all")

    def verdicts(self) -> pd.DataFrame:
        """What may be said of the best row against each other one; bounds and difference in the score's own unit."""
        import pandas as pd

        lines = [
            {
                "verdict": one.sentence,
                "kind": one.kind,
                "difference": one.difference.mean,
                "low": one.difference.low,
                "high": one.difference.high,
                "detail": one.detail,
            }
            for one in self.found.verdicts
        ]
        return pd.DataFrame(lines, columns=["verdict", "kind", "difference", "low", "high", "detail"])

    def claims(self) -> pd.DataFrame:
        """What papers say of these methods, judged by these runs."""
        import pandas as pd

        told = [one.record() for one in findings(self.store, self.found)]
        return pd.DataFrame(told)[["verdict", "sentence", "why", "source", "url"]]

    def plot(self, across: str = "peak_memory_bytes", score: str | None = None) -> go.Figure:
        """Score for a price, with intervals and the line of those that nobody beats on both."""
        return notebook_view.scatter(self.found, across, score)

    def curves(self, score: str | None = None) -> go.Figure:
        """Validation score on the way: the mean of the seeds with its band."""
        return notebook_view.learning(self.store, self.found, score)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write the whole report, as HTML or Markdown by the ending of the name."""
        from workbench import report_html, report_markdown
        from workbench.report_content import gather

        place = Path(path)
        forms = {".html": report_html.to_html, ".md": report_markdown.to_markdown}
        if place.suffix not in forms:
            raise ValueError(f"a report ends in .html or .md, not {place.name!r}")
        place.write_text(forms[place.suffix](gather(self.store, self.found)), encoding="utf-8")
        return place

    def best(self) -> Run:
        """The finished run with the lowest seed of the best row."""
        found = self.found
        for row in found.rows:
            runs = finished_by_seed([run for run in found.runs if run.id in row.run_ids])
            if runs:
                return runs[min(runs)]
        raise LookupError(f"no run of setting {self.setting_id} has finished")

    def __repr__(self) -> str:
        return to_text(self.found)

    def _repr_html_(self) -> str:
        return notebook_view.to_html(self.found)


def compare(
    model: str = DEFAULT_MODEL,
    data: str | os.PathLike[str] | Mapping[str, Any] = "reviews",
    methods: str | Sequence[MethodLine] = ("full", "lora"),
    seeds: int | Sequence[int] = 1,
    *,
    store: str | os.PathLike[str] | None = None,
    slots: int | None = None,
    progress: bool = True,
    **setting: Any,
) -> Compared:
    """Train every method with every seed, wait, and return the comparison.

    `data` is a bundled name, a file, a Hub id or a mapping as in a preset; `methods` are names, or mappings such as
    {"lora": {"r": 16, "learning_rate": 1e-3}}. All else is a preset's key: task, budget={"steps": 100}, batch_size, ...
    Runs that the store has already in this setting, finished or under way, are not made again.
    """
    from workbench.session import submit

    values = {
        **setting,
        "model": model,
        "data": dict(data) if isinstance(data, Mapping) else os.fspath(data),
        "methods": methods if isinstance(methods, str) else list(methods),
        "seeds": list(range(seeds)) if isinstance(seeds, int) else list(seeds),
    }
    kept = opened(store)
    preset = presets.from_values(values, name="notebook")
    submitted = submit(kept, preset, go_on=True)
    if waiting := [run.id for run in kept.runs(ids=submitted.run_ids) if not run.is_final]:
        wait(kept, waiting, slots=slots, progress=progress)
    return Compared(kept, submitted.setting_id)


def load(setting: str | None = None, *, store: str | os.PathLike[str] | None = None) -> Compared:
    """An earlier comparison by its setting's id (or the beginning of it); the newest unless given."""
    kept = opened(store)
    return Compared(kept, comparison(kept, setting).setting.id)


def opened(store: str | os.PathLike[str] | None) -> Store:
    return Store(default_store() if store is None else Path(store).expanduser().resolve())


def wait(store: Store, run_ids: Sequence[str], *, slots: int | None = None, progress: bool = True) -> None:
    """Look after the queue until these runs have ended, under a bar; interrupted, it cancels them."""
    from tqdm.auto import tqdm

    from workbench.runner import Runner

    runner = Runner(store, slots=slots)
    runner.start()
    try:
        with tqdm(total=len(run_ids), unit="run", disable=not progress) as bar:

            def draw(runs: list[Run]) -> None:
                done = sum(1.0 if r.is_final else (r.step / r.steps if r.steps else 0.0) for r in runs)
                bar.n = round(done, 2)
                active = [f"{r.label} {r.step}/{r.steps or '?'}" for r in runs if r.state == "running"]
                bar.set_postfix_str(", ".join(active)[:80])

            try:
                runner.wait(run_ids, on_change=draw)
            except KeyboardInterrupt:
                for run_id in run_ids:
                    runner.cancel(run_id)
                runner.wait(run_ids)
                raise
    finally:
        runner.stop()
