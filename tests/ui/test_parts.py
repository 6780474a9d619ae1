"""The pieces: text stays text, what was not measured draws nothing, numbers read as the page promises."""

import inspect
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from workbench.families import FAMILIES
from workbench.metric import COLUMNS
from workbench.ui import parts
from workbench.ui.cards import Card, CardGroup, Measure, cards_html, redraw
from workbench.ui.table import Cell, Column, Row, table_html

EVIL = "<script>alert(1)</script>\"'&`${alert(2)}{{value}}"

DRAWN_WITH_EVIL = {
    "chip": lambda: parts.chip("low_rank", EVIL),
    "badge": lambda: parts.badge("ok", EVIL),
    "button": lambda: parts.button(EVIL, EVIL, EVIL),
    "card": lambda: parts.card(EVIL, EVIL, note=EVIL, aside=EVIL),
    "page_title": lambda: parts.page_title(EVIL, EVIL),
    "empty_state": lambda: parts.empty_state(EVIL, EVIL),
    "notice": lambda: parts.notice("fail", EVIL, EVIL),
    "term": lambda: parts.term(EVIL, EVIL),
    "number": lambda: parts.number(EVIL, EVIL),
    "plus_minus": lambda: parts.plus_minus(EVIL, EVIL, EVIL),
    "fact_list": lambda: parts.fact_list({EVIL: EVIL}),
    "header": lambda: parts.header([EVIL], EVIL, setting_id=EVIL, tab_counts={EVIL: EVIL}),
    "bar": lambda: parts.bar(1, 2, "whole", label=EVIL),
    "probability_bars": lambda: parts.probability_bars({EVIL: 1.0}),
    "progress_bar": lambda: parts.progress_bar(0.5, None, EVIL),
    "label_balance": lambda: parts.label_balance({EVIL: 3}),
    "split_bar": lambda: parts.split_bar([(EVIL, 3)]),
    "histogram": lambda: parts.histogram([1, 2], [0, 1, 2], unit=EVIL),
    "whisker": lambda: parts.whisker(1, 0, 2, 0, 3, "base", label=EVIL),
    "group_letters": lambda: parts.group_letters("<", "<&"),
    "join": lambda: parts.join(EVIL, EVIL, between=EVIL),
    "cards": lambda: cards_html(
        [CardGroup(EVIL, EVIL, (Card(EVIL, EVIL, EVIL, disabled=EVIL, note=EVIL),), EVIL, note=EVIL)]
    ),
    "table": lambda: table_html(
        [Column(EVIL, EVIL, EVIL, help=EVIL)], [Row(EVIL, {EVIL: Cell(EVIL, EVIL)})], caption=EVIL
    ),
}


@pytest.mark.parametrize("name", DRAWN_WITH_EVIL)
def test_text_stays_text(name: str) -> None:
    drawn = DRAWN_WITH_EVIL[name]()
    assert isinstance(drawn, Markup)
    assert "<script" not in drawn
    # Well-formed XML once the valueless attributes have a value: so no quote got out of its attribute.
    closed = re.sub(
        r" (hidden|disabled|data-theme-toggle|data-pinned|selected)(?=[ >])", r' \1=""', str(drawn)
    )
    tree = ElementTree.fromstring(f"<div>{closed}</div>")
    assert all(not name.startswith("on") for node in tree.iter() for name in node.attrib)


def test_every_part_that_takes_text_is_drawn_with_evil_text() -> None:
    takers = {
        name
        for name in parts.__all__
        if not name.startswith("format_") and "str" in str(inspect.signature(getattr(parts, name)))
    }
    assert takers - set(DRAWN_WITH_EVIL) == {"icon", "marker", "difference"}  # these take known names alone


def test_pieces_nest_without_being_escaped_twice() -> None:
    inner = parts.chip("whole", "A & B")
    assert inner in parts.card("title", parts.join(inner, " text"))


@pytest.mark.parametrize("missing", [None, math.nan])
def test_what_was_not_measured_draws_nothing(missing: float | None) -> None:
    for name in parts.__all__:
        if name == "format_value":
            assert all(parts.format_value(missing, column.format) == "" for column in COLUMNS)
        elif name.startswith("format_"):
            assert getattr(parts, name)(missing) == ""
    assert parts.number("") == parts.number(None) == parts.plus_minus(None, "0.9") == ""
    assert parts.bar(missing, 10) == ""
    assert parts.whisker(missing, None, None, 0, 1, "base") == ""
    assert parts.difference(missing, None, None, 8, "base", certain=True) == ""
    assert "wb-unknown" in parts.progress_bar(missing)


