"""The memory tracker against cases computed by hand; latency, liveness and the process's own peak."""

import time

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model
from workbench import measure, registry
from workbench.evaluate import logits
from workbench.method import Context

KB = 1024


def peak(work, model=None):
    return measure.peak_training_bytes(work, model or torch.nn.Module())


def test_a_chain_of_products_keeps_what_is_alive_and_no_more():
    """Each step holds its input and its output: at most two of the 4 KB results at once, beside two 4 KB operands."""
    a, b = torch.ones(32, 32), torch.ones(32, 32)

    def chain():
        x = a @ b
        for _ in range(5):
            x = x @ b
        return x

    assert peak(chain) == 2 * 4 * KB


def test_the_backward_pass_needs_what_the_forward_pass_kept():
    """Of tanh layers in a row each output stays for the backward pass, and the product inside does not."""
    layer = torch.nn.Linear(32, 32, bias=False)
    weight = layer.weight
    tracker = measure.TensorTracker()
    tracker.count(layer)
    with tracker:
        x = torch.ones(32, 32)
        for _ in range(4):
            x = torch.tanh(x @ weight)
        assert tracker.bytes == (1 + 5) * 4 * KB  # the weight; the start and four outputs
        x.sum().backward()
        del x
        assert tracker.bytes == 2 * 4 * KB  # the weight and its gradient
    assert weight.grad is not None


def test_views_and_work_in_place_cost_nothing():
    x = torch.ones(64, 64)

    def work():
        y = x.clone()
        y.add_(1)
        return y.view(-1)[:100], y.t()

    assert peak(work) == 16 * KB


def test_what_is_freed_is_taken_off_also_when_the_address_is_used_again():
    tracker = measure.TensorTracker()
    with tracker:
        for _ in range(50):
            torch.empty(1000)
    assert tracker.bytes == 0
    assert tracker.peak == 4000


def test_weights_that_were_there_before_count_and_shared_ones_once():
    model = torch.nn.Sequential(torch.nn.Linear(32, 32, bias=False), torch.nn.Linear(32, 32, bias=False))
    model[1].weight = model[0].weight
    model.register_buffer("table", torch.zeros(256))
    tracker = measure.TensorTracker()
    tracker.count(model)
    assert tracker.bytes == 4 * KB + KB


@pytest.mark.parametrize("fused", [True, False])
def test_adamw_holds_two_states_and_a_gradient_for_each_weight(fused):
    model = torch.nn.Linear(256, 256, bias=False)
    size = 256 * 256 * 4
    tracker = measure.TensorTracker()
    tracker.count(model)
    with tracker:
        optimizer = torch.optim.AdamW(model.parameters(), fused=fused, foreach=False)
        model(torch.ones(1, 256)).sum().backward()
        optimizer.step()
        held = tracker.bytes
    assert held == pytest.approx(4 * size, rel=0.02)
    assert optimizer.state


def test_a_linear_model_is_within_5_percent_of_its_closed_form():
    """In the second step: weights, two states and gradients, and of the batch what the first layer's backward needs."""
    width, batch = 512, 64
    model = torch.nn.Sequential(
        torch.nn.Linear(width, width, bias=False), torch.nn.Linear(width, width, bias=False)
    )
    weights = 2 * width * width * 4
    rows = batch * width * 4

    def train():
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        for _ in range(2):
            x = torch.ones(batch, width)
            model(x).square().mean().backward()
            del x
            optimizer.step()
            optimizer.zero_grad()

    # The input is kept for the weight's gradient, and beside it stands the gradient of the hidden values.
    expected = weights * 4 + 2 * rows
    assert peak(train, model) == pytest.approx(expected, rel=0.05)


def test_full_training_needs_more_than_lora():
    def bytes_of(method):
        found = registry.method(method)
        model = found.apply(tiny_model("qwen2"), found.options(), Context())

        def train():
            optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
            for _ in range(2):
                model(**tiny_batch()).loss.backward()
                optimizer.step()
                optimizer.zero_grad()

        return measure.peak_training_bytes(train, model)

    assert bytes_of("full") > bytes_of("lora")


def test_the_interval_of_a_median_holds_it_whatever_the_values_are_like():
    import random

    draw = random.Random(0)
    held = 0
    for _ in range(400):
        low, high = measure.median_bounds(sorted(draw.expovariate(1) for _ in range(30)))
        held += low <= 0.6931 <= high
    assert 0.93 <= held / 400 <= 0.99
    assert measure.median_bounds([1.0, 2.0, 3.0]) == (None, None)
    assert measure.median_bounds([1.0] * 6) == (1.0, 1.0)


