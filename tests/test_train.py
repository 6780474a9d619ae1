"""A run from spec to result: learning, fairness of order, best state, divergence, cancelling, resuming."""

import dataclasses
import errno
import json
import threading
import time

import pytest
import torch

from tests.tiny import LAYOUTS
from tests.training import ENOUGH_SECONDS, LABELS, Heard, quickly, tiny_folder, tiny_prepared, tiny_spec
from workbench import checkpoints, registry
from workbench.callbacks import BEST, RunTrainer
from workbench.data import Prepared
from workbench.lease import Lease
from workbench.result import Result
from workbench.spec import Budget
from workbench.train import OUTCOMES, VALIDATION_OUTCOMES, Cancelled, TrainingFailed, read_outcomes, train


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_folder("bert", tmp_path_factory.mktemp("models"))


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


def run(spec, folder, heard=None, prepared=None, **arguments):
    heard = heard or Heard()
    result = train(
        spec,
        prepared or tiny_prepared(),
        folder,
        emit=heard.emit,
        should_stop=heard.should_stop,
        device="cpu",
        **arguments,
    )
    return result, heard


# -- a whole run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(decoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    spec = tiny_spec(decoder, "full", learning_rate=5e-3, budget=Budget("epochs", 5), evaluations=4)
    with quickly(ENOUGH_SECONDS):
        result, heard = run(spec, folder)
    return spec, folder, result, heard


def test_it_learns(finished):
    _, _, result, _ = finished
    assert result.metrics["accuracy"] > 0.8
    assert result.metrics["macro_f1"] > 0.8
    assert result.validation["accuracy"] > 0.8


def test_every_column_is_measured(finished):
    _, folder, result, _ = finished
    later = {
        "reserved_memory_bytes",
        "merged_latency_ratio",
        "first_token_ms",
        "token_ms",
        "forgetting",
        "sampled_tokens",
        "sampling_seconds",
        "search_seconds",
        "weight_bits",
        "predicted_trainable_parameters",
        "predicted_peak_memory_bytes",
        "predicted_seconds",
        "predicted_reason",
        "prediction_basis",
        "merged_latency_ms_p50",
        "merged_latency_ratio_low",
        "merged_latency_ratio_high",
        "energy_source",
        "train_joules",
    }
    missing = {name for name, value in result.to_dict().items() if value is None}
    assert missing <= later
    assert result.trainable_parameters == result.head_parameters + result.method_parameters
    assert result.total_parameters == result.base_parameters
    assert result.steps == 40
    assert result.samples_seen == 5 * 64
    assert result.train_seconds < result.total_seconds
    assert result.samples_per_second == pytest.approx(result.samples_seen / result.train_seconds)
    assert result.peak_memory_source == "tensors"
    # weights, gradients and two states of AdamW at the least
    assert result.peak_memory_bytes > 4 * 4 * result.trainable_parameters
    assert result.adapter_bytes == sum(
        p.stat().st_size for p in (folder / "trained").rglob("*") if p.is_file()
    )
    assert result.live is True
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_tokens_are_counted_without_padding(finished):
    _, _, result, _ = finished
    words = sum(len(row["text"].split()) for row in tiny_prepared().rows["train"])
    assert result.tokens_seen == 5 * words


def test_outcomes_of_each_row_are_kept_and_agree_with_the_scores(finished):
    _, folder, result, _ = finished
    for file, part, accuracy in (
        (OUTCOMES, "test", result.metrics["accuracy"]),
        (VALIDATION_OUTCOMES, "validation", result.validation["accuracy"]),
    ):
        outcomes = read_outcomes(folder / file)
        assert [o["label"] for o in outcomes] == [row["label"] for row in tiny_prepared().rows[part]]
        assert sum(o["label"] == o["predicted"] for o in outcomes) / len(outcomes) == pytest.approx(accuracy)
    assert sum(map(sum, result.confusion)) == 32
    assert set(result.per_label) == set(LABELS)


