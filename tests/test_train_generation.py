"""A run that learns to write: from spec to result, saved and loaded, asked, and compared with what needs no learning."""

import dataclasses
import json
import math

import pytest

from tests.generation import generation_prepared, generation_spec
from tests.training import ENOUGH_SECONDS, Heard, quickly, tiny_folder
from workbench import inference, registry, saving
from workbench.build import load_base, plan_run
from workbench.data import save_prepared
from workbench.inference import answer
from workbench.models import resolve
from workbench.options import Options
from workbench.result import Result
from workbench.spec import Budget
from workbench.store import Store
from workbench.train import OUTCOMES, VALIDATION_OUTCOMES, read_outcomes, train


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("models"))


def run(spec, folder, heard=None, prepared=None):
    heard = heard or Heard()
    result = train(
        spec,
        prepared or generation_prepared(),
        folder,
        emit=heard.emit,
        should_stop=heard.should_stop,
        device="cpu",
    )
    return result, heard


@pytest.fixture(scope="module")
def finished(decoder, tmp_path_factory):
    """A store with a finished full run and its data."""
    folder = tmp_path_factory.mktemp("run")
    store = Store(folder / "store")
    spec = generation_spec(decoder, "full", learning_rate=1e-2, budget=Budget("steps", 120), evaluations=3)
    (run_id,) = store.add([spec])
    store.claim()
    store.change_state(run_id, "running")
    with quickly(ENOUGH_SECONDS):
        result, heard = run(spec, store.run_folder(run_id))
    store.change_state(run_id, "finished", result=result)
    return store, run_id, result, heard


def test_it_learns_to_say_it(finished):
    _, _, result, heard = finished
    assert result.metrics["chrf"] > 0.6
    assert result.metrics["perplexity"] < 3
    losses = [e["loss"] for e in heard.of("evaluated")]
    assert losses[-1] < losses[0]
    assert all(math.exp(e["loss"]) == pytest.approx(e["perplexity"]) for e in heard.of("evaluated"))
    assert result.validation == {"perplexity": min(e["perplexity"] for e in heard.of("evaluated"))}
    best = min(heard.of("evaluated"), key=lambda e: e["perplexity"])
    assert result.best_step == best["step"]


def test_all_is_measured_and_kept(finished):
    store, run_id, result, _ = finished
    folder = store.run_folder(run_id)
    outcomes = read_outcomes(folder / OUTCOMES)
    assert [o["prompt"] for o in outcomes] == [row["prompt"] for row in generation_prepared().rows["test"]]
    assert all(len(o["references"]) == 2 for o in outcomes)
    again = registry.task("generation").score(outcomes, ())
    assert again == {name: pytest.approx(value, abs=1e-4) for name, value in result.metrics.items()}
    assert "output" not in read_outcomes(folder / VALIDATION_OUTCOMES)[0]
    assert set(result.per_kind) == {"one", "two"}
    assert sum(kind["rows"] for kind in result.per_kind.values()) == len(outcomes)
    assert (result.per_label, result.confusion) == ({}, ())
    assert result.live is True
    assert result.latency_rounds == 12
    assert 0 < result.first_token_ms < result.latency_ms_p50
    assert 0 < result.token_ms < result.latency_ms_p50
    assert result.peak_memory_bytes > 16 * result.trainable_parameters
    assert result.head_parameters == 0
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    known = set(registry.task("generation").metrics)
    assert set(result.metrics) == known - {"answer_match"}


def test_a_run_says_when_asked_what_it_said_when_it_was_measured(finished):
    store, run_id, _, _ = finished
    inference.forget()
    for kept in read_outcomes(store.run_folder(run_id) / OUTCOMES)[:3]:
        base, own = answer(store, [run_id], kept["prompt"])
        assert own["text"] == kept["output"]
        assert (own["tokens"], own["ended"]) == (kept["new_tokens"], kept["ended"])
        assert own["live"] is True
        assert own["ms"] > 0
        assert own["reason"] is None
        assert base["run_id"] == "base"
        assert base["reason"] is None
        assert base["text"] != own["text"]
    json.dumps([base, own])


def test_decoding_may_be_changed_when_asking(finished):
    store, run_id, _, _ = finished
    (short,) = answer(store, [run_id], "film slow", with_base=False, options={"max_new_tokens": 2})
    assert (short["tokens"], short["ended"]) == (2, False)
    draws = [
        answer(
            store,
            [run_id],
            "film slow",
            with_base=False,
            options={"do_sample": True, "temperature": 9.0, "top_p": 1.0, "decoding_seed": seed},
        )[0]["text"]
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    with pytest.raises(ValueError, match="did you mean temperature"):
        answer(store, [run_id], "film", options={"temprature": 1.0})


def test_the_references_answer_and_are_compared(finished):
    from workbench import report, side_by_side
    from workbench.compare import comparison

    store, run_id, result, _ = finished
    prepared = generation_prepared()
    save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))
    found = comparison(store)
    assert (found.metric, found.yardstick) == ("chrf", "nearest")
    assert [row.key for row in found.references] == ["most_frequent", "nearest"]
    assert all("perplexity" not in row.cells for row in found.references)
    assert found.rows[0].mean("chrf") == result.metrics["chrf"]
    (verdict,) = [v for v in found.verdicts if v.second_key == "nearest"]
    nearest = next(r for r in found.reference_records if r["method"] == "nearest")
    kept = read_outcomes(store.run_folder(run_id) / OUTCOMES)
    by_row = [a["chrf"] - b["chrf"] for a, b in zip(kept, nearest["outcomes"], strict=True)]
    assert verdict.difference.mean == pytest.approx(sum(by_row) / len(by_row))
    prompt = nearest["outcomes"][0]["prompt"]
    asked = side_by_side.ask(str(store.folder), "nearest", run_id, prompt)
    assert (asked["run_id"], asked["text"]) == ("nearest", nearest["outcomes"][0]["output"])
    text = report.to_text(found)
    assert "chrF" in text or "chrf" in text
    assert "accuracy" not in text


