"""The cards of the Compare tab beside its table: advice, claims, profiles, predictions, differences, published results."""

import time
from dataclasses import replace

import gradio as gr
import pytest

from tests.ui import fake_store
from tests.ui.fake_store import Click
from tests.ui.test_compare_tab import Page, filled, invented_references  # noqa: F401
from workbench import compare, repeat
from workbench.advice import USUAL, advise
from workbench.claims import findings
from workbench.records import dump
from workbench.store import Store
from workbench.ui import compare_tab, published_card
from workbench.ui.advice_card import BY_FAMILY, BY_SCORE, BY_WEIGHTS, advice_html, order_of
from workbench.ui.claims_card import claims_html
from workbench.ui.compare_plots import axis_choices, draw_scatter, offered_axes
from workbench.ui.comparison_table import comparison_table
from workbench.ui.diff_card import diff_html, usual_pair
from workbench.ui.predicted_plot import drawn as drawn_predictions
from workbench.ui.profile_plot import drawn as drawn_profiles

EVIL = "<script>alert(1)</script>"


def handler(page: Page, name: str):
    """A card's handler by its name, as the page calls it."""
    return next(
        one.fn.__wrapped__ if hasattr(one.fn, "__wrapped__") else one.fn
        for one in page.context.timer.parent.fns.values()
        if one.fn and one.fn.__name__ == name
    )


def test_the_advice_names_its_rows_and_tints_the_one_it_advises(filled: Store):  # noqa: F811
    found = compare.comparison(filled)
    advice = advise(found, USUAL)
    html = str(advice_html(found, advice))
    assert advice.headline in html
    assert "wb-cite" in html
    table = str(comparison_table(found, advised=advice.row))
    assert table.count("wb-chosen") == 1
    assert f'wb-chosen f-low-rank" data-key="{advice.row}"' in table or "wb-chosen" in table


def test_weights_order_the_rows_and_hide_no_column(filled: Store):  # noqa: F811
    found = compare.comparison(filled)
    plain = str(comparison_table(found))
    for kind, weights in ((BY_WEIGHTS, {"memory": 5}), (BY_FAMILY, {})):
        order = order_of(found, kind, weights)
        html = str(comparison_table(found, order=order))
        assert html.count("data-column=") == plain.count("data-column=")
        assert 'aria-sort="' not in html
        keys = [key for key in order if f'data-key="{key}"' in html]
        places = [html.index(f'data-key="{key}"') for key in keys if found_scored(found, key)]
        assert places == sorted(places)
    assert order_of(found, BY_WEIGHTS, {"memory": 5})[0] == next(
        row.key for row in found.rows if row.method == "head"
    )
    assert order_of(found, BY_SCORE, {}) is None


def found_scored(found, key: str) -> bool:
    return any(row.key == key and row.cells for row in found.rows)


def test_finding_takes_several_words(filled: Store):  # noqa: F811
    found = compare.comparison(filled)
    html = str(comparison_table(found, find="low-rank lora"))
    assert "LoRA" in html
    assert "Bottleneck" not in html


def test_any_column_can_be_an_axis_and_a_third_widens_the_front(filled: Store):  # noqa: F811
    found = compare.comparison(filled)
    names = [name for _, name in axis_choices(found)]
    assert names[0] == "peak_memory_bytes"
    assert {"train_seconds", "macro_f1", "latency_ratio"} <= set(names)
    axes = offered_axes(found, "gone", "gone", "gone")
    assert [axis["value"] for axis in axes] == ["peak_memory_bytes", "accuracy", "none"]
    figure, table = draw_scatter(found, "train_seconds", "macro_f1", "adapter_bytes")
    sizes = {trace.marker.size for trace in figure.data if trace.mode == "markers"}
    assert len(sizes) > 1
    assert "Size" in table
    assert figure.layout.xaxis.type == "log"


def test_claims_are_few_until_asked_for_and_queue_what_they_lack(filled: Store):  # noqa: F811
    judged = findings(filled, compare.comparison(filled))
    html = str(claims_html(judged))
    assert html.count('class="wb-claim"') == 4
    assert f"Show all {len(judged)}" in html
    every = str(claims_html(judged, every=True))
    assert every.count('class="wb-claim"') == len(judged)
    lacking = next(one for one in judged if one.missing)
    assert f'data-key="{lacking.claim.name}"' in every
    act = handler(Page(filled), "act_on_claim")
    act(None, False, Click("claim", lacking.claim.name), None)
    queued = filled.runs(states=("queued",))
    assert {(r.spec.choice.id, r.spec.seed) for r in queued} == {
        (s.choice.id, s.seed) for s in lacking.missing
    }


def test_profiles_draw_a_line_for_each_scored_row(filled: Store):  # noqa: F811
    found = compare.comparison(filled)
    figure, table = drawn_profiles(found, ["accuracy", "peak_memory_bytes", "gone"])
    assert len(figure.data) == sum(1 for row in found.rows if row.cells)
    assert all(len(trace.x) == 2 for trace in figure.data)
    assert "Linear probe" in table
    assert drawn_profiles(found, [])[0] is None