def test_all_are_timed_in_every_round_and_each_comes_first_in_turn():
    order = []
    times = measure.in_turn(
        {name: lambda i, name=name: order.append(name) for name in "ab"}, rounds=4, seconds=0, warm_up=0
    )
    assert "".join(order) == "abbaabba"
    assert [len(found) for found in times.values()] == [4, 4]


def test_latency_is_a_ratio_of_times_taken_in_turn():
    def sleeper(ms):
        return lambda i: time.sleep(ms / 1000)

    found = measure.latency(
        {"base": sleeper(2), "method": sleeper(4), "merged": sleeper(2)}, rounds=10, seconds=0
    )
    assert found.rounds == 10
    assert 1.5 < found.ratio.median < 2.5
    assert 0.7 < found.merged_ratio.median < 1.4
    assert found.base_p50 < found.p50 <= found.p95


def test_what_is_slow_is_warmed_up_once(monkeypatch):
    monkeypatch.setattr(measure, "WARM_UP_SECONDS", 0.0)
    calls: list[int] = []
    times = measure.in_turn({"a": calls.append}, rounds=2, seconds=0, warm_up=3)
    assert len(calls) - len(times["a"]) == 1
    assert measure.median_bounds([1.0] * measure.FEWEST_ROUNDS) == (1.0, 1.0)
    assert measure.median_bounds([1.0] * (measure.FEWEST_ROUNDS - 1)) == (None, None)


def test_latency_goes_on_while_there_is_time_and_takes_turns():
    order = []

    def answer(
        name,
    ):  # an answer that takes no time is timed thousands of times, each of which is in the interval
        return lambda i: (order.append(name), time.sleep(0.001))

    found = measure.latency({"base": answer("b"), "method": answer("m")}, rounds=5, seconds=0.2, warm_up=1)
    assert found.rounds > 5
    assert found.merged_ratio is None
    assert {"".join(order[i : i + 2]) for i in range(0, len(order), 2)} == {"bm", "mb"}


def test_slow_answers_are_timed_fewer_times_but_a_few():
    def both():
        return {"base": lambda i: None, "method": lambda i: time.sleep(0.01)}

    assert measure.latency(both(), rounds=1000, seconds=0, warm_up=0, most_seconds=0.2).rounds < 30
    assert measure.latency(both(), rounds=1000, seconds=0, warm_up=0, most_seconds=0).rounds == 6


def test_quantiles_by_hand():
    assert measure.quantile([1, 2, 3, 4], 0.5) == 2.5
    assert measure.quantile([1, 2, 3, 4, 5], 0.95) == pytest.approx(4.8)
    assert measure.quantile([7], 0.95) == 7


def test_typical_texts_are_of_median_length():
    rows = [{"input_ids": [5] * n, "attention_mask": [1] * n, "labels": 0} for n in range(1, 22)]
    texts = measure.typical_texts(rows, pad=0, count=3)
    assert [t["input_ids"].shape for t in texts] == [(1, 10), (1, 11), (1, 12)]


def test_liveness_needs_an_effect_and_no_remainder():
    base = torch.tensor([[1.0, -2.0]])
    assert measure.prove_live(base + 0.1, base, base).live
    assert not measure.prove_live(base, base, base).live
    assert not measure.prove_live(base + 0.1, base + 0.05, base).live
    assert not measure.prove_live(base * float("nan"), base, base).live


def test_liveness_of_a_real_method():
    found = registry.method("lora")
    model, base = found.apply(tiny_model("qwen2"), found.options(), Context()).eval(), tiny_model("qwen2")
    batch = tiny_batch(rows=2)
    read = lambda m: logits(m, batch, "cpu", "float32")  # noqa: E731
    assert not measure.prove_live(read(model), read(base), read(base)).live  # starts as the identity
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.1)
    assert measure.prove_live(read(model), read(base), read(base)).live


def test_the_process_peak_starts_anew():
    if not measure.reset_process_peak():
        pytest.skip("this system can't reset a process's peak memory")
    before = measure.process_peak_bytes()
    block = torch.ones(16 * 2**20)
    grown = measure.process_peak_bytes()
    assert grown - before > 50 * 2**20
    del block
    measure.reset_process_peak()
    assert measure.process_peak_bytes() < grown
