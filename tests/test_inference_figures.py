"""The engine's figures on the embedded model, printed: `pytest tests/test_inference_figures.py -m slow -s`."""

import time

import pytest
import torch

from tests.served import served
from workbench.asking import Ask, classify, write
from workbench.engine import Engine
from workbench.engine_tensors import unique_bytes

pytestmark = pytest.mark.slow
ADAPTERS, TOKENS = 12, 24
TEXT = "The soup was lovely, but we waited an hour for it."


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loaded(folder, task, **options):
    found = served(
        folder, [("lora", options)] * ADAPTERS, task=task, model="embedded:fable-8m", spread=0.3, max_length=128,
        **({"task_options": {"max_new_tokens": TOKENS}} if task == "generation" else {}),
    )  # fmt: skip
    engine = Engine(found.store, device="cpu")
    engine.load(found.ids)
    return found, engine


@pytest.fixture(scope="module")
def writers(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("writers"), "generation")


def seconds(do, rounds=3):
    """The quickest of some rounds of processor time: what else runs on the machine does not count."""
    do()
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        do()
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize("rank", [2, 4, 8])
def test_twelve_adapters_cost_one_base_and_their_own_weights(tmp_path, rank):
    found, engine = loaded(tmp_path, "classification", r=rank)
    base = unique_bytes(engine.base(found.ids[0]).model)
    own = [run["bytes"] for run in engine.contents()["bases"][0]["runs"]]
    ratio = engine.bytes / (base + own[0])
    print(f"\nrank {rank}: {engine.bytes / 2**20:.1f} MiB with {ADAPTERS} adapters of {own[0] / 2**20:.2f} MiB,"
          f" {ratio:.2f} times one base with one adapter")  # fmt: skip
    assert engine.bytes == base + sum(own)
    if rank <= 4:  # at rank 8 twelve times the adapter's own weights are nearly half a model of this size
        assert ratio <= 1.25


def test_switching(writers):
    found, engine = writers
    trees = [engine.resident(run_id).tree for run_id in found.ids]

    def switch_all():
        for tree, run_id in zip(trees, found.ids):
            tree.select(run_id)

    each = seconds(switch_all) / ADAPTERS * 1000
    print(f"\nswitching: {each:.1f} ms of processor time")
    assert each <= 20


def test_a_mixed_batch_of_texts_against_one_after_the_other(writers):
    found, engine = writers
    asks = [Ask(run_id, TEXT) for run_id in found.ids]
    together = seconds(lambda: write(engine, asks, proof=False))
    alone = seconds(lambda: [write(engine, [ask], proof=False) for ask in asks])
    same = [a["text"] for a in write(engine, asks)] == [write(engine, [ask])[0]["text"] for ask in asks]
    print(
        f"\nanswers of {TOKENS} tokens: {alone:.2f} s alone, {together:.2f} s together: {alone / together:.1f} times"
    )
    assert same
    assert alone >= 3 * together


def test_a_mixed_batch_of_labels_against_one_after_the_other(tmp_path):
    found, engine = loaded(tmp_path, "classification")
    asks = [Ask(run_id, TEXT) for run_id in found.ids]
    together = seconds(lambda: classify(engine, asks, proof=False), 5)
    alone = seconds(lambda: classify(engine, asks, alone=True, proof=False), 5)
    print(
        f"\nlabels: {alone * 1000:.0f} ms alone, {together * 1000:.0f} ms together: {alone / together:.1f} times"
    )
    assert alone > together
