"""The learning curve: settings that differ in training rows alone, means and intervals by size, references beside them."""

import functools
import json
import math
from dataclasses import replace

import pytest

from tests.test_compare import finish
from workbench.data import prepare_subsets, save_prepared
from workbench.learning_curve import points, related, to_text
from workbench.spec import Setting
from workbench.ui.learning_curve_plot import curve_plot, curve_rows, summary

SIZES = [10, 50, 100]


@functools.cache
def nested_subsets(sizes):
    return prepare_subsets("reviews", subsets=list(sizes))


def settings_of(store, sizes=SIZES, **more):
    found = prepare_subsets("reviews", subsets=sizes, **more) if more else nested_subsets(tuple(sizes))
    for one in found:
        save_prepared(one, store.data_folder(one.spec.fingerprint))
    return [Setting(one.spec, "embedded:fable-8m") for one in found]


@pytest.fixture
def curve(store):
    settings = settings_of(store)
    for place, setting in enumerate(settings):
        for seed, offset in enumerate((-0.02, 0.0, 0.02)):
            finish(store, "full", seed, 0.6 + 0.1 * place + offset, setting=setting)
        finish(store, "lora", 0, 0.7 + 0.02 * place, setting=setting)
    return store, [setting.id for setting in settings]


def test_settings_that_differ_in_training_rows_alone_belong_together(curve):
    store, ids = curve
    assert related(store, ids[1]) == ids
    other = replace(store.setting(ids[0]), batch_size=8)
    finish(store, "full", 0, 0.9, setting=other)
    assert related(store, ids[0]) == ids
    assert related(store, other.id) == []
    assert related(store, "0" * 16) == []


def test_other_test_rows_or_augmented_data_are_another_curve(store):
    plain = settings_of(store)
    others = [*settings_of(store, [20], test_rows=30), *settings_of(store, [30], augment="synonyms")]
    for setting in (*plain, *others):
        finish(store, "full", 0, 0.8, setting=setting)
    assert related(store, plain[0].id) == [setting.id for setting in plain]
    assert all(related(store, setting.id) == [] for setting in others)


def test_somebody_elses_settings_are_not_shown(curve):
    store, ids = curve
    assert related(store, ids[0], owner="somebody") == []


def test_points_have_the_mean_of_each_size_and_intervals_where_there_are_seeds(curve):
    store, ids = curve
    found = points(store, list(reversed(ids)))
    assert found.setting_ids == tuple(ids)
    assert found.sizes == (10, 50, 100)
    assert found.metric == "accuracy"
    full, lora = found.lines
    assert full.y == pytest.approx((0.6, 0.7, 0.8))
    assert full.seeds == 3
    assert all(low < mean < high for low, mean, high in zip(full.low, full.y, full.high))
    assert lora.x == (10.0, 50.0, 100.0)
    assert lora.low == ()
    assert [line.key for line in found.references] == ["tfidf", "majority"]
    assert found.references[1].y == pytest.approx((0.5, 0.5, 0.5))
    assert found.seeds == 3


def test_new_rows_of_an_augmentation_do_not_count_as_examples(store):
    settings = settings_of(store, augment={"synonyms": {"copies": 3}})
    for setting in settings:
        finish(store, "full", 0, 0.8, setting=setting)
    ids = [setting.id for setting in settings]
    assert related(store, ids[0]) == ids
    assert points(store, ids).sizes == (10, 50, 100)


def test_a_method_that_did_not_finish_everywhere_has_a_shorter_line(curve):
    store, ids = curve
    finish(store, "head", 0, 0.66, setting=store.setting(ids[2]))
    head = next(line for line in points(store, ids).lines if line.key and line.label.startswith("Linear"))
    assert head.x == (100.0,)
    assert "66.0" in to_text(points(store, ids)).splitlines()[-3]


def test_the_table_has_a_column_for_each_size(curve):
    store, ids = curve
    lines = to_text(points(store, ids)).splitlines()
    assert lines[0].split() == ["training", "rows", "10", "50", "100"]
    assert lines[1].startswith("Full fine-tuning")
    assert "80.0 ±" in lines[1]
    assert lines[2].split() == ["LoRA", "70.0", "72.0", "74.0"]


def test_nothing_to_draw_is_said(store):
    with pytest.raises(ValueError, match="at least one setting"):
        points(store, [])


def test_the_plot_is_on_a_log_axis_with_whiskers_and_dotted_references(curve):
    store, ids = curve
    found = points(store, ids)
    figure = curve_plot(found)
    assert list(figure.layout.xaxis.ticktext) == ["10", "50", "100"]
    assert list(figure.layout.xaxis.tickvals) == pytest.approx([1.0, math.log10(50), 2.0])
    drawn = {trace.name: trace for trace in figure.data if trace.mode == "lines"}
    assert list(drawn["LoRA"].customdata) == [10, 50, 100]
    assert drawn["LoRA"].line.dash == "solid"
    assert drawn["Majority"].line.dash == "dot"
    assert drawn["TF-IDF"].line.dash == "dash"
    whiskers = [
        trace.error_y.array for trace in figure.data if trace.mode == "markers" and trace.error_y.array
    ]
    assert len(whiskers) == 1
    assert all(size > 0 for size in whiskers[0])
    names = [annotation.text for annotation in figure.layout.annotations]
    assert {"Full fine-tuning", "LoRA", "TF-IDF", "Majority"} <= set(names)
    assert "mean of 3 seeds" in summary(found)
    assert "80.0 ±" in str(curve_rows(found))
    json.dumps(figure.to_json())
