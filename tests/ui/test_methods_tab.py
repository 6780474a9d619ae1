"""The Methods tab: cards with live counts and reasons, and the plan's footer."""

from types import SimpleNamespace

import gradio as gr
import pytest

from workbench import registry
from workbench.spec import Budget
from workbench.ui import (
    asking,
    cards,
    first_batch_view,
    method_cards,
    methods_tab,
    model_panel,
    page,
    plan_footer,
    plan_task,
    setting_form,
    well_known,
)
from workbench.ui import plan as plans

ROW = {"trainable_parameters": 66_304, "total_parameters": 8_590_336, "head_parameters": 512, "reason": None}


@pytest.fixture
def plan():
    return {
        **plans.empty_plan(),
        "data": {"source": "reviews", "title": "reviews", "fingerprint": "ab12", "labels": 2},
    }


def cards_of(groups):
    return {card.key: card for group in groups for card in (*group.cards, *group.more)}


def test_every_method_has_one_card_with_its_sentence(plan):
    drawn = cards_of(method_cards.card_groups(plan, {}, {}))
    assert set(drawn) == set(registry.methods())
    for name, method in registry.methods().items():
        assert drawn[name].sentence == method.sentence
        if plan["task"] in method.tasks:
            assert drawn[name].measures[0].text == method_cards.COUNTING
        else:
            assert drawn[name].disabled.startswith("Made for ")


def test_the_well_known_stand_first_and_a_long_rest_is_folded(plan):
    assert set(well_known.WELL_KNOWN) | set(well_known.HANDFUL) <= set(registry.methods())
    groups = {group.key: group for group in method_cards.card_groups(plan, {}, {})}
    low_rank = groups["low_rank"]
    assert [card.key for card in low_rank.cards][:2] == ["lora", "dora"]
    assert {card.key for card in low_rank.cards} <= set(well_known.WELL_KNOWN)
    assert len(low_rank.more) > 20
    assert all(len(group.more) != 1 for group in groups.values())
    html = str(cards.cards_html([low_rank]))
    assert f'<span class="wb-more-all">{len(low_rank.more)}</span>' in html
    searched = method_cards.card_groups(plan, {}, {}, "matrices")
    assert searched
    assert not any(group.more for group in searched)


def test_searching_reads_the_whole_card(plan):
    found = cards_of(method_cards.card_groups(plan, {}, {}, "butterfl"))
    assert "boft" in found
    assert "butterfl" not in registry.method("boft").title.casefold()


def test_a_handful_leaves_out_what_cannot_run():
    assert set(well_known.handful("generation", {"bitfit": "No."})) == set(well_known.HANDFUL) - {"bitfit"}


def test_what_is_ticked_and_cannot_run_is_named_before_anything_is_queued(plan):
    plan = plans.tick_methods(plan, ["full", "bitfit"])
    reasons = {"bitfit": "this model has no bias terms", "full": None}
    assert method_cards.cannot_run(plan, reasons) == {"bitfit": "This model has no bias terms."}
    assert "Cannot run here" in str(plan_footer.plan_footer(plan, {}, reasons))
    with pytest.raises(ValueError, match="Untick what cannot run here: BitFit"):
        methods_tab.check_choices(plan, reasons)
    methods_tab.check_choices(plan, None)


def test_the_search_for_what_can_run_shows_how_far_it_is(plan):
    half = dict.fromkeys(list(registry.methods())[:20])
    assert f"20 of {len(registry.methods())}" in str(method_cards.title_line(plan, half))
    assert 'role="progressbar"' in str(method_cards.finding_out(20))
    assert str(method_cards.finding_out(len(registry.methods()))) == ""


def test_a_counted_card_shows_its_share_on_a_log_scale(plan):
    card = cards_of(method_cards.card_groups(plan, {}, {"lora": ROW}))["lora"]
    assert card.measures[0].text == "0.77\u00a0%"
    assert card.measures[0].share == pytest.approx((5 - 2.1125) / 5, abs=1e-3)
    assert [method_cards.log_share(s) for s in (1.0, 0.1, 1e-5)] == [1.0, 0.8, 0.02]


