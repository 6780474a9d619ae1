"""Tokens that a label rests on: exact for a linear model, right on a word that decides, and for every kind of method."""

import pytest
import torch

from tests.served import served
from workbench import attributions, inference
from workbench.engine import Engine

TEXT = "the film was good and never dull"
CHOICES = [("lora", {"r": 2}), "full", "prompt", "adapter", "ptq"]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return served(tmp_path_factory.mktemp("explain"), CHOICES, layout="llama")


@pytest.fixture(autouse=True)
def nothing_loaded():
    inference.forget()
    yield
    inference.forget()


def test_all_runs_are_explained_side_by_side_or_say_why_not(many):
    found = attributions.explain(str(many.store.folder), many.ids, TEXT)
    assert [one["run_id"] for one in found] == list(many.ids)
    for one in found[:4]:
        assert one["reason"] is None
        assert "".join(token["text"] for token in one["tokens"]).split() == TEXT.split()
        assert sum(abs(token["score"]) for token in one["tokens"]) == pytest.approx(1, abs=1e-4)
        assert one["label"] in ("negative", "positive")
    assert found[0]["tokens"] != found[1]["tokens"]
    assert (found[4]["reason"] is None) == bool(found[4]["tokens"])


def test_the_other_label_is_explained_by_the_opposite(many):
    one, other = (
        attributions.explain(str(many.store.folder), many.ids[:1], TEXT, label)[0]
        for label in ("negative", "positive")
    )
    for a, b in zip(one["tokens"], other["tokens"]):
        assert a["score"] == pytest.approx(-b["score"], abs=1e-5)
    (wrong,) = attributions.explain(str(many.store.folder), many.ids[:1], TEXT, "nobody")
    assert "there is no label" in wrong["reason"]


def test_scores_are_the_gradient_times_the_vector(many):
    """Against the slope found by moving each token's vector a little along itself."""
    engine = Engine(many.store, device="cpu")
    (found,) = attributions.explain(str(many.store.folder), many.ids[1:2], TEXT)
    with engine.using(many.ids[1]) as live:
        resident = engine.resident(many.ids[1])
        batch, _ = resident.task.ask_batch(live, TEXT, resident.max_length, resident.room)
        vectors = live.model.get_input_embeddings()(batch["input_ids"]).detach()
        target = live.labels.index(found["label"])

        def margin(given):
            with torch.no_grad():
                logits = live.model(inputs_embeds=given, attention_mask=batch["attention_mask"]).logits[0]
            return float(logits[target] - logits[1 - target])

        slopes = []
        for i in range(vectors.shape[1]):
            moved = vectors.clone(), vectors.clone()
            moved[0][0, i] *= 1.001
            moved[1][0, i] *= 0.999
            slopes.append((margin(moved[0]) - margin(moved[1])) / 0.002)
    whole = sum(map(abs, slopes))
    for slope, token in zip(slopes, found["tokens"]):
        assert token["score"] == pytest.approx(slope / whole, abs=0.01)


def test_no_weight_gets_a_gradient(many):
    attributions.explain(str(many.store.folder), many.ids[:2], TEXT)
    engine = inference.engine_for(many.store)
    for run_id in many.ids[:2]:
        assert all(p.grad is None for p in engine.resident(run_id).tree.model.parameters())
