"""Bytes read off the tensors, and runs whose weights are in few bits, from training to the answer of a loaded result."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from tests.methods import contract
from tests.tiny import tiny_model
from tests.training import LABELS, Heard, tiny_folder, tiny_prepared, tiny_spec
from workbench import evaluate, inside_open, models, quantised, registry, saving
from workbench.inside_weights import places
from workbench.method import Context, Unsuitable
from workbench.methods import _bitsandbytes
from workbench.spec import Budget
from workbench.task import Live
from workbench.train import OUTCOMES, VALIDATION_OUTCOMES, read_outcomes, train


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_folder("qwen2", tmp_path_factory.mktemp("models"))


def run(base, folder, method, **options):
    spec = tiny_spec(base, method, options=options, budget=Budget("steps", 6), evaluations=1)
    heard = Heard()
    return train(spec, tiny_prepared(), folder, emit=heard.emit, should_stop=heard.should_stop), spec


def body(model):
    """Weights and bytes of a tiny classifier without embeddings and head."""
    names = ("embed_tokens", "score")
    return sum(p.numel() for n, p in model.named_parameters() if not any(part in n for part in names))


def test_a_plain_model_takes_four_bytes_for_each_weight():
    model = tiny_model("qwen2")
    found = quantised.stored(model)
    tables = sum(b.numel() * b.element_size() for b in model.buffers())
    assert found.body == body(model) * 4 + tables
    assert found.rest == 4 * (model.get_input_embeddings().weight.numel() + model.score.weight.numel())
    assert found.bits is None


@pytest.mark.parametrize(
    ("kind", "double", "bits"), [("nf4", True, 4.13), ("nf4", False, 4.5), ("int8", True, 8.1)]
)
def test_stored_matrices_take_their_bits(kind, double, bits):
    from transformers import AutoModelForSequenceClassification

    from tests.tiny import tiny_config

    config = tiny_config("llama")
    config.hidden_size = config.intermediate_size = 512
    model = AutoModelForSequenceClassification.from_config(config)
    wide = quantised.stored(model)
    matrices = sum(p.numel() for n, p in model.named_parameters() if "proj" in n)
    found = quantised.stored(_bitsandbytes.store_in_bits(model, kind, double=double))
    assert found.bits == pytest.approx(bits, abs=0.06)
    assert found.rest == wide.rest
    layers = sum("proj" in n and n.endswith("weight") for n, _ in model.named_parameters())
    tables = layers * (256 + 16) * 4  # of the values that numbers stand for
    assert 0 <= matrices * (32 - found.bits) / 8 - (wide.body - found.body) <= tables


def test_the_adapter_counts_and_a_copy_of_the_head_does_not():
    plain, adapted = tiny_model("qwen2"), contract.prepared(registry.method("lora"), "qwen2")
    before, after = quantised.stored(plain), quantised.stored(adapted)
    added = sum(p.numel() for n, p in adapted.named_parameters() if "lora_" in n)
    assert after.body - before.body == added * 4
    assert after.rest - before.rest == plain.score.weight.numel() * 4


def test_a_qlora_run_is_smaller_lives_and_says_how_far_folding_moves_it(base, tmp_path):
    lora, _ = run(base, tmp_path / "lora", "lora")
    found, spec = run(base, tmp_path / "qlora", "qlora")
    assert found.live
    assert found.stored_weight_bytes < lora.stored_weight_bytes
    assert found.base_stored_weight_bytes == lora.base_stored_weight_bytes
    assert found.peak_memory_bytes < lora.peak_memory_bytes
    assert found.total_parameters == lora.total_parameters
    assert found.trainable_parameters == lora.trainable_parameters
    assert lora.forms == {}
    merged, again = found.forms["merged"], found.forms["merged_in_few_bits"]
    assert merged["logit_difference_max"] < 1e-4 < again["logit_difference_max"]
    assert merged["stored_weight_bytes"] > again["stored_weight_bytes"]
    assert any("Folded and stored in few bits again" in note for note in found.notes)
    _same_answers(tmp_path / "qlora", spec)


@pytest.mark.parametrize("method", ["qat", "ptq"])
def test_the_rounded_model_is_what_is_scored_and_saved(method, base, tmp_path):
    found, spec = run(base, tmp_path, method, scheme="int2")
    assert found.live
    assert found.weight_bits == pytest.approx(3, abs=0.5)
    assert found.stored_weight_bytes < found.base_stored_weight_bytes
    assert set(found.forms) == {"trained", "rounded"}
    drift = found.forms["rounded"]["logit_difference_max"]
    assert drift < 1e-5 if method == "qat" else drift > 1e-3
    assert found.forms["trained"]["accuracy"] == found.validation["accuracy"]
    assert any("Rounded for good" in note for note in found.notes)
    assert any("groups of 24" in note for note in found.notes)
    assert any("keeps each in a whole byte" in note for note in found.notes)
    _same_answers(tmp_path, spec)


@pytest.mark.gpu
def test_on_a_gpu_the_base_is_stored_there_and_the_optimiser_is_paged(base, tmp_path):
    spec = tiny_spec(base, "qlora", budget=Budget("steps", 4), evaluations=1)
    heard = Heard()
    found = train(
        spec, tiny_prepared(), tmp_path, emit=heard.emit, should_stop=heard.should_stop, device="cuda"
    )
    assert found.live
    assert found.peak_memory_source == "cuda_allocator"
    method = registry.method("qlora")
    context = Context(labels=len(LABELS), device="cuda")
    source = models.resolve(str(base))
    model = method.put_on(
        models.load_model(source, "classification", LABELS), method.options(), context
    ).cuda()
    assert all(layer.weight.is_cuda for _, layer in _bitsandbytes.stored_layers(model))
    made = method.optimizer(model, method.options(), 1e-3, 0.0)
    assert type(made).__name__ == "PagedAdamW8bit"
    trained = {id(p) for group in made.param_groups for p in group["params"]}
    assert trained == {id(p) for p in model.parameters() if p.requires_grad}


def test_looking_inside_reads_rounded_weights_as_plain_ones_and_leaves_stored_bases_alone(base, tmp_path):
    source = models.resolve(str(base))
    for name in ("ptq", "qlora"):
        method = registry.method(name)
        context = contract.context("classification")
        model = method.put_on(models.load_model(source, "classification", LABELS), method.options(), context)
        contract.train(model, method=method, options=method.options())
        if method.after_training:
            model = method.after_training(model, method.options(), context)
        folder = tmp_path / name
        saving.save_trained(model, folder, method=method, options=method.options(), context=context)
        one = SimpleNamespace(
            trained=folder,
            base=lambda: models.load_model(source, "classification", LABELS),
            is_peft=name == "qlora",
        )
        wide = one.base()
        if name == "qlora":
            with pytest.raises(Unsuitable, match="stored in few bits"):
                inside_open.merged_weights(one, wide, places(wide))
            continue
        change, added = inside_open.own_weights(one, wide, places(wide))
        assert not added
        assert set(change.after) == {n for n, _ in wide.named_parameters()}
        matrix = "model.layers.0.mlp.up_proj.weight"
        assert change.after[matrix].dtype == torch.float32
        assert 0 < float((change.after[matrix] - change.before[matrix]).abs().max().detach()) < 0.1


def _same_answers(folder, spec):
    """Loaded from its folder, the result gives the probabilities that were scored."""
    source = models.resolve(spec.setting.model)
    model = saving.load_trained(source, saving.trained_folder(folder))
    task, tokenizer = registry.task("classification"), models.load_tokenizer(source)
    rows = task.encode(tokenizer, tiny_prepared().rows["test"], LABELS, 64)
    live = Live(model, tokenizer, LABELS, task.options())
    wanted = read_outcomes(folder / OUTCOMES)
    assert len(read_outcomes(folder / VALIDATION_OUTCOMES)) == 24
    for outcome, other in zip(task.predict(live, rows), wanted):
        assert outcome["probabilities"] == pytest.approx(other["probabilities"], abs=2e-6)
    assert evaluate.pad_id(model) == 0


def test_without_room_for_the_wide_base_latency_is_compared_with_the_stored_one():
    class Plan:
        method = registry.method("qlora")

    def no_room():
        raise torch.cuda.OutOfMemoryError("no room")

    found, [note] = quantised.plain_base_or(Plan(), "stored", no_room)
    assert found == "stored"
    assert "no room on this GPU" in note
    assert quantised.plain_base_or(Plan(), "stored", lambda: "wide") == ("wide", ())
    Plan.method = registry.method("lora")
    assert quantised.plain_base_or(Plan(), "base", no_room) == ("base", ())
