"""What can be said of texts without deep learning."""

import json
import math

import pytest

from tests.language import text_prepared
from workbench import registry
from workbench.text_references import HISTORY, ByteModel, records

TEXTS = [b"the film is slow", b"the plot is slow", b"a film"]


def test_chances_of_all_bytes_make_one():
    model = ByteModel(TEXTS)
    for before in (b"\x00", b"\x00the fil", b"\x00never seen", b"\x00a\x00the"):
        assert sum(model.probability(before, bytes([i])) for i in range(256)) == pytest.approx(1)


def test_what_was_seen_often_is_told_cheaply_and_only_the_own_text_counts():
    model = ByteModel(TEXTS * 20)
    assert model.nats(b"the film is slow") < 16 * 0.4
    assert model.nats(b"qqqqqqqq") > 8 * 4
    assert model.probability(b"xyz\x00", b"t") == model.probability(b"\x00", b"t")
    (one,) = model.outcomes(["schön".encode()])
    assert (one["bytes"], one["tokens"]) == (6, 7)


def test_both_references_are_records_and_the_yardstick_has_rows():
    prepared = text_prepared()
    xz, ngram = records(prepared)
    json.dumps([xz, ngram])
    assert ngram["method"] == registry.task("language_modelling").yardstick
    assert len(ngram["outcomes"]) == len(prepared.rows["test"])
    total = sum(len(row["text"]) for row in prepared.rows["test"])
    assert ngram["metrics"]["bits_per_byte"] == pytest.approx(
        sum(o["nats"] for o in ngram["outcomes"]) / math.log(2) / total
    )
    # Texts of eight words in one pattern: both find it, and neither has a neural network.
    assert 0 < ngram["metrics"]["bits_per_byte"] < 1
    assert 0 < xz["metrics"]["bits_per_byte"] < 1


def test_it_goes_on_with_a_text():
    model = ByteModel([b"abcabcabc"] * 50)
    written, ended = model.go_on(b"ab", 40)
    assert written.startswith(b"c")
    assert ended
    assert len(written) <= 40 + HISTORY
