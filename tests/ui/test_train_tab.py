"""The Train tab: everything from the store, buttons that act on one's own runs alone, failures with a way out."""

import gradio as gr
import pytest

from tests.ui import fake_store
from tests.ui.fake_store import Click
from workbench.more_runs import calmer_choice
from workbench.queue_state import queue_state
from workbench.store import Store
from workbench.supervisor import LOG
from workbench.ui import owner, train_tab
from workbench.ui.failures import failures, has_checkpoint
from workbench.ui.queue_matrix import progress_line, queue_table
from workbench.ui.run_log import log_lines

EVIL = "<script>alert(1)</script>"


class Page:
    """The tab built in a page of its own; its handlers are called as Gradio would."""

    def __init__(self, store: Store, **changes) -> None:
        with gr.Blocks():
            self.context = fake_store.page_context(store, **changes)
            self.tab = train_tab.build(self.context)
        self.parts = self.tab.parts
        self.handlers = self.tab.refresh.__self__

    def refresh(self, *, setting_id=None, drawn="", log_run=None, source="steps", request=None) -> dict:
        values = self.tab.refresh(setting_id, drawn, None, "step", 0.5, log_run, source, True, request)
        assert len(values) == len(self.tab.outputs)
        return dict(zip(self.handlers.names, values))


def test_an_empty_store_shows_one_sentence_and_one_action(store: Store):
    page = Page(store)
    drawn = page.refresh()
    assert drawn["empty"]["visible"]
    assert not drawn["body"]["visible"]
    assert "No runs yet. Queue the plan on Methods" in page.parts["empty"].value


def test_the_queue_the_running_and_the_curves_come_from_the_store(store: Store):
    fake_store.fill(store, methods=("full", "lora", "head"), seeds=(0, 1), running=1, waiting=1)
    drawn = Page(store).refresh()
    assert "4 of 6" in drawn["head"]
    assert drawn["cancel_all"]["visible"]
    (running,) = store.runs(states=("running",))
    assert f'data-key="{running.id}"' in drawn["running"]
    assert f"step {running.step} of {running.steps}" in drawn["running"]
    assert len([t for t in drawn["loss_plot"].data if t.mode == "lines"]) == 4
    assert "LoRA seed 0" in drawn["curve_table"]
    assert "Full fine-tuning seed 1 finished: accuracy " in drawn["events"].partition("aria-live")[2]


def test_a_second_tab_sees_the_same_and_curves_are_left_alone_until_they_change(store: Store):
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,), running=1)
    first, second = Page(store).refresh(), Page(store).refresh()
    assert first["queue"] == second["queue"]
    page = Page(store)
    again = page.refresh(drawn=first["drawn"])
    assert again["loss_plot"] == gr.skip()
    assert again["queue"] == first["queue"]
    (running,) = store.runs(states=("running",))
    store.add_event(running.id, "step", {"step": running.step + 4, "loss": 0.1, "seconds": 30.0})
    assert page.refresh(drawn=first["drawn"])["loss_plot"] != gr.skip()


def test_cells_of_the_matrix_speak(store: Store):
    fake_store.fill(
        store, methods=("full", "lora", "dora"), seeds=(0, 1), failing="dora", running=1, waiting=1
    )
    html = str(queue_table(store.runs()))
    for words in ("finished", "failed", "waiting", "running, "):
        assert f'aria-label="{words}' in html
    assert html.count('scope="row"') == 3


def test_the_progress_says_failed_paused_and_nothing_for_nothing(store: Store):
    assert str(progress_line(queue_state([]))) == ""
    fake_store.fill(store, methods=("lora", "dora"), seeds=(0, 1), failing="dora", waiting=1)
    state = queue_state(store.runs())
    assert "1 of them failed" in str(progress_line(state))
    assert "paused" in str(progress_line(state, paused=True))


def test_a_failure_says_what_where_last_value_and_smallest_change(store: Store):
    fake_store.fill(store, methods=("lora", "full"), seeds=(0, 1, 2), failing="lora")
    html = Page(store).refresh()["failures"]["value"]
    assert "LoRA diverged in all 3 seeds" in html
    assert "step 61 to 65 of 120" in html
    assert "Last finite loss" in html
    choice = store.runs()[0].spec.choice
    assert f"<del>{choice.learning_rate:g}</del> {calmer_choice(choice).learning_rate:g}" in html
    assert "Queue 3 with this change" in html
    assert "Resume" not in html


