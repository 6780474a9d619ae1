"""The study's card: a table whose words are explained, a score from hop to hop, and nothing where there is no study."""

import json

import pytest

from tests import test_study
from tests.test_compare import finish
from tests.ui import fake_store
from workbench import presets, session, study_table
from workbench.study import recorded
from workbench.ui import asking, queueing, study_view
from workbench.ui.study_view import card, card_title, column_choices, hop_plot, signature, study_rows

done = test_study.done


def table_of(done):
    store, record = done
    return study_table.table(store, recorded(store, record))


def test_the_table_has_a_row_for_each_hop_and_method_and_says_what_changed(done):
    html = str(study_rows(table_of(done)))
    assert html.count("<tr>") == 1 + 5
    assert "50.0 ±0.0 (-41.0 ±" in html
    assert "Below zero: something was forgotten" in html
    assert "best of Second: 3 Full fine-tuning" in html
    assert "verdicts stay within a setting" in html
    assert "In brackets" in html


def test_the_plot_goes_from_hop_to_hop(done):
    found = table_of(done)
    choices = column_choices(found)
    assert [words for words, _ in choices] == ["First %", "Second %", "Third %"]
    figure = hop_plot(found, choices[0][1])
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "3"]
    named = {trace.name: list(trace.x) for trace in figure.data if trace.name}
    assert sorted(named.values()) == [[1.0, 2.0], [1.0, 2.0, 3.0]]
    json.dumps(figure.to_json())
    assert hop_plot(found, "no such column") is None


def test_the_card_keeps_the_score_that_was_picked(done):
    store, record = done
    setting = store.run(record.runs[3][0]).spec.setting.id
    second = column_choices(table_of(done))[1][1]
    assert card(store, setting, None, second)["study_column"]["value"] == second
    shown = card(store, setting, None, None)
    assert shown["study_card"]["visible"]
    assert "3 hops" in shown["study_title"]
    assert "mean of 2 seeds" in shown["study_title"]


def test_a_setting_that_stands_alone_has_no_card(store):
    setting = store.run(finish(store, "lora", 0, 0.8)).spec.setting.id
    assert card(store, setting, None, None)["study_card"]["visible"] is False
    assert card(store, None, None, None)["study_card"]["visible"] is False
    assert signature(store, setting, None) == ""


def test_the_card_is_drawn_anew_when_any_run_of_the_chain_changes(done):
    store, record = done
    first, last = (store.run(record.runs[place][0]) for place in (0, -1))
    before = signature(store, first.spec.setting.id, None)
    again = store.add([last.spec], retry_of=last.id)
    assert signature(store, first.spec.setting.id, None) != before
    assert store.run(again[0]).state == "queued"


def test_somebody_elses_chain_is_not_shown(done):
    store, record = done
    setting = store.run(record.runs[0][0]).spec.setting.id
    assert signature(store, setting, "somebody") == ""


def test_a_mix_has_its_scores_by_source_and_no_plot(store):
    setting, _ = test_study.mixed_setting(store)
    finish(store, "lora", 0, 0.8, setting=setting)
    shown = card(store, setting.id, None, None)
    assert "Scores by source" in shown["study_title"]
    assert shown["study"]["visible"] is False
    assert '<th scope="col" class="wb-num">one %</th>' in shown["study_table"]
    assert "Goes on from" not in shown["study_table"]


def test_a_name_is_text(done):
    _store, _record = done
    found = table_of(done)
    from dataclasses import replace

    evil = replace(found, study=replace(found.study, title="<script>alert(1)</script>"))
    assert "<script>" not in str(card_title(evil))
    assert "<script>" not in str(study_rows(evil))


def test_the_button_queues_a_whole_chain(store, monkeypatch):
    """Every hop's data is looked at as its own task."""
    asked = []

    def look(store, data, model, max_length, owner):
        asked.append((data["source"], data.get("task"), max_length))
        return {"spec": {}, "fingerprints": ["f" * 16], "report": {}}

    monkeypatch.setattr(asking, "look_at_data", look)
    monkeypatch.setattr(queueing, "load_prepared", lambda folder: folder)
    taken = {}
    monkeypatch.setattr(session, "submit", lambda store, preset, **more: taken.update(more))
    queueing.queue(fake_store.page_context(store), presets.load("chain"), "me", "k")
    assert asked[:2] == [("field_notes", "language_modelling", 128), ("instructions", "generation", 96)]
    assert len(taken["prepared"]) == len(presets.load("chain").chain)
    assert (taken["owner"], taken["key"]) == ("me", "me:k")


@pytest.mark.parametrize("part", study_view.PARTS)
def test_every_part_is_drawn(part):
    import gradio as gr

    with gr.Blocks():
        drawn = {}
        study_view.draw(drawn)
    assert part in drawn
