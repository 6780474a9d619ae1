"""Model references are resolved and loaded, and every bad one is answered in one sentence."""

import json
import math
import shutil

import httpx
import pytest
import torch
from huggingface_hub import HfApi, errors
from safetensors import safe_open

from tests.tiny import DECODERS, LAYOUTS, save_tiny, tiny_batch
from workbench import models
from workbench.home import shipped
from workbench.method import Unsuitable

LABELS = ("negative", "positive")


@pytest.fixture(scope="module", params=LAYOUTS)
def folder(request, tmp_path_factory):
    return save_tiny(request.param, tmp_path_factory.mktemp("models") / request.param)


@pytest.fixture
def tiny(tmp_path):
    return save_tiny("qwen2", tmp_path / "tiny")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """The Hub does not answer and its cache is empty."""

    def fails(*arguments, **named):
        raise httpx.ConnectError("Name or service not known")

    monkeypatch.setattr(HfApi, "model_info", fails)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def refused(ref, code, **named):
    with pytest.raises(models.ModelError) as caught:
        models.resolve(ref, **named)
    assert caught.value.code == code, str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- the embedded model ----------------------------------------------------------------------------------------------


def score_in(folder):
    """What a card tells of held-out text, by how the model was trained last."""
    file = folder / "pretraining.json"
    objective = json.loads(file.read_text())["objective"] if file.exists() else "causal"
    return {"causal": "Bits per byte", "masked": "Hidden tokens found", "chat": "Right answers"}[objective]


def test_cards_say_what_the_models_are():
    cards = models.embedded()
    assert "fable-8m" in [card.name for card in cards]
    for card in cards:
        source = models.resolve(card.ref)
        config = models.load_config(source)
        model = models.model_from_config(config, "classification", LABELS)
        trunk = model.base_model
        with safe_open(f"{source.path_or_id}/model.safetensors", "pt") as weights:
            shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 (not a dict)
        assert sum(map(math.prod, shapes)) == card.parameters
        assert config.num_hidden_layers == card.layers
        assert config.hidden_size == card.width
        assert config.num_attention_heads == card.heads
        assert config.vocab_size == card.vocabulary >= len(models.load_tokenizer(source))
        assert config.max_position_embeddings == card.longest_input
        assert any(n.endswith("bias") for n, _ in trunk.named_parameters()) == card.bias_terms
        folder = shipped("assets") / "models" / card.name
        assert sum(p.stat().st_size for p in folder.glob("*.safetensors")) == card.bytes
        text = (folder / "README.md").read_text(encoding="utf-8")
        for part in (
            "Intended use",
            "Limits",
            "Training data",
            "How it was made",
            "Licence",
            score_in(folder),
        ):
            assert part in text
        assert f"{card.parameters:,}" in text


def test_the_embedded_models_are_small_enough_to_ship():
    for card in models.embedded():
        folder = shipped("assets") / "models" / card.name
        assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < 20_000_000


def test_the_embedded_model_loads_in_float32_with_a_new_head(capfd):
    source = models.resolve("embedded:fable-8m")
    assert source.kind == "embedded"
    assert len(source.revision) == 16
    capfd.readouterr()
    torch.manual_seed(3)
    model = models.load_model(source, "classification", ("a", "b", "c"))
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert not model.training
    assert models.has_new_head(model)
    torch.manual_seed(3)
    assert torch.equal(
        model.score.weight, models.load_model(source, "classification", ("a", "b", "c")).score.weight
    )
    torch.manual_seed(4)
    assert not torch.equal(
        model.score.weight, models.load_model(source, "classification", ("a", "b", "c")).score.weight
    )
    assert capfd.readouterr() == ("", "")


# -- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_of_every_layout_loads(folder, capfd):
    source = models.resolve(str(folder))
    assert (source.kind, source.title) == ("folder", folder.name)
    capfd.readouterr()
    model, tokenizer = models.load_model(source, "classification", LABELS), models.load_tokenizer(source)
    assert capfd.readouterr() == ("", "")
    assert models.has_new_head(model)
    assert tokenizer.padding_side == "right"
    assert model.config.pad_token_id == tokenizer.pad_token_id is not None
    batch = tokenizer(["the film was good", "bad"], padding=True, return_tensors="pt")
    batch.pop("token_type_ids", None)
    with torch.no_grad():
        assert model(**batch).logits.shape == (2, 2)


def test_a_model_without_a_pad_token_pads_with_its_end(tmp_path):
    source = models.resolve(str(save_tiny("gpt2", tmp_path / "m")))
    tokenizer = models.load_tokenizer(source)
    assert tokenizer.pad_token == tokenizer.eos_token
    assert models.load_model(source, "classification", LABELS).config.pad_token_id == tokenizer.eos_token_id