def test_a_prediction_alone_is_drawn_as_a_tick() -> None:
    drawn = parts.bar(None, 100, tick=25)
    assert "left:25.0%" in drawn
    assert "<i" not in drawn


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (parts.format_count(8003840), "8,003,840"),
        (parts.format_count(0), "0"),
        (parts.format_share(0.0089), "0.89 %"),
        (parts.format_share(1), "100 %"),
        (parts.format_share(0.18856), "18.86 %"),
        (parts.format_share(0.00069), "0.069 %"),
        (parts.format_share(0.0000001), "< 0.001 %"),
        (parts.format_share(0), "0 %"),
        (parts.format_score(0.904), "90.4"),
        (parts.format_bytes(512), "512 B"),
        (parts.format_bytes(265 * 1000), "259 KiB"),
        (parts.format_bytes(171 * 2**20), "171 MiB"),
        (parts.format_bytes(32.5 * 2**20), "32.5 MiB"),
        (parts.format_bytes(6.13 * 2**20), "6.13 MiB"),
        (parts.format_bytes(1023.9 * 1024), "1.00 MiB"),
        (parts.format_bytes(15.6 * 2**30), "15.6 GiB"),
        (parts.format_seconds(0.0079), "7.9 ms"),
        (parts.format_seconds(0.4), "0.4 s"),
        (parts.format_seconds(41.2), "41 s"),
        (parts.format_seconds(59.7), "1 min"),
        (parts.format_seconds(125), "2 min 5 s"),
        (parts.format_seconds(4320), "1 h 12 min"),
        (parts.format_milliseconds(7.91), "7.9 ms"),
        (parts.format_milliseconds(1500), "1.5 s"),
        (parts.format_points(0.041), "4.1 points"),
        (parts.format_points(-0.013), "−1.3 points"),
        (parts.format_points(0.041, signed=True), "+4.1 points"),
        (parts.format_points(-0.0001), "0.0 points"),
        (parts.format_time_left(34.4), "34 s left"),
        (parts.format_time_left(250), "about 4 min left"),
        (parts.format_time_left(7300), "about 2 h 1 min left"),
        (parts.format_time_left(2), "a few seconds left"),
        (parts.format_value(0.1, "nats"), "+0.10"),
        (parts.format_value(1.144, "ratio"), "1.14"),
    ],
)
def test_numbers_read_as_promised(shown: str, expected: str) -> None:
    assert shown.replace("\u00a0", " ") == expected


@given(st.floats(min_value=0, max_value=1e15))
def test_bytes_never_need_more_than_four_figures(value: float) -> None:
    assert len(re.sub(r"\D", "", parts.format_bytes(value).split("\u00a0")[0])) <= 4


def test_every_format_of_a_metric_is_known() -> None:
    assert all(parts.format_value(1, column.format) for column in COLUMNS)
    with pytest.raises(ValueError, match="unknown format 'percent'; known: share"):
        parts.format_value(1, "percent")


def test_a_number_shows_its_unit_in_grey() -> None:
    assert 'wb-unit">\u00a0MiB<' in parts.number(parts.format_bytes(171 * 2**20))
    assert "wb-unit" not in parts.number("8,003,840")


def test_a_state_always_has_a_word_and_an_icon() -> None:
    drawn = parts.badge("fail", "not live")
    assert "<svg" in drawn
    assert "not live" in drawn
    with pytest.raises(ValueError, match="unknown kind 'good'; known: ok, warn, fail, busy"):
        parts.badge("good", "fine")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [one.name for one in FAMILIES])
def test_every_family_has_a_marker_in_its_colour(name: str) -> None:
    assert f'class="wb-marker f-{name.replace("_", "-")}"' in parts.marker(name)


def test_a_whisker_says_its_numbers() -> None:
    drawn = parts.whisker(90.4, 89.5, 91.3, 80, 92, "whole", reference=84.3)
    assert 'role="img" aria-label="90.4, 95 % interval 89.5 to 91.3"' in drawn
    assert "wb-reference" in drawn
    assert "wb-interval" not in parts.whisker(90.4, None, None, 80, 92, "whole")


def test_a_mean_outside_the_scale_is_said_not_drawn() -> None:
    drawn = parts.whisker(41.3, 36.2, 46.4, 80, 92, "base")
    assert "◂ off the scale" in drawn
    assert 'aria-label="41.3, 95 % interval 36.2 to 46.4"' in drawn


def test_an_interval_is_cut_at_the_scale() -> None:
    positions = [float(x) for x in re.findall(r"[MH](-?[\d.]+)", parts.whisker(81, 60, 99, 80, 92, "base"))]
    assert min(positions) >= 0
    assert max(positions) <= 164


def test_a_difference_that_cannot_be_told_is_grey() -> None:
    assert "f-low-rank" in parts.difference(4.1, 2, 6.3, 8, "low_rank", certain=True)
    assert "f-base wb-uncertain" in parts.difference(-0.2, -1.3, 0.9, 8, "low_rank", certain=False)


def test_the_axis_has_round_figures() -> None:
    assert re.findall(r">(-?[\d.]+)</text>", parts.scale_axis(78, 93)) == ["80", "84", "88", "92"]


def test_bars_stay_on_their_track() -> None:
    assert "width:100.0%" in parts.bar(300, 100)
    assert "width:0.0%" in parts.bar(-3, 100)
    assert "width:0%" in parts.bar(3, 0)