def test_what_cannot_serve_stays_with_its_reason(plan):
    card = cards_of(method_cards.card_groups(plan, {"bitfit": "This model has no bias terms."}, {}))["bitfit"]
    assert card.disabled == "This model has no bias terms."
    assert card.measures == ()
    fits = dict.fromkeys(registry.methods()) | {"bitfit": "x"}
    other = sum(plan["task"] not in method.tasks for method in registry.methods().values())
    assert f"{1 + other} cannot and say" in str(method_cards.title_line(plan, fits))


def test_a_repeated_method_has_a_card_of_its_own_that_says_what_differs(plan):
    plan = plans.change_options(plans.tick(plan, "lora"), "lora", {"r": 4}, 0.01)
    plan, second = plans.add_again(plan, "lora")
    drawn = cards_of(method_cards.card_groups(plan, {}, {}))
    assert list(drawn).index(second) == list(drawn).index("lora") + 1
    assert drawn["lora"].note == "r=4, rate 0.01"


def test_searching_shows_what_holds_all_words(plan):
    assert set(cards_of(method_cards.card_groups(plan, {}, {}, "prompt TUNING"))) >= {"prompt"}
    assert method_cards.card_groups(plan, {}, {}, "zzz") == []


def test_the_footer_counts_the_plan_and_carries_its_preset(plan):
    plan = plans.change_seeds(plans.tick_methods(plan, ["full", "lora"]), 3)
    html = str(
        plan_footer.plan_footer(plan, {"full": {**ROW, "trainable_parameters": 8_590_336}, "lora": ROW})
    )
    assert "2 methods × 3 seeds = " in html
    assert "6 runs" in html
    assert "100" in html
    assert "Full fine-tuning" in html
    assert "data-download" in html
    assert plan_footer.queue_label(plan) == "Queue 6 runs"


def test_a_share_that_is_not_known_is_not_shown(plan):
    assert "Trains at most" not in str(plan_footer.plan_footer(plans.tick(plan, "lora"), {}))


def test_hostile_reasons_and_names_stay_text(plan):
    plan["data"]["title"] = "<script>x</script>"
    assert "<script>" not in str(plan_footer.plan_footer(plans.tick(plan, "lora"), {}))
    assert "<b>" not in str(method_cards.count_box({"reason": "<b>no</b>"}))


@pytest.mark.parametrize("method", registry.methods().values(), ids=lambda method: method.name)
def test_every_method_has_a_card_in_the_drawer(method):
    html = str(method_cards.drawer_card(method))
    assert all(f"<dt>{part}</dt>" in html for part in ("What", "Use it", "Costs", "Watch"))


def test_the_form_of_the_setting_comes_back_as_it_was_drawn(plan):
    plan = plans.change_setting(plan, "budget", {"kind": "steps", "amount": 20, "peak_memory_bytes": 2**30})
    plan = plans.change_setting(plan, "early_stopping", 3)
    shown = dict(zip(setting_form.ORDER, setting_form.values_of(plan), strict=True))
    for name, value in shown.items():
        assert setting_form.with_field(plan, name, value) == plan
    assert setting_form.differing(plan, list(shown.values())) == {}
    on_page = shown | {"schedule": "cosine", "early_stopping": None}
    assert setting_form.differing(plan, list(on_page.values())) == {
        "early_stopping": 3,
        "schedule": shown["schedule"],
    }


def test_a_field_that_is_being_typed_keeps_the_plan(plan):
    for name in ("budget_amount", "seeds", "batch_size"):
        assert setting_form.with_field(plan, name, None) == plan
    with pytest.raises(ValueError, match="batch_size"):
        setting_form.with_field(plan, "batch_size", 0)


@pytest.mark.parametrize("name", [field.name for field in setting_form.FIELDS if field.optional])
@pytest.mark.parametrize("empty", [None, 0])
def test_an_emptied_field_means_none(plan, name, empty):
    filled = setting_form.with_field(plan, name, 20)
    assert plans.setting_value(filled, name) == 20
    emptied = setting_form.with_field(filled, name, empty)
    assert plans.setting_value(emptied, name) is None
    assert setting_form.with_field(plan, name, empty) == plan