def test_the_revision_of_a_folder_is_its_content(tiny):
    before = models.resolve(str(tiny)).revision
    assert models.resolve(str(tiny)).revision == before
    weights = tiny / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    changed = models.resolve(str(tiny)).revision
    assert changed != before, "the same shapes, other weights"
    assert models.resolve(str(tiny), revision=changed).revision == changed
    refused(str(tiny), "changed", revision=before)
    config = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-3}))
    assert models.resolve(str(tiny)).revision != changed


def test_a_head_that_fits_is_kept_and_another_is_made_new(tiny, tmp_path):
    model = models.load_model(models.resolve(str(tiny)), "classification", LABELS)
    models.load_tokenizer(models.resolve(str(tiny))).save_pretrained(tmp_path / "tuned")
    model.save_pretrained(tmp_path / "tuned")
    tuned = models.resolve(str(tmp_path / "tuned"))
    again = models.load_model(tuned, "classification", LABELS)
    assert torch.equal(again.score.weight, model.score.weight)
    assert not models.has_new_head(again)
    other = models.load_model(tuned, "classification", ("a", "b", "c"))
    assert other.score.weight.shape[0] == 3
    assert models.has_new_head(other)


def test_pickled_weights_are_refused(tiny):
    weights = tiny / "model.safetensors"
    shutil.move(weights, tiny / "pytorch_model.bin")
    assert "pytorch_model.bin" in refused(str(tiny), "no_weights")
    empty = str(_empty_copy(tiny))
    assert "no weights" in refused(empty, "no_weights")
    assert models.resolve(empty, counting=True).kind == "folder"  # the config is all that is asked for


def _empty_copy(folder):
    other = folder.parent / "empty"
    other.mkdir()
    shutil.copy(folder / "config.json", other)
    return other


def test_code_of_a_model_is_never_run(tiny):
    mark = tiny.parent / "ran"
    (tiny / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass C: pass\n")
    config = json.loads((tiny / "config.json").read_text())
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.C", "AutoModelForSequenceClassification": "evil.C"},
    }
    (tiny / "config.json").write_text(json.dumps(config))
    with pytest.raises(models.ModelError) as caught:
        models.load_model(models.resolve(str(tiny)), "classification", LABELS)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


def test_a_torn_weight_file_is_one_sentence(tiny):
    weights = tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(models.ModelError) as caught:
        models.load_model(models.resolve(str(tiny)), "classification", LABELS)
    assert "\n" not in str(caught.value)


