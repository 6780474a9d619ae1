"""Shares of a budget, learning rate schedules, and which evaluation is the best."""

import math

import pytest

from workbench.progress import Progress, learning_rate_factor


def test_share_by_steps_and_by_seconds():
    assert Progress(total_steps=10).share(3) == 0.3
    timed = Progress(seconds_allowed=20.0, seconds=5.0, step=10)
    assert timed.share(10) == 0.25
    assert timed.steps_expected() == 40
    timed.seconds = 30.0
    assert timed.share(60) == 1.0


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("linear", [0, 0.5, 1, 0.5, 0]), ("cosine", [0, 0.5, 1, 0.5, 0]), ("constant", [0, 0.5, 1, 1, 1])],
)
def test_schedules_warm_up_and_then_go_their_way(schedule, expected):
    shares = [0, 0.1, 0.2, 0.6, 1.0]
    assert [learning_rate_factor(s, schedule, 0.2) for s in shares] == pytest.approx(expected)
    assert learning_rate_factor(0, schedule, 0.0) == 1.0


def test_schedules_agree_with_transformers():
    import torch
    from transformers import get_scheduler

    for schedule in ("linear", "cosine"):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        theirs = get_scheduler(schedule, optimizer, num_warmup_steps=5, num_training_steps=50)
        for step in range(50):
            ours = learning_rate_factor(step / 50, schedule, 0.1)
            assert math.isclose(ours, theirs.get_last_lr()[0], abs_tol=1e-9)
            optimizer.step()
            theirs.step()


def test_of_equal_evaluations_the_earlier_stays():
    progress = Progress(total_steps=10)
    for step, score, better in ((2, 0.5, True), (4, 0.5, False), (6, 0.7, True), (8, 0.6, False)):
        progress.step = step
        assert progress.improved({"accuracy": score}, "accuracy") is better
    assert (progress.best_step, progress.best_metrics) == (6, {"accuracy": 0.7})
    assert progress.evaluations_since_best == 1
