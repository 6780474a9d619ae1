"""Drawing: family colours, names at line ends, escaped texts, round ticks, labels that keep apart."""

import itertools
import json

import pytest

from workbench.curves import Line, Point
from workbench.families import family
from workbench.metric import metric
from workbench.ui import plots, scatter_plot
from workbench.ui.label_places import _box, _overlap, label_places

EVIL = "<script>alert(1)</script>"


def _line(label: str = "LoRA", place: int = 0, **changes) -> Line:
    return Line(
        **(
            {
                "key": label,
                "label": label,
                "family": "low_rank",
                "x": (0.0, 10.0),
                "y": (0.5, 0.9),
                "place": place,
            }
            | changes
        )
    )


def _figure(lines, **changes):
    return plots.curve_figure(
        lines, **({"title": "Validation accuracy", "x_title": "step", "share": True} | changes)
    )


def _texts(figure) -> list[str]:
    return [annotation.text for annotation in figure.layout.annotations]


def test_a_curve_has_its_familys_colour_a_dash_within_it_and_its_name():
    figure = _figure([_line(), _line("DoRA", 1)])
    drawn = [trace for trace in figure.data if trace.mode == "lines"]
    assert {trace.line.color for trace in drawn} == {family("low_rank").light}
    assert [trace.line.dash for trace in drawn] == ["solid", "dash"]
    assert {"LoRA", "DoRA"} <= set(_texts(figure))
    assert list(drawn[0].y) == [50.0, 90.0]


def test_live_curves_are_thick_and_failed_ones_say_so():
    figure = _figure(
        [_line(live=True, x=(0.0, 4.0)), _line("DoRA", 1, ended="failed", x=(0.0, 6.0)), _line("Full")]
    )
    widths = [trace.line.width for trace in figure.data if trace.mode == "lines"]
    assert widths[0] > widths[2]
    assert {"<b>LoRA, live</b>", "<b>DoRA, failed</b>", "Full"} <= set(_texts(figure))


def test_a_band_is_drawn_only_where_there_is_one():
    without = _figure([_line()])
    two_seeds = _figure([_line(low=(0.4, 0.8), high=(0.6, 1.0), seeds=2)])
    with_band = _figure([_line(low=(0.4, 0.8), high=(0.6, 1.0), seeds=3)])
    assert [trace.fill for trace in with_band.data].count("toself") == 1
    assert all(trace.fill is None for trace in (*without.data, *two_seeds.data))


def test_the_ground_is_transparent_and_nothing_zooms():
    figure = _figure([_line()])
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.xaxis.fixedrange
    assert figure.layout.dragmode is False


def test_names_given_by_people_stay_text():
    points = [
        Point("a", EVIL, "whole", 10.0, 0.8, 0.7, 0.9, True),
        Point("b", "B", "prompt", 20.0, 0.7, None, None),
    ]
    curve = _figure([_line(EVIL[:16])])
    scatter = scatter_plot.scatter_figure(points, "train_seconds", "accuracy", reference=(EVIL, 0.75))
    for figure in (curve, scatter):
        assert "<script" not in json.loads(json.dumps(figure.to_json()))
        assert "&lt;script" in figure.to_json().replace("\\u003c", "<").replace("\\u0026", "&")


def test_an_empty_plot_is_a_plot():
    assert _figure([]).layout.yaxis.range == (0.0, 1.0)
    assert scatter_plot.scatter_figure([], "train_seconds", "accuracy").layout.xaxis.type == "log"


def test_the_scatter_has_whiskers_front_and_reference():
    points = [
        Point("a", "A", "whole", 100.0, 0.9, 0.88, 0.92, True),
        Point("b", "B", "prompt", 10.0, 0.8, 0.79, 0.81, True),
        Point("c", "C", "added", 90.0, 0.7, None, None, False),
    ]
    figure = scatter_plot.scatter_figure(points, "train_seconds", "accuracy", reference=("TF-IDF", 0.84))
    front = next(trace for trace in figure.data if trace.mode == "lines")
    assert front.line.shape == "hv"
    assert list(front.x)[:2] == [10.0, 100.0]
    errors = {trace.name: trace.error_y.array for trace in figure.data if trace.mode == "markers"}
    assert errors["A"] == pytest.approx((2.0,))
    assert errors["C"] is None
    assert "TF-IDF 84.0" in _texts(figure)


@pytest.mark.parametrize(
    ("low", "high", "column", "some"),
    [
        (30 * 2**20, 200 * 2**20, "peak_memory_bytes", "100\u00a0MiB"),
        (700, 9e6, "trainable_parameters", "10k"),
        (5, 60, "train_seconds", "10\u00a0s"),
    ],
)
def test_log_ticks_are_few_and_round_in_their_unit(low: float, high: float, column: str, some: str):
    ticks, texts = scatter_plot.log_ticks(low, high, metric(column))
    assert 2 <= len(ticks) <= 7
    assert all(low <= tick <= high for tick in ticks)
    assert some in texts


def test_labels_of_a_scatter_cover_neither_each_other_nor_a_point():
    points = [(50.0 + 11 * (i % 5), 60.0 + 13 * (i // 5)) for i in range(15)]
    labels = [f"method {i}" for i in range(15)]
    places = label_places(points, labels, 300, 240)
    boxes = [_box(*point, label, place) for point, label, place in zip(points, labels, places) if place]
    assert len(boxes) >= 6
    assert not any(_overlap(a, b) for a, b in itertools.combinations(boxes, 2))


def test_a_score_that_is_no_share_is_drawn_as_it_is_and_lower_may_be_better():
    points = [
        Point("a", "A", "whole", 100.0, 2.1, 2.0, 2.2, True),
        Point("b", "B", "prompt", 10.0, 3.4, None, None, True),
    ]
    figure = scatter_plot.scatter_figure(points, "train_seconds", "perplexity", reference=("n-gram", 3.0))
    marks = {trace.name: trace for trace in figure.data if trace.mode == "markers"}
    assert list(marks["A"].y) == [2.1]
    assert "%" not in marks["A"].hovertemplate
    assert figure.layout.yaxis.range[1] < 10
    assert {"<b>Perplexity</b>", "n-gram 3"} <= set(_texts(figure))
    curve = _figure([_line(y=(60.0, 40.0))], share=False, from_zero=False)
    assert 30 < curve.layout.yaxis.range[0] < 40
