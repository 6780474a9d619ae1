"""The panel "Look inside": a heat map that is a table, figures of several runs on one axis, waiting, and true sentences."""

import re
import time

import gradio as gr
import pytest

from tests.ui import fake_store
from workbench import background, inside_record
from workbench.store import Store
from workbench.ui import compare_tab, inside_asking, inside_panel
from workbench.ui.inside_plots import (
    DIRECTIONS,
    EFFECTIVE,
    LEVELS,
    SIZE,
    energy_figure,
    energy_lines,
    grid_of,
    heat_edges,
    heat_html,
    heat_level,
)
from workbench.ui.inside_tables import beside_html, overlap_html, tokens_html

EVIL = "<script>alert(1)</script>"


def weights(
    run: str = "r", label: str = "LoRA r=2", values: tuple[float, ...] = (2.0, 1.0), nominal: int | None = 2
):
    """What `inside.look` says of an invented run: two layers, query changed in both, norms left alone."""

    def cell(layer: int | None, kind: str, trained: bool, value: float | None):
        return {
            "layer": layer,
            "kind": kind,
            "trained": trained,
            "change": value or 0.0,
            "size": 1.0,
            "value": value,
        }

    def matrix(layer: int):
        return {
            "name": f"layers.{layer}.q", "layer": layer, "kind": "q", "shape": [8, 8], "value": 0.1 * layer,
            "nominal": nominal, "values": list(values), "energy": sum(v**2 for v in values), "rank": len(values),
            "effective_rank": 1.5, "directions": {"50": 1, "90": len(values), "99": len(values)}, "exact": True,
        }  # fmt: skip

    cells = [cell(1, "q", True, 0.1), cell(1, "norm", False, None), cell(2, "q", True, 0.2)]
    cells.append(cell(None, "head", True, 0.4))
    return {
        "run": run, "label": label, "method": "lora", "seed": 0, "kind": "weights", "reason": None, "layers": 2,
        "cells": cells, "matrices": [matrix(1), matrix(2)], "head": 0.4,
    }  # fmt: skip


def prompt(word: str = " film"):
    nearest = [{"token": word, "cosine": 0.97}, {"token": "book", "cosine": 0.3}]
    return {
        "run": "p", "label": "Prompt tuning", "method": "prompt", "seed": 0, "kind": "prompt", "reason": None, "layers": 2,
        "cells": [], "virtual_tokens": 1, "moved": 0.1, "head": None, "texts": 8, "attention": [0.2, 0.4], "even": 0.5,
        "norms": [], "prompt": {
            "tokens": [{"norm": 2.0, "nearest": nearest}], "word_norm": 1.0, "usual_nearest": 0.5, "chance_nearest": 0.2,
        },
    }  # fmt: skip


class Panel:
    def __init__(self, store: Store) -> None:
        with gr.Blocks() as self.page:
            self.context = fake_store.page_context(store)
            self.tab = compare_tab.build(self.context)
        self.handlers = inside_panel._Handlers(self.context, self.tab.parts)
        self.names = {id(part): name for name, part in self.tab.parts.items()}

    def named(self, updates) -> dict:
        return {self.names[id(part)].removeprefix("inside_"): value for part, value in updates.items()}


@pytest.fixture
def filled(store: Store) -> Store:
    fake_store.fill(store, methods=("full", "lora", "prompt", "head"), seeds=(0,))
    return store


def run_of(store: Store, method: str):
    return next(run for run in store.runs() if run.spec.choice.method == method)


def keep(store: Store, method: str, document) -> str:
    run = run_of(store, method)
    folder = store.run_folder(run.id)
    folder.mkdir(parents=True, exist_ok=True)
    inside_record.write(folder, document | {"run": run.id})
    return run.id


