"""A run that reads plain text: from spec to result, what it forgot, how it is compared, and what is built on it."""

import dataclasses
import json
import math

import pytest
import torch

from tests.generation import generation_prepared, generation_spec
from tests.language import THINGS, text_prepared, text_spec
from tests.training import Heard, quickly, tiny_folder, tiny_prepared, tiny_spec
from workbench import inference, models, registry, saving
from workbench.build import encode, load_base, plan_run
from workbench.compare import comparison
from workbench.data import save_prepared
from workbench.method import Unsuitable
from workbench.result import Result
from workbench.spec import Budget
from workbench.store import Store
from workbench.train import OUTCOMES, read_outcomes, train


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quickly():
        yield


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("models"))


def run(spec, folder, heard=None, prepared=None, store=None):
    heard = heard or Heard()
    result = train(
        spec,
        prepared or text_prepared(),
        folder,
        emit=heard.emit,
        should_stop=heard.should_stop,
        device="cpu",
        store=store,
    )
    return result, heard


def kept(store, spec, prepared=None):
    """A finished run in the store."""
    (run_id,) = store.add([spec])
    store.claim()
    store.change_state(run_id, "running")
    result, heard = run(spec, store.run_folder(run_id), prepared=prepared, store=store)
    store.change_state(run_id, "finished", result=result)
    return run_id, result, heard


@pytest.fixture(scope="module")
def finished(decoder, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("run") / "store")
    return store, *kept(store, text_spec(decoder, learning_rate=1e-2, budget=Budget("steps", 30)))


def test_it_learns_the_language_and_says_what_it_was_before(finished):
    _, _, result, heard = finished
    metrics = result.metrics
    assert metrics["bits_per_byte"] < metrics["bits_per_byte_start"] / 2
    assert metrics["perplexity"] < metrics["perplexity_start"]
    assert result.forgetting == pytest.approx(
        math.log(metrics["general_perplexity"]) - math.log(metrics["general_perplexity_start"])
    )
    best = min(heard.of("evaluated"), key=lambda e: e["bits_per_byte"])
    assert result.best_step == best["step"]
    assert result.live is True
    assert result.trained_tokens < result.tokens_seen
    assert result.sampled_tokens is None
    assert 0 < result.token_ms < result.latency_ms_p50
    assert Result.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_outcomes_are_texts_and_give_the_scores(finished):
    store, run_id, result, _ = finished
    outcomes = read_outcomes(store.run_folder(run_id) / OUTCOMES)
    rows = text_prepared().rows["test"]
    assert [o["text"] for o in outcomes] == [row["text"][:80] for row in rows]
    assert [o["bytes"] for o in outcomes] == [len(row["text"]) for row in rows]
    assert [o["tokens"] for o in outcomes] == [len(row["text"].split()) + 1 for row in rows]
    task = registry.task("language_modelling")
    assert task.score(outcomes)["bits_per_byte"] == pytest.approx(result.metrics["bits_per_byte"])
    marks = task.marks(outcomes, task.options())
    assert max(marks) < 0
    assert marks[0] == pytest.approx(-outcomes[0]["nats"] / math.log(2) / outcomes[0]["bytes"])


def test_nats_are_those_of_the_plain_model_whatever_the_window(decoder):
    """One window over the whole text is the textbook's sum; a smaller one gives each token less to go by, none twice."""
    spec = text_spec(decoder, max_length=48)
    plan = plan_run(spec, text_prepared(), device="cpu")
    base = load_base(plan)
    rows = encode(plan, base).rows["test"]
    whole = plan.task.predict(plan.live(base), rows)
    for row, outcome in zip(rows[:4], whole):
        ids = torch.tensor([row["input_ids"]])
        with torch.no_grad():
            logits = base(input_ids=ids).logits[0, :-1]
        wanted = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum")
        assert outcome["nats"] == pytest.approx(float(wanted), rel=1e-4)
    small = plan.task.predict(plan.live(base), [{**row, "window": 8} for row in rows])
    assert [o["tokens"] for o in small] == [o["tokens"] for o in whole]
    assert [o["nats"] for o in small] != pytest.approx([o["nats"] for o in whole])


def test_epochs_are_counted_in_windows(decoder):
    spec = text_spec(decoder, budget=Budget("epochs", 2))
    plan = plan_run(spec, text_prepared(), device="cpu")
    encoded = encode(plan, load_base(plan))
    windows = encoded.rows["train"]
    assert plan.context.steps == 2 * math.ceil(len(windows) / 8)
    assert len(windows) != len(text_prepared().rows["train"])
    assert {len(row["input_ids"]) for row in windows[:-1]} == {16}
    assert encoded.longest == 16


def test_the_table_ranks_the_lower_first_and_compares_with_counted_bytes(finished, decoder):
    store, run_id, result, _ = finished
    prepared = text_prepared()
    save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))
    spec = text_spec(decoder, "lora", learning_rate=1e-5, budget=Budget("steps", 30))
    kept(store, spec)
    found = comparison(store, spec.setting.id)
    assert (found.metric, found.yardstick) == ("bits_per_byte", "ngram")
    assert [row.method for row in found.rows] == ["full", "lora"]
    assert [row.key for row in found.references] == ["xz", "ngram"]
    (verdict,) = [v for v in found.verdicts if v.second_key != "ngram"]
    assert verdict.difference.mean > 0
    assert "bits per byte apart" in verdict.sentence
    assert found.rows[0].mean("forgetting") == result.forgetting
    from workbench import report, side_by_side

    assert "forgetting" in report.to_text(found)
    assert side_by_side.ask(str(store.folder), "ngram", run_id, "the film")["text"]


