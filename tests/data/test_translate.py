"""Back-translation: the whole road with two tiny Marian models of random weights, and its manners at the models' edge."""

import json

import pytest

from workbench.data import translate
from workbench.data.augment import augment_training
from workbench.data.faults import DataError
from workbench.data.translate import BackTranslation
from workbench.sources import ModelError, ModelSource

TEXTS = ["the cat sat", "the dog ran away", "a bird", "the fish swam in the sea", "one more"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two models that translate words into words at random."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    words = sorted({word for text in TEXTS for word in text.split()})
    vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    folders = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        fast = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
        fast.pre_tokenizer = pre_tokenizers.Whitespace()
        fast.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=fast, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
        )
        config = MarianConfig(
            vocab_size=len(vocabulary), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64,
            pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=1, bos_token_id=None,
        )  # fmt: skip
        folder = tmp_path_factory.mktemp(f"marian{seed}")
        model = MarianMTModel(config)
        model.generation_config.bad_words_ids = None
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        folders.append(str(folder))
    return tuple(folders)


def options(pair, **more):
    return BackTranslation(forward=pair[0], backward=pair[1], **({"batch_size": 2, "max_tokens": 8} | more))


def rewritten(options, texts=TEXTS, seed=0, progress=None):
    return translate.rewrite(texts, [frozenset()] * len(texts), options, seed, progress)


def test_the_road_with_two_real_models(pair):
    steps = []
    chosen = options(pair, temperature=1.5)
    assert translate.unusable(chosen) is None
    assert not translate.is_done(TEXTS, chosen, 0)
    found = rewritten(chosen, progress=lambda done, total: steps.append((done, total)))
    assert len(found) == len(TEXTS)
    assert sum(map(len, found)) >= 3
    assert all(len(text.split()) <= 8 for made in found for text in made)
    assert steps == [(2, 5), (4, 5), (5, 5)]
    assert translate.is_done(TEXTS, chosen, 0)
    assert rewritten(chosen, seed=1) != found


def test_the_same_seed_gives_the_same_texts_without_what_was_kept(pair, monkeypatch, tmp_path):
    chosen = options(pair, temperature=1.5)
    one = rewritten(chosen)
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "elsewhere"))
    assert rewritten(chosen) == one


@pytest.fixture
def fake(monkeypatch):
    """Translators that say which texts they were given: forward turns a text into capitals, backward marks it."""
    calls = []

    def load(source):
        def work(texts, options, seed):
            calls.append((source.ref, tuple(texts), seed))
            return [
                text.upper() if source.ref == "there" else f"{text.lower()} again {seed % 7}"
                for text in texts
            ]

        return work

    monkeypatch.setattr(translate, "load_translator", load)
    monkeypatch.setattr(translate, "resolve", lambda ref: ModelSource(ref, ref, "1", "folder", ref))
    return calls


FAKE = BackTranslation(forward="there", backward="back", batch_size=2)


def test_what_was_translated_is_not_translated_again(fake):
    one = rewritten(FAKE)
    before = len(fake)
    assert rewritten(FAKE) == one
    assert len(fake) == before == 6
    assert rewritten(FAKE, seed=5) != one


def test_an_interrupted_job_goes_on_where_it_stopped(fake, monkeypatch):
    whole = rewritten(FAKE)
    job = translate.job_file(TEXTS, FAKE, 0, ["1", "1"])
    lines = job.read_text().splitlines()
    job.write_text(lines[0] + "\n" + lines[1][:5])
    del fake[:]
    assert rewritten(FAKE) == whole
    assert len(fake) == 4
    assert [json.loads(line) for line in job.read_text().splitlines()] == [json.loads(line) for line in lines]


def test_doubles_and_echoes_are_dropped(fake, monkeypatch):
    monkeypatch.setattr(
        translate, "load_translator", lambda source: lambda texts, options, seed: [t.upper() for t in texts]
    )
    assert rewritten(FAKE) == [[] for _ in TEXTS]


def test_training_rows_alone_are_translated(fake):
    parts = {
        "train": [{"text": text, "label": "a"} for text in TEXTS],
        "validation": [{"text": "never seen", "label": "a"}],
        "test": [{"text": "unseen", "label": "a"}],
    }
    found = augment_training(
        parts, {"back_translation": {"forward": "there", "backward": "back", "batch_size": 2}}, 0
    )
    assert found.made == {"back_translation": 5}
    given = {text.casefold() for _, texts, _ in fake for text in texts}
    assert not given & {"never seen", "unseen"}


def test_without_a_network_and_models_it_says_so_in_one_sentence(monkeypatch):
    def offline(ref):
        raise ModelError(f"the Hub can't be reached and {ref!r} is not in this machine's cache", "offline")

    monkeypatch.setattr(translate, "resolve", offline)
    reason = translate.unusable(BackTranslation())
    assert reason == (
        "back-translation needs two translation models: the Hub can't be reached and 'Helsinki-NLP/opus-mt-en-de'"
        " is not in this machine's cache"
    )
    with pytest.raises(DataError, match="back_translation: back-translation needs two translation models"):
        augment_training(
            {"train": [{"text": "x", "label": "a"}], "test": [], "validation": []},
            {"back_translation": {}},
            0,
        )


def test_a_folder_that_is_no_translation_model_is_named(tmp_path, pair):
    from workbench.home import shipped

    folder = str(shipped("assets") / "models" / "fable-8m")
    with pytest.raises(ModelError, match="fable-8m' can't be loaded as a translation model"):
        rewritten(BackTranslation(forward=folder, backward=pair[1]))
