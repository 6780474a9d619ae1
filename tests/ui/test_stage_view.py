"""Stages on the page: the bar and the curves on Train, the table in a run's detail, and the forms of a few-bit result."""

import math

from tests.ui import fake_stages, fake_store
from tests.ui.test_train_tab import Page
from workbench import registry
from workbench.curves import sampled_lines, training_lines
from workbench.result import Result
from workbench.ui.method_cards import drawer_card
from workbench.ui.plots import curve_figure
from workbench.ui.run_detail import detail_html
from workbench.ui.stage_view import forms_table, stage_table


def rlhf(store, reached):
    run_id = fake_stages.add(store, "rlhf", fake_stages.setting())
    fake_stages.start_rlhf(store, run_id, reached)
    return run_id


def test_a_run_under_way_shows_its_stages_and_where_it_is(store):
    rlhf(store, 70)
    html = Page(store).refresh()["running"]
    assert "Policy, stage 3 of 3: step 10 of 40" in html
    assert html.count('class="wb-stage-done"') == 2
    assert html.count('class="wb-stage-now"') == 1
    assert 'aria-valuenow="70"' in html


def test_sampling_before_the_start_is_shown(store):
    run_id = fake_stages.add(store, "upft", fake_stages.setting("generation"))
    store.add_event(run_id, "sample", {"stage": "sample", "done": 150, "of": 600, "sampled_tokens": 2345})
    drawn = Page(store).refresh(log_run=run_id)
    assert "150 of 600 prompts answered, 2,345 tokens" in drawn["running"]
    assert "sampled tokens 2345" in drawn["log"]


def test_losses_of_stages_are_smoothed_apart_and_the_curve_breaks_between_them(store):
    rlhf(store, 100)
    (line,) = training_lines(store, store.runs(), smoothing=0.9)
    assert line.stages == (("Supervised", 2.0), ("Reward model", 42.0), ("Policy", 62.0))
    first = dict(zip(line.x, line.y))
    assert math.isclose(first[42.0], 0.7 - 2 / 60)  # nothing of the loss before
    curve, *marks = curve_figure([line], title="Loss", x_title="step", share=False).data
    assert [curve.x[place - 1] for place, x in enumerate(curve.x) if x is None] == [40.0, 60.0]
    assert curve.customdata[0] == "Supervised"
    assert list(marks[-1].x) == [42.0, 62.0]


def test_a_policys_reward_can_be_drawn_in_place_of_its_loss(store):
    run_id = rlhf(store, 100)
    (line,) = sampled_lines(store, [store.run(run_id)], "reward")
    assert (line.x[0], round(line.y[0], 6)) == (62.0, 0.42)
    page = Page(store)
    drawn = page.refresh()
    names = [name for _, name in drawn["validation"]["choices"]]
    assert names == ["mean_reward", "reward_accuracy", "sampled_reward", "sampled_kl"]
    _, plot, table = page.handlers.redraw_curves(None, "sampled_reward", "step", 0.0, None)
    assert round(plot.data[0].y[0], 6) == 0.42
    assert "Best validation reward" in table
    _, plot, _ = page.handlers.redraw_curves(None, "reward_accuracy", "step", 0.0, None)
    assert list(plot.data[0].y) == [90.0, 90.0]


def test_runs_without_stages_have_no_scores_of_stages_to_choose(store):
    fake_store.fill(store, methods=("lora",), seeds=(0,))
    (line,) = training_lines(store, store.runs())
    assert line.stages == ()
    assert not Page(store).refresh()["validation"]["visible"]


def test_stages_are_news(store):
    rlhf(store, 70)
    events = Page(store).refresh()["events"]
    assert "stage 3 of 3 begins, Policy" in events
    assert "validation reward model 90.0" in events
    fake = fake_store.fill(store, methods=("lora",), seeds=(0,))
    assert "begins" not in Page(store).refresh(setting_id=store.run(fake[0]).spec.setting.id)["events"]


def test_a_finished_run_tells_what_each_stage_took_and_reached(store):
    run_id = fake_stages.add(store, "rlhf", fake_stages.setting())
    fake_stages.finish_rlhf(store, run_id)
    html = str(detail_html(store.run(run_id)))
    table = html.partition("Stages of this run")[2]
    for words in ("1. Supervised", "2. Reward model", "3. Policy", "reward model 91.0", "200"):
        assert words in table
    assert "the stages after it win 62% of the test prompts" in table
    assert "An invented note." in html


def test_a_result_without_stages_or_forms_has_no_table():
    assert stage_table(Result(), "whole") == ""
    assert forms_table(Result()) == ""


def test_forms_say_what_they_weigh_and_how_far_answers_move():
    found = {
        "adapter": {"stored_weight_bytes": 3e6, "accuracy": 0.9, "weight_bits": 4.13},
        "merged": {
            "stored_weight_bytes": 24e6, "accuracy": 0.89, "logit_difference_max": 0.01, "logit_difference_mean": 0.002,
        },
    }  # fmt: skip
    html = str(forms_table(Result(forms=found)))
    for words in ("Adapter on the stored base", "4.13", "Folded in, widened", "0.002, at most 0.01", "90.0"):
        assert words in html


def test_a_methods_card_tells_its_stages_and_their_parts_of_the_budget():
    card = str(drawer_card(registry.method("rlhf")))
    assert "<li>Supervised, 40% of the budget: learns to say the chosen answers.</li>" in card
    assert card.count("<li>") == 3
    assert "<li>Sampling: the base model answers the prompts itself.</li>" in str(
        drawer_card(registry.method("upft"))
    )
    assert "Stages" not in str(drawer_card(registry.method("lora")))
    assert "Stages" not in str(drawer_card(registry.method("orpo")))  # one stage is none
