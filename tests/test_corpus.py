"""Corpora: read with faults named, packed once and exactly, windows the same whoever asks, held-out files kept apart."""

import gzip
import json

import numpy as np
import pytest

from workbench import corpus
from workbench.corpus import UNSCORED, Masking, Source, Windows, documents, frame, mask, pack
from workbench.pretraining.tokenizer import BEGIN, END, train_tokenizer, wrap

TEXTS = [
    f"The cat number {i} sat on a mat.\nIt said: don't go, 12 {'very ' * (i % 5)}old dogs!" for i in range(60)
]
HELDOUT = [f"A fox of {i} years ran to the café." for i in range(10)]


def write(path, texts):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


@pytest.fixture
def source(tmp_path):
    train, heldout = write(tmp_path / "a.train.jsonl.gz", TEXTS), write(tmp_path / "a.rest.jsonl", HELDOUT)
    return Source("a", train, heldout)


@pytest.fixture
def tokenizer(source):
    return wrap(train_tokenizer([source], 400), "causal", 64)


def test_documents_of_each_form(tmp_path):
    lines = write(tmp_path / "x.jsonl.gz", ["one", "two\n\nlines"])
    plain = tmp_path / "x.txt"
    plain.write_text("one\n\n\ntwo\nlines\n\n")
    assert list(documents(lines)) == ["one", "two\n\nlines"]
    assert list(documents(plain)) == ["one", "two\nlines"]


@pytest.mark.parametrize("line", ['{"txt": "a"}', "not json", '{"text": 5}', "[1]"])
def test_a_broken_line_is_named(tmp_path, line):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(ValueError, match=r"x\.jsonl, line 2: .*text"):
        list(documents(path))


def test_a_file_that_is_not_what_its_name_says(tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_text("plain")
    with pytest.raises(ValueError, match=r"x\.jsonl\.gz can't be read as gzipped"):
        list(documents(path))


def test_packing_is_exact(source, tokenizer, tmp_path):
    packed = pack(tokenizer, source, tmp_path / "packed")
    both = {"train": TEXTS, "heldout": HELDOUT}
    for part, texts in both.items():
        ids = packed[part].tokens
        assert packed[part].text_bytes == sum(len(t.encode()) for t in texts)
        assert packed[part].documents == len(texts)
        pieces = np.split(ids, np.flatnonzero(ids == tokenizer.eos_token_id) + 1)[:-1]
        assert {int(piece[0]) for piece in pieces} == {tokenizer.bos_token_id}
        assert [tokenizer.decode(piece[1:-1]) for piece in pieces] == texts


def test_packing_happens_once_and_anew_for_other_text(source, tokenizer, tmp_path, monkeypatch):
    first = pack(tokenizer, source, tmp_path / "packed")["train"]
    monkeypatch.setattr(corpus, "_write", lambda *a: pytest.fail("packed again"))
    again = pack(tokenizer, source, tmp_path / "packed")["train"]
    assert np.array_equal(first.tokens, again.tokens)
    assert again.text_bytes == first.text_bytes
    monkeypatch.undo()
    write(source.train, TEXTS[:30])
    assert len(pack(tokenizer, source, tmp_path / "packed")["train"].tokens) < len(first.tokens)


def test_held_out_documents_are_left_out_of_training(source, tokenizer, tmp_path):
    write(source.train, [*TEXTS, HELDOUT[3], " " + HELDOUT[4] + "\n"])
    packed = pack(tokenizer, source, tmp_path / "packed")["train"]
    assert packed.dropped == 2
    assert packed.documents == len(TEXTS)


def test_a_held_out_file_is_refused_by_content_and_by_name(tmp_path):
    heldout = write(tmp_path / "h.jsonl", HELDOUT)
    copy = write(tmp_path / "innocent.jsonl", HELDOUT)
    train = write(tmp_path / "t.jsonl", TEXTS)
    corpus.refuse_heldout([Source("a", train, heldout)])
    with pytest.raises(ValueError, match=r"innocent\.jsonl is the held-out file of a"):
        corpus.refuse_heldout(
            [Source("a", train, heldout), Source("b", copy, write(tmp_path / "z.jsonl", ["z"]))]
        )
    named = write(tmp_path / "more.held-out.jsonl", TEXTS)
    with pytest.raises(ValueError, match="by its name"):
        corpus.refuse_heldout([Source("a", named, heldout)])


def test_a_vocabulary_too_large_for_16_bits(source, tmp_path):
    class Huge:
        bos_token_id, eos_token_id = 0, 1

        def __len__(self):
            return 70_000

    with pytest.raises(ValueError, match="70,000"):
        pack(Huge(), source, tmp_path)


def windows(seed=0, masking=None, length=16):
    parts = [(np.arange(100, dtype=np.uint16), 3.0), (np.arange(1000, 1040, dtype=np.uint16), 1.0)]
    return Windows(parts, length, 4000, seed, masking)


def test_windows_follow_from_seed_and_index_alone():
    one, two = windows(), windows()
    order = [7, 3, 3999, 7, 0]
    assert all(np.array_equal(one[i]["input_ids"], two[i]["input_ids"]) for i in order)
    assert any(not np.array_equal(one[i]["input_ids"], windows(seed=1)[i]["input_ids"]) for i in range(5))


def test_windows_lie_within_their_source_reach_both_ends_and_keep_the_shares():
    firsts = []
    for i in range(4000):
        ids = windows()[i]["input_ids"]
        assert np.array_equal(np.diff(ids), np.ones(15))
        firsts.append(int(ids[0]))
    assert (min(firsts), max(f for f in firsts if f < 1000)) == (0, 84)
    assert (min(f for f in firsts if f >= 1000), max(firsts)) == (1000, 1024)
    assert abs(sum(f < 1000 for f in firsts) / 4000 - 0.75) < 0.03
    with pytest.raises(IndexError):
        windows()[4000]


def test_what_nothing_stands_before_is_not_predicted():
    window = windows()[0]
    assert window["labels"][0] == UNSCORED
    assert np.array_equal(window["labels"][1:], window["input_ids"][1:])


def test_a_text_shorter_than_a_window():
    with pytest.raises(ValueError, match="40 tokens is shorter than one window of 64"):
        windows(length=64)


MASKING = Masking(
    mask_id=5, first_id=1, last_id=2, vocabulary=2000, special_ids=frozenset({0, 1, 2, 5}), share=0.3
)


def test_masking_hides_its_share_as_bert_does_and_no_special_token():
    ids = frame(np.random.default_rng(0).integers(6, 2000, (400, 64)), MASKING)
    done = mask(ids, MASKING, seed=3)
    hidden = done["labels"] != UNSCORED
    assert not hidden[:, [0, -1]].any()
    assert abs(hidden.mean() - 0.3 * 62 / 64) < 0.01
    assert np.array_equal(done["labels"][hidden], ids[hidden])
    assert np.array_equal(done["input_ids"][~hidden], ids[~hidden])
    shown = done["input_ids"][hidden]
    assert abs((shown == 5).mean() - 0.8) < 0.02
    assert abs((shown == ids[hidden]).mean() - 0.1) < 0.02


def test_masked_windows_are_framed_and_repeatable():
    one = windows(masking=MASKING)[11]
    assert (one["input_ids"][0], one["input_ids"][-1]) == (1, 2)
    assert all(np.array_equal(one[key], windows(masking=MASKING)[11][key]) for key in one)


def test_marks_stand_in_the_vocabulary(tokenizer):
    assert tokenizer.convert_tokens_to_ids([BEGIN, END]) == [tokenizer.bos_token_id, tokenizer.eos_token_id]
