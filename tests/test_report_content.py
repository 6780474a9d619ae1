"""The report: one file that needs nothing else, everything in it, and names given by people stay text."""

import json
import re
from html.parser import HTMLParser

import pytest

from tests.ui import fake_store
from workbench import compare
from workbench.cli import main
from workbench.report_content import Report, gather
from workbench.report_html import style, to_html
from workbench.report_markdown import to_markdown
from workbench.store import Store

EVIL = "<script>alert(1)</script>"
VOID = ("meta", "path", "rect", "circle", "br", "polygon")


@pytest.fixture
def report(store: Store, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("full", "lora", "head", "dora"), seeds=(0, 1, 2), failing="dora")
    return gather(store, compare.comparison(store))


class Balanced(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_file_is_whole_and_asks_for_nothing(report: Report):
    html = to_html(report)
    parsed = Balanced()
    parsed.feed(html)
    assert parsed.open == []
    assert not [name for name, _ in parsed.attributes if name == "src"]
    assert "<script" not in html
    assert "url(" not in html
    assert "@import" not in html
    assert "default-src 'none'" in html
    links = {value for name, value in parsed.attributes if name == "href"}
    assert links <= {one.claim.url for one in report.findings}
    assert len(html) < 250_000


@pytest.mark.parametrize("write", [to_html, to_markdown])
def test_everything_is_in_it(report: Report, write):
    text = write(report)
    for words in (
        "What the numbers say",
        "Comparison",
        "Claims, on these runs",
        "What did not finish",
        "The loss became infinite",
        "Environment",
        "workbench run comparison-",
        "workbench repeat ",
        "Learning rate",
        "Linear probe",
        "TF-IDF + logistic regression",
        "Fingerprint",
        "Every run",
    ):
        assert words in text, words
    assert text.count("-> ") == 0


def test_plots_are_drawn_from_the_same_figures_as_their_tables(report: Report):
    titles = [plot.title for plot in report.plots]
    assert len(titles) == 3
    whiskers, scatter, curves = report.plots
    assert whiskers.svg.count('class="mark') == 5 - str(whiskers.svg).count("◂")
    assert scatter.svg.count('class="mark') == len(scatter.table.rows) == 3
    assert curves.svg.count('class="line') == len(curves.table.rows) == 3
    for plot in report.plots:
        numbers = [float(n) for n in re.findall(r'(?:x|y|cx)="(-?[\d.]+)"', str(plot.svg))]
        assert all(-1 <= number <= 700 for number in numbers)
        assert 'role="img"' in plot.svg


def test_scores_have_a_true_minus_and_no_bare_mean(report: Report):
    first = report.table.rows[0]
    assert "±" in first[1]
    for _, detail in report.verdicts:
        assert " -" not in detail
        assert " to " in detail


def test_samples_are_rows_on_which_methods_disagree(report: Report):
    assert report.samples
    assert all(one.disagreement > 0 for one in report.samples)


def test_names_given_by_people_stay_text(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("lora",), seeds=(0,), shared=fake_store.setting(source=EVIL), name=EVIL)
    found = gather(store, compare.comparison(store))
    assert "<script" not in to_html(found)
    assert "<script" not in to_markdown(found).split("## Repeat it")[0]


def test_a_path_of_this_machine_stays_here(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    source = "/srv/store/uploads/own/0123456789abcdef/my reviews.csv"
    fake_store.fill(store, methods=("lora",), seeds=(0,), shared=fake_store.setting(source=source))
    text = to_html(gather(store, compare.comparison(store)))
    assert "/srv/store" not in text
    assert "my reviews.csv" in text


def test_the_style_knows_dark_and_print():
    css = style()
    assert "prefers-color-scheme: dark" in css
    assert "@media print" in css
    assert css.count("{") == css.count("}")
    assert "--f-low-rank: #318DF2" in css


def test_the_command_prints_every_form(store: Store, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(compare, "reference_records", fake_store.references)
    fake_store.fill(store, methods=("lora", "head"), seeds=(0, 1))
    place = ["--store", str(store.folder)]
    starts = {"html": "<!doctype html>", "markdown": "# ", "table": "invented", "csv": "label,"}
    for form, start in starts.items():
        assert main(["compare", "--format", form, *place]) == 0
        assert capsys.readouterr().out.startswith(start)
    assert main(["compare", "--claims", "--json", *place]) == 0
    told = json.loads(capsys.readouterr().out)["claims"]
    assert {one["verdict"] for one in told} <= {"supported", "refuted", "cannot_tell"}
    assert main(["compare", "--claims", *place]) == 0
    assert "cannot tell" in capsys.readouterr().out
