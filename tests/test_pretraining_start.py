"""Pretraining: how positions and attention start, and Muon beside AdamW."""

import copy
from datetime import timedelta

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, Qwen2Config, Qwen2ForCausalLM

from workbench.pretraining.build import start_attention
from workbench.pretraining.config import PretrainConfig, Recipe
from workbench.pretraining.optimizer import muon

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
SOURCES = {"text": {"train": "a.jsonl", "heldout": "b.jsonl"}}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return BertForMaskedLM(BertConfig(**SIZES, max_position_embeddings=40)).eval()


def config(**changes):
    return PretrainConfig("x", SOURCES, architecture={"model_type": "bert"}, **changes)


def test_nothing_changes_unless_asked(encoder):
    before = copy.deepcopy(encoder.state_dict())
    start_attention(encoder, config())
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_waves_tell_a_place_by_its_neighbours(encoder):
    start_attention(encoder, config(positions="sinusoidal"))
    places = encoder.bert.embeddings.position_embeddings.weight.detach()
    likeness = torch.nn.functional.cosine_similarity(places[20:21], places)
    assert likeness[20] == pytest.approx(1)
    assert likeness[19] > likeness[15] > likeness[5]
    # Two places equally far apart are equally alike, wherever they stand.
    assert torch.dot(places[3], places[5]) == pytest.approx(
        float(torch.dot(places[30], places[32])), rel=1e-4
    )
    words = encoder.get_input_embeddings().weight.std()
    assert places.square().mean().sqrt() == pytest.approx(float(2 * words.detach() / 2**0.5), rel=1e-3)


def test_gain_reaches_queries_and_keys_alone(encoder):
    before = copy.deepcopy(dict(encoder.named_parameters()))
    start_attention(encoder, config(attention_gain=2))
    for name, weight in encoder.named_parameters():
        gain = 2 if name.endswith(("query.weight", "key.weight")) else 1
        assert torch.equal(weight, gain * before[name]), name


def test_a_model_without_position_embeddings_is_refused():
    model = Qwen2ForCausalLM(Qwen2Config(**SIZES, num_key_value_heads=2))
    with pytest.raises(ValueError, match="qwen2 model has no learned position embeddings"):
        start_attention(model, config(positions="sinusoidal"))


@pytest.mark.parametrize(
    "change", [{"positions": "sinusodal"}, {"attention_gain": 0}, {"attention_gain": True}]
)
def test_bad_starts_are_named(change):
    with pytest.raises(ValueError, match=next(iter(change)).split("_")[0]):
        config(**change)


def test_muon_takes_hidden_matrices_and_adamw_the_rest(encoder):
    optimizer = muon(encoder, Recipe(tokens=1e6, optimizer="muon"))
    names = {id(p): name for name, p in encoder.named_parameters()}
    hidden, decayed, other = ([names[id(p)] for p in group["params"]] for group in optimizer.param_groups)
    assert len(hidden) == 2 * 6 + 1  # six in each block, one in the output's transform
    assert all(".dense." in name or ".self." in name for name in hidden)
    assert all("embeddings" in name for name in decayed)
    assert all(name.endswith("bias") or "LayerNorm" in name for name in other)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.1, 0.0]
    assert len(hidden) + len(decayed) + len(other) == len(names)


def test_muon_learns_and_its_state_comes_back(encoder):
    recipe = Recipe(tokens=1e6, optimizer="muon", learning_rate=3e-3)
    ids = torch.randint(0, 64, (4, 12))
    optimizer = muon(encoder, recipe)

    def step(model, stepper):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        stepper.step()
        stepper.zero_grad()
        return float(loss.detach())

    losses = [step(encoder, optimizer) for _ in range(8)]
    assert losses[-1] < losses[0] - 0.5
    twin = copy.deepcopy(encoder)
    resumed = muon(twin, recipe)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for group in (*optimizer.param_groups, *resumed.param_groups):
        group["lr"] = 1e-3  # set from outside, as the clock does after a checkpoint was read
    step(encoder, optimizer)
    step(twin, resumed)
    for a, b in zip(encoder.parameters(), twin.parameters()):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def _one_of_several(rank, folder, processes):
    import torch.distributed as dist

    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet",
        rank=rank,
        world_size=processes,
        timeout=timedelta(seconds=60),
    )
    torch.save(_three_steps(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def _three_steps():
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(**SIZES, max_position_embeddings=40))
    optimizer = muon(model, Recipe(optimizer="muon", tokens=1_000))
    words = torch.randint(0, 64, (4, 8), generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        optimizer.zero_grad()
        model(words, labels=words).loss.backward()
        optimizer.step()
    return {"weights": model.state_dict(), "momentum": optimizer.state_dict()["parts"][0]}


@pytest.mark.slow
def test_processes_that_share_the_work_of_muon_reach_the_same_weights(tmp_path):
    torch.multiprocessing.spawn(_one_of_several, (str(tmp_path), 2), nprocs=2)
    alone = _three_steps()
    for rank in range(2):
        shared = torch.load(tmp_path / f"{rank}.pt")
        for name, weight in alone["weights"].items():
            assert torch.allclose(weight, shared["weights"][name], atol=1e-5), name
        for number, state in alone["momentum"]["state"].items():
            theirs = shared["momentum"]["state"][number]["momentum_buffer"]
            assert torch.allclose(state["momentum_buffer"], theirs, atol=1e-6)
