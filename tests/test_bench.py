"""Predictions held against PEFT's own comparison on Llama-3.2-3B: a few runs here, all of them where there is time."""

import pytest

from workbench.bench import FEWEST_COUNTS, Held, hold, summary
from workbench.memory_trace import Memory
from workbench.published import published_runs

# A plain one, one of a variant that is not offered, and one whose steps ask for sizes and sparse matrices.
QUICK = (
    "ia3/llama-3.2-3B-default",
    "lora/llama-3.2-3B-rank14-target-mlp-bdlora",
    "frod/llama-3.2-3B-default",
)


def test_a_few_published_runs_come_out():
    held = list(hold([run for run in published_runs() if run.experiment in QUICK]))
    assert len(held) == len(QUICK)
    for one in held:
        assert (one.trainable, one.total) == (one.run.trainable, one.run.total), one.run.experiment
        assert one.reason == ""
        assert abs(one.error) < 0.03, one.run.experiment


@pytest.mark.slow
def test_all_published_runs_come_out():
    held = list(hold(published_runs()))
    found = summary(held)
    assert found.holds, found.sentence
    assert found.runs == found.predicted == 63
    assert found.counts >= FEWEST_COUNTS
    assert sum(one.seconds for one in held) < 5 * len(held)


def test_a_summary_names_what_lies_far_off():
    run = published_runs()[0]
    far = Memory(round(run.peak * 1.5), 1, 0, 0, 0, 0)
    found = summary([Held(run, run.trainable, run.total, far, 0.1)])
    assert not found.holds
    assert run.experiment in found.sentence
    assert "MISSED" in found.sentence
    explained = summary([Held(run, run.trainable, run.total, far, 0.1, "a reason")])
    assert explained.far == ()
