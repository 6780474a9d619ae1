"""A chain is queued as a whole; later hops start from what earlier ones made, and are scored on what those learnt."""

import json
from dataclasses import replace

import pytest
import torch

from tests.chains import chain_preset, classified, hop, in_this_process, kept_as, saved, work_off
from tests.generation import generation_rows
from tests.language import text_rows
from tests.tiny import save_tiny, tiny_batch
from workbench import also_test, chain, language_scores, measure, models, saving, session, study, study_table
from workbench.callbacks import Cancelled
from workbench.lease import Lease


@pytest.fixture(autouse=True, scope="module")
def quick():
    with pytest.MonkeyPatch.context() as patch:
        in_this_process(patch)
        patch.setattr(measure, "LATENCY_SECONDS", 0.0)
        patch.setattr(measure, "LATENCY_MOST_SECONDS", 0.0)
        patch.setattr(language_scores, "general_texts", lambda count: ["the film was good"] * min(count, 3))
        yield


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return str(save_tiny("qwen2", tmp_path_factory.mktemp("tiny") / "qwen2"))


OTHER = {"negative": "cold", "positive": "warm"}


def test_all_runs_are_queued_at_once_and_name_their_bases(store, decoder):
    preset = chain_preset(
        hop("A", ["full", "lora"]),
        hop("B", ["full", "lora"], **{"from": "each"}),
        hop("C", ["bitfit"]),
        hop("D", **{"from": "start"}),
        model=decoder,
        seeds=[0, 1],
    )
    data = saved(store, *(classified(seed) for seed in (1, 2, 3, 4)))
    queued = session.submit(store, preset, prepared=data, key="k", owner="me")
    runs = [store.run(one) for one in queued.run_ids]
    assert [run.spec.seed for run in runs] == [0] * 6 + [1] * 6
    a_full, a_lora, b_full, b_lora, c, d = runs[:6]
    assert [run.spec.setting.model for run in (a_full, a_lora, d)] == [decoder] * 3
    assert [run.spec.setting.model for run in (b_full, b_lora)] == [f"run:{a_full.id}", f"run:{a_lora.id}"]
    assert c.spec.setting.model == f"best:{b_full.id}+{b_lora.id}"
    assert runs[6].spec.setting.id == a_full.spec.setting.id  # the first hop's seeds share a setting
    assert runs[8].spec.setting.model == f"run:{runs[6].id}"
    assert a_full.spec.setting.model_revision
    assert b_full.spec.setting.model_revision is None
    (record,) = store.studies(owner="me")
    assert [record.hop_of(run.id) for run in runs[:6]] == [0, 0, 1, 1, 2, 3]
    again = session.submit(store, preset, prepared=data, key="k", owner="me")
    assert (again.run_ids, again.study_id) == (queued.run_ids, record.id)
    assert len(store.studies()) == 1


def test_classifiers_of_a_chain_have_the_labels_of_all_hops(store, decoder):
    data = saved(store, classified(1), classified(2, OTHER))
    queued = session.submit(store, chain_preset(hop("A"), hop("B"), model=decoder), prepared=data)
    settings = [store.run(one).spec.setting for one in queued.run_ids]
    assert [one.data.labels for one in settings] == [("cold", "negative", "positive", "warm")] * 2
    alone = session.submit(
        store, chain_preset(hop("A"), hop("B", also_test="none"), model=decoder), prepared=data
    )
    assert [store.run(one).spec.setting.data.labels for one in alone.run_ids] == [
        ("negative", "positive"),
        ("cold", "warm"),
    ]


def test_training_rows_of_one_hop_in_the_test_part_of_another_are_counted(store, decoder):
    first, second = classified(1), classified(2)
    rows = {**second.rows, "train": [*second.rows["train"], *first.rows["test"][:3]]}
    leaking = kept_as("classification", "leaking", rows, second.spec.labels)
    found = chain.shared_rows(chain_preset(hop("A"), hop("B")).chain, saved(store, first, leaking))
    assert {(one["trained"], one["tested"]) for one in found} == {(1, 0)}
    assert found[0]["rows"] >= 3
    assert chain.shared_rows(chain_preset(hop("A"), hop("B")).chain, [first, first]) == []


@pytest.fixture(scope="module")
def three_hops(tmp_path_factory, decoder):
    """LoRA, then a bottleneck adapter on its result, then full fine-tuning of that."""
    from workbench.store import Store

    store = Store(tmp_path_factory.mktemp("chain") / "store")
    preset = chain_preset(hop("A", ["lora"]), hop("B", ["adapter"]), hop("C", ["full"]), model=decoder)
    data = saved(store, classified(1), classified(2, OTHER), classified(3))
    queued = session.submit(store, preset, prepared=data)
    work_off(store)
    return store, queued


def answers(model):
    batch = tiny_batch()
    batch.pop("labels")
    with torch.no_grad():
        return model(**batch).logits


