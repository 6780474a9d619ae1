"""The report of a comparison as others may read it: figures and settings, and nothing that stands in the rows of its data."""

from __future__ import annotations

from dataclasses import replace

from workbench.compare import Comparison
from workbench.outcome import SENTENCES
from workbench.report_content import Report, gather
from workbench.report_html import to_html
from workbench.store import Store

ENDED = {
    **SENTENCES,
    "diverged": "The loss became infinite.",
    "no_progress": "It stood still and was stopped.",
    "budget": "It took longer than it may and was stopped.",
    "base": "The run that it goes on from is not there.",
    "cancelled": "Cancelled.",
    "lost": "Its process was lost.",
}
"""By a reason's code: the run's own sentence may cite a row."""
OTHERWISE = "It ended with an error."
INSIDE = (
    "the table, plots, verdicts and claims",
    "all settings, the commands and preset that repeat them, versions and device",
    "your data’s name, size, columns and labels",
)
OUTSIDE = ("the texts of your data", "what the methods said of them", "who you are")


def shared_html(store: Store, found: Comparison, owner: str | None) -> tuple[str, str]:
    """Title and document. ValueError while nothing has finished."""
    if not any(run.state == "finished" for run in found.runs):
        raise ValueError("There is nothing to share yet: no run of this comparison has finished.")
    report = without_rows(gather(store, found, owner=owner), found)
    return report.title, to_html(report)


def without_rows(report: Report, found: Comparison) -> Report:
    """The report without the examples, and with plain reasons."""
    codes = {(run.label, run.reason.code): None for run in found.runs if run.reason}
    return replace(
        report,
        subtitle=f"{report.subtitle}. Shared without the texts of its data.",
        samples=(),
        voices=(),
        failed=tuple((label, ENDED.get(code, OTHERWISE)) for label, code in codes),
    )