def test_the_likeliest_label_is_marked_and_many_labels_are_summed_up() -> None:
    drawn = parts.probability_bars({"a": 0.1, "b": 0.6, **{f"rare {n}": 0.03 for n in range(10)}}, limit=2)
    assert re.search(r"wb-best\"><span>b<", drawn)
    assert drawn.count("wb-probability ") + drawn.count('wb-probability"') == 2
    assert "10 more labels share 0.30" in drawn


def test_progress_says_where_it_is() -> None:
    drawn = parts.progress_bar(0.87, None, "queue", failed=0.08)
    assert 'aria-valuenow="87"' in drawn
    assert "left:79.0%;width:8.0%" in drawn


def test_label_balance_counts_and_sums_up() -> None:
    drawn = parts.label_balance({f"label {n}": 10 + n for n in range(12)}, limit=3)
    assert drawn.count('class="wb-balance"') == 3
    assert "9 more labels with 10 to 18 rows each" in drawn
    assert parts.label_balance({}).count("wb-balance") == 1


def test_a_histogram_counts_what_lies_beyond_the_limit() -> None:
    drawn = parts.histogram([5, 3, 2], [0, 64, 128, 192], limit=128)
    assert "2 beyond the limit of 128" in drawn
    assert drawn.count("wb-beyond") == 1
    with pytest.raises(ValueError, match="3 bars needs 4 edges, 3 given"):
        parts.histogram([1, 2, 3], [0, 1, 2])


def test_a_term_is_tied_to_its_explanation() -> None:
    drawn = parts.term("interval", "where the mean lies")
    name = re.search(r'aria-describedby="([^"]+)"', drawn)
    assert name is not None
    assert f'role="tooltip" id="{name[1]}"' in drawn
    assert "<button" in drawn


def test_the_header_hands_counts_to_the_tabs() -> None:
    drawn = parts.header(["reviews"], tab_counts={"Methods": "12 ticked"})
    assert 'data-tab="Methods" data-count="12 ticked"' in drawn
    assert "No setting yet" in parts.header()


def test_a_card_that_cannot_be_ticked_says_why_and_stays() -> None:
    group = CardGroup(
        "g", "Group", (Card("bitfit", "BitFit", "Bias only.", "selected", disabled="No bias terms."),)
    )
    drawn = cards_html([group])
    assert 'role="checkbox" aria-checked="false" aria-disabled="true"' in drawn
    assert drawn.count("No bias terms.") == 3  # shown, spoken, and whole under the pointer where it is long


def test_a_measure_without_text_has_no_line() -> None:
    card = Card("a", "A", "s", "whole", (Measure("trains", ""), Measure("memory", "3 KiB", 0.5)))
    drawn = cards_html([CardGroup("g", "", (card,))])
    assert "trains" not in drawn
    assert "memory" in drawn


def test_a_redraw_leaves_the_ticks_alone() -> None:
    assert "ticks" not in redraw([])
    assert redraw(ticked=["lora"], clicks=2)["ticks"] == {"keys": ["lora"], "clicks": 2}


COLUMNS_OF_A_TABLE = (
    Column("method", "Method", row_header=True, first="ascending"),
    Column("accuracy", "Accuracy, %", "How good", numeric=True),
    Column("whisker", Markup("<svg></svg>"), "How good", sortable=False, narrow=2),
    Column("time", "Time", "Cost", numeric=True, first="ascending"),
)


def test_a_table_is_a_table() -> None:
    rows = [
        Row("a", {"method": Cell("A"), "accuracy": Cell("90.4", 0.904, best=True)}, family="whole"),
        Row(
            "b", {"method": Cell("B"), "accuracy": Cell("diverged", span=2), "time": Cell("")}, kind="failed"
        ),
        Row("c", {"method": Cell("C")}, kind="reference", family="base"),
    ]
    drawn = table_html(COLUMNS_OF_A_TABLE, rows, sorted_by="accuracy")
    tree = ElementTree.fromstring(
        re.sub(r" (selected|data-pinned)(?=[ >])", r' \1=""', f"<div>{drawn}</div>")
    )
    widths = [sum(int(cell.get("colspan", 1)) for cell in row) for row in tree.iter("tr")]
    assert set(widths) == {len(COLUMNS_OF_A_TABLE) + 1}
    assert [head.get("aria-sort") for head in tree.iter("th") if head.get("data-column")][1] == "descending"
    assert [
        row.find("th").text for row in tree.iter("tr") if row.find("td") is not None and row.get("data-key")
    ] == [
        "A",
        "B",
        "C",
    ]
    ranks = [cell.text for cell in tree.iter("td") if cell.get("class") == "wb-rank"]
    assert ranks == ["1", None, None]
    assert "data-value" not in drawn[drawn.index('data-key="c"') :]
    assert [option.get("value") for option in tree.iter("option")] == ["method", "accuracy", "time"]


def test_a_cut_interval_ends_in_an_arrow_and_a_whole_one_in_caps() -> None:
    whole, cut = parts.whisker(85, 82, 88, 80, 92, "base"), parts.whisker(85, 60, 88, 80, 92, "base")
    assert whole.count("v8") == 2
    assert cut.count("v8") == 1
    assert cut.count("L") == 2
