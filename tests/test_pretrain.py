"""Pretraining: files checked in a sentence, scores by hand, a loss that falls, the same after a stop, folders that load."""

import json
import math
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from workbench import checkpoints
from workbench.corpus import Masking, Packed, Windows
from workbench.pretraining.config import Recipe, from_values, load_config, shipped_configs, sources_of
from workbench.sources import ModelCard

NOUNS = "cat dog bird fox child king queen tree river stone".split()  # noqa: SIM905
VERBS = "saw found liked lost followed heard".split()  # noqa: SIM905
DECODER = {
    "model_type": "qwen2",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}
ENCODER = {
    "model_type": "bert",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "type_vocab_size": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
EXPERTS = DECODER | {
    "model_type": "qwen3_moe",
    "moe_intermediate_size": 16,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "router_aux_loss_coef": 0.01,
}


def story(draw):
    return " ".join(
        f"The {draw.choice(NOUNS)} {draw.choice(VERBS)} the {draw.choice(NOUNS)} in 18{draw.randrange(10, 99)}."
        for _ in range(8)
    )


@pytest.fixture
def corpora(tmp_path):
    draw = random.Random(0)
    for part, count in (("train", 300), ("rest", 25)):
        lines = "".join(json.dumps({"text": story(draw)}) + "\n" for _ in range(count))
        (tmp_path / f"s.{part}.jsonl").write_text(lines)
    return tmp_path


def values(**changes):
    return {
        "name": "tiny",
        "summary": "A tiny one.",
        "architecture": DECODER,
        "sources": {"stories": {"train": "s.train.jsonl", "heldout": "s.rest.jsonl"}},
        "vocabulary": 360,
        "context": 32,
        "batch_windows": 8,
        "tokens": 30 * 8 * 32,
        "learning_rate": 0.01,
        "log_steps": 5,
        "evaluations": 2,
        "checkpoint_minutes": 60,
        "precision": "float32",
    } | changes


def events(work, kind):
    lines = (work / "log.jsonl").read_text().splitlines()
    return [e for e in map(json.loads, lines) if e["event"] == kind]


def pretrain_here(base, **changes):
    """In this process: what a process of the command does."""
    from workbench.pretraining import launch, process

    work = base / "out.work"
    config = from_values(values(**changes))
    launch.prepare(config, base, work)
    assert process.run(work)
    return work


# The file.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rat": 1}, r"x\.yaml: unknown key\(s\) learning_rat \(did you mean learning_rate\?\)"),
        ({"learning_rate": 5}, r"x\.yaml: learning_rate is a number of at least 0 and at most 1, not 5"),
        ({"objective": "mask"}, r"x\.yaml: objective is one of causal, masked, chat, not 'mask'"),
        ({"minutes": 5}, "either tokens or minutes"),
        ({"architecture": {}}, "architecture .* or start"),
        ({"architecture": {"hidden_size": 4}}, "model_type"),
        ({"sources": {}}, "one source or more"),
        ({"sources": {"a": {"train": "x"}}}, "source a: there is no heldout file"),
        ({"sources": {"a": {"train": "x", "heldout": "y", "shares": 1}}}, "did you mean share"),
        ({"sources": {"a": {"train": "x", "heldout": "y", "share": 0}}}, "share is a number above 0, not 0"),
        ({"continuations": "storys"}, "did you mean stories"),
        ({"name": "a/b"}, "name is made of"),
        ({"vocabulary": 100_000}, "at most 65,536"),
    ],
)
def test_a_fault_in_the_file_is_said_in_a_sentence(tmp_path, changes, message):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(values(**changes)))
    with pytest.raises(ValueError, match=message):
        load_config(path)


def test_a_budget_given_on_the_command_line_takes_the_place_of_the_files(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(values()))
    recipe = load_config(path, {"minutes": 3, "tokens": None}).recipe
    assert (recipe.minutes, recipe.tokens) == (3, None)


def test_a_config_survives_a_round_trip():
    config = from_values(values(niceness=3))
    assert from_values(json.loads(json.dumps(config.to_dict()))) == config


def test_a_missing_corpus_is_named_with_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_SHARED", raising=False)
    with pytest.raises(ValueError, match=r"source stories: .* s\.train\.jsonl .*WORKBENCH_SHARED"):
        sources_of(from_values(values()), tmp_path)


