"""The report as Markdown: the same parts as the HTML file, plots as their tables."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.claims import WORDS
from workbench.example_rows import Example, Voice
from workbench.report import markdown_text as safe
from workbench.report_content import Report, Table

SHOWN_VERDICTS = 12
CUT = 400


def to_markdown(report: Report) -> str:
    """The whole document."""
    lines = [f"# {safe(report.title)}", "", safe(report.subtitle), "", "## What the numbers say", ""]
    lines += [
        f"- **{safe(sentence)}** {safe(detail)}" for sentence, detail in report.verdicts[:SHOWN_VERDICTS]
    ]
    if not report.verdicts:
        lines.append("Nothing can be said yet: verdicts compare at least two methods.")
    lines += ["", "## Comparison", "", *_table(report.table), "", NOTE]
    for plot in report.plots:
        lines += ["", f"### {safe(plot.title)}", "", *_table(plot.table)]
    lines += ["", "## Claims, on these runs", ""]
    for one in report.findings:
        source = f"[{safe(one.claim.source)}]({one.claim.url})"
        lines.append(
            f"- **{WORDS[one.ruling]}**: {safe(one.claim.sentence)} ({source}) {safe(one.judged.why)}"
        )
    if report.samples:
        lines += ["", "## Examples on which methods disagree"]
        for sample in report.samples:
            lines += _sample(sample, report.voices)
    for title, pairs in (
        ("What did not finish", report.failed),
        ("Setting", report.facts),
        ("Data", report.data),
        ("Environment", report.environment),
    ):
        if pairs:
            lines += ["", f"## {title}", "", *(f"- {safe(name)}: {safe(value)}" for name, value in pairs)]
    lines += ["", "## Repeat it", "", *_fenced("bash", report.commands), "", *_fenced("yaml", report.preset)]
    lines += ["", "## Every run", "", *_table(report.runs)]
    return "\n".join(lines).rstrip() + "\n"


NOTE = (
    "± is half of the 95 % interval over seeds. Methods that share a letter cannot be told apart (paired test on the same"
    " test rows with the chance of seeds and rows in it, Holm). An empty cell was not measured."
)


def _table(table: Table) -> list[str]:
    return [
        "| " + " | ".join(map(safe, table.heads)) + " |",
        "|" + "|".join(["---", *["---:"] * (len(table.heads) - 1)]) + "|",
        *("| " + " | ".join(map(safe, row)) + " |" for row in table.rows),
    ]


def _sample(one: Example, voices: Sequence[Voice]) -> list[str]:
    said = tuple(
        (v.label, _cut(one.said[v.key].text), f"{one.said[v.key].score:.2f}")
        for v in voices
        if v.key in one.said
    )
    right = safe(_cut(one.right[0])) if one.right else ""
    return [
        "",
        f"> {safe(_cut(one.prompt))}",
        "",
        f"Right: {right}",
        "",
        *_table(Table(("Method", "Said", "Score"), said)),
    ]


def _fenced(language: str, text: str) -> list[str]:
    fence = "````" if "```" in text else "```"
    return [f"{fence}{language}", text.rstrip("\n"), fence]


def _cut(text: str) -> str:
    return text if len(text) <= CUT else text[: CUT - 1] + "…"