@pytest.mark.parametrize("method", ["lora", "prefix", "prompt"])
def test_methods_of_all_kinds_learn_save_and_come_back(decoder, tmp_path, method):
    spec = generation_spec(decoder, method, learning_rate=2e-2, budget=Budget("steps", 6), evaluations=1)
    result, _ = run(spec, tmp_path)
    assert result.live is True
    assert (result.merged_latency_ratio is not None) == registry.method(method).mergeable
    plan = plan_run(spec, generation_prepared(), device="cpu")
    again = saving.load_trained(resolve(str(decoder)), saving.trained_folder(tmp_path))
    encoded = plan.task.encode(
        plan.tokenizer, generation_prepared().rows["test"], (), 32, plan.task_options, 48
    )
    kept = read_outcomes(tmp_path / OUTCOMES)
    found = plan.task.predict(plan.live(again), encoded)
    assert [o["output"] for o in found] == [o["output"] for o in kept]
    assert [o["nats"] for o in found] == pytest.approx([o["nats"] for o in kept], rel=1e-4)


def test_answers_may_pick_the_checkpoint(decoder, tmp_path):
    options = {"choose_by": "chrf", "validation_answers": 4}
    result, heard = run(generation_spec(decoder, task_options=options, learning_rate=1e-2), tmp_path)
    assert result.validation["chrf"] == max(e["chrf"] for e in heard.of("evaluated"))
    assert sum("output" in o for o in read_outcomes(tmp_path / VALIDATION_OUTCOMES)) == 4


def test_a_limit_on_answers_is_in_the_notes(decoder, tmp_path):
    spec = generation_spec(
        decoder, task_options={"test_answers": 5}, budget=Budget("steps", 1), evaluations=1
    )
    result, _ = run(spec, tmp_path)
    assert len(read_outcomes(tmp_path / OUTCOMES)) == 5
    assert any("Only 5 of 16 test rows were answered" in note for note in result.notes)


def test_a_methods_own_objective_takes_the_place_of_the_tasks(decoder, tmp_path, monkeypatch):
    """Half the task's loss, as a mean over rows: accumulated over a step it weighs as much as the task's would."""
    seen = []

    def objective(model, batch, outputs, options: Options):
        seen.append((set(batch), batch["labels"].shape, outputs.logits.shape))
        count = (batch["labels"] != -100).sum()
        return registry.task("generation").loss(outputs.logits, batch["labels"], count, 0.0) / 2

    def losses(folder, **setting):
        spec = generation_spec(decoder, budget=Budget("steps", 2), evaluations=1, **setting)
        with monkeypatch.context() as patched:
            patched.setattr("workbench.train._peak_memory", lambda *a: (None, None))
            return [e["loss"] for e in run(spec, folder)[1].of("step")]

    plain = losses(tmp_path / "plain", batch_size=4, gradient_accumulation=2)
    own = dataclasses.replace(registry.method("full"), objective=objective)
    with monkeypatch.context() as patched:
        patched.setattr("workbench.build.registry.method", lambda name: own)
        halved = losses(tmp_path / "own", batch_size=4, gradient_accumulation=2)
    assert halved[0] == pytest.approx(plain[0] / 2, rel=1e-4)
    assert seen[0][0] == {"input_ids", "attention_mask", "labels"}
    assert seen[0][1] == seen[0][2][:2]


def test_no_cache_of_keys_is_kept_in_training_and_the_base_is_loaded_alike(decoder):
    plan = plan_run(generation_spec(decoder), generation_prepared(), device="cpu")
    assert load_base(plan).config.use_cache is False


def test_an_encoder_fails_with_the_sentence_before_anything_is_trained(tmp_path):
    from workbench.method import Unsuitable

    bert = tiny_folder("bert", tmp_path)
    with pytest.raises(Unsuitable, match="can't go on with a text"):
        run(generation_spec(bert), tmp_path / "run")


def test_a_classifier_is_no_base_for_a_task_that_writes(decoder, tmp_path):
    from tests.training import tiny_prepared, tiny_spec

    store = Store(tmp_path / "store")
    (run_id,) = store.add([tiny_spec(decoder, "head", budget=Budget("steps", 1), evaluations=1)])
    store.claim()
    store.change_state(run_id, "running")
    result, _ = run(store.run(run_id).spec, store.run_folder(run_id), prepared=tiny_prepared())
    store.change_state(run_id, "finished", result=result)
    with pytest.raises(ValueError, match="was trained for classification"):
        train(
            generation_spec(f"run:{run_id}", "head"),
            generation_prepared(),
            tmp_path / "r",
            emit=lambda *a: None,
            should_stop=lambda: False,
            device="cpu",
            store=store,
        )