def test_shipped_files_are_right_and_their_models_small_enough(shared, monkeypatch):
    from workbench.pretraining.build import architecture
    from workbench.pretraining.config import find_config, model_folder
    from workbench.pretraining.tokenizer import read_backend, wrap

    monkeypatch.setenv("WORKBENCH_SHARED", str(shared))
    assert {"fable-8m", "fable-encoder-8m", "fable-moe"} <= set(shipped_configs())
    for name in shipped_configs():
        config = load_config(find_config(name))
        assert sources_of(config, find_config(name).parent)
        tokenizer = wrap(read_backend(model_folder(config.start, Path())), config.recipe.objective, 512)
        if config.architecture:
            import torch
            from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

            auto = AutoModelForMaskedLM if config.kind == "encoder" else AutoModelForCausalLM
            with torch.device("meta"):
                model = auto.from_config(architecture(config, tokenizer))
            assert sum(p.numel() for p in model.parameters()) < 10_000_000


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        (DECODER | {"hiden_size": 4}, "did you mean hidden_size"),
        (DECODER | {"model_type": "qwen22"}, "did you mean qwen2"),
        (DECODER | {"max_position_embeddings": 16}, "context is 32, and the model takes at most 16"),
    ],
)
def test_a_fault_in_the_architecture_is_named_before_any_process_starts(corpora, architecture, message):
    from workbench.pretraining import launch

    with pytest.raises(ValueError, match=message):
        launch.prepare(from_values(values(architecture=architecture)), corpora, corpora / "out.work")


def test_what_a_failed_process_said_is_said(tmp_path, monkeypatch):
    from workbench.pretraining import launch

    failing = tmp_path / "python"
    words = "[rank0]:   File x\n[rank0]: ArithmeticError: the loss became nan at step 3\nChildFailedError: see above"
    failing.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{words}\nEND\nexit 1\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    with pytest.raises(
        RuntimeError, match=r"failed: ArithmeticError: the loss became nan at step 3; .*processes\.log"
    ):
        launch._processes(tmp_path, 1, print)


# The schedule.


def test_the_rate_rises_to_its_peak_and_falls_along_a_cosine():
    recipe = Recipe(tokens=1, learning_rate=1.0, warmup_share=0.1, final_share=0.02)
    assert recipe.learning_rate_at(0.05) == pytest.approx(0.5)
    assert recipe.learning_rate_at(0.1) == pytest.approx(1.0)
    assert recipe.learning_rate_at(0.55) == pytest.approx(0.51)
    assert recipe.learning_rate_at(1.0) == pytest.approx(0.02)
    assert recipe.learning_rate_at(1.3) == pytest.approx(0.02)


@pytest.mark.parametrize(("most", "cut"), [(None, (24, 1)), (24, (24, 1)), (10, (8, 3)), (1, (1, 24))])
def test_a_step_is_cut_only_where_a_process_can_not_hold_it(most, cut):
    assert Recipe(tokens=1, batch_windows=96, device_windows=most).per_process(4) == cut


# The tokenizer.


def test_a_taken_over_tokenizer_encodes_as_its_file_says(shared):
    from tokenizers import Tokenizer

    from workbench.home import shipped
    from workbench.pretraining.tokenizer import read_backend, wrap

    folder = shipped("assets") / "models" / "fable-8m"
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoder, decoder = (wrap(read_backend(folder), kind, 64) for kind in ("masked", "causal"))
    text = "In 1847 he'd 365 sheep,\n\nI SAID \"don't\" é  twice."
    ids = plain.encode(text).ids
    assert decoder(text)["input_ids"] == ids
    assert encoder(text)["input_ids"] == [encoder.bos_token_id, *ids, encoder.eos_token_id]
    assert encoder.mask_token_id == len(decoder)
    assert list(encoder(text)) == ["input_ids", "attention_mask"]


def test_a_tokenizer_that_loads_back_otherwise_is_found_out(tmp_path):
    from tokenizers import pre_tokenizers
    from transformers import AutoConfig

    from workbench.home import shipped
    from workbench.pretraining.tokenizer import check_loads_back, read_backend, wrap

    backend = read_backend(shipped("assets") / "models" / "fable-8m")
    AutoConfig.for_model("qwen2", vocab_size=8192).save_pretrained(tmp_path)
    wrap(backend, "causal", 64).save_pretrained(tmp_path)
    check_loads_back(tmp_path, ["In 1847."])
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    wrap(backend, "causal", 64).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="loaded as Qwen2Tokenizer the tokenizer splits otherwise"):
        check_loads_back(tmp_path, ["Here it is the same.", "In 1847."])


# The scores.