def test_one_field_changes_nothing_else(plan):
    plan = plans.change_setting(plan, "budget", {"kind": "steps", "amount": 20})
    capped = setting_form.with_field(plan, "cap_memory", 64)
    assert plans.budget_of(capped) == Budget("steps", 20, peak_memory_bytes=2**26)
    assert setting_form.with_field(capped, "cap_memory", None) == plan
    assert plans.budget_of(setting_form.with_field(plan, "budget_amount", 30)).kind == "steps"
    assert plans.setting_value(setting_form.with_field(plan, "schedule", "cosine"), "schedule") == "cosine"


def test_every_field_of_the_setting_has_a_place_in_the_form():
    from workbench.presets import SETTING_KEYS

    assert {field.name for field in setting_form.FIELDS} == set(SETTING_KEYS) - {"budget"}


@pytest.fixture
def asked(monkeypatch):
    """Background questions with made-up answers; the list of those that were asked."""
    asked = []

    def call(function, *arguments, **options):
        asked.append((function, arguments))
        if function.endswith("methods_that_fit"):
            return {name: "no" if name == "bitfit" else None for name in arguments[4]}, ""
        if function.endswith("count_choices"):
            return [ROW for _ in arguments[3]]
        if function.endswith("complete_options"):
            if arguments[3].get("template") == "chat":
                raise ValueError("template chat needs a tokenizer with a chat template")
            return {"template": "plain", **arguments[3], "template_hash": "c3403df42436"}
        if function.endswith("look_at_data"):
            return {"spec": {"fingerprint": "ab12", "labels": ["no", "yes"]}, "report": {}}
        if function.endswith("first_batch"):
            return BATCH
        return {"modules": ["q_proj"], "parameters": 8_003_840}

    monkeypatch.setattr("workbench.background.call", call)
    asking.forget()
    yield asked
    asking.forget()


@pytest.fixture
def tab(store):
    with gr.Blocks() as demo:
        context, _ = page._frame(store, runner=None)
        with context.tabs.render(), gr.Tab("Methods", id="methods"):
            made = methods_tab.build(context)
    handlers = {fn.fn.__name__: fn.fn for fn in demo.fns.values() if fn.fn is not None}
    return context, made, handlers


def test_the_tab_asks_in_small_parts_and_remembers(plan, asked, tab):
    _, made, handlers = tab
    plan = plans.tick(plan, "lora")
    updates = list(made.refresh(plan, None, None, None, None))
    assert any(update.get(made.parts["watch"]) for update in updates)
    assert not any(function.endswith("methods_that_fit") for function, _ in asked)
    updates += handlers["watch_counts"](plan, "lora", "", None)
    drawn = [update[made.parts["grid"]]["cards"] for update in updates if made.parts["grid"] in update]
    assert method_cards.COUNTING in drawn[0]
    assert method_cards.COUNTING not in drawn[-1]
    assert "0.77" in drawn[-1]
    assert "No." in drawn[-1]
    parts = [arguments[4] for function, arguments in asked if function.endswith("methods_that_fit")]
    assert parts[0][0] == "lora"
    assert sorted(name for part in parts for name in part) == sorted(registry.methods())
    waiting = [update for update in updates if 'role="progressbar"' in str(update.get(made.parts["finding"]))]
    assert waiting
    before = len(asked)
    again = list(made.refresh(plan, None, None, None, None))
    assert len(asked) == before
    assert not any(made.parts["watch"] in update for update in again)
    shown = [update[made.parts["grid"]]["cards"] for update in again if made.parts["grid"] in update]
    assert "0.77" in shown[-1]


def test_what_goes_wrong_while_trying_is_said_and_asked_anew(plan, asked, tab, monkeypatch):
    _, made, handlers = tab
    said = []
    monkeypatch.setattr(gr, "Warning", lambda words, **more: said.append(words))

    def broken(*arguments, **options):
        raise ValueError("there is no such model")

    working = methods_tab.asking.background.call
    monkeypatch.setattr("workbench.background.call", broken)
    list(handlers["watch_counts"](plan, None, "", None))
    assert "there is no such model" in said[0]
    monkeypatch.setattr("workbench.background.call", working)
    drawn = list(handlers["watch_counts"](plan, None, "", None))[-1][made.parts["grid"]]["cards"]
    assert "0.77" in drawn


