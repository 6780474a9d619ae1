"""Memory and work said before a run, against what really training a tiny model takes."""

import pytest

from tests.tiny import save_tiny
from tests.training import tiny_prepared, tiny_spec
from workbench import calibration, registry
from workbench.bench_machine import judge, try_methods
from workbench.calibration import Past, Prices
from workbench.ledger import Counted
from workbench.models import resolve
from workbench.prediction import predict, step_cost, steps_of
from workbench.training_step import Step

START = Prices(1e-11, 2e-11, 1e-10, 1e-6, "a measurement")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return save_tiny("qwen2", tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    ("precision", "methods"), [("float32", ["full", "lora", "prompt"]), ("bfloat16", ["lora"])]
)
def test_predicted_memory_is_what_training_takes(tiny, precision, methods):
    setting = tiny_spec(tiny, precision=precision).setting
    tried = list(try_methods(setting, tiny_prepared(), methods, steps=0))
    assert not any(one.reason for one in tried)
    for one in tried:
        assert one.predicted_bytes == pytest.approx(one.measured_bytes, rel=0.03), one.method
    judged = judge(tried, START)
    assert judged.holds
    assert "time was not taken" in judged.sentence


@pytest.mark.slow
def test_an_architecture_alone_is_tried_with_random_weights():
    setting = tiny_spec("embedded:fable-8m", precision="float32").setting
    tried = list(try_methods(setting, tiny_prepared(), ["full", "lora"], steps=0, architecture="bert-tiny"))
    assert [one.reason for one in tried] == ["", ""]
    for one in tried:
        assert one.predicted.cost.counts.base == tried[0].predicted.cost.counts.base > 4_000_000
        assert one.predicted_bytes == pytest.approx(one.measured_bytes, rel=0.03), one.method


def test_a_prediction_says_weights_memory_and_seconds(tiny):
    spec = tiny_spec(tiny, "lora")
    said = predict(spec, tiny_prepared(), device="cpu", threads=1)
    assert said.reason == ""
    assert said.steps == 12
    assert said.fields["predicted_trainable_parameters"] == said.cost.counts.trainable > 0
    assert said.seconds > 0
    memory = said.cost.memory
    kinds = (memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.loss)
    assert sum(kinds) == memory.peak
    assert memory.optimizer == pytest.approx(2 * 4 * said.cost.counts.trainable, rel=0.01)


def test_what_is_asked_moves_what_it_should(tiny):
    lora = registry.method("lora")
    source = resolve(str(tiny))

    def cost(**asked):
        return step_cost(source, lora, lora.options(), Step(**{"batch_size": 4, "length": 32} | asked))

    plain = cost()
    assert plain == cost()  # the second answer is the remembered one
    twice = cost(batch_size=8)
    assert twice.memory.activations > 1.8 * plain.memory.activations
    assert twice.memory.weights == plain.memory.weights
    assert twice.counted.flops == pytest.approx(2 * plain.counted.flops, rel=0.05)
    full = registry.method("full")
    checkpointed = step_cost(
        source, full, full.options(), Step(16, 64, padded=False, gradient_checkpointing=True)
    )
    whole = step_cost(source, full, full.options(), Step(16, 64, padded=False))
    assert checkpointed.memory.activations < whole.memory.activations
    assert checkpointed.counted.flops > whole.counted.flops
    assert cost(weights="bfloat16").memory.weights < 0.7 * plain.memory.weights
    with pytest.raises(ValueError, match="batch_size is a whole number of at least 1"):
        Step(batch_size=0)


def test_the_longest_batch_is_what_memory_is_told_of(tiny):
    from workbench.build import plan_run

    longest, usual = steps_of(plan_run(tiny_spec(tiny), tiny_prepared(), device="cpu"))
    assert longest.length >= usual.length - 7  # rounded up to eights
    assert longest.batch_size == 8


def test_past_runs_correct_the_machines_own_measurement():
    """A machine that is three times slower than it measured itself to be, by a few per cent more or less."""
    works = [Counted(0.0, i * 1e9, i * 1e8, 1000.0 + 10 * i) for i in range(1, 9)]
    past = [Past(work, 3 * START.seconds(work) * (1 + 0.02 * (-1) ** i)) for i, work in enumerate(works)]
    learnt = calibration.learnt(START, past)
    assert learnt.before == pytest.approx(2 / 3, abs=0.02)
    assert learnt.error < 0.1
    assert "corrected by 8 past runs" in learnt.basis
    assert learnt.seconds(works[3]) == pytest.approx(3 * START.seconds(works[3]), rel=0.1)


def test_one_past_run_teaches_nothing():
    work = Counted(0.0, 1e9, 1e8, 1000.0)
    assert calibration.learnt(START, [Past(work, 100.0)]) == START


def test_past_runs_that_agree_with_nothing_change_nothing():
    works = [Counted(0.0, 1e9 * (1 + i % 2), 1e8, 1000.0) for i in range(6)]
    past = [Past(work, START.seconds(work)) for work in works]
    assert calibration.learnt(START, past).values == START.values