class Even:
    """A model whose logits do not depend on its input: token 0 twice as likely as each of three others."""

    training = False

    def __init__(self):
        import torch

        self.logits = torch.tensor([math.log(2), 0.0, 0.0, 0.0])

    def eval(self):
        pass

    def train(self, mode):
        pass

    def parameters(self):
        return iter([self.logits])

    def __call__(self, input_ids):
        from types import SimpleNamespace

        return SimpleNamespace(logits=self.logits.expand(*input_ids.shape, 4))


def test_bits_per_byte_by_hand():
    from workbench.pretraining.scores import score

    # Two windows of 4 and one token over; predicted are tokens 1 to 3 of each: 0 1 0 and 3 0 2, three times token 0.
    packed = Packed(np.array([1, 0, 1, 0, 2, 3, 0, 2, 1], dtype=np.uint16), 1, text_bytes=27)
    found = score(Even(), packed, 4, 512)
    nats = (3 * math.log(5 / 2) + 3 * math.log(5)) / 6
    assert found.tokens == 6
    assert found.nats_per_token == pytest.approx(nats)
    assert found.token_accuracy == pytest.approx(0.5)
    assert found.bits_per_byte == pytest.approx(nats / math.log(2) * 9 / 27)


def test_masked_scores_are_over_the_same_hidden_tokens_whatever_training_hides():
    from workbench.pretraining.scores import hide, score

    ids = np.random.default_rng(0).integers(0, 4, 4000).astype(np.uint16)
    one = Masking(9, 0, 0, 10, frozenset({9}), 0.2)
    shown, labels = hide(ids.astype(np.int64).reshape(-1, 20), one)
    hidden = labels != -100
    assert abs(hidden.mean() - 0.15) < 0.02
    assert (shown[hidden] == 9).all()
    assert np.array_equal(labels, hide(ids.astype(np.int64).reshape(-1, 20), replace(one, share=0.9))[1])
    found = score(Even(), Packed(ids, 1, 4000), 20, 512, one)
    wanted = labels[hidden]
    assert found.tokens == hidden.sum()
    assert found.token_accuracy == pytest.approx((wanted == 0).mean())
    assert found.bits_per_byte is None


def test_loops_are_seen():
    from workbench.pretraining.scores import loops

    assert loops("and so he went and so he went and so he went home")
    assert not loops("and so he went home to his mother, and so he went to bed")


# Training.


def tiny(architecture, size=64):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

    torch.manual_seed(0)
    settings = dict(architecture)
    kind = settings.pop("model_type")
    auto = AutoModelForMaskedLM if kind == "bert" else AutoModelForCausalLM
    config = AutoConfig.for_model(
        kind, vocab_size=size, pad_token_id=0, bos_token_id=1, eos_token_id=2, **settings
    )
    model = auto.from_config(config, dtype=torch.float32)
    if "experts" in json.dumps(settings):
        model.config.output_router_logits = True
    return model


@pytest.mark.parametrize("architecture", [DECODER, ENCODER, EXPERTS], ids=["qwen2", "bert", "qwen3_moe"])
def test_loss_and_gradient_do_not_depend_on_how_a_step_is_cut(tmp_path, architecture):
    from workbench.pretraining.train import train

    masked = architecture is ENCODER
    masking = Masking(5, 1, 2, 64, frozenset({0, 1, 2, 5}), 0.3) if masked else None
    tokens = np.random.default_rng(0).integers(6, 64, 5000).astype(np.uint16)
    first = {}
    for most in (None, 2):
        recipe = Recipe(
            objective="masked" if masked else "causal",
            context=16,
            batch_windows=8,
            device_windows=most,
            tokens=3 * 8 * 16,
            log_steps=1,
            evaluations=0,
            precision="float32",
        )
        model, told = tiny(architecture), []
        train(
            model,
            lambda count: Windows([(tokens, 1.0)], 16, count, 0, masking),
            recipe,
            tmp_path / str(most),
            emit=lambda kind, values, told=told: told.append((kind, values)),
            device="cpu",
        )
        first[most] = [(v["loss"], v["gradient_norm"]) for kind, v in told if kind == "step"]
    assert len(first[None]) == 3
    assert abs(first[None][0][0] - math.log(64)) < 0.5
    # Experts' balance is a product of means over a piece, so it is not quite the same in pieces.
    assert np.allclose(first[None], first[2], rtol=0.02 if architecture is EXPERTS else 1e-3)


