"""A sheet of the atlas is a finished comparison with its environment and date, and survives its file."""

import pytest

from tests.lesson_runs import finish, setting_of
from workbench import atlas
from workbench.atlas import Sheet, sheet
from workbench.cli import main
from workbench.compare import comparison
from workbench.lessons import lesson
from workbench.presets import MethodChoice
from workbench.spec import RunSpec


@pytest.fixture
def made(store):
    finish(
        store,
        "lesson-3",
        [0.7, 0.8, None, 0.6, 0.9],
        peak_memory_bytes=(1, 2, 3, 4, 5),
        latency_ratio=(1, 2, 3, 4, 5),
    )
    return sheet(lesson("lesson-3").preset, comparison(store), {"xlora": "It needs a Llama."})


def test_a_sheet_keeps_every_row_with_its_interval_or_reason(made):
    assert len(made.methods) == 5
    best = made.methods[0]
    assert best.cells["accuracy"].mean == pytest.approx(0.9)
    assert best.cells["accuracy"].n == 2
    failed = next(row for row in made.methods if row.method == "adapter")
    assert failed.cells == {}
    assert failed.reasons == ("The loss became infinite at step 3.",)
    assert made.left_out == {"xlora": "It needs a Llama."}
    assert made.machine == "Invented CPU, 1 thread"
    assert made.seeds == 2


def test_a_sheet_survives_its_file(made):
    assert Sheet.from_json(made.to_json(), "x.json") == made


def test_a_sheet_is_made_of_ended_runs_only(store):
    store.add([RunSpec(setting_of("lesson-3"), MethodChoice("full").choice(), 0)])
    with pytest.raises(ValueError, match="not done yet"):
        sheet(lesson("lesson-3").preset, comparison(store))


@pytest.mark.parametrize(
    ("text", "sentence"), [("{}", "no sheet"), ("[", "no sheet"), ('{"format": 99}', "newer workbench")]
)
def test_what_is_no_sheet_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        Sheet.from_json(text, "x.json")


def test_the_plans_are_of_both_kinds_of_task_with_three_seeds():
    plans = {plan.task: plan for plan in atlas.plans()}
    assert {"classification", "generation"} <= set(plans)
    assert plans["classification"].all_methods
    assert all(plan.seeds == (0, 1, 2) for plan in plans.values())


@pytest.mark.parametrize(("task", "most"), [("classification", 40), ("generation", 25)])
def test_what_ships_is_what_the_plan_asked_for(task, most):
    (sheet,) = [one for one in atlas.sheets() if one.task == task]
    (plan,) = [one for one in atlas.plans() if one.task == task]
    assert (sheet.title, sheet.seeds) == (plan.title, 3)
    assert len(sheet.methods) >= most
    assert len(sheet.methods) + len(sheet.left_out) == plan.runs / 3
    assert all(row.seeds == 3 and sheet.metric in row.cells for row in sheet.methods)
    assert {"torch", "peft", "transformers"} <= set(sheet.versions)


def test_an_unknown_sheet_is_said_with_those_that_there_are(capsys):
    assert main(["atlas", "--only", "poems", "--list"]) == 2
    assert "reviews" in capsys.readouterr().err
