"""The report as one HTML file: no script, no request, styles and plots inside; fit for print, light and dark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from workbench.claims import WORDS
from workbench.example_rows import Example, Voice
from workbench.home import shipped
from workbench.report_content import Plot, Report, Table

SHOWN_VERDICTS = 12


def to_html(report: Report) -> str:
    """The whole document."""
    body = Markup("").join(
        section
        for section in (
            _section("What the numbers say", _verdicts(report)),
            _section("Comparison", _comparison(report), wide=True),
            _section("Plots", Markup("").join(map(_plot, report.plots))) if report.plots else Markup(""),
            _section("Claims, on these runs", _claims(report)),
            _section("Examples on which methods disagree", _samples(report))
            if report.samples
            else Markup(""),
            _section("What did not finish", _pairs(report.failed)) if report.failed else Markup(""),
            _section("Setting", _pairs(report.facts)),
            _section("Data", _pairs(report.data)),
            _section("Environment", _pairs(report.environment)) if report.environment else Markup(""),
            _section("Repeat it", _repeat(report)),
            _section("Every run", _table(report.runs), wide=True),
        )
    )
    return str(
        Markup(
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
            "<title>{title}</title><style>{style}</style></head><body><main>"
            '<header><h1>{title}</h1><p class="note">{subtitle}</p></header>{body}</main></body></html>\n'
        ).format(title=report.title, subtitle=report.subtitle, style=Markup(style()), body=body)
    )


def style() -> str:
    """The page's own tokens, then the report's sheet; what is dark follows the reader's system."""
    folder = shipped("assets") / "page"
    tokens = re.sub(r"/\*.*?\*/", "", (folder / "tokens.css").read_text(encoding="utf-8"), flags=re.S)
    tokens = re.sub(
        r"\.dark\s*\{(.*?)\}", r"@media (prefers-color-scheme: dark) { :root {\1} }", tokens, flags=re.S
    )
    return _tight(tokens) + _tight((folder / "report.css").read_text(encoding="utf-8"))


def write(report: Report, path: Path) -> None:
    path.write_text(to_html(report), encoding="utf-8")


def _section(title: str, body: Markup, *, wide: bool = False) -> Markup:
    return Markup("<section{}><h2>{}</h2>{}</section>").format(
        Markup(' class="wide"') if wide else "", title, body
    )


def _verdicts(report: Report) -> Markup:
    if not report.verdicts:
        return Markup('<p class="note">Nothing can be said yet: verdicts compare at least two methods.</p>')
    shown = report.verdicts[:SHOWN_VERDICTS]
    items = Markup("").join(
        Markup('<li><b>{}</b><span class="note">{}</span></li>').format(sentence, detail)
        for sentence, detail in shown
    )
    more = len(report.verdicts) - len(shown)
    rest = Markup(
        '<p class="note">{} more pairs with the best row are in the table by their letters.</p>'
    ).format(more)
    return Markup('<ul class="said">{}</ul>{}').format(items, rest if more else "")


def _comparison(report: Report) -> Markup:
    words = Markup("").join(
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*column) for column in report.columns
    )
    return Markup(
        '{}<p class="note">± is half of the 95 % interval over seeds. Methods that share a letter cannot be told apart'
        " (paired test on the same test rows with the chance of seeds and rows in it, Holm). An empty cell was not measured."
        "</p><details><summary>What the columns mean</summary><dl>{}</dl></details>"
    ).format(_table(report.table), words)


def _plot(plot: Plot) -> Markup:
    return Markup(
        "<figure><figcaption>{}</figcaption>{}<details><summary>As a table</summary>{}</details></figure>"
    ).format(plot.title, plot.svg, _table(plot.table))


def _claims(report: Report) -> Markup:
    items = Markup("").join(
        Markup(
            '<li><span class="ruling {}">{}</span><b>{}</b><span class="note">{}</span>'
            '<a href="{}" rel="noreferrer">{}</a></li>'
        ).format(
            one.ruling, WORDS[one.ruling], one.claim.sentence, one.judged.why, one.claim.url, one.claim.source
        )
        for one in report.findings
    )
    return Markup('<ul class="claims">{}</ul>').format(items)


def _samples(report: Report) -> Markup:
    return Markup("").join(_sample(one, report.voices) for one in report.samples)


def _sample(one: Example, voices: Sequence[Voice]) -> Markup:
    said = tuple(
        (v.label, one.said[v.key].text, f"{one.said[v.key].score:.2f}") for v in voices if v.key in one.said
    )
    return Markup('<article><p class="text">{}</p><p class="note">Right: {}</p>{}</article>').format(
        one.prompt or "The text of this row is gone.",
        one.right[0] if one.right else "",
        _table(Table(("Method", "Said", "Score"), said)),
    )


def _repeat(report: Report) -> Markup:
    return Markup("<pre>{}</pre><h3>The preset</h3><pre>{}</pre>").format(report.commands, report.preset)


def _pairs(pairs: Sequence[tuple[str, str]]) -> Markup:
    return Markup('<dl class="facts">{}</dl>').format(
        Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*pair) for pair in pairs)
    )


def _table(table: Table) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(text) for text in table.heads)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0], Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row[1:])
        )
        for row in table.rows
    )
    return Markup(
        '<div class="scroll"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, body)


def _tight(css: str) -> str:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    return re.sub(r"\s+", " ", css)
