"""Saved weights: what is in the folder, what plain PEFT makes of it, and what does not fit."""

import json

import pytest
import torch

from tests.methods.contract import LABELS, logits, prepared, train
from tests.tiny import save_tiny, tiny_batch, tiny_model
from workbench import models, registry, saving
from workbench.method import Context, Unsuitable


@pytest.fixture
def base(tmp_path):
    """A base model in a folder, as a user has one."""
    return models.resolve(str(save_tiny("qwen2", tmp_path / "base")))


def trained(base, name, **options):
    method = registry.method(name)
    torch.manual_seed(0)
    model = method.apply(
        models.load_model(base, "classification", LABELS), method.options(**options), Context()
    )
    train(model)
    return method, method.options(**options), model


@pytest.mark.parametrize("name", ["full", "lora", "prefix", "p_tuning", "adapter"])
def test_a_base_named_by_its_source_is_loaded_again(name, base, tmp_path):
    method, options, model = trained(base, name)
    saving.save_trained(model, tmp_path / "t", method=method, options=options, context=Context(), source=base)
    before = torch.random.get_rng_state()
    again = saving.load_trained(base, tmp_path / "t")
    assert torch.equal(torch.random.get_rng_state(), before), (
        "loading draws no random numbers of the caller's"
    )
    assert torch.equal(logits(again), logits(model))
    assert not models.has_new_head(again)
    assert not any(p.requires_grad for p in again.parameters())
    recipe = saving.read_recipe(tmp_path / "t")
    assert (recipe["model"], recipe["model_revision"]) == (base.ref, base.revision)
    assert method.options.from_dict(recipe["options"]) == options


@pytest.mark.parametrize("name", ["lora", "dora", "ia3", "prefix", "prompt", "p_tuning"])
def test_plain_peft_loads_our_adapters(name, base, tmp_path):
    """Somebody without the workbench gets the same answers, text by text."""
    from peft import PeftModel

    method, options, model = trained(base, name)
    saving.save_trained(model, tmp_path / "t", method=method, options=options, context=Context())
    plain = PeftModel.from_pretrained(tiny_copy(base), str(tmp_path / "t")).eval()
    batch = tiny_batch(seed=5)
    for i, length in enumerate(batch["attention_mask"].sum(1).tolist()):
        one = {k: batch[k][i : i + 1, :length] for k in ("input_ids", "attention_mask")}
        assert torch.allclose(logits(plain, one), logits(model, one), atol=1e-6)


def tiny_copy(base):
    return models.load_model(base, "classification", LABELS)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lora", {"bias": "all", "use_rslora": True}),
        ("lora", {"target_modules": ("q_proj",), "init_lora_weights": "gaussian"}),
        ("prefix", {"prefix_projection": True, "init_weights": "random"}),
        ("p_tuning", {"encoder_reparameterization_type": "LSTM"}),
        ("prompt", {"prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "the film was good"}),
        ("adapter", {"non_linearity": "tanh", "init_scale": 0.1, "reduction_factor": 2}),
    ],
)
def test_options_off_the_beaten_track_are_restored(name, options, base, tmp_path):
    method, chosen, model = trained(base, name, **options)
    saving.save_trained(model, tmp_path / "t", method=method, options=chosen, context=Context())
    # An LSTM rounds differently when it writes one prompt for the file than when it writes a batch of them.
    assert torch.allclose(logits(saving.load_trained(base, tmp_path / "t")), logits(model), atol=1e-6, rtol=0)


def test_small_methods_make_small_files(base, tmp_path):
    sizes = {}
    for name in ("full", "lora", "head"):
        method, options, model = trained(base, name)
        saving.save_trained(model, tmp_path / name, method=method, options=options, context=Context())
        sizes[name] = saving.trained_bytes(tmp_path / name)
        wanted = 4 * sum(p.numel() for p in model.parameters() if p.requires_grad)
        assert wanted < sizes[name] < wanted + 12_000
        assert not list((tmp_path / name).glob("*.md"))
        assert not list((tmp_path / name).glob("*.bin"))
    assert sizes["head"] < sizes["full"]


def test_a_folder_without_weights_is_named(tmp_path, base):
    with pytest.raises(ValueError, match=r"holds no trained weights"):
        saving.load_trained(base, tmp_path)


def test_a_state_of_another_model_is_refused(base):
    _, _, model = trained(base, "head")
    with pytest.raises(ValueError, match=r"does not fit the model: it has no nonsense"):
        saving.load_trainable_state(model, {"nonsense": torch.zeros(1)})
    with pytest.raises(
        ValueError, match=r"score\.weight is \(2, 32\) in the model and \(3, 32\) in the state"
    ):
        saving.load_trainable_state(model, {"score.weight": torch.zeros(3, 32)})


def test_a_frozen_model_has_no_state():
    model = tiny_model("qwen2").requires_grad_(False)
    with pytest.raises(ValueError, match="nothing"):
        saving.trainable_state(model)


def test_switching_off_needs_the_original_weights_where_they_were_overwritten(base):
    _, _, model = trained(base, "full")
    with pytest.raises(Unsuitable, match="original"), saving.without_method(model):
        pass


@pytest.mark.parametrize("name", ["lora", "prompt", "prefix"])
def test_peft_methods_switch_off_without_them(name, base):
    method = registry.method(name)
    model = models.load_model(base, "classification", LABELS)
    before = logits(model)
    model = method.apply(model, method.options(), Context())
    train(model)
    after = logits(model)
    with saving.without_method(model):
        assert torch.equal(logits(model), before)
    assert torch.equal(logits(model), after)
    with pytest.raises(ZeroDivisionError), saving.without_method(model):
        1 / 0  # noqa: B018
    assert torch.equal(logits(model), after), "switched on again after an error"


def test_prompts_can_not_be_folded_in():
    with pytest.raises(Unsuitable, match="folded"):
        saving.merge(prepared(registry.method("prompt"), "qwen2"))


def test_the_recipe_is_plain_json(base, tmp_path):
    method, options, model = trained(base, "ia3")
    saving.save_trained(model, tmp_path / "t", method=method, options=options, context=Context())
    assert json.loads((tmp_path / "t" / "method.json").read_text())["method"] == "ia3"
    assert not list((tmp_path / "t").glob("*.partial"))