def test_predictions_say_when_there_are_none(filled: Store):  # noqa: F811
    found = compare.comparison(filled)
    title, plot, none, table = drawn_predictions(found, "peak_memory_bytes")
    assert not plot["visible"]
    assert none["visible"]
    runs = tuple(
        replace(run, result=replace(run.result, predicted_peak_memory_bytes=70_000_000))
        if run.result
        else run
        for run in found.runs
    )
    title, plot, none, table = drawn_predictions(replace(found, runs=runs), "peak_memory_bytes")
    assert plot["visible"]
    assert "in the middle" in title
    assert "LoRA" in table


def test_two_runs_are_shown_field_by_field(filled: Store):  # noqa: F811
    runs = list(compare.comparison(filled).runs)
    one, other = usual_pair(runs, None, None)
    assert one.spec.choice.id != other.spec.choice.id
    html = str(diff_html(one, other))
    assert "method" in html
    assert "further fields are the same" in html
    assert "do not differ in any of" in str(diff_html(one, one))
    assert "Two runs are needed" in str(diff_html(one, None))


def test_published_rows_of_ones_own_methods_come_first(filled: Store):  # noqa: F811
    found = compare.comparison(filled)
    mine = published_card.chosen_rows(found, published_card.MINE)
    every = published_card.chosen_rows(found, published_card.ALL)
    assert 0 < len(mine) < len(every)
    html = str(published_card.published_html(mine, found))
    assert html.count("on your table") == len(mine)
    assert "one seed" in html
    assert len(published_card.published_figure(mine).data) >= len(mine)


def test_names_given_by_people_stay_text_on_every_card(store: Store):
    shared = fake_store.setting(source=EVIL)
    fake_store.fill(store, methods=("lora", "full"), seeds=(0, 1), shared=shared, name=EVIL)
    found = compare.comparison(store)
    runs = list(found.runs)
    html = [
        str(advice_html(found, advise(found))),
        str(claims_html(findings(store, found), every=True)),
        str(diff_html(runs[0], runs[1])),
        drawn_profiles(found, ["accuracy"])[1],
    ]
    assert not any("<script" in text for text in html)


def test_a_repeated_run_says_how_it_went(filled: Store):  # noqa: F811
    page = Page(filled)
    run = next(run for run in filled.runs() if run.state == "finished")
    assert 'data-action="repeat"' in page.handlers.show_detail(run.id, None)
    page.actions.act_on_detail(Click("repeat", run.id), None)
    (queued,) = filled.runs(states=("queued",))
    assert queued.retry_of == run.id
    fake_store.finish(filled, queued.id, queued.spec)
    assert repeat.compared(filled, run, filled.run(queued.id)).same
    html = page.handlers.show_detail(queued.id, None)
    assert "The same: all 360 predictions" in html


@pytest.mark.slow
def test_ten_thousand_runs_in_two_hundred_settings_open_in_a_second(store: Store):
    """What the server does to draw the tab of the newest of them."""
    (first,) = fake_store.fill(store, methods=("lora",), seeds=(0,), steps=8, stride=8)
    done = store.run(first)
    outcomes = (store.run_folder(first) / "outcomes.jsonl").read_text()
    settings = [fake_store.setting(fingerprint=f"{n:016x}") for n in range(200)]
    specs = [
        fake_store.spec(one, method, seed)
        for one in settings
        for method in list(fake_store.METHODS)[:10]
        for seed in range(5)
    ]
    assert len(specs) == 10_000
    ids = store.add(specs)
    newest = [run_id for run_id, spec in zip(ids, specs) if spec.setting is specs[-1].setting]
    for run_id in newest:
        store.run_folder(run_id).mkdir(parents=True)
        (store.run_folder(run_id) / "outcomes.jsonl").write_text(outcomes)
    with store._write(full=False) as db:
        db.execute(
            "UPDATE runs SET state = 'finished', ended_at = 1.0, result = ? WHERE state = 'queued'",
            (dump(done.result.to_dict()),),
        )
    page = Page(store)
    compare_tab.shown._compared.cache_clear()
    best = float("inf")
    for _ in range(2):
        compare_tab.shown._compared.cache_clear()
        begun = time.process_time()
        drawn = page.refresh()
        best = min(best, time.process_time() - begun)
    assert drawn["body"]["visible"]
    assert len(drawn["grid"]["value"]["data"]) >= 10
    print(f"{best:.3f} s")
    assert best <= 1.0


def test_empty_stores_have_no_cards_to_fill(store: Store):
    page = Page(store)
    assert handler(page, "advise_reader")(None, *USUAL.values(), None) == ""
    assert handler(page, "show_claims")(None, False, None) == ""
    assert handler(page, "write_report")(None, None) == (gr.skip(), gr.skip())