def test_an_older_watch_stops_when_a_newer_event_draws(plan, asked, tab):
    _, made, handlers = tab
    older = handlers["watch_counts"](plan, "lora", "", None)
    next(older)
    list(made.refresh(plan, None, None, None, None))
    assert list(older) == []


def test_what_is_sent_last_is_the_newest(plan, asked, tab):
    """An event that read the plan before a tick may send after the tick has sent: the page would show the older plan."""
    context, made, handlers = tab
    reader = SimpleNamespace(session_hash="late", username=None, cookies={}, headers={})
    list(made.refresh(plan, None, None, None, reader))
    list(handlers["watch_counts"](plan, "lora", "", reader))
    tick = SimpleNamespace(key="lora_plus", ticked=True)

    older = made.refresh(plan, None, None, None, reader)
    assert [update for update in (next(older), next(older)) if made.parts["queue"] in update]
    newer = list(handlers["take_tick"](plan, "dora", "", tick, reader))
    assert newer[-1][made.parts["queue"]].value == "Queue 1 run"
    after = [update for update in older if made.parts["queue"] in update]
    assert after[-1][made.parts["queue"]].value == "Queue 1 run"
    assert after[-1][made.parts["grid"]]["ticks"]["keys"] == ["lora_plus"]
    assert "DoRA" in after[-1][made.parts["drawer_head"]]

    ticked = newer[0][context.plan]
    asking.forget()
    watch = handlers["watch_counts"](ticked, "dora", "", reader)
    next(watch)
    tick.ticked = False
    list(handlers["take_tick"](ticked, "dora", "", tick, reader))
    assert list(watch)[-1][made.parts["queue"]].value == "Queue runs"


def test_what_is_drawn_says_how_many_clicks_are_in_it(plan, asked, tab):
    """What two events send may be applied in another order: the page goes by this number."""
    _, made, handlers = tab
    reader = SimpleNamespace(session_hash="clicking", username=None, cookies={}, headers={})
    grid = made.parts["grid"]

    def drawn(updates):
        return [update[grid]["ticks"] for update in updates if "ticks" in update.get(grid, {})]

    older = made.refresh(plan, None, None, None, reader)
    assert drawn([next(older)]) == [{"keys": [], "clicks": 0}]
    for number, key in enumerate(("lora", "dora"), start=1):
        tick = SimpleNamespace(key=key, ticked=True)
        ticked = drawn(handlers["take_tick"](plan, "lora", "", tick, reader))
        assert ticked[-1]["clicks"] == number
    both = ticked[-1]["keys"]
    assert sorted(both) == ["dora", "lora"]
    assert drawn(older)[-1] == {"keys": both, "clicks": 2}
    waiting = SimpleNamespace(number=5)  # of a page that was there before the server
    again = drawn(handlers["send_again"](plan, "lora", "", waiting, reader))
    assert again[-1] == {"keys": both, "clicks": 5}
    other = SimpleNamespace(session_hash="another", username=None, cookies={}, headers={})
    assert drawn([next(made.refresh(plan, None, None, None, other))])[0]["clicks"] == 0


def test_a_handful_is_ticked_once_its_methods_are_tried(plan, asked, tab):
    context, _, handlers = tab
    updates = list(handlers["tick_a_handful"](plan, None, "", None))
    ticked = next(update[context.plan] for update in updates if context.plan in update)
    assert set(plans.ticked_keys(ticked)) == set(well_known.HANDFUL) - {"bitfit"}


def test_the_tasks_own_options_are_checked_against_the_model(plan, asked, tab):
    _, made, handlers = tab
    note = made.parts["task_note"]
    plan = plan_task.change_task(plan, "generation")
    plan["data"]["fingerprint"] = "ab12"
    fits = list(handlers["check_task_options"](plan, None))
    assert "c3403df42436" in fits[-1][note]
    chat = plan_task.change_task_options(plan, "generation", {"template": "chat"})
    assert (
        "needs a tokenizer with a chat template" in list(handlers["check_task_options"](chat, None))[-1][note]
    )
    shown = next(iter(made.refresh(plan, None, None, None, None)))
    assert 'data-name="template"' in shown[made.parts["task_form"]]["value"]