@pytest.mark.parametrize(("architecture", "objective"), [(DECODER, "causal"), (ENCODER, "masked")])
def test_a_pretraining_writes_a_folder_that_loads_and_its_loss_falls(corpora, architecture, objective):
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    work = pretrain_here(corpora, architecture=architecture, objective=objective)
    losses = [e["loss"] for e in events(work, "step")]
    assert len(losses) == 6
    assert losses[-1] < losses[0] - 0.5
    assert [e["step"] for e in events(work, "evaluated")] == [15]

    folder = work / "result"
    auto = AutoModelForMaskedLM if objective == "masked" else AutoModelForCausalLM
    model, tokenizer = auto.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert str(model.dtype) == "torch.float16"
    assert len(tokenizer) <= model.config.vocab_size
    card = ModelCard(**json.loads((folder / "card.json").read_text()))
    assert (card.kind, card.layers, card.width) == ("encoder" if objective == "masked" else "decoder", 2, 32)
    assert card.parameters == sum(p.numel() for p in model.parameters())
    assert card.bytes == (folder / "model.safetensors").stat().st_size
    report = json.loads((folder / "pretraining.json").read_text())
    assert report["tokens"] == 30 * 8 * 32
    heldout = report["heldout"]["stories"]
    readme = (folder / "README.md").read_text()
    if objective == "causal":
        assert f"{heldout['bits_per_byte']:.3f}" in readme
        assert len(report["continuations"]) == 20
        assert readme.count("**The ") == 20
    else:
        assert f"{heldout['token_accuracy']:.1%}" in readme
        assert tokenizer.mask_token_id is not None
    assert str(corpora) not in readme + json.dumps(report["config"]) + json.dumps(report["sources"])


def test_after_a_stop_the_same_schedule_and_the_same_weights(corpora, tmp_path):
    import torch

    from workbench.pretraining.train import train

    tokens = np.random.default_rng(0).integers(6, 64, 5000).astype(np.uint16)
    recipe = Recipe(
        context=16, batch_windows=4, tokens=12 * 4 * 16, log_steps=1, evaluations=0, precision="float32"
    )

    def go(folder, stop_after=None):
        model, told = tiny(DECODER), []

        def emit(kind, values):
            told.append((kind, values))

        steps = iter(range(100))
        done = train(
            model,
            lambda count: Windows([(tokens, 1.0)], 16, count, 0),
            recipe,
            tmp_path / folder,
            emit=emit,
            should_stop=lambda: next(steps) + 1 == stop_after,
            device="cpu",
        )
        return model, done, [(v["step"], v["learning_rate"], v["loss"]) for kind, v in told if kind == "step"]

    whole, finished, straight = go("whole")
    assert finished.finished
    _, stopped, first = go("cut", stop_after=5)
    assert (stopped.finished, stopped.steps) == (False, 5)
    found, _ = checkpoints.newest_complete(tmp_path / "cut" / "checkpoints")
    assert found.name == "checkpoint-5"
    torn = tmp_path / "cut" / "checkpoints" / "checkpoint-9"
    torn.mkdir()
    resumed, finished, rest = go("cut")
    assert (finished.resumed_at, finished.steps, finished.finished) == (5, 12, True)
    assert np.allclose(straight[:4] + straight[5:], first[:4] + rest, rtol=1e-5)
    again, finished, nothing = go("cut")
    assert (finished.resumed_at, finished.steps, nothing) == (12, 12, [])
    for ours, same, theirs in zip(resumed.parameters(), again.parameters(), whole.parameters()):
        assert torch.allclose(ours, theirs, atol=1e-6)
        assert torch.equal(ours, same)


def test_embeddings_are_taken_over_by_token_not_by_row(corpora):
    import torch
    from transformers import AutoModelForCausalLM

    from workbench.home import shipped
    from workbench.pretraining.build import build
    from workbench.pretraining.tokenizer import read_backend, wrap

    folder = shipped("assets") / "models" / "fable-8m"
    config = from_values(
        values(objective="masked", start="embedded:fable-8m", architecture=ENCODER | {"hidden_size": 256})
    )
    tokenizer = wrap(read_backend(folder), "masked", 64)
    ours = build(config, corpora, tokenizer).get_input_embeddings().weight
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).get_input_embeddings().weight
    assert torch.equal(ours[: len(theirs)], theirs)
    assert ours.shape == (8256, 256)
    with pytest.raises(ValueError, match="256 wide and this architecture's 32"):
        build(
            from_values(values(objective="masked", start="embedded:fable-8m", architecture=ENCODER)),
            corpora,
            tokenizer,
        )