def test_three_hops_of_lora_adapter_and_full_train_and_load_back(three_hops):
    store, queued = three_hops
    first, second, third = (store.run(one) for one in queued.run_ids)
    for run in (first, second, third):
        assert run.state == "finished"
        assert run.result.live, (run.label, run.result.notes, run.result.live_difference)
    # What a hop began with is what the hop before ended with.
    for earlier, later in ((first, second), (second, third)):
        source = models.resolve(f"run:{earlier.id}", store=store)
        base = models.load_model(source, "classification", later.spec.setting.data.labels, store=store)
        trained = saving.load_trained(
            models.resolve(earlier.spec.setting.model, store=store),
            saving.trained_folder(store.run_folder(earlier.id)),
            store=store,
        )
        assert torch.allclose(answers(base), answers(trained), atol=1e-5)
        assert not models.has_new_head(base)
    # And the last one says after loading what it said when it was scored.
    path = store.run_folder(third.id) / "outcomes.jsonl"
    outcomes = [json.loads(line) for line in path.read_text().splitlines()]
    task = also_test.registry.task("classification")
    kept = saving.load_trained(
        models.resolve(third.spec.setting.model, store=store),
        saving.trained_folder(store.run_folder(third.id)),
        store=store,
    )
    live = also_test._asked(
        third, models.resolve(third.spec.setting.model, store=store), kept, store, lambda: None
    )
    from workbench.data import load_prepared

    rows = load_prepared(store.data_folder(third.spec.setting.data.fingerprint)).rows["test"]
    again = task.predict(live, task.encode(live.tokenizer, rows, live.labels, 32))
    assert [one["predicted"] for one in again] == [one["predicted"] for one in outcomes]
    for one, other in zip(again, outcomes):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)


def test_hops_are_scored_on_the_test_parts_of_those_before(three_hops):
    store, queued = three_hops
    first, second, third = (store.run(one) for one in queued.run_ids)
    (record,) = store.studies()
    parts = [link.part for link in chain.links(record)]
    assert set(first.result.elsewhere) == {parts[0].key}
    assert set(first.result.elsewhere[parts[0].key]) == {"told_accuracy"}
    assert set(second.result.elsewhere) == {parts[0].key, parts[1].key}
    assert set(third.result.elsewhere) == {part.key for part in parts}
    assert 0 <= third.result.elsewhere[parts[1].key]["accuracy"] <= 1
    assert chain.tested(store, third.id).also == (parts[0], parts[1])


def test_a_classifier_that_is_told_the_task_answers_within_its_labels(three_hops):
    (record,) = three_hops[0].studies()
    part = chain.links(record)[1].part
    assert (part.own_labels, len(part.labels)) == (("cold", "warm"), 4)
    says = [0.1, 0.6, 0.2, 0.1]  # cold, negative, positive, warm
    outcomes = [
        {"label": "cold", "probabilities": says},
        {"label": "warm", "probabilities": [0.0, 0.6, 0.2, 0.2]},
    ]
    assert also_test._told(part, outcomes) == {"told_accuracy": 1.0}
    assert also_test._told(replace(part, own_labels=part.labels), outcomes) == {}


def test_a_run_outside_any_chain_keeps_its_result(store, decoder):
    from tests.test_compare import finish

    run = store.run(finish(store, "lora", 0, 0.8))
    assert chain.tested(store, run.id) is None
    found = also_test.also_score(
        run,
        store,
        store.run_folder(run.id),
        run.result,
        lease=Lease(store.folder / "lease"),
        should_stop=lambda: False,
    )
    assert found is run.result


def test_what_was_trained_is_kept_when_the_scoring_is_stopped(three_hops):
    from workbench import outcome

    store, queued = three_hops
    run = store.run(queued.run_ids[1])
    folder = store.run_folder(run.id)
    with pytest.raises(Cancelled):
        also_test.also_score(
            run, store, folder, run.result, lease=Lease(store.folder / "lease"), should_stop=lambda: True
        )
    assert outcome.verdict(folder, None, cancel_requested=True).state == "finished"


@pytest.mark.slow
def test_texts_then_answers_then_labels(store, decoder):
    """Language modelling, generation on what came of it, and a classifier on its trunk: another kind of model."""
    rows = {
        part: text_rows(count, seed)
        for part, count, seed in (("train", 24, 1), ("validation", 4, 2), ("test", 6, 3))
    }
    texts = kept_as("language_modelling", "said", rows)
    rows = {
        part: generation_rows(count, seed)
        for part, count, seed in (("train", 24, 1), ("validation", 6, 2), ("test", 6, 3))
    }
    told = kept_as("generation", "told", rows)
    preset = chain_preset(
        hop("Texts", ["full"], task="language_modelling", general_texts=2),
        hop("Answers", ["lora"], task="generation", max_new_tokens=6),
        hop("Labels", ["head"]),
        model=decoder,
    )
    session.submit(store, preset, prepared=saved(store, texts, told, classified(5)))
    work_off(store)
    first, second, third = store.runs()
    (record,) = store.studies()
    part = chain.links(record)[0].part
    assert first.result.elsewhere["general"]["perplexity"] > 1
    assert first.result.elsewhere_start[part.key]["bits_per_byte"] == pytest.approx(
        first.result.metrics["bits_per_byte_start"], rel=1e-4
    )
    assert second.result.elsewhere[part.key]["perplexity"] > 1
    assert second.result.elsewhere_start == {}
    assert third.result.elsewhere == {}
    assert any(note.startswith("Not scored on Texts, Answers") for note in third.result.notes)

    found = study_table.table(store, study.recorded(store, record))
    notes, answers_row, labels_row = found.rows
    assert notes.cells[part.key, "perplexity"].mean == pytest.approx(first.result.metrics["perplexity"])
    change = answers_row.changes[part.key, "bits_per_byte"].mean
    expected = second.result.elsewhere[part.key]["bits_per_byte"] - first.result.metrics["bits_per_byte"]
    assert change == pytest.approx(expected)
    assert answers_row.forgetting.mean != 0
    assert found.start[part.key, "bits_per_byte"] > notes.cells[part.key, "bits_per_byte"].mean
    assert labels_row.general_perplexity is None
    assert any("Not scored on" in note for note in found.notes)