def test_a_model_that_can_not_classify_is_unsuitable(tmp_path):
    from transformers import AutoConfig

    AutoConfig.for_model("vit").save_pretrained(tmp_path / "vit")
    (tmp_path / "vit" / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises((Unsuitable, models.ModelError), match=r"vit") as caught:
        models.load_model(models.resolve(str(tmp_path / "vit")), "classification", LABELS, meta=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ref", ["../../etc", "/etc", "~/nowhere", "./x", "a/b/c", "..\\..\\etc"])
def test_paths_that_hold_no_model(ref):
    with pytest.raises(models.ModelError, match=r"folder"):
        models.resolve(ref)


@pytest.mark.parametrize("ref", ["../../etc", "/etc/passwd", "tiny", "~", "..%2f..%2fetc"])
def test_hosted_pages_read_no_folder(ref, tiny, monkeypatch, offline):
    monkeypatch.setenv("WORKBENCH_HOSTED", "1")
    monkeypatch.chdir(tiny.parent)  # a Hub id that happens to be a folder's name must not open it
    with pytest.raises(models.ModelError) as caught:
        models.resolve(ref)
    assert caught.value.code in ("hosted", "name")


@pytest.mark.parametrize(
    "ref",
    ["", "  ", "a b", "x" * 400, "x" * 2000, "org/na:me", "a\0b", "<script>", "Ünï/cödé", "🤗/x", None, 3],
)
def test_names_that_are_no_names(ref, offline):
    with pytest.raises(models.ModelError) as caught:
        models.resolve(ref)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_unknown_embedded_name():
    assert "fable-8m" in refused("embedded:fable-9m", "unknown")
    refused("embedded:../../etc", "unknown")


# -- the Hub ---------------------------------------------------------------------------------------------------------


def hub_error(kind, status):
    response = httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co"))
    return kind("no", response=response)


def test_a_slip_is_met_with_near_names(monkeypatch):
    def fails(*arguments, **named):
        raise hub_error(errors.RepositoryNotFoundError, 404)

    monkeypatch.setattr(HfApi, "model_info", fails)
    sentence = refused("distilbert-base-uncasd", "unknown")
    assert "the Hub has no model" in sentence
    assert "did you mean distilbert/distilbert-base-uncased" in sentence


def test_no_network_is_told_from_a_slip(offline):
    known = refused("Qwen/Qwen2.5-0.5B", "offline")
    assert "can't be reached" in known
    assert "did you mean" not in known
    assert "did you mean" in refused("Qwen/Qwen2.5-0.5", "offline")


def test_a_gated_model_asks_for_its_licence(monkeypatch):
    def fails(*arguments, **named):
        raise hub_error(errors.GatedRepoError, 403)

    monkeypatch.setattr(HfApi, "model_info", lambda *a, **k: type("I", (), {"gated": "manual"})())
    monkeypatch.setattr(HfApi, "auth_check", fails)
    sentence = refused("meta-llama/Llama-3.2-1B", "gated")
    assert "https://huggingface.co/meta-llama/Llama-3.2-1B" in sentence
    assert "HF_TOKEN" in sentence


def hub_info(files):
    siblings = [type("S", (), {"rfilename": name})() for name in files]
    return type("I", (), {"gated": False, "siblings": siblings, "sha": "c" * 40})()


def test_a_hub_model_is_pinned_to_its_commit(monkeypatch):
    asked = {}

    def info(self, ref, **named):
        asked.update(named)
        return hub_info(["config.json", "model.safetensors"])

    monkeypatch.setattr(HfApi, "model_info", info)
    source = models.resolve("some/model")
    assert (source.kind, source.revision, source.offline) == ("hub", "c" * 40, False)
    assert asked["timeout"] == 5
    models.resolve("some/model", revision="c" * 40)
    assert asked["revision"] == "c" * 40
    with pytest.raises(models.ModelError, match="changed"):
        models.resolve("some/model", revision="e" * 40)


def test_hub_models_without_safetensors_are_refused(monkeypatch):
    monkeypatch.setattr(HfApi, "model_info", lambda *a, **k: hub_info(["config.json", "pytorch_model.bin"]))
    assert "pytorch_model.bin" in refused("some/model", "no_weights")
    assert models.resolve("some/model", counting=True).kind == "hub"  # the config is all that is asked for
    monkeypatch.setattr(HfApi, "model_info", lambda *a, **k: hub_info(["README.md"]))
    refused("some/model", "not_a_model")


def test_offline_the_cache_serves(offline, tiny, tmp_path):
    commit = "d" * 40
    snapshot = tmp_path / "cache" / "models--some--model" / "snapshots" / commit
    shutil.copytree(tiny, snapshot)
    refs = snapshot.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text(commit)
    source = models.resolve("some/model")
    assert (source.kind, source.revision, source.offline) == ("hub", commit, True)


# -- architectures ---------------------------------------------------------------------------------------------------

PUBLISHED = {  # all weights as published: of the causal language model, else of the body with its pooler
    "distilbert-base-uncased": 66_362_880,
    "distilroberta-base": 82_118_400,
    "bert-base-uncased": 109_482_240,
    "bert-base-cased": 108_310_272,
    "bert-large-uncased": 335_141_888,
    "bert-base-multilingual-cased": 177_853_440,
    "roberta-base": 124_645_632,
    "roberta-large": 355_359_744,
    "xlm-roberta-base": 278_043_648,
    "deberta-v3-base": 183_831_552,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "distilgpt2": 81_912_576,
    "Llama-2-7b-hf": 6_738_415_616,
    "Llama-3.1-8B": 8_030_261_248,
    "Llama-3.1-70B": 70_553_706_496,
    "Llama-3.2-1B": 1_235_814_400,
    "Llama-3.2-3B": 3_212_749_824,
    "TinyLlama-1.1B-Chat-v1.0": 1_100_048_384,
    "SmolLM2-135M": 134_515_008,
    "SmolLM2-360M": 361_821_120,
    "SmolLM2-1.7B": 1_711_376_384,
    "Mistral-7B-v0.1": 7_241_732_096,
    "Mixtral-8x7B-v0.1": 46_702_792_704,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-3-270m": 268_098_176,
    "gemma-3-1b-pt": 999_885_952,
    "Qwen2.5-0.5B": 494_032_768,
    "Qwen2.5-1.5B": 1_543_714_304,
    "Qwen2.5-7B": 7_615_616_512,
    "Qwen2.5-14B": 14_770_033_664,
    "Qwen3-0.6B": 596_049_920,
    "Qwen3-14B": 14_768_307_200,
    "Qwen3-30B-A3B": 30_532_122_624,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "opt-125m": 125_239_296,
    "phi-2": 2_779_683_840,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_shipped_architectures_have_the_published_size(name):
    import transformers

    config = models.load_config(models.resolve(name, counting=True))
    encoder = config.model_type in ("bert", "distilbert", "roberta", "xlm-roberta", "deberta-v2")
    auto = transformers.AutoModel if encoder else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config)
    assert sum(p.numel() for p in model.parameters()) == PUBLISHED[name]


def test_every_architecture_can_be_counted_by_either_name():
    known = models.architectures()
    assert set(PUBLISHED) <= set(known)
    for short, full in known.items():
        assert full.split("/")[-1] == short
        assert (
            models.resolve(short, counting=True).path_or_id == models.resolve(full, counting=True).path_or_id
        )
        assert models.load_config(models.resolve(full, counting=True)).num_hidden_layers > 1


def test_somebody_elses_model_of_that_name_is_another(offline):
    refused("somebody/gpt2", "offline", counting=True)


def test_an_architecture_has_no_weights():
    source = models.resolve("gpt2", counting=True)
    assert source.kind == "architecture"
    for load in (
        lambda: models.load_model(source, "classification", LABELS),
        lambda: models.load_tokenizer(source),
    ):
        with pytest.raises(models.ModelError, match="counting"):
            load()


# -- earlier runs ----------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    from workbench.store import Store

    return Store(tmp_path / "store")


def finished_run(store, method_name, base, labels=LABELS, owner=""):
    """A run as the worker leaves it: state finished, weights in its folder. Returns the id and the live model."""
    from workbench import registry, saving
    from workbench.method import Context
    from workbench.result import Result
    from workbench.spec import Choice, DataSpec, RunSpec, Setting

    method = registry.method(method_name)
    options = method.options()
    setting = Setting(DataSpec("x", labels=tuple(labels), fingerprint="f"), model=base)
    [run_id] = store.add([RunSpec(setting, Choice(method_name, options.to_dict(), 1e-3))], owner=owner)
    store.claim()
    source = models.resolve(base, store=store)
    model = method.apply(models.load_model(source, "classification", labels, store=store), options, Context())
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * 0.05
    saving.save_trained(
        model.eval(),
        saving.trained_folder(store.run_folder(run_id)),
        method=method,
        options=options,
        context=Context(),
        source=source,
    )
    store.change_state(run_id, "finished", result=Result())
    return run_id, model


def answers(model):
    batch = tiny_batch()
    batch.pop("labels")
    with torch.no_grad():
        return model(**batch).logits


@pytest.mark.parametrize("method", ["full", "lora", "adapter"])
def test_an_earlier_run_is_a_base(method, store, tiny):
    from workbench import saving

    run_id, trained = finished_run(store, method, str(tiny))
    source = models.resolve(f"run:{run_id}", store=store)
    assert source.kind == "run"
    model = models.load_model(source, "classification", LABELS, store=store)
    assert not saving.is_peft(model)
    assert torch.allclose(answers(model), answers(trained), atol=1e-5)
    assert not models.has_new_head(model)
    assert len(models.load_tokenizer(source, store=store)) > 4
    assert models.load_config(source, store=store).model_type == "qwen2"
    other = models.load_model(source, "classification", ("a", "b", "c"), store=store)
    assert answers(other).shape == (8, 3)
    assert models.has_new_head(other)


def test_a_chain_of_runs(store, tiny):
    first, _ = finished_run(store, "full", str(tiny))
    second, trained = finished_run(store, "lora", f"run:{first}")
    model = models.load_model(
        models.resolve(f"run:{second}", store=store), "classification", LABELS, store=store
    )
    assert torch.allclose(answers(model), answers(trained), atol=1e-5)


def test_a_run_that_can_not_be_folded_is_no_base(store, tiny):
    run_id, _ = finished_run(store, "prompt", str(tiny))
    with pytest.raises(Unsuitable, match="folded"):
        models.load_model(models.resolve(f"run:{run_id}", store=store), "classification", LABELS, store=store)


def test_runs_that_are_not_there(store, tiny):
    refused("run:abc", "run")
    refused("run:abc", "run", store=store)
    refused("run:../../etc", "run", store=store)
    refused("run:", "run", store=store)
    run_id, _ = finished_run(store, "head", str(tiny), owner="somebody")
    models.resolve(f"run:{run_id}", store=store, owner="somebody")
    assert run_id in refused(f"run:{run_id}", "run", store=store, owner="another")
    shutil.rmtree(store.run_folder(run_id))
    assert "run it again" in refused(f"run:{run_id}", "run", store=store)


def test_a_run_that_has_not_finished_is_no_base(store):
    from workbench.spec import Choice, DataSpec, RunSpec, Setting

    [run_id] = store.add(
        [RunSpec(Setting(DataSpec("x"), model="embedded:fable-8m"), Choice("full", {}, 1e-3))]
    )
    assert "queued" in refused(f"run:{run_id}", "run", store=store)


def test_decoders_are_the_layouts_with_one_direction():
    assert set(DECODERS) < set(LAYOUTS)