def test_the_events_tell_the_run(finished):
    _, _, result, heard = finished
    kinds = [kind for kind, _ in heard.events]
    assert kinds[0] == "started"
    assert heard.of("started")[0]["steps"] == 40
    assert heard.of("started")[0]["trainable_parameters"] == result.trainable_parameters
    steps = heard.of("step")
    assert [s["step"] for s in steps] == list(range(1, 41))
    assert all(s["loss"] > 0 and s["gradient_norm"] > 0 and s["samples_per_second"] > 0 for s in steps)
    assert steps[-1]["epoch"] == 5
    assert steps[0]["learning_rate"] == 0
    assert max(s["learning_rate"] for s in steps) == pytest.approx(5e-3, rel=0.05)
    assert [e["step"] for e in heard.of("evaluated")] == [10, 20, 30, 40]
    assert set(heard.of("evaluated")[0]) == {"step", "seconds", "tokens", "accuracy", "macro_f1", "loss"}
    assert steps[-1]["tokens"] == heard.of("evaluated")[-1]["tokens"] == result.tokens_seen


def test_the_best_state_is_kept_and_the_rest_is_cleared_away(finished):
    _, folder, result, heard = finished
    best = max(heard.of("evaluated"), key=lambda e: (e["accuracy"], -e["step"]))
    assert result.best_step == best["step"]
    assert result.validation["accuracy"] == best["accuracy"]
    assert {p.name for p in folder.iterdir()} == {"trained", OUTCOMES, VALIDATION_OUTCOMES}


def test_the_conditions_are_recorded(finished):
    _, _, result, _ = finished
    found = result.environment
    assert found["libraries"]["torch"] == torch.__version__
    assert (found["precision"], found["threads"], found["device_kind"]) == ("float32", 1, "cpu")
    assert found["data_fingerprint"] == "f" * 16
    assert found["model_revision"]


# -- every method and layout -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["lora", "adapter", "prompt", "ia3"])
def test_methods_of_all_kinds_train_and_are_live(decoder, tmp_path, method):
    with quickly(ENOUGH_SECONDS):
        result, _ = run(tiny_spec(decoder, method, budget=Budget("steps", 4), evaluations=1), tmp_path)
    assert result.live is True
    assert 0 < result.trainable_parameters < result.total_parameters
    assert (result.merged_latency_ratio is not None) == registry.method(method).mergeable
    assert result.latency_rounds >= 30


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "llama"])
def test_every_layout_trains(tmp_path, layout):
    model = tiny_folder(layout, tmp_path)
    result, _ = run(tiny_spec(model, "lora", budget=Budget("steps", 2), evaluations=1), tmp_path / "run")
    assert result.live is True


def test_bfloat16_trains_and_leaves_the_model_without_the_trainers_wrapper(decoder, tmp_path):
    result, heard = run(
        tiny_spec(decoder, "lora", precision="bfloat16", budget=Budget("steps", 3), evaluations=1), tmp_path
    )
    assert result.environment["precision"] == "bfloat16"
    assert result.live is True
    assert all(torch.isfinite(torch.tensor(s["loss"])) for s in heard.of("step"))


# -- fairness and repetition -----------------------------------------------------------------------------------------


def order_of(spec, folder, monkeypatch):
    seen = []
    real = RunTrainer.training_step

    def step(self, model, inputs, count=None):
        seen.append(inputs["input_ids"].clone())
        return real(self, model, inputs, count)

    with monkeypatch.context() as patched:
        patched.setattr(RunTrainer, "training_step", step)
        patched.setattr("workbench.train._peak_memory", lambda *a: (None, None))
        run(spec, folder)
    return seen


def test_every_method_sees_the_same_rows_in_the_same_order(bert, tmp_path, monkeypatch):
    """BERT has dropout, so methods draw different amounts of random numbers."""
    budget = Budget("epochs", 2)
    orders = {
        name: order_of(tiny_spec(bert, name, budget=budget), tmp_path / name, monkeypatch)
        for name in ("full", "lora", "head")
    }
    assert len(orders["full"]) == 16
    for name in ("lora", "head"):
        assert all(torch.equal(a, b) for a, b in zip(orders["full"], orders[name], strict=True))
    other = order_of(tiny_spec(bert, "head", seed=1, budget=budget), tmp_path / "other", monkeypatch)
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(orders["head"], other))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_same_spec_gives_identical_predictions_twice(bert, tmp_path, method):
    spec = tiny_spec(bert, method, precision="bfloat16", budget=Budget("steps", 6))
    run(spec, tmp_path / "a")
    torch.rand(7)  # whatever the process drew before does not matter
    run(spec, tmp_path / "b")
    for file in (OUTCOMES, VALIDATION_OUTCOMES):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    run(dataclasses.replace(spec, seed=1), tmp_path / "c")
    assert (tmp_path / "a" / OUTCOMES).read_bytes() != (tmp_path / "c" / OUTCOMES).read_bytes()