def test_a_template_without_a_place_for_the_prompt_is_refused_in_one_sentence(plan, asked, tab):
    context, made, handlers = tab
    plan = plan_task.change_task(plan, "generation")
    field = SimpleNamespace(key="generation", name="template", value="Q: {prompt}")
    taken = list(handlers["take_task_option"](plan, None, "", field, None))
    assert taken[0][context.plan]["task_options"]["generation"] == {"template": "Q: {prompt}"}
    field.value = "Q: no place"
    refused = list(handlers["take_task_option"](plan, None, "", field, None))
    assert "says where the prompt goes" in refused[0][made.parts["task_refused"]]
    assert context.plan not in refused[0]


BATCH = {
    "rows": [
        {"tokens": [{"text": "<b>Q</b>", "loss": False}, {"text": "\n", "loss": False}, {"text": " red", "loss": True}],
         "label": None, "cut": False},
        {"tokens": [{"text": "Q", "loss": False}], "label": None, "cut": True},
    ],
    "count": 2, "tokens": 4, "learnt": 1, "padding": 2, "template_hash": "c3403df42436",
}  # fmt: skip


def test_the_first_batch_marks_what_is_learnt_by_more_than_colour(plan, asked, tab):
    _, made, handlers = tab
    plan = plan_task.change_task(plan, "generation")
    updates = list(handlers["show_first_batch"](plan, None))
    sheet = made.parts["batch"]
    assert 'role="progressbar"' in updates[0][sheet.body]
    html = updates[-1][sheet.body]
    assert '<ins><span class="wb-hidden" translate="yes">learnt: </span>' in html
    assert "&lt;b&gt;Q&lt;/b&gt;" in html
    assert "c3403df42436" in html
    assert "2 tokens of padding" in html
    assert "cut at the longest input" in html
    assert "↵" in html
    assert first_batch_view.LEARNT in html


def test_of_a_classification_the_label_is_shown(plan):
    rows = [{"tokens": [{"text": "Fine", "loss": False}], "label": "positive", "cut": False}] * 6
    batch = {"rows": rows, "count": 6, "tokens": 6, "learnt": 0, "padding": 0, "template_hash": None}
    html = str(first_batch_view.batch_body(batch, plan))
    assert html.count('<b translate="no">positive</b>') == 6
    assert "2 more rows of this batch" in html
    assert first_batch_view.LEARNT not in html


def test_without_data_there_is_no_batch_to_show(tab, monkeypatch):
    said = []
    monkeypatch.setattr(gr, "Warning", lambda words, **more: said.append(words))
    list(tab[2]["show_first_batch"](plans.empty_plan(), None))
    assert "choose some on the Data tab" in said[0]


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


def test_answers_rated_one_by_one_grey_out_what_needs_pairs(plan):
    rated = {**plan, "task": "preference", "data": {"source": "rated", "rated_singly": True}}
    drawn = cards_of(method_cards.card_groups(plans.checked_plan(rated), {}, {}))
    for name in ("dpo", "orpo", "rlhf"):
        assert "rated one by one: KTO learns from such ratings" in drawn[name].disabled
    assert drawn["kto"].disabled is drawn["sft_chosen"].disabled is drawn["lora"].disabled is None
    follows = plans.change_options(rated, "rlhf", {"reward": "checker"}, None)
    assert cards_of(method_cards.card_groups(follows, {}, {}))["rlhf"].disabled is None


def test_what_the_page_has_already_is_not_sent_again(plan, asked, tab):
    """It would undo what a reader sets while it is under way."""
    _, made, _ = tab
    fields = {name: made.parts[name] for name in setting_form.ORDER}
    shown = setting_form.values_of(plan)
    first = next(iter(made.refresh(plan, None, None, plan["model"], None, *shown)))
    assert not set(first) & {*fields.values(), made.parts["model_kind"], made.parts["hub"]}
    other = setting_form.with_field({**plan, "model": "someone/model"}, "schedule", "cosine")
    first = next(iter(made.refresh(other, None, None, plan["model"], None, *shown)))
    assert first[made.parts["hub"]] == first[made.parts["model_drawn"]] == "someone/model"
    assert {name for name, field in fields.items() if field in first} == {"schedule"}
    assert first[fields["schedule"]] == "cosine"
