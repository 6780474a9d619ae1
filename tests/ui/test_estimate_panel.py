"""The panel that says before any run what the ticked methods will need: its words, and what it asks."""

import re

from workbench.ui import estimate_panel
from workbench.ui.estimate_table import Need, needs_table
from workbench.ui.plan import empty_plan, tick_methods

MIB = 2**20
ROW = {
    "memory": {
        "peak": 100 * MIB, "weights": 30 * MIB, "gradients": 0, "optimizer": 10 * MIB, "activations": 55 * MIB, "loss": 5 * MIB,
    },
    "trainable_parameters": 1000, "total_parameters": 100_000, "adapter_bytes": 4096, "flops": 7.9e10,
    "step_seconds": 0.4, "step_basis": "a measurement", "fits": {"t4": True, "h100": False}, "fits_here": True,
    "largest_batch_size": 321, "largest_length": 0,
}  # fmt: skip


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", str(html)).replace("\u00a0", " ").split())


def test_without_ticks_it_says_what_to_do():
    assert "Nothing is ticked yet" in words(needs_table([]))


def test_a_row_says_memory_and_what_it_is_for():
    said = words(needs_table([Need("LoRA", "low_rank", ROW, exact=True)], asked_gib=16))
    assert "Peak memory 100 MiB" in said
    assert "weights 30 MiB, optimiser 10 MiB, activations 55 MiB, loss 5.00 MiB" in said
    assert "1,000 (1 %)" in said
    assert "79 GFLOP" in said
    assert "T4 : fits" in said
    assert "H100 : does not fit" in said
    assert "Largest batch 321" in said
    assert "Longest input none in 16 GiB" in said
    assert "\u2248" not in said


def test_a_formula_is_marked_as_one_and_a_reason_is_said():
    guess = Need("LoRA", "low_rank", {"memory": ROW["memory"]})
    no = Need("DPO", "feedback", reason="trains in stages", exact=True)
    said = words(needs_table([guess, no, Need("IA3", "added")], busy=True))
    assert "\u2248 100 MiB" in said
    assert "marks a quick formula" in said
    assert "trains in stages" in said
    assert "working it out" in said


def test_a_title_from_elsewhere_stays_text():
    html = str(needs_table([Need("<script>alert(1)</script>", "added", ROW, exact=True)]))
    assert "<script>" not in html


def test_what_is_asked_is_the_plan_with_the_readers_changes():
    plan = tick_methods(empty_plan(), ["lora"])
    given = dict.fromkeys(estimate_panel.CONTROLS) | {
        "need_batch": 4,
        "need_length": 64,
        "need_weights": "4bit",
    }
    training, gib = estimate_panel.training_of(plan, given)
    assert (training["batch_size"], training["max_length"]) == (4, 64)
    assert (training["weights"], training["device"], gib) == ("4bit", "here", None)
    assert training["optimizer"] == "adamw_torch_fused"
    _, gib = estimate_panel.training_of(plan, given | {"need_device": "t4"})
    assert gib == 14.6
    training, gib = estimate_panel.training_of(plan, given | {"need_device": "t4", "need_gib": 10})
    assert gib == training["gib"] == 10


def test_the_formula_comes_first_and_then_each_method_as_it_was_followed(store, monkeypatch):
    from types import SimpleNamespace

    from workbench.ui import asking

    asked = []
    count = {
        "reason": None,
        "trainable_parameters": 10,
        "total_parameters": 8_000_010,
        "base_parameters": 8_000_000,
    }
    monkeypatch.setattr(asking, "known_count", lambda *_: count)

    def followed(function, folder, owner, model, choices, *rest, pool):
        asked.append(choices[0][0])
        return [ROW | {"method": choices[0][0], "reason": None}]

    monkeypatch.setattr(estimate_panel.background, "call", followed)
    plan = tick_methods(empty_plan(), ["lora", "ia3"])
    given = dict.fromkeys(estimate_panel.CONTROLS)
    given |= {"need_batch": 16, "need_length": 128, "need_weights": "float32", "need_checkpointing": False}
    request = SimpleNamespace(session_hash="panel", username=None, cookies={}, headers={})
    context = SimpleNamespace(store=store)
    shown = [words(one) for one in estimate_panel._needs(context, plan, given, request)]
    assert shown[0].count("\u2248") == 3  # two rows and the note
    assert asked == ["lora", "ia3"]
    assert "\u2248" not in shown[-1]
    again = [words(one) for one in estimate_panel._needs(context, plan, given, request)]
    assert again == [shown[-1]]
    assert asked == ["lora", "ia3"]