def test_gradient_accumulation_trains_the_same(decoder, tmp_path):
    """Rows weigh the same however a step is cut; lengths are made equal so that both cut the epoch alike."""
    rows = {
        part: [{"text": " ".join(row["text"].split()[:3]), "label": row["label"]} for row in found]
        for part, found in tiny_prepared().rows.items()
    }
    prepared = Prepared(tiny_prepared().spec, rows)
    losses = []
    for size, pieces in ((64, 1), (16, 4)):
        spec = tiny_spec(
            decoder, "full", batch_size=size, gradient_accumulation=pieces, budget=Budget("epochs", 4),
            schedule="constant", warmup_share=0.0,
        )  # fmt: skip
        _, heard = run(spec, tmp_path / str(size), prepared=prepared)
        losses.append([s["loss"] for s in heard.of("step")])
    assert len(losses[0]) == len(losses[1]) == 4
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


# -- budgets and stopping --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "steps"), [(0.5, 4), (1, 8), (1.3, 11)])
def test_a_budget_of_epochs_may_have_a_fraction(decoder, tmp_path, amount, steps):
    result, _ = run(tiny_spec(decoder, "head", budget=Budget("epochs", amount)), tmp_path)
    assert result.steps == steps


def test_a_budget_of_seconds_ends_at_the_first_step_after_it(decoder, tmp_path):
    spec = tiny_spec(decoder, "head", budget=Budget("seconds", 0.4), evaluations=2)
    result, heard = run(spec, tmp_path)
    assert result.train_seconds >= 0.4
    assert result.train_seconds - 0.4 < 3 * result.train_seconds / result.steps + 0.1
    assert len(heard.of("evaluated")) == 2
    rates = [s["learning_rate"] for s in heard.of("step")]
    falling = rates[rates.index(max(rates)) :]
    assert falling == sorted(falling, reverse=True)
    assert rates[-1] < max(rates)
    assert heard.of("started")[0]["steps"] is None
    assert heard.of("step")[-1]["steps"] == pytest.approx(result.steps, abs=1)


def test_at_most_a_hundred_steps_are_told(decoder, tmp_path):
    _, heard = run(tiny_spec(decoder, "head", budget=Budget("steps", 130), evaluations=1), tmp_path)
    assert len(heard.of("step")) == 100
    assert heard.of("step")[-1]["step"] == 130


def test_early_stopping_counts_evaluations_without_gain(decoder, tmp_path):
    spec = tiny_spec(
        decoder, "head", learning_rate=1e-9, budget=Budget("steps", 20), evaluations=10, early_stopping=2
    )
    result, heard = run(spec, tmp_path)
    assert [e["step"] for e in heard.of("evaluated")] == [2, 4, 6]
    assert (result.steps, result.best_step) == (6, 2)


