"""The plan: what the browser keeps, what buttons make of it, and the preset it becomes."""

import json

import pytest

from workbench import presets
from workbench.spec import Budget
from workbench.ui import plan as plans
from workbench.ui import plan_task


@pytest.fixture
def plan():
    return {**plans.empty_plan(), "data": {"source": "reviews", "title": "reviews"}}


def test_ticking_keeps_options_and_unticking_keeps_them_as_a_draft(plan):
    plan = plans.change_options(plans.tick(plan, "lora"), "lora", {"r": 4}, None)
    assert plans.entry_of(plan, "lora")["options"] == {"r": 4}
    without = plans.untick(plan, "lora")
    assert plans.ticked_keys(without) == []
    assert plans.entry_of(plans.tick(without, "lora"), "lora")["options"] == {"r": 4}


def test_options_of_a_method_that_is_not_ticked_do_not_tick_it(plan):
    changed = plans.change_options(plan, "lora", {"r": 4}, 0.01)
    assert changed["choices"] == []
    assert changed["drafts"]["lora"]["learning_rate"] == 0.01
    assert plan["drafts"] == {}


def test_a_bad_option_is_refused_in_the_words_of_the_options_class(plan):
    with pytest.raises(ValueError, match=r"r is a whole number of at least 1"):
        plans.change_options(plan, "lora", {"r": 0}, None)
    with pytest.raises(ValueError, match="learning_rate"):
        plans.change_options(plan, "lora", {}, -1.0)


def test_the_same_method_several_times_makes_several_choices(plan):
    plan = plans.change_options(plans.tick(plan, "lora"), "lora", {"r": 1}, None)
    plan, second = plans.add_again(plan, "lora")
    plan = plans.change_options(plan, second, {"r": 64}, None)
    assert [e["options"] for e in plan["choices"]] == [{"r": 1}, {"r": 64}]
    assert [line.options for line in plans.to_preset(plan).methods] == [{"r": 1}, {"r": 64}]
    assert plans.ticked_keys(plans.remove_again(plan, second)) == ["lora"]


def test_two_equal_choices_are_refused(plan):
    plan, _ = plans.add_again(plans.tick(plan, "lora"), "lora")
    with pytest.raises(ValueError, match="twice with the same options"):
        plans.to_preset(plan)


def test_choices_stand_in_the_order_of_the_cards(plan):
    assert plans.ticked_keys(plans.with_ticks(plan, ["adapter", "lora", "full"])) == [
        "full",
        "lora",
        "adapter",
    ]


@pytest.mark.parametrize("name", ["quickstart", "workshop", "rank-sweep", "seeds", "imdb-distilbert-hub"])
def test_every_shipped_preset_becomes_a_plan_and_back(name):
    preset = presets.load(name)
    plan = plans.from_preset(preset)
    assert json.loads(json.dumps(plan)) == plan
    assert plans.checked_plan(plan) == plan
    again = plans.to_preset(plan)
    assert (again.model, again.task, again.seeds) == (preset.model, preset.task, preset.seeds)
    assert [line.choice() for line in again.methods] == [line.choice() for line in preset.methods]
    assert dict(again.data) == dict(preset.data)
    for key, value in preset.setting.items():
        assert again.setting[key] == value


def test_the_yaml_loads_as_the_same_preset(plan, tmp_path):
    plan = plans.change_setting(
        plans.tick_methods(plan, ["full", "lora"]), "budget", {"kind": "steps", "amount": 20}
    )
    plan = plans.change_seeds(plan, 3)
    path = tmp_path / "mine.yaml"
    path.write_text(plans.to_yaml(plan))
    loaded = presets.load(path)
    assert loaded.seeds == (0, 1, 2)
    assert loaded.setting["budget"] == Budget("steps", 20)
    assert [line.method for line in loaded.methods] == ["full", "lora"]


def test_an_uploaded_file_stands_in_the_yaml_by_its_name_alone(plan):
    plan["data"] = {"source": "upload:0123456789abcdef/my reviews.csv"}
    text = plans.to_yaml(plans.tick(plan, "full"))
    assert "upload:" not in text
    assert text.startswith("# Put my reviews.csv beside this file.")


def test_an_incomplete_plan_says_what_is_missing(plan):
    with pytest.raises(ValueError, match="no method yet"):
        plans.to_preset(plan)
    with pytest.raises(ValueError, match="no data yet"):
        plans.to_preset(plans.tick(plans.empty_plan(), "full"))


def test_settings_are_checked_where_they_are_made(plan):
    with pytest.raises(ValueError, match="batch_size"):
        plans.change_setting(plan, "batch_size", 0)
    with pytest.raises(ValueError, match="unknown setting"):
        plans.change_setting(plan, "batchsize", 8)
    with pytest.raises(ValueError, match="from 1 to"):
        plans.change_seeds(plan, 0)