def test_trying_again_queues_new_runs_and_the_failure_is_gone(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0, 1), failing="lora")
    page = Page(store)
    (failure,) = failures(store.runs())
    page.handlers.act_on_failure(None, Click("retry", failure.key), None)
    assert [run.retry_of for run in store.runs(states=("queued",))] == [run.id for run in failure.runs]
    assert failures(store.runs()) == []


def test_the_smallest_change_is_queued_once_for_a_double_click(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0, 1), failing="lora")
    page = Page(store)
    (failure,) = failures(store.runs())
    for _ in range(2):
        page.handlers.act_on_failure(None, Click("calmer", failure.key), None)
    queued = store.runs(states=("queued",))
    calmer = calmer_choice(failure.runs[0].spec.choice).id
    assert [(run.spec.seed, run.spec.choice.id) for run in queued] == [(0, calmer), (1, calmer)]


def test_resume_is_offered_only_with_a_complete_checkpoint(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0,), failing="lora")
    (run,) = store.runs()
    folder = store.run_folder(run.id) / "checkpoints" / "checkpoint-40"
    folder.mkdir(parents=True)
    assert not has_checkpoint(store, run)
    (folder / "COMPLETE").write_text("{}")
    assert has_checkpoint(store, run)
    assert "Resume" in Page(store).refresh()["failures"]["value"]


def test_cancel_one_and_cancel_all_after_a_second_question(store: Store):
    fake_store.fill(store, methods=("full", "lora", "head"), seeds=(0, 1), running=1, waiting=2)
    page = Page(store)
    (running,) = store.runs(states=("running",))
    page.handlers.act_on_run(Click("cancel", running.id), None)
    assert store.run(running.id).cancel_requested
    shown, words, _ = page.handlers.ask_to_cancel(None, None)
    assert shown["visible"]
    assert "Cancel 3 runs: 1 running, 2 waiting?" in words
    assert len(store.runs(states=("queued",))) == 2
    page.handlers.cancel_all(None, None)
    assert len(store.runs(states=("cancelled",))) == 2


def test_pause_and_go_on(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0, 1), waiting=1)
    page = Page(store)
    page.handlers.pause_queue()
    assert store.is_paused()
    assert page.refresh()["pause"]["value"] == "Go on"
    page.handlers.pause_queue()
    assert not store.is_paused()


def test_visitors_of_a_hosted_page_see_and_touch_their_own_runs_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    mine, theirs = "a" * 32, "b" * 32
    fake_store.fill(store, methods=("full", "lora"), seeds=(0,), running=1, owner=theirs)
    monkeypatch.setattr(train_tab, "owner_of", lambda request: mine)
    warned: list[str] = []
    monkeypatch.setattr(gr, "Warning", lambda words, **_: warned.append(words))
    page = Page(store, hosted=True)
    assert page.refresh()["empty"]["visible"]
    (running,) = store.runs(states=("running",))
    page.handlers.act_on_run(Click("cancel", running.id), None)
    page.handlers.show_log(running.id, "steps", True, None)
    page.handlers.cancel_all(None, None)
    assert not store.run(running.id).cancel_requested
    assert len(warned) == 2
    assert all("There is no run" in words for words in warned)
    page.handlers.pause_queue()
    assert not store.is_paused()
    assert owner.owner_of(None) is None


def test_the_log_shows_steps_or_the_process_and_only_its_end(store: Store):
    fake_store.fill(store, methods=("lora",), seeds=(0,), failing="lora")
    (run,) = store.runs()
    lines = log_lines(store, run, "steps")
    assert lines[-1].startswith("failed")
    assert any("loss inf" in line for line in lines)
    (store.run_folder(run.id) / LOG).write_text("".join(f"line {i} {EVIL}\n" for i in range(5000)))
    output = log_lines(store, run, "output")
    assert output[-1] == f"line 4999 {EVIL}"
    assert len(output) <= 200
    html = Page(store).refresh(log_run=run.id, source="output")["log"]
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_names_given_by_people_stay_text(store: Store):
    shared = fake_store.setting(source=EVIL)
    fake_store.fill(
        store, methods=("lora", "full"), seeds=(0,), shared=shared, running=1, name=EVIL, failing="lora"
    )
    drawn = Page(store).refresh()
    html = [value for value in drawn.values() if isinstance(value, str)] + [drawn["failures"]["value"]]
    assert len(html) >= 8
    assert not any("<script" in value for value in html)
