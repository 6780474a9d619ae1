"""Which methods can serve which model and task, and why not: found out by trying."""

from __future__ import annotations

import socket

import pytest
import torch
from torch import nn

from tests.tiny import save_tiny, tiny_config
from workbench import models, probe, registry
from workbench.method import Method
from workbench.parameters import total_parameters

SOME = ("full", "head", "bitfit", "lora", "prefix", "t_few", "moe_experts", "moe_router")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Probing well-known models asks nobody."""

    def refuse(*arguments, **named):
        raise AssertionError("probing asked the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def found(model, task, tmp_path, methods=SOME):
    return probe.findings(model, task, cache=tmp_path, methods=methods).reasons


def test_what_can_serve_and_what_can_not(tmp_path):
    llama = found("Llama-3.2-1B", "classification", tmp_path)
    assert set(llama) == set(SOME)
    assert "this llama model has no bias terms" in llama["bitfit"]
    assert "this llama model has no experts" in llama["moe_router"]
    assert "does not serve classification" in llama["t_few"]
    assert llama["lora"] is llama["prefix"] is llama["full"] is None
    distilbert = found("distilbert-base-uncased", "classification", tmp_path)
    assert "takes no keys and values" in distilbert["prefix"]
    assert distilbert["bitfit"] is None
    for reason in filter(None, (*llama.values(), *distilbert.values())):
        assert len(reason) > 40
        assert "\n" not in reason


def test_generation_is_probed_as_well(tmp_path):
    fable = found("embedded:fable-8m", "generation", tmp_path)
    assert fable["t_few"] is fable["lora"] is fable["prefix"] is fable["full"] is None
    assert "output layer is the same weights as its word embeddings" in fable["head"]
    assert found("pythia-70m", "generation", tmp_path)["head"] is None
    bert = found("bert-base-uncased", "generation", tmp_path)
    assert all("can't go on with a text" in reason for reason in bert.values())


def test_a_mixture_takes_what_is_made_for_it(tmp_path):
    folder = save_tiny("qwen3_moe", tmp_path / "m")
    reasons = found(str(folder), "generation", tmp_path, (*SOME, "lora_experts"))
    assert [name for name, reason in reasons.items() if reason] == ["bitfit"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "task"), [("embedded:fable-8m", "generation"), ("bert-base-uncased", "classification")]
)
def test_at_least_45_methods_can_serve(model, task, tmp_path):
    reasons = probe.usable(model, task, cache=tmp_path)
    assert set(reasons) == set(registry.methods())
    assert sum(reason is None for reason in reasons.values()) >= 45


def test_the_answer_is_remembered_until_something_changes(tmp_path, monkeypatch):
    first = found("bert-base-uncased", "classification", tmp_path)
    [file] = tmp_path.glob("usable-*.json")
    monkeypatch.setattr(probe, "reason_of", lambda *arguments: pytest.fail("probed again"))
    assert found("bert-base-uncased", "classification", tmp_path) == first
    asked = []
    monkeypatch.setattr(probe, "reason_of", lambda method, subject: asked.append(method.name))
    found("bert-base-uncased", "classification", tmp_path, ("lora", "dora"))
    assert asked == ["dora"], "only what is not known yet"
    file.write_text("{torn")
    found("bert-base-uncased", "classification", tmp_path, ("lora", "dora"))
    assert asked == ["dora", "lora"]
    found("bert-base-cased", "classification", tmp_path, ("lora",))
    assert len({path.name.split("-")[1] for path in tmp_path.glob("usable-*.json")}) == 2
    assert not list(tmp_path.glob("*.partial"))


def test_a_changed_method_is_probed_again(tmp_path, monkeypatch):
    config = tiny_config("bert")
    before = probe._key(config, "classification")
    (tmp_path / "own.py").write_text("METHOD = None")
    monkeypatch.setenv("WORKBENCH_METHODS_PATH", str(tmp_path))
    assert probe._key(config, "classification") != before
    assert probe._key(config, "generation") != probe._key(config, "classification")


def test_a_cache_that_can_not_be_written_changes_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    assert found("embedded:fable-8m", "classification", tmp_path / "file", ("full",)) == {"full": None}


def _own_method(apply, **more):
    head = registry.method("head")
    return Method(
        name="own",
        title="Own",
        family="selected",
        options=head.options,
        apply=apply,
        learning_rate=0.1,
        card=head.card,
        paper=head.paper,
        **more,
    )


def _crashes(model, options, context):
    raise RuntimeError("shape '[3]' is invalid\nfor input of size 4")


def _builds_but_is_not_used(model, options, context):
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.extra = nn.Linear(4, 4, device=next(model.parameters()).device)
    return model


def _fails_when_trained(model, options, context):
    model.register_forward_pre_hook(
        lambda *a: (_ for _ in ()).throw(TypeError("no such argument: past_key_values"))
    )
    return model


def _reads_the_weights_first(model, options, context):
    float(next(model.parameters()).sum())
    return model


def _can_not_write(model, options, context):
    def refuse(*arguments, **named):
        raise TypeError("generate takes no such prompt")

    model.generate = refuse
    return model


def subject(task="classification"):
    return probe.subject_of(models.load_config(models.resolve("embedded:fable-8m")), task, "fable-8m")


@pytest.mark.parametrize(
    ("apply", "sentence"),
    [
        (_crashes, "Own can't train on fable-8m: shape '[3]' is invalid"),
        (_builds_but_is_not_used, "does not require grad"),
        (_fails_when_trained, "no such argument: past_key_values"),
    ],
)
def test_a_method_that_would_crash_in_training_is_found_out_before(apply, sentence):
    reason = probe.reason_of(_own_method(apply), subject())
    assert sentence in reason
    assert "\n" not in reason


def test_a_method_that_can_not_write_serves_classification_alone():
    own = _own_method(_can_not_write)
    assert probe.reason_of(own, subject()) is None
    assert "generate takes no such prompt" in probe.reason_of(own, subject("generation"))


def test_a_start_that_is_computed_from_weights_is_no_reason():
    assert probe.reason_of(_own_method(_reads_the_weights_first), subject()) is None


def test_the_methods_own_loss_is_the_one_that_is_tried():
    def never(model, batch, outputs, options):
        assert set(batch) == {"input_ids", "attention_mask", "labels"}
        return outputs.logits.sum() * float("nan")

    own = _own_method(registry.method("full").apply, objective=never)
    assert "no finite loss" in probe.reason_of(own, subject())


def test_what_could_not_be_tried_is_said(monkeypatch, tmp_path):
    """Where no small copy can be made, the method is built and no more, and the answer says so."""
    shrink = probe.shrunken
    monkeypatch.setattr(
        probe, "shrunken", lambda config, layers=2: (_ for _ in ()).throw(ValueError("odd sizes"))
    )
    answer = probe.findings("gpt2", cache=tmp_path, methods=("lora",))
    assert answer.reasons == {"lora": None}
    assert "not tried in a training step" in answer.note
    assert probe.findings("gpt2", cache=tmp_path, methods=("lora",)) == answer, "remembered with its note"
    monkeypatch.setattr(probe, "shrunken", shrink)
    assert probe.findings("gpt2-xl", cache=tmp_path, methods=("lora",)).note == ""


def test_a_copy_has_every_kind_of_layer():
    """A model whose first blocks are of another kind than the later ones needs a deeper copy."""
    from transformers import AutoConfig

    config = AutoConfig.for_model(
        "deepseek_v3", hidden_size=128, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=4, vocab_size=100,
        n_routed_experts=8, num_experts_per_tok=2, n_group=2, topk_group=1, first_k_dense_replace=3, pad_token_id=0,
    )  # fmt: skip
    seen = probe.subject_of(config, "generation", "mixture")
    kinds = {type(module).__name__ for module in seen.shapes.modules()}
    assert "DeepseekV3MoE" in kinds
    assert seen.shapes.config.num_hidden_layers == 4
    assert probe.reason_of(registry.method("moe_experts"), seen) is None


def one_of_each_kind():
    kinds = {}
    for name in sorted(models.architectures()):
        kinds.setdefault(models.load_config(models.resolve(name, counting=True)).model_type, name)
    return list(kinds.values())


def check_small_copy(name):
    config = models.load_config(models.resolve(name, counting=True))
    seen = probe.subject_of(config, "classification", name)
    assert seen.note == ""
    assert total_parameters(seen.small) < 1_500_000
    seen.small(input_ids=torch.full((1, 4), 20)).logits.sum().backward()


@pytest.mark.parametrize("name", one_of_each_kind())
def test_every_shipped_kind_of_architecture_has_a_small_copy(name):
    check_small_copy(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models.architectures()))
def test_every_shipped_architecture_has_a_small_copy(name):
    check_small_copy(name)