def test_evaluation_and_waiting_are_not_training_time(decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(Lease, "breathe", lambda self, stop=None: time.sleep(0.05) or 0.05)
    spec = tiny_spec(decoder, "head", budget=Budget("steps", 10))
    result, _ = run(spec, tmp_path / "run", lease=Lease(tmp_path / "lease"))
    assert result.total_seconds > 0.5
    assert result.train_seconds < result.total_seconds - 0.5


# -- failures --------------------------------------------------------------------------------------------------------


def test_a_run_that_diverges_fails_and_says_where(decoder, tmp_path, monkeypatch):
    real = RunTrainer._loss

    def loss(self, outputs, labels, num_items_in_batch=None):
        value = real(self, outputs, labels, num_items_in_batch)
        return value * float("nan") if self.state.global_step == 4 else value

    monkeypatch.setattr(RunTrainer, "_loss", loss)
    with pytest.raises(TrainingFailed) as failed:
        run(tiny_spec(decoder, "full", learning_rate=3e-4), tmp_path)
    reason = failed.value.reason
    assert reason.code == "diverged"
    assert "became nan at step 5" in reason.message
    assert "last finite loss was 0." in reason.message
    assert "0.0001 instead of 0.0003" in reason.message
    assert not (tmp_path / OUTCOMES).exists()


def test_a_gradient_that_is_not_finite_counts_as_divergence(decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(RunTrainer, "_get_grad_norm", lambda self, model, grad_norm=None: float("inf"))
    with pytest.raises(TrainingFailed, match="gradient norm became inf at step 1"):
        run(tiny_spec(decoder, "head"), tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried ..."
        ),
        MemoryError(),
    ],
)
def test_out_of_memory_names_the_smaller_batch_that_trains_the_same(decoder, tmp_path, monkeypatch, error):
    def step(*arguments):
        raise error

    monkeypatch.setattr(RunTrainer, "training_step", step)
    with pytest.raises(TrainingFailed, match="batch_size 4 with gradient_accumulation 2") as failed:
        run(tiny_spec(decoder, "head"), tmp_path)
    assert failed.value.reason.code == "out_of_memory"


