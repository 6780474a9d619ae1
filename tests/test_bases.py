"""Runs that go on from other runs: who waits, who is the best, who can't start any more, what follows when one is made again."""

from dataclasses import replace

import pytest

from tests import real_workers
from tests.real_workers import page, until
from tests.test_compare import SETTING
from workbench import bases, machine
from workbench.presets import MethodChoice
from workbench.result import Reason, Result
from workbench.sources import ModelError, resolve
from workbench.spec import RunSpec

cold_parent, running = real_workers.cold_parent, real_workers.running


def queue(store, model="embedded:fable-8m", method="lora", seed=0, **more) -> str:
    spec = RunSpec(replace(SETTING, model=model), MethodChoice(method).choice(), seed)
    return store.add([spec], **more)[0]


def end(store, run_id, state="finished", validation=None):
    store.claim(run_id)
    result = Result(validation={"accuracy": validation}) if validation is not None else None
    assert store.change_state(run_id, state, result=result)


def test_a_reference_names_its_runs():
    assert bases.named(bases.reference(["a1"])) == ("a1",)
    assert bases.named(bases.reference(["a1", "b2"])) == ("a1", "b2")
    assert bases.named("embedded:fable-8m") == ()
    with pytest.raises(ValueError, match="none was given"):
        bases.reference([])


def test_a_run_waits_for_its_base_and_for_all_it_is_the_best_of(store):
    first, second = queue(store), queue(store, method="full")
    one = store.run(queue(store, bases.reference([first])))
    best = store.run(queue(store, bases.reference([first, second])))
    assert bases.waits(store, one)
    assert bases.waits(store, best)
    end(store, first, validation=0.5)
    assert not bases.waits(store, one)
    assert bases.waits(store, best)
    end(store, second, "failed")
    assert not bases.waits(store, best)
    assert bases.why_never(store, best) is None  # one of the two is enough
    assert not bases.waits(store, store.run(second))


def test_the_best_is_decided_once_by_the_validation_part(store):
    first, second = queue(store), queue(store, method="full")
    model = bases.reference([first, second])
    run = store.run(queue(store, model))
    with pytest.raises(ModelError, match="is queued: the best of several is known when all have ended"):
        resolve(model, store=store)
    end(store, first, validation=0.5)
    end(store, second, "failed")
    assert bases.base_of(store, run) is None
    assert bases.decide(store, model) == first
    # Resumed, the other one comes out better: nobody's base changes by that.
    store.change_state(second, "queued")
    end(store, second, validation=0.9)
    assert bases.decide(store, model) == first
    assert bases.base_of(store, run).id == first
    assert bases.best([store.run(first), store.run(second)]).id == second


def test_a_lower_perplexity_is_better(store):
    setting = replace(SETTING, task="generation", data=replace(SETTING.data, labels=()))
    ids = store.add([RunSpec(setting, MethodChoice(name).choice(), 0) for name in ("lora", "full")])
    for run_id, perplexity in zip(ids, (3.0, 2.0)):
        store.claim(run_id)
        store.change_state(run_id, "finished", result=Result(validation={"perplexity": perplexity}))
    assert bases.best(store.runs(ids=ids)).id == ids[1]


def test_the_size_of_a_waiting_run_is_known(store):
    first, second = queue(store), queue(store, method="full")
    plain = machine.parameters("embedded:fable-8m")
    assert machine.parameters(bases.reference([first]), store) == plain
    assert machine.parameters(bases.reference([first, second]), store) == plain


def test_a_waiting_run_is_overtaken_and_starts_once_its_base_has_finished(running):
    store = running.store
    running.start("finish")
    store.pause()
    first = queue(store)
    waiting = queue(store, bases.reference([first]), seed=1)
    other = queue(store, seed=2)
    later = queue(store, bases.reference([waiting]), seed=3)
    store.pause(False)
    until(lambda: all(run.is_final for run in store.runs()), 40)
    runs = {run.id: run for run in store.runs()}
    assert {run.state for run in runs.values()} == {"finished"}
    assert runs[first].ended_at <= runs[waiting].started_at
    assert runs[waiting].ended_at <= runs[later].started_at
    assert runs[other].attempt == 1


def test_a_chain_goes_on_when_the_page_was_killed_in_the_middle(running):
    store = running.store
    first = queue(store)
    second = queue(store, bases.reference([first]), seed=1)
    visited = page(store, "resume_counting")
    try:
        until(lambda: store.run(first).state == "running", 40)
    finally:
        visited.kill()
        visited.wait(20)
    assert store.run(second).state == "queued"
    running.start("resume_counting")
    until(lambda: store.run(second).is_final, 60)
    assert [store.run(one).state for one in (first, second)] == ["finished", "finished"]
    assert [store.run(one).attempt for one in (first, second)] == [1, 1]


def test_the_hops_after_a_failed_one_fail_with_the_reason_and_follow_when_it_is_resumed(running):
    store = running.store
    runner = running.start("crash")
    first = queue(store)
    second = queue(store, bases.reference([first]), seed=1)
    third = queue(store, bases.reference([second]), seed=2)
    until(lambda: store.run(third).is_final, 40)
    assert [store.run(one).state for one in (first, second, third)] == ["failed"] * 3
    reason = store.run(second).reason
    assert reason.code == "base"
    assert f"LoRA, seed 0 ({first[:6]}), failed" in reason.message
    assert store.run(second).attempt == 0
    runner.work = "tests.worker_targets:finish"
    runner.resume(first)
    until(lambda: store.run(third).state == "finished", 40)
    assert store.run(second).state == "finished"


def test_a_base_that_is_tried_again_takes_its_followers_along(store):
    from workbench.runner import Runner

    first = queue(store, owner="me")
    second = queue(store, bases.reference([first]), seed=1, owner="me")
    end(store, first, "failed")
    runner = Runner(store)
    assert runner._head() is None
    assert store.run(second).state == "failed"
    new = runner.retry(first)
    again = [run for run in store.runs(states=("queued",)) if run.id != new]
    assert [(run.retry_of, run.spec.setting.model, run.owner) for run in again] == [
        (second, f"run:{new}", "me")
    ]
    third = queue(store, bases.reference([again[0].id]), seed=2)
    assert bases.followers(store, [new]) == [again[0].id, third]


def test_a_deleted_base_is_said(store):
    first = queue(store)
    end(store, first, "cancelled")
    second = store.run(queue(store, bases.reference([first]), seed=1))
    assert "was cancelled" in bases.why_never(store, second).message
    store.delete(first)
    assert bases.why_never(store, second) == Reason(
        "base", f"The run that it goes on from ({first}) was deleted."
    )
