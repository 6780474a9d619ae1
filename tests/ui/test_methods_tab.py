"""The Methods tab: cards with live counts and reasons, and the plan's footer."""

import gradio as gr
import pytest

from workbench import registry
from workbench.ui import asking, method_cards, methods_tab, model_panel, page, setting_form
from workbench.ui import plan as plans

ROW = {"trainable_parameters": 66_304, "total_parameters": 8_590_336, "head_parameters": 512, "reason": None}


@pytest.fixture
def plan():
    return {
        **plans.empty_plan(),
        "data": {"source": "reviews", "title": "reviews", "fingerprint": "ab12", "labels": 2},
    }


def cards_of(groups):
    return {card.key: card for group in groups for card in group.cards}


def test_every_method_has_one_card_with_its_sentence(plan):
    cards = cards_of(method_cards.card_groups(plan, {}, {}))
    assert set(cards) == set(registry.methods())
    for name, method in registry.methods().items():
        assert cards[name].sentence == method.sentence
        assert cards[name].measures[0].text == method_cards.COUNTING


def test_a_counted_card_shows_its_share_on_a_log_scale(plan):
    card = cards_of(method_cards.card_groups(plan, {}, {"lora": ROW}))["lora"]
    assert card.measures[0].text == "0.77\u00a0%"
    assert card.measures[0].share == pytest.approx((5 - 2.1125) / 5, abs=1e-3)
    assert [method_cards.log_share(s) for s in (1.0, 0.1, 1e-5)] == [1.0, 0.8, 0.02]


def test_what_cannot_serve_stays_with_its_reason(plan):
    card = cards_of(method_cards.card_groups(plan, {"bitfit": "This model has no bias terms."}, {}))["bitfit"]
    assert card.disabled == "This model has no bias terms."
    assert card.measures == ()
    assert "1 cannot and says why" in str(method_cards.title_line(plan, {"bitfit": "x"}))


def test_a_repeated_method_has_a_card_of_its_own_that_says_what_differs(plan):
    plan = plans.change_options(plans.tick(plan, "lora"), "lora", {"r": 4}, 0.01)
    plan, second = plans.add_again(plan, "lora")
    cards = cards_of(method_cards.card_groups(plan, {}, {}))
    assert list(cards).index(second) == list(cards).index("lora") + 1
    assert cards["lora"].note == "r=4, rate 0.01"


def test_searching_shows_what_holds_all_words(plan):
    assert set(cards_of(method_cards.card_groups(plan, {}, {}, "prompt TUNING"))) >= {"prompt"}
    assert method_cards.card_groups(plan, {}, {}, "zzz") == []


def test_the_footer_counts_the_plan_and_carries_its_preset(plan):
    plan = plans.change_seeds(plans.tick_methods(plan, ["full", "lora"]), 3)
    html = str(
        method_cards.plan_footer(plan, {"full": {**ROW, "trainable_parameters": 8_590_336}, "lora": ROW})
    )
    assert "2 methods × 3 seeds = " in html
    assert "6 runs" in html
    assert "100" in html
    assert "Full fine-tuning" in html
    assert "data-download" in html
    assert method_cards.queue_label(plan) == "Queue 6 runs"


def test_a_share_that_is_not_known_is_not_shown(plan):
    assert "Trains at most" not in str(method_cards.plan_footer(plans.tick(plan, "lora"), {}))


def test_hostile_reasons_and_names_stay_text(plan):
    plan["data"]["title"] = "<script>x</script>"
    assert "<script>" not in str(method_cards.plan_footer(plans.tick(plan, "lora"), {}))
    assert "<b>" not in str(method_cards.count_box({"reason": "<b>no</b>"}))


@pytest.mark.parametrize("method", registry.methods().values(), ids=lambda method: method.name)
def test_every_method_has_a_card_in_the_drawer(method):
    html = str(method_cards.drawer_card(method))
    assert all(f"<dt>{part}</dt>" in html for part in ("What", "Use it", "Costs", "Watch"))


def test_the_form_of_the_setting_comes_back_as_it_was_drawn(plan):
    plan = plans.change_setting(plan, "budget", {"kind": "steps", "amount": 20})
    plan = plans.change_setting(plan, "early_stopping", 3)
    assert setting_form.with_setting(plan, setting_form.values_of(plan)) == plan
    assert len(setting_form.values_of(plan)) == len(setting_form.ORDER)


def test_a_field_that_is_being_typed_keeps_the_plan(plan):
    values = dict(zip(setting_form.ORDER, setting_form.values_of(plan)))
    values |= {"budget_amount": None, "seeds": None, "batch_size": None}
    assert setting_form.with_setting(plan, list(values.values())) == plan
    values["batch_size"] = 0
    with pytest.raises(ValueError, match="batch_size"):
        setting_form.with_setting(plan, list(values.values()))


def test_every_field_of_the_setting_has_a_place_in_the_form():
    from workbench.presets import SETTING_KEYS

    assert {field.name for field in setting_form.FIELDS} == set(SETTING_KEYS) - {"budget"}


def test_the_tab_counts_once_and_remembers(store, plan, monkeypatch):
    asked = []

    def call(function, *arguments, **options):
        asked.append(function)
        if function.endswith("methods_that_fit"):
            return {name: "No." if name == "bitfit" else None for name in registry.methods()}
        if function.endswith("count_choices"):
            return [ROW for _ in arguments[3]]
        return {"modules": ["q_proj"], "parameters": 8_003_840}

    monkeypatch.setattr("workbench.background.call", call)
    asking.forget()
    with gr.Blocks():
        context, _ = page._frame(store, runner=None)
        with context.tabs.render(), gr.Tab("Methods", id="methods"):
            made = methods_tab.build(context)
    plan = plans.tick(plan, "lora")
    updates = list(made.refresh(plan, None, None, None))
    first, last = updates[2][made.parts["grid"]]["cards"], updates[-1][made.parts["grid"]]["cards"]
    assert method_cards.COUNTING in first
    assert method_cards.COUNTING not in last
    assert "0.77" in last
    assert "No." in last
    before = len(asked)
    again = list(made.refresh(plan, None, None, None))
    assert len(asked) == before
    assert "0.77" in again[-1][made.parts["grid"]]["cards"]
    asking.forget()


@pytest.mark.parametrize(
    ("ref", "kind"),
    [
        ("embedded:fable-8m", "embedded"),
        ("run:ab12", "run"),
        ("/models/x", "folder"),
        ("owner/name", "hub"),
        ("gpt2", "hub"),
    ],
)
def test_a_model_belongs_to_its_panel(ref, kind):
    assert model_panel.model_kind(ref) == kind
