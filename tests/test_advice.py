"""The advice: its order follows the weights and nothing else, and each sentence rests on a row that says so."""

from dataclasses import replace

import pytest

from tests.test_claims import apart, row, table
from workbench.advice import ASPECTS, USUAL, advise, ranked
from workbench.statistics import Difference, Interval
from workbench.verdicts import Pair

MIB = 2**20


def measured(method: str, accuracy: float, memory: float, latency: float = 1.0, merged=None, **more):
    cells = {
        "accuracy": accuracy,
        "peak_memory_bytes": memory * MIB,
        "latency_ratio": latency,
        "adapter_bytes": 1000.0,
    }
    cells |= {"merged_latency_ratio": merged} if merged else {}
    return row(method, **(cells | more))


FULL = measured("full", 0.904, 171, adapter_bytes=34e6)
LORA = measured("lora", 0.899, 68, 1.14, 1.0, adapter_bytes=265e3)
HEAD = measured("head", 0.796, 36, adapter_bytes=3e3)


def unsure(first, second) -> dict:
    return {(first.key, second.key): Pair(Difference(0.005, -0.01, 0.02, 0.4, 3, 300), 0.8)}


def test_each_weight_alone_puts_its_own_best_first():
    found = table(FULL, LORA, HEAD)
    for aspect, best in (("score", "full"), ("memory", "head"), ("size", "head")):
        assert ranked(found, {aspect: 5})[0].row.method == best
    assert set(ranked(found, USUAL)[0].aspects) == set(ASPECTS)
    assert [place.row.method for place in ranked(found, {})] == ["full", "lora", "head"]


def test_a_slower_method_that_merges_counts_as_merged():
    adapter = measured("adapter", 0.896, 75, 1.19)
    places = {place.row.method: place.aspects["latency"] for place in ranked(table(LORA, adapter), USUAL)}
    assert places["lora"] > places["adapter"]


def test_the_advice_cites_the_rows_that_it_rests_on():
    found = table(FULL, LORA, HEAD, pairs=unsure(FULL, LORA) | apart(LORA, HEAD, 0.08, 0.12))
    advice = advise(found, USUAL)
    assert advice.row == LORA.key
    assert advice.headline == "Take LoRA, and merge it."
    said = {piece.words: piece.row for piece in advice.pieces}
    assert said["It cannot be told from Full fine-tuning."] == FULL.key
    assert said["It needs 68 MiB instead of 171 MiB."] == LORA.key
    assert any("Linear probe would save" in words and "loses 10.0 points" in words for words in said)
    assert all(key in {r.key for r in found.rows} for key in said.values())


def test_a_method_that_is_beaten_is_never_said_to_be_as_good():
    found = table(FULL, HEAD, pairs=apart(FULL, HEAD, 0.08, 0.12))
    advice = advise(found, {"memory": 5})
    assert advice.headline == "Take Linear probe."
    assert "Full fine-tuning beats it by 10.0 points." in [piece.words for piece in advice.pieces]


def with_yardstick(found, reference, pairs):
    return replace(found, references=(reference,), pairs={**found.pairs, **pairs})


def test_where_no_method_reaches_the_cheap_reference_the_advice_is_to_stay_with_it():
    plain = table(LORA, HEAD, pairs=apart(LORA, HEAD, 0.08, 0.12))
    reference = replace(FULL, key=plain.yardstick, label="TF-IDF")
    lora, head = apart(reference, LORA, 0.02, 0.05), apart(reference, HEAD, 0.1, 0.15)
    advice = advise(with_yardstick(plain, reference, lora | head))
    assert advice.headline == "Stay with TF-IDF on this data."
    assert [piece.row for piece in advice.pieces] == [plain.yardstick]
    some = advise(with_yardstick(plain, reference, lora), {"score": 5})
    assert some.headline.startswith("Take LoRA")
    assert "But TF-IDF beats it: on this data that is the better cheap choice." in [
        piece.words for piece in some.pieces
    ]


def test_one_seed_is_said_to_be_one_seed():
    pair = {(FULL.key, LORA.key): Pair(Difference(0.005, None, None, None, 1, 300), None)}
    words = " ".join(piece.words for piece in advise(table(FULL, LORA, pairs=pair), {"memory": 1}).pieces)
    assert "one seed each" in words


@pytest.mark.parametrize("rows", [(), (FULL,)])
def test_less_than_two_rows_advise_nothing(rows):
    advice = advise(table(*rows))
    assert advice.row == ""
    assert advice.headline == "Nothing to advise yet"


def test_what_was_not_measured_counts_as_the_worst():
    bare = row("dora", accuracy=Interval(0.9, 0.89, 0.91, 3))
    places = {place.row.method: place.aspects for place in ranked(table(LORA, bare), USUAL)}
    assert places["dora"]["memory"] == 0.0
    assert places["lora"]["memory"] == 1.0
