"""The first batch as the model sees it: every token's text, and the loss on the completion alone."""

import pytest

from tests.generation import generation_prepared
from tests.training import LABELS, tiny_folder, tiny_prepared
from workbench.batches import LengthBatches
from workbench.data import save_prepared
from workbench.first_batch import first_batch, token_texts


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("models"))


def test_loss_is_on_the_completion_and_its_end(store, decoder):
    prepared = generation_prepared()
    save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))
    found = first_batch(
        str(store.folder), str(decoder), "generation", {}, prepared.spec.fingerprint, (), 32, batch_size=8
    )
    assert len(found["rows"]) == found["count"] == 8
    by_prompt = {tuple(row["prompt"].split()): row for row in prepared.rows["train"]}
    for row in found["rows"]:
        learnt = [token["text"].strip() for token in row["tokens"] if token["loss"]]
        rest = [token["text"].strip() for token in row["tokens"] if not token["loss"]]
        source = by_prompt[tuple(rest[1:])]
        assert learnt == [*source["completion"].split(), "[SEP]"]
        assert row["label"] is None
        assert row["cut"] is False
    assert found["learnt"] == sum(token["loss"] for row in found["rows"] for token in row["tokens"])
    assert found["tokens"] == sum(len(row["tokens"]) for row in found["rows"])
    assert len(found["template_hash"]) == 12


def test_it_is_the_batch_that_a_run_with_this_seed_sees_first(store, decoder):
    prepared = generation_prepared()
    save_prepared(prepared, store.data_folder(prepared.spec.fingerprint))

    def shown(seed):
        return first_batch(
            str(store.folder), str(decoder), "generation", {}, prepared.spec.fingerprint, (), 32, 8, seed
        )["rows"]

    lengths = [1 + len(f"{r['prompt']} {r['completion']}".split()) + 1 for r in prepared.rows["train"]]
    order = next(iter(LengthBatches(lengths, 8, 3, 1)))
    assert [len(row["tokens"]) for row in shown(3)] == [lengths[i] for i in order]
    assert shown(3) != shown(4)


def test_a_row_of_a_classification_shows_its_label(store, decoder):
    from workbench.data import Prepared
    from workbench.data.clean import Row
    from workbench.data.fingerprint import fingerprint
    from workbench.spec import DataSpec

    rows = tiny_prepared().rows
    mark = fingerprint({part: [Row(r["text"], r["label"]) for r in rows[part]] for part in rows}, LABELS)
    save_prepared(Prepared(DataSpec("tiny", labels=LABELS, fingerprint=mark), rows), store.data_folder(mark))
    found = first_batch(str(store.folder), str(decoder), "classification", {}, mark, LABELS, 32, 8)
    assert {row["label"] for row in found["rows"]} <= set(LABELS)
    assert found["learnt"] == 0
    assert found["template_hash"] is None


def test_a_character_of_several_tokens_is_shown_once():
    class Bytes:
        def decode(self, ids):
            return bytes(ids).decode("utf-8", errors="replace")

    assert token_texts(Bytes(), list("aé".encode())) == ["a", "", "é"]