def test_it_goes_on_with_a_text(finished):
    store, run_id, _, _ = finished
    inference.forget()
    base, own = inference.answer(store, [run_id], "the film is", options={"do_sample": False})
    assert own["live"] is True
    assert 0 < own["tokens"] <= 8
    assert set(own["text"].split()) <= {*THINGS, "the", "is", "slow", "and", "was", "good"}
    assert base["text"] != own["text"]


@pytest.mark.parametrize(
    ("options", "trained"),
    [({"parameterisation": "freeze", "layers": 1}, "1"), ({"parameterisation": "lora", "r": 2}, "lora_")],
)
def test_continued_pretraining_trains_what_its_parameterisation_trains(decoder, tmp_path, options, trained):
    spec = text_spec(decoder, "continued_pretraining", options=options, learning_rate=1e-2)
    result, _ = run(spec, tmp_path)
    assert result.live is True
    assert result.forgetting is not None
    plain = {k: v for k, v in options.items() if k != "parameterisation"}
    twin = plan_run(
        text_spec(decoder, options["parameterisation"], options=plain), text_prepared(), device="cpu"
    )
    alike = twin.method.apply(load_base(twin), twin.options, twin.context)
    assert result.trainable_parameters == sum(p.numel() for p in alike.parameters() if p.requires_grad)
    again = saving.load_trained(models.resolve(str(decoder)), saving.trained_folder(tmp_path))
    plan = plan_run(spec, text_prepared(), device="cpu")
    found = plan.task.predict(plan.live(again), encode(plan, again).rows["test"])
    assert [o["nats"] for o in found] == pytest.approx(
        [o["nats"] for o in read_outcomes(tmp_path / OUTCOMES)], rel=1e-4
    )


def test_a_parameterisation_that_is_more_than_that_is_refused():
    options = registry.method("continued_pretraining").options
    for name in ("upft", "t_few", "qlora", "continued_pretraining"):
        with pytest.raises(ValueError, match="is a way to train weights"):
            options(parameterisation=name)
    with pytest.raises(ValueError, match="did you mean lora"):
        options(parameterisation="lorra")


def test_what_was_read_is_the_base_of_what_is_taught(decoder, tmp_path):
    """Text, then text again, then answers and labels: each hop begins with the weights that the one before ended with."""
    store = Store(tmp_path / "store")
    lora = text_spec(
        decoder,
        "continued_pretraining",
        options={"parameterisation": "lora"},
        learning_rate=1e-2,
        budget=Budget("steps", 8),
    )
    first, one, _ = kept(store, lora)
    second, two, _ = kept(store, text_spec(f"run:{first}", "full", learning_rate=1e-2))
    assert two.metrics["bits_per_byte_start"] == pytest.approx(one.metrics["bits_per_byte"], rel=1e-4)
    _, told, _ = kept(store, generation_spec(f"run:{second}", "lora"), generation_prepared())
    assert told.live is True
    source = models.resolve(f"run:{second}", store=store)
    text_model = models.load_model(source, "language_modelling", (), store=store)
    assert not models.has_new_head(text_model)
    classifier = models.load_model(source, "classification", ("negative", "positive"), store=store)
    assert models.has_new_head(classifier)
    trunk, body = (m.model.state_dict() for m in (text_model, classifier))
    assert all(torch.equal(trunk[name], body[name]) for name in trunk)
    base = models.load_model(models.resolve(str(decoder)), "language_modelling", ())
    assert any(not torch.equal(trunk[name], value) for name, value in base.model.state_dict().items())
    _, labelled, _ = kept(
        store,
        tiny_spec(f"run:{second}", "lora", learning_rate=1e-2, budget=Budget("steps", 6)),
        tiny_prepared(),
    )
    assert labelled.live is True, labelled.notes


def test_an_encoder_is_refused_with_the_reason(tmp_path):
    bert = tiny_folder("bert", tmp_path)
    with pytest.raises(Unsuitable, match="language modelling needs a causal"):
        run(text_spec(bert), tmp_path / "run")


@pytest.mark.slow
def test_real_text_and_a_real_model(shared, tmp_path):
    """Encyclopaedia pages for a model that knows stories: a few steps are enough to tell them better."""
    from workbench.data import prepare

    folder = shared / "data" / "wikitext2_valid_test"
    parts = {"train": str(folder / "valid.txt"), "test": str(folder / "test.txt")}
    prepared = prepare(
        parts=parts, task="language_modelling", format="line", test_rows=60, validation_rows=20
    )
    weights = next((shared / "weights" / "stories3M").rglob("config.json")).parent
    spec = text_spec(
        weights,
        "continued_pretraining",
        options={"parameterisation": "lora"},
        learning_rate=2e-3,
        budget=Budget("steps", 12),
        max_length=64,
        task_options={"general_texts": 20},
    )
    spec = dataclasses.replace(spec, setting=dataclasses.replace(spec.setting, data=prepared.spec))
    result, _ = run(spec, tmp_path, prepared=prepared)
    assert result.live is True
    assert result.metrics["bits_per_byte"] < result.metrics["bits_per_byte_start"]
    assert result.forgetting is not None