@pytest.mark.parametrize(
    "kept",
    [None, 3, "plan", [], {"choices": "lora"}, {"data": {"source": 1}}, {"seeds": [-1]}, {"setting": {"batch_size": "x"}},
     {"choices": [{"method": "no_such", "options": {}}, {"method": "lora", "options": {"r": -1}}, 7]},
     {"setting": {"budget": {"kind": "years", "amount": 1}}}, {"drafts": {"lora": None}}, {"task_options": {"generation": 3}},
     {"task_options": {"generation": {"template": "none such"}, "dancing": {}}}],
)  # fmt: skip
def test_whatever_a_browser_kept_becomes_a_plan(kept):
    plan = plans.checked_plan(kept)
    assert plan == plans.checked_plan(plan)
    assert plan["choices"] == []
    assert plans.budget_of(plan) == Budget()


def test_good_parts_of_a_damaged_plan_stay(plan):
    damaged = {**plans.tick(plan, "lora"), "setting": {"batch_size": 8, "max_length": -1}, "extra": 1}
    kept = plans.checked_plan(damaged)
    assert plans.ticked_keys(kept) == ["lora"]
    assert kept["setting"] == {"batch_size": 8}
    assert "extra" not in kept


def test_a_preset_of_generation_becomes_a_plan_and_back():
    preset = presets.load("e2e-style-generation")
    plan = plans.change_options(plans.from_preset(preset), "lora", {"r": 2}, None)
    plan = plan_task.change_task_options(plan, "generation", {"template": "alpaca", "max_new_tokens": 48})
    assert plans.checked_plan(json.loads(json.dumps(plan))) == plan
    again = plans.to_preset(plan)
    assert again.task == "generation"
    assert dict(again.task_options) == {"template": "alpaca", "max_new_tokens": 48}
    assert "template: alpaca" in plans.to_yaml(plan)


def test_task_options_are_kept_for_each_task_and_checked_in_their_own_words(plan):
    plan = plan_task.change_task_options(
        plan_task.change_task(plan, "generation"), "generation", {"template": "chat"}
    )
    back = plan_task.change_task(plan_task.change_task(plan, "classification"), "generation")
    assert plan_task.task_options_of(back) == {"template": "chat"}
    with pytest.raises(ValueError, match="template"):
        plan_task.change_task_options(plan, "generation", {"template": "alpacca"})
    assert "template_hash" not in plan_task.task_options_of(plan)


def test_switching_the_task_keeps_the_data_as_far_as_they_make_sense(plan):
    plan["data"] |= {"text": "review", "label": "stars", "test_rows": 50, "labels": 2, "fingerprint": "ab"}
    plan["data"]["fixes"] = ["strip_html", "drop_rare"]
    data = plan_task.change_task(plan, "generation")["data"]
    assert data == {
        "source": "reviews", "title": "reviews", "text": "review", "label": "stars", "test_rows": 50, "fixes": ["strip_html"],
    }  # fmt: skip
    talks = {**plan_task.change_task(plan, "generation"), "data": {"source": "x.json", "text": "messages", "format": "messages",
             "columns": {"kind": "topic"}, "fill": {"name": "Robin"}}}  # fmt: skip
    assert plan_task.change_task(talks, "classification")["data"] == {"source": "x.json"}
    with pytest.raises(ValueError, match="did you mean generation"):
        plan_task.change_task(plan, "generatoin")


class Page:
    """What Gradio tells a handler of the page that asks."""

    def __init__(self, session_hash):
        self.session_hash = session_hash


def test_two_changes_that_start_from_the_same_old_plan_are_both_kept(plan):
    from workbench.ui.live_plan import change_plan, current_plan

    page = Page("one")
    ticked = change_plan(plan, page, lambda newest: plans.tick(newest, "lora"))
    both = change_plan(plan, page, lambda newest: plans.change_options(newest, "lora", {"r": 2}, 1.0))
    assert plans.entry_of(both, "lora")["options"] == {"r": 2}
    assert plans.ticked_keys(both) == ["lora"]
    for sent in (plan, ticked, json.loads(json.dumps(both).replace("1.0", "1"))):
        assert current_plan(sent, page) == both
    assert current_plan(plan, Page("another")) == plan


def test_asking_often_does_not_make_an_older_plan_the_newest(plan):
    from workbench.ui.live_plan import MOST_ISSUED, change_plan, current_plan

    page = Page("often")
    ticked = change_plan(plan, page, lambda newest: plans.tick(newest, "lora"))
    for _ in range(2 * MOST_ISSUED):
        current_plan(ticked, page)
    assert current_plan(plan, page) == ticked


def test_a_plan_that_came_from_elsewhere_replaces_the_newest(plan):
    from workbench.ui.live_plan import change_plan, current_plan

    page = Page("two")
    change_plan(plan, page, lambda newest: plans.tick(newest, "lora"))
    other = plans.tick(plan, "full")
    assert plans.ticked_keys(current_plan(other, page)) == ["full"]


def test_a_refused_change_changes_nothing(plan):
    from workbench.ui.live_plan import change_plan, current_plan

    page = Page("three")
    current_plan(plan, page)
    with pytest.raises(ValueError, match="batch_size"):
        change_plan(plan, page, lambda newest: plans.change_setting(newest, "batch_size", 0))
    assert current_plan(plan, page) == plan