def test_only_the_same_pretraining_is_gone_on_with(corpora):
    from workbench.pretraining import launch

    work = corpora / "out.work"
    launch.prepare(from_values(values(vocabulary=310)), corpora, work)
    launch.prepare(from_values(values()), corpora, work)
    assert len(json.loads((work / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]) > 310
    begun = work / "checkpoints" / "checkpoint-5"
    begun.mkdir(parents=True)
    (begun / "weights").write_bytes(b"w")
    checkpoints.mark_complete(begun)
    launch.prepare(from_values(values(niceness=5, processes=2)), corpora, work)
    with pytest.raises(ValueError, match="begun with another learning_rate"):
        launch.prepare(from_values(values(learning_rate=0.02)), corpora, work)


def test_an_existing_folder_is_not_written_over(corpora):
    from workbench.pretraining import launch

    (corpora / "out").mkdir()
    (corpora / "out" / "mine").write_text("x")
    with pytest.raises(ValueError, match="exists already"):
        launch.pretrain(from_values(values()), corpora, corpora / "out", show=print)


# The command.


def arguments(*words):
    import argparse

    from workbench.cli.pretrain_command import add

    parser = argparse.ArgumentParser()

    def add_command(name, function, help, *, store):
        parser.set_defaults(command=function, json=False)
        return parser

    add(add_command)
    return parser.parse_args(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.yaml"], "there is no pretraining file nowhere.yaml; shipped ones: .*fable-8m"),
        (["fable-8m", "--minutes", "1", "--tokens", "5"], "--minutes or --tokens, not both"),
        (
            ["fable-8m", "--processes", "0"],
            r"fable-8m\.yaml: processes is a whole number of at least 1, not 0",
        ),
    ],
)
def test_the_command_refuses_bad_words(words, message):
    given = arguments(*words)
    with pytest.raises(ValueError, match=message):
        given.command(given)


def test_off_a_terminal_progress_is_a_line_now_and_then(capsys):
    from workbench.cli.pretrain_command import _Bar

    event = {
        "event": "step",
        "step": 9,
        "tokens": 2e6,
        "loss": 3.25,
        "tokens_per_second": 7012.0,
        "seconds": 90.0,
    }
    with _Bar() as bar:
        for share in (0.25, 0.255, 0.5):
            bar.show(event | {"share": share})
    said = capsys.readouterr().err.splitlines()
    assert said == [
        " 25.0%  step 9, 2.00M tokens, loss 3.250, 7,012 tokens/s, 4:30 left",
        " 50.0%  step 9, 2.00M tokens, loss 3.250, 7,012 tokens/s, 1:30 left",
    ]


COMMAND = [sys.executable, "-m", "workbench", "pretrain"]


@pytest.mark.slow
def test_two_minutes_on_two_processes(corpora):
    out = corpora / "out"
    path = corpora / "x.yaml"
    path.write_text(
        yaml.safe_dump(values(tokens=None, minutes=2.0, learning_rate=0.003, processes=2, niceness=19))
    )
    begun = time.monotonic()
    done = subprocess.run(
        [*COMMAND, str(path), "--out", str(out), "--json"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 240
    printed = json.loads(done.stdout)
    report = json.loads((out / "pretraining.json").read_text())
    losses = [e["loss"] for e in report["log"] if e["event"] == "step"]
    assert losses[-1] < losses[0] - 1
    assert report["processes"] == printed["processes"] == 2
    assert 118 <= report["seconds"] <= 130
    assert not (corpora / "out.work").exists()


@pytest.mark.slow
def test_a_terminated_command_keeps_a_checkpoint_and_goes_on(corpora):
    out, work = corpora / "out", corpora / "out.work"
    path = corpora / "x.yaml"
    path.write_text(yaml.safe_dump(values(tokens=600 * 8 * 32, processes=2, niceness=19)))
    first = subprocess.Popen([*COMMAND, str(path), "--out", str(out)], stderr=subprocess.PIPE, text=True)
    while not ((work / "log.jsonl").exists() and events(work, "step")):
        assert first.poll() is None
        time.sleep(0.2)
    first.terminate()
    _, words = first.communicate(timeout=60)
    assert first.returncode == 130, words
    found, _ = checkpoints.newest_complete(work / "checkpoints")
    assert found is not None
    done = subprocess.run(
        [*COMMAND, str(path), "--out", str(out)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "pretraining.json").read_text())
    assert report["resumed_at"] == int(found.name.split("-")[1]) > 0
    assert report["tokens"] == 600 * 8 * 32