def test_a_full_disk_ends_the_run_with_that_reason(decoder, tmp_path, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("workbench.callbacks.save_file", full)
    with pytest.raises(TrainingFailed) as failed:
        run(tiny_spec(decoder, "head"), tmp_path)
    assert failed.value.reason.code == "disk"


def test_too_little_room_is_seen_before_training(decoder, tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    heard = Heard()
    with pytest.raises(TrainingFailed, match="make room") as failed:
        run(tiny_spec(decoder, "head"), tmp_path, heard)
    assert failed.value.reason.code == "disk"
    assert not heard.of("step")


def test_other_errors_come_through_as_they_are(decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(RunTrainer, "training_step", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(tiny_spec(decoder, "head"), tmp_path)


def test_texts_that_are_cut_are_told(decoder, tmp_path):
    result, heard = run(tiny_spec(decoder, "head", max_length=6, budget=Budget("steps", 2)), tmp_path)
    cut = sum(len(row["text"].split()) > 6 for row in tiny_prepared().rows["train"])
    sentence = f"{cut} of 64 train texts are longer than 6 tokens and were cut."
    assert sentence in result.notes
    assert {"message": sentence} in heard.of("warning")


def test_a_method_that_changes_nothing_is_recorded_as_not_live(decoder, tmp_path):
    result, _ = run(tiny_spec(decoder, "head", learning_rate=1e-30, budget=Budget("steps", 2)), tmp_path)
    assert result.live is False
    assert any("does not change" in note for note in result.notes)
    assert result.metrics["accuracy"] is not None


# -- the lease -------------------------------------------------------------------------------------------------------


def test_latency_that_could_not_be_measured_in_quiet_is_missing(decoder, tmp_path):
    other = Lease(tmp_path / "lease")
    with other.shared():  # somebody who never breathes
        result, _ = run(
            tiny_spec(decoder, "head", budget=Budget("steps", 2)),
            tmp_path / "run",
            lease=Lease(tmp_path / "lease"),
            lease_seconds=0.1,
        )
    assert result.latency_ms_p50 is None
    assert result.latency_ratio is None
    assert any("Latency was not measured" in note for note in result.notes)


def test_a_measurement_of_another_run_gets_in_between_two_steps(decoder, tmp_path):
    measured = []

    def measure(lease):
        with lease.exclusive(20):
            measured.append(len(heard.of("step")))

    heard = Heard()
    thread = threading.Thread(target=measure, args=(Lease(tmp_path / "lease"),))
    emit = heard.emit

    def watch(kind, values):
        emit(kind, values)
        if kind == "started":
            thread.start()
            time.sleep(0.05)

    heard.emit = watch
    spec = tiny_spec(decoder, "head", budget=Budget("steps", 30))
    run(spec, tmp_path / "run", heard, lease=Lease(tmp_path / "lease"))
    thread.join(20)
    assert measured
    assert measured[0] < 30


# -- cancelling and resuming -----------------------------------------------------------------------------------------


def test_cancelling_stops_at_the_next_step(decoder, tmp_path):
    heard = Heard(stop_after=3)
    with pytest.raises(Cancelled):
        run(tiny_spec(decoder, "head"), tmp_path, heard)
    assert len(heard.of("step")) == 3
    assert not (tmp_path / OUTCOMES).exists()


@pytest.mark.parametrize(("method", "accumulation"), [("full", 1), ("lora", 2)])
def test_a_resumed_run_ends_as_an_unbroken_one(bert, tmp_path, method, accumulation):
    """BERT has dropout: the random numbers are restored too."""
    spec = tiny_spec(
        bert,
        method,
        gradient_accumulation=accumulation,
        budget=Budget("steps", 14),
        evaluations=3,
        learning_rate=3e-3,
    )
    whole, unbroken = run(spec, tmp_path / "whole")
    heard = Heard(stop_after=8)
    with pytest.raises(Cancelled):
        run(spec, tmp_path / "broken", heard, checkpoint_seconds=0.0)
    kept = sorted(p.name for p in (tmp_path / "broken" / "checkpoints").iterdir())
    assert kept == ["checkpoint-7", "checkpoint-8"]
    result, again = run(spec, tmp_path / "broken", checkpoint_seconds=0.0)
    assert again.of("started")[0] | {"step": 8, "resumed": True} == again.of("started")[0]
    assert [s["step"] for s in again.of("step")] == list(range(9, 15))
    assert again.of("step")[-1]["loss"] == unbroken.of("step")[-1]["loss"]
    for file in (OUTCOMES, VALIDATION_OUTCOMES):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "broken" / file).read_bytes()
    for name in (
        "metrics",
        "validation",
        "steps",
        "samples_seen",
        "tokens_seen",
        "best_step",
        "peak_memory_bytes",
    ):
        assert getattr(result, name) == getattr(whole, name), name
    assert result.train_seconds > 0


def test_a_torn_checkpoint_is_skipped_with_a_word(decoder, tmp_path):
    spec = tiny_spec(decoder, "head")
    with pytest.raises(Cancelled):
        run(spec, tmp_path, Heard(stop_after=5), checkpoint_seconds=0.0)
    newest, _ = checkpoints.newest_complete(tmp_path / "checkpoints")
    (newest / checkpoints.MARKER).unlink()
    (newest / "trainer_state.json").unlink()
    result, heard = run(spec, tmp_path)
    assert heard.of("started")[0]["step"] == 4
    assert any("checkpoint-5 is not complete" in w["message"] for w in heard.of("warning"))
    assert result.steps == 12


def test_the_best_state_of_before_the_break_survives(decoder, tmp_path, monkeypatch):
    """The best evaluation comes first; after it a better file was written, whose checkpoint was never finished."""
    scores = iter([0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    task = dataclasses.replace(registry.task("classification"), score=lambda o, labels, options: {"accuracy": next(scores), "macro_f1": 0.0})  # fmt: skip
    monkeypatch.setattr("workbench.build.registry.task", lambda name: task)
    spec = tiny_spec(decoder, "head", budget=Budget("steps", 8), evaluations=4)
    with pytest.raises(Cancelled):
        run(spec, tmp_path, Heard(stop_after=5), checkpoint_seconds=0.0)
    (tmp_path / BEST).unlink()
    (tmp_path / BEST).write_bytes(b"written after the last checkpoint")
    result, _ = run(spec, tmp_path)
    assert result.best_step == 2
    assert result.validation["accuracy"] == 0.9


def test_without_resume_it_starts_anew(decoder, tmp_path):
    spec = tiny_spec(decoder, "head")
    with pytest.raises(Cancelled):
        run(spec, tmp_path, Heard(stop_after=6), checkpoint_seconds=0.0)
    _, heard = run(spec, tmp_path, resume=False)
    assert heard.of("started")[0]["step"] == 0
    assert heard.of("step")[0]["step"] == 1


def test_short_runs_write_no_checkpoints(decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "mark_complete", lambda folder: pytest.fail("a checkpoint was written"))
    run(tiny_spec(decoder, "head", budget=Budget("steps", 3)), tmp_path)
