"""Exports: nothing a spreadsheet would run, nothing shown that was not measured."""

import csv
import io

import pytest

from workbench import registry
from workbench.compare import Comparison, Row
from workbench.metric import COLUMNS, metric
from workbench.report import PRINTED, format_value, markdown_text, safe_cell, to_csv, to_text
from workbench.spec import DataSpec, Setting
from workbench.statistics import Interval

SETTING = Setting(DataSpec("reviews", labels=("a", "b"), fingerprint="ab"), "embedded:fable-8m")


def row(label: str, **cells: Interval) -> Row:
    return Row(label, label, "lora", "low_rank", {}, 1e-3, (0,), ("r1",), {"finished": 1}, (), cells)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "－1"])
def test_formula_cells_are_made_harmless(text):
    assert safe_cell(text) == "'" + text


def test_harmless_cells_stay_as_they_are():
    assert safe_cell("LoRA r=1") == "LoRA r=1"


def test_csv_has_a_line_per_row_and_empty_cells_where_nothing_was_measured():
    found = Comparison(SETTING, (), (row("=cmd()", accuracy=Interval(0.9, 0.8, 1.0, 3)), row("x")), ())
    lines = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert lines[0]["label"] == "'=cmd()"
    assert (lines[0]["accuracy"], lines[0]["accuracy_low"]) == ("0.9", "0.8")
    assert lines[1]["accuracy"] == lines[1]["peak_memory_bytes"] == ""


def test_a_cell_of_markdown_stays_one_cell_whatever_it_holds():
    text = markdown_text("a|b\n<script>")
    assert "\\|" in text
    assert "<script>" not in text
    assert "\n" not in text


def test_text_table_lines_up():
    found = Comparison(SETTING, (), (row("LoRA", accuracy=Interval(0.912, 0.9, 0.924, 3)), row("Full")), ())
    text = to_text(found)
    assert "91.2 ±1.2" in text
    assert SETTING.id in text


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("accuracy", 0.9123, "91.2"),
        ("trainable_share", 0.00009, "0.009"),
        ("trainable_parameters", 8003840, "8,003,840"),
        ("peak_memory_bytes", 71303168, "68 MiB"),
        ("latency_ratio", 1.137, "1.14"),
        ("forgetting", -0.012, "−0.012"),
        ("accuracy", None, ""),
    ],
)
def test_numbers_are_shown_in_their_columns_format(name, value, shown):
    assert format_value(value, metric(name)) == shown


def test_every_column_has_a_direction_and_words():
    assert all(c.better in ("higher", "lower", "none") and c.help.endswith(".") and c.title for c in COLUMNS)


def test_whatever_a_task_measures_stands_in_the_printed_table():
    missing = {name: set(task.metrics) - set(PRINTED) for name, task in registry.tasks().items()}
    assert not any(missing.values()), missing