@pytest.fixture
def asked(filled: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Instead of a background process: writes an invented record, and says what it was asked."""
    calls: list[str] = []
    monkeypatch.setattr(inside_asking, "POLL_SECONDS", 0.01)

    def call(function: str, folder: str, *ids: str, pool: str):
        assert pool == "inference"
        calls.append(f"{function} {' '.join(ids)}")
        if function.endswith("overlap"):
            rows = [{"top": 2, "among": 2, "share": 0.5, "chance": 0.25, "matrices": 2}]
            return {"rows": rows, "matrices": 2}
        run = filled.run(ids[0])
        inside_record.say_progress(filled.run_folder(run.id), 0.5)
        time.sleep(0.05)
        wide = run.spec.choice.method == "full"
        document = weights(run.id, run.label, (3.0, 2.0, 1.0) if wide else (2.0, 1.0), None if wide else 2)
        return inside_record.write(filled.run_folder(run.id), document)

    monkeypatch.setattr(background, "call", call)
    return calls


def test_the_map_is_a_table_whose_cells_say_their_number_or_why_there_is_none():
    html = str(heat_html(grid_of(weights()), "low_rank"))
    assert '<th scope="col">query</th>' in html
    assert html.count('scope="row"') == 2
    assert re.search(r'title="layer 2, query: 20 %[^"]*">20<', html)
    assert "not trained by this method" in re.search(r'<td class="wb-none".*?</td>', html)[0]
    assert "this model has no such part" in html, "layer 2 has no norm"
    assert re.search(r"Outside the layers.*head.*40", html, re.S)


def test_the_map_shows_directions_and_effective_rank_of_the_same_matrices():
    columns = grid_of(weights(), DIRECTIONS)
    assert columns.columns == ("query",)
    assert [cells[0].text for _, cells in columns.rows] == ["2", "2"]
    assert "of 8 possible, r is 2" in columns.rows[0][1][0].tip
    assert [cells[0].value for _, cells in grid_of(weights(), EFFECTIVE).rows] == [1.5, 1.5]


def test_levels_are_round_rise_with_the_value_and_the_highest_holds_the_largest():
    for values in ([0.2, 3, 5, 11], [24, 33, 49.9], [0.01, 0.02], [1e-7, 3.0]):
        edges = heat_edges(values)
        levels = [heat_level(value, edges) for value in values]
        assert levels == sorted(levels)
        assert levels[-1] == LEVELS - 1
        assert len(edges) < LEVELS
    assert heat_edges([2.0, 2.0]) == []
    assert heat_edges([]) == []


def test_a_new_head_does_not_wash_out_the_layers():
    document = weights()
    document["cells"][-1]["value"] = 90.0
    assert f'wb-level-{LEVELS - 1}" title="layer 2' in str(heat_html(grid_of(document), "low_rank"))


def test_the_curve_ends_where_the_rank_does_and_counts_directions():
    lines = energy_lines([(weights(), "low_rank"), (prompt(), "prompt")])
    assert len(lines) == 1
    assert lines[0].y == pytest.approx((0.8, 1.0))
    figure = energy_figure(lines)
    curve = next(trace for trace in figure.data if trace.mode == "lines" and trace.hovertemplate)
    assert list(curve.customdata) == [1, 2]
    assert list(curve.x) == [0.0, 1.0]
    assert energy_figure([]).layout.xaxis.ticktext[-1] == "64"


def test_runs_side_by_side_show_what_they_may_and_do_use_and_their_score():
    wide = weights("f", "Full", (3.0, 2.0, 1.0), None)
    html = str(beside_html([wide, weights()], {"f": 0.9, "r": None}, "Accuracy"))
    assert "8 (all)" in html
    assert ">90.0<" in html
    assert 'role="tooltip"' in html, "terms are explained where they stand"


def test_learned_vectors_show_their_words_and_whether_they_are_near():
    html = str(tokens_html(prompt()))
    assert "almost this word" in html
    assert "film" in html
    assert "0.97" in html
    grid = grid_of(prompt())
    assert grid.columns == ("attention",)
    assert [cells[0].text for _, cells in grid.rows] == ["20", "40"]


def test_names_given_by_people_and_words_of_a_model_stay_text():
    found = {"rows": [{"top": 1, "among": 1, "share": 0.5, "chance": 0.1, "matrices": 1}], "matrices": 1}
    texts = [
        tokens_html(prompt(EVIL)),
        overlap_html(found, EVIL, EVIL),
        beside_html([weights(label=EVIL)], {}, "x"),
    ]
    assert not any("<script" in str(text) for text in texts)


def test_an_empty_store_says_what_will_be_here(store: Store):
    panel = Panel(store)
    drawn = panel.named(panel.handlers.offer_runs(None, None, SIZE, None))
    assert "once a run has finished" in drawn["words"]
    assert drawn["go"]["interactive"] is False


def test_the_best_run_is_offered_and_drawn_only_where_it_was_looked_into(filled: Store):
    panel = Panel(filled)
    drawn = panel.named(panel.handlers.offer_runs(None, None, SIZE, None))
    assert drawn["run"]["value"] == run_of(filled, "full").id
    assert "Not looked into yet" in drawn["words"]
    assert drawn["figures"]["visible"] is False
    keep(filled, "full", weights())
    drawn = panel.named(panel.handlers.offer_runs(None, None, SIZE, None))
    assert drawn["figures"]["visible"]
    assert "wb-heat" in drawn["heat"]
    assert drawn["beside"]["value"] == [], "LoRA was not looked into"


def test_looking_tells_its_progress_then_draws_the_run_and_its_companions(filled: Store, asked: list[str]):
    panel = Panel(filled)
    lora, full = run_of(filled, "lora").id, run_of(filled, "full").id
    states = [panel.named(one) for one in panel.handlers.look_inside(None, lora, SIZE, None)]
    assert asked == [f"workbench.inside:look {lora}", f"workbench.inside:look {full}"]
    assert any('aria-valuenow="50"' in str(state.get("words")) for state in states)
    drawn = next(state for state in states if "heat" in state)
    assert "of 2 allowed" in drawn["words"]
    assert drawn["go"]["visible"] is False
    assert states[-1]["beside"] == [full]
    assert "8 (all)" in states[-1]["beside_table"]
    assert len([t for t in states[-1]["plot"].data if t.mode == "lines" and t.hovertemplate]) == 2


def test_what_can_t_be_looked_into_says_why_and_can_be_tried_again(
    filled: Store, monkeypatch: pytest.MonkeyPatch
):
    document = {**weights(), "kind": "none", "reason": "Its weights are gone.", "cells": []}
    monkeypatch.setattr(background, "call", lambda *arguments, pool: document)
    panel = Panel(filled)
    states = list(panel.handlers.look_inside(None, run_of(filled, "lora").id, SIZE, None))
    last = panel.named(states[-1])
    assert "Its weights are gone." in last["words"]
    assert last["go"]["interactive"]


def test_directions_are_compared_from_the_narrower_to_the_wider_run(filled: Store, asked: list[str]):
    panel = Panel(filled)
    lora, full = run_of(filled, "lora").id, run_of(filled, "full").id
    last = list(panel.handlers.compare_directions(full, lora, None))[-1]
    assert asked[-1] == f"workbench.inside:look_overlap {lora} {full}"
    assert "25 % would" in last


def test_a_prompt_run_has_words_and_no_spectra(filled: Store):
    run_id = keep(filled, "prompt", prompt())
    drawn = Panel(filled).handlers.choose_run(None, run_id, SIZE, None)
    panel = Panel(filled)
    drawn = panel.named(panel.handlers.choose_run(None, run_id, DIRECTIONS, None))
    assert "film" in drawn["tokens"]
    assert drawn["plot"]["visible"] is False
    assert drawn["show"]["visible"] is False
    assert drawn["overlap_box"]["visible"] is False


def test_another_visitors_run_is_not_looked_into(
    filled: Store, asked: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inside_panel, "owner_of", lambda request: "a" * 32)
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    panel = Panel(filled)
    list(panel.handlers.look_inside(None, run_of(filled, "lora").id, SIZE, None))
    panel.handlers.show_figure(run_of(filled, "lora").id, SIZE, None)
    list(panel.handlers.compare_directions(run_of(filled, "lora").id, run_of(filled, "full").id, None))
    assert asked == []
    assert len(warned) == 3
