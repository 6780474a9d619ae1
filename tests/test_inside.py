"""Looking inside a run: exact small cases of size, rank and overlap, real tiny runs of each kind, and true sentences."""

import dataclasses
import json
import math

import pytest
import torch

from tests.tiny import LAYERS, tiny_model
from tests.training import Heard, tiny_folder, tiny_prepared, tiny_spec
from workbench import (
    inside,
    inside_open,
    inside_record,
    inside_states,
    inside_weights,
    inside_words,
    measure,
    saving,
)
from workbench.build import apply_method, load_base, plan_run
from workbench.cli import main
from workbench.inside_weights import Place, cells, directions, overlap, places, spectrum
from workbench.result import Result
from workbench.spec import Budget
from workbench.store import Store
from workbench.train import train

METHODS = {
    "full": {},
    "head": {},
    "bitfit": {},
    "lora": {"r": 4},
    "dora": {"r": 4},
    "ia3": {},
    "adapter": {},
    "prompt": {"num_virtual_tokens": 3},
    "prefix": {"num_virtual_tokens": 3},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A store with one finished run of each method; their ids by method. And one that never ran."""
    folder = tmp_path_factory.mktemp("inside")
    store, model = Store(folder / "store"), tiny_folder("qwen2", folder)
    prepared = tiny_prepared(16, 8, 12)
    ids = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "LATENCY_SECONDS", 0.0)
        patch.setattr(measure, "LATENCY_MOST_SECONDS", 0.0)
        patch.setattr(inside_open, "load_prepared", lambda folder: prepared)
        for method, options in METHODS.items():
            spec = tiny_spec(model, method, options=options, budget=Budget("steps", 3), evaluations=1)
            ids[method] = store.add([spec])[0]
            store.claim(ids[method])
            store.set_identity(ids[method], (1, "", ""), threads=1, device="cpu")
            store.change_state(ids[method], "running")
            make = really_train if method == "full" else change_a_little
            result = make(spec, prepared, store.run_folder(ids[method]))
            store.change_state(ids[method], "finished", result=result)
        ids["queued"] = store.add([tiny_spec(model, "full", seed=1)])[0]
        yield store, ids


def really_train(spec, prepared, folder):
    heard = Heard()
    return train(spec, prepared, folder, emit=heard.emit, should_stop=heard.should_stop, device="cpu")


def change_a_little(spec, prepared, folder):
    """What a run leaves behind, its trained weights moved at random: no step is needed to look inside."""
    plan = plan_run(spec, prepared, device="cpu")
    built = apply_method(plan, load_base(plan))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(7)
        for parameter in built.model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.002)
    saving.save_trained(
        built.model,
        saving.trained_folder(folder),
        method=plan.method,
        options=plan.options,
        context=plan.context,
        source=plan.source,
    )
    return Result(steps=3)


def look(runs, method):
    store, ids = runs
    return inside.look(store.folder, ids[method])


def trained(document):
    return {(cell["layer"], cell["kind"]) for cell in document["cells"] if cell["trained"]}


def rotation(size, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]


def test_two_equal_directions_have_rank_and_effective_rank_two():
    left, right = rotation(12, 0), rotation(9, 1)
    found = spectrum(3 * (left[:, :2] @ right[:2]))
    assert found.rank == 2
    assert found.effective_rank == pytest.approx(2)
    assert found.values == pytest.approx((3, 3))
    assert found.energy == pytest.approx(18)
    assert found.directions == {"50": 1, "90": 2, "99": 2}


def test_one_strong_direction_among_weak_ones_counts_little_more_than_one():
    strengths = torch.tensor([10.0, 1.0, 1.0], dtype=torch.float64)
    found = spectrum(rotation(8, 0)[:, :3] @ torch.diag(strengths) @ rotation(8, 1)[:3])
    shares = [10 / 12, 1 / 12, 1 / 12]
    assert found.rank == 3
    assert found.effective_rank == pytest.approx(math.exp(-sum(p * math.log(p) for p in shares)))
    assert found.directions == {"50": 1, "90": 1, "99": 2}


def test_no_change_has_no_directions():
    found = spectrum(torch.zeros(4, 6))
    assert (found.rank, found.effective_rank, found.values) == (0, None, ())


def test_of_a_stack_of_experts_the_one_that_moved_most_is_taken_apart():
    stack = torch.zeros(3, 6, 5)
    stack[1] = 2 * torch.eye(6, 5)
    stack[2, 0, 0] = 1.0
    assert spectrum(stack).rank == 5


def test_a_large_matrix_gives_its_largest_values_and_says_what_it_can_t_tell(monkeypatch):
    monkeypatch.setattr(inside_weights, "EXACT_SIDE", 10)
    monkeypatch.setattr(inside_weights, "SKETCH", 12)
    thin = rotation(40, 0)[:, :3] @ torch.diag(torch.tensor([5.0, 2.0, 1.0]).double()) @ rotation(40, 1)[:3]
    found = spectrum(thin)
    assert found.exact
    assert found.rank == 3
    assert found.values == pytest.approx((5, 2, 1), rel=1e-4)
    full = spectrum(rotation(40, 2))
    assert not full.exact
    assert full.effective_rank is None
    assert full.directions["90"] is None
    assert full.energy == pytest.approx(40)


def test_overlap_is_one_with_itself_none_with_what_is_square_to_it_and_half_between():
    u, v = rotation(10, 0), rotation(10, 1)
    first = directions(u[:, :2] @ v[:2])
    other = directions(u[:, 2:4] @ v[2:4])
    half = directions(u[:, 1:3] @ v[1:3])
    assert overlap(first, first, 2, 2) == pytest.approx(1)
    assert overlap(first, other, 2, 2) == pytest.approx(0, abs=1e-12)
    assert overlap(first, half, 2, 2) == pytest.approx(0.5)
    assert first[0].shape == (10, 2)


def test_relative_size_is_pooled_over_a_cell_and_untrained_places_are_kept_empty():
    before = {"a": torch.ones(2, 2), "b": torch.ones(12), "c": torch.ones(3), "d": torch.zeros(3)}
    after = {"a": torch.ones(2, 2) * 2, "b": torch.ones(12), "c": torch.ones(3), "d": torch.ones(3)}
    where = {"a": Place(1, "q"), "b": Place(1, "q"), "c": Place(2, "q"), "d": Place(2, "bias")}
    found = {(cell["layer"], cell["kind"]): cell for cell in cells(before, after, where, {"a", "b", "d"})}
    assert found[1, "q"]["value"] == pytest.approx(2 / 4)
    assert not found[2, "q"]["trained"]
    assert found[2, "bias"]["trained"]
    assert found[2, "bias"]["value"] is None, "it was zero: no relative size"


@pytest.mark.parametrize("layout", ["qwen2", "gpt2", "bert", "distilbert"])
def test_every_weight_has_its_place(layout):
    model = tiny_model(layout)
    found = places(model)
    kinds = {place.kind for place in found.values() if place.layer}
    attention = {"qkv"} if layout == "gpt2" else {"q", "k", "v"}
    assert kinds >= {*attention, "o", "up", "down", "norm", "bias"}
    assert "other" not in kinds
    assert {place.layer for place in found.values() if place.layer} == set(range(1, LAYERS + 1))
    assert {place.kind for place in found.values() if not place.layer} >= {"embeddings", "head"}


def test_full_fine_tuning_moves_everything_and_its_sizes_are_those_of_the_saved_tensors(runs):
    found = look(runs, "full")
    assert found["kind"] == "weights"
    assert all(cell["trained"] and cell["change"] > 0 for cell in found["cells"])
    total = math.fsum(cell["change"] ** 2 for cell in found["cells"])
    store, ids = runs
    one = inside.open_run(store, store.run(ids["full"]))
    base = dict(one.base().named_parameters())
    after = dict(saving.load_trained(one.base(), one.trained).named_parameters())
    wanted = math.fsum(float(((after[n] - p).detach().double() ** 2).sum()) for n, p in base.items())
    assert total == pytest.approx(wanted)
    matrix = found["matrices"][1]
    assert matrix["energy"] == pytest.approx(sum(value**2 for value in matrix["values"]))


def test_the_head_alone_shows_nothing_in_the_body(runs):
    found = look(runs, "head")
    assert trained(found) == {(None, "head")}
    assert found["matrices"] == []
    assert found["head"] > 0
    assert "all of the change is in the head" in inside_words.sentences(found)[0]


def test_bitfit_moves_biases_alone(runs):
    found = look(runs, "bitfit")
    assert {kind for _, kind in trained(found)} == {"bias", "head"}
    assert inside_words.body_matrices(found) == []
    assert any("Only bias terms were trained" in one for one in inside_words.sentences(found))


def test_lora_of_rank_four_has_four_singular_values_everywhere(runs):
    found = look(runs, "lora")
    assert len(found["matrices"]) == 7 * LAYERS
    assert {m["rank"] for m in found["matrices"]} == {4}
    assert {len(m["values"]) for m in found["matrices"]} == {4}
    assert inside_words.nominal_rank(found) == 4
    assert inside_words.energy_curve(found)[3] == pytest.approx(1)
    assert not any(kind in ("norm", "bias", "embeddings") for _, kind in trained(found))
    assert any("of 4 allowed" in one for one in inside_words.sentences(found))


def test_dora_s_rank_is_not_bounded_by_its_r_and_the_sentence_says_so(runs):
    found = look(runs, "dora")
    assert max(m["rank"] for m in found["matrices"]) > 4
    assert inside_words.nominal_rank(found) is None
    assert any("r does not bound" in one for one in inside_words.sentences(found))


def test_scales_say_how_far_they_are_from_one(runs):
    found = look(runs, "ia3")
    assert found["kind"] == "scales"
    assert {kind for _, kind in trained(found)} == {"k", "v", "down"}
    store, ids = runs
    one = inside.open_run(store, store.run(ids["ia3"]))
    model = saving.load_trained(one.base(), one.trained)
    learned = model.get_base_model().get_submodule("model.layers.0.self_attn.k_proj").ia3_l["default"]
    cell = next(c for c in found["cells"] if (c["layer"], c["kind"]) == (1, "k"))
    assert cell["value"] == pytest.approx(float((learned - 1).abs().mean()))


def test_an_adapter_is_measured_by_what_it_does_to_the_hidden_state(runs):
    found = look(runs, "adapter")
    assert found["kind"] == "added"
    assert {kind for _, kind in trained(found)} == {"o", "down"}
    assert all(cell["value"] > 0 for cell in found["cells"] if cell["trained"])
    assert found["texts"] == inside_states.TEXTS


def test_a_switched_off_adapter_does_nothing(runs):
    store, ids = runs
    one = inside.open_run(store, store.run(ids["adapter"]))
    model = saving.load_trained(one.base(), one.trained)
    for module in model.modules():
        if hasattr(module, "workbench_enabled"):
            module.workbench_enabled = False
    found = inside_states.added_modules(model, places(one.base()), one.texts(), lambda share: None)
    assert [cell["value"] for cell in found] == [0.0] * (2 * LAYERS)


def test_prompt_vectors_name_the_words_they_started_at_after_a_small_change(runs):
    found = look(runs, "prompt")
    assert found["kind"] == "prompt"
    assert found["moved"] < 0.2
    best = [token["nearest"][0] for token in found["prompt"]["tokens"]]
    assert len(best) == 3
    assert all(one["cosine"] > 0.9 for one in best)
    assert len(found["attention"]) == LAYERS
    assert 0 < found["even"] < 1
    assert all(0 < share < 1 for share in found["attention"])


def test_a_prefix_has_norms_and_attention_by_layer(runs):
    found = look(runs, "prefix")
    assert found["kind"] == "prefix"
    assert len(found["attention"]) == len(found["norms"]) == LAYERS
    assert all(len(row) == 4 and min(row) > 0 for row in found["norms"])
    assert "prompt" not in found


def test_even_attention_is_what_a_model_without_preference_gives(runs):
    """All keys zero: every position is attended to alike, so the share measured is the share expected."""
    store, ids = runs
    one = inside.open_run(store, store.run(ids["prompt"]))
    model = saving.load_trained(one.base(), one.trained)
    for name, parameter in model.named_parameters():
        if "k_proj" in name:
            parameter.data.zero_()
    found = inside_states.attention_on_prompt(model, one.texts(3), lambda share: None)
    assert found["attention"] == pytest.approx([found["even"]] * LAYERS, rel=1e-3)


def test_what_can_t_be_folded_in_is_measured_by_its_effect(runs, monkeypatch):
    """LoRA made unmergeable: its layers' outputs are compared with their base layers'."""
    from workbench.method import Unsuitable

    def refuse(*arguments):
        raise Unsuitable("it can't be folded in")

    store, ids = runs
    monkeypatch.setattr(inside, "merged_weights", refuse)
    one = inside.open_run(store, store.run(ids["lora"]))
    found = inside._look(one, lambda share: None)
    assert found["kind"] == "added"
    assert {kind for _, kind in trained(found)} == {"q", "k", "v", "o", "gate", "up", "down"}
    assert all(cell["value"] > 0 for cell in found["cells"] if cell["trained"])


def test_two_updates_share_all_directions_with_themselves_and_chance_is_told(runs):
    store, ids = runs
    same = inside.look_overlap(store.folder, ids["lora"], ids["lora"])
    assert [row["share"] for row in same["rows"]] == pytest.approx([1.0] * len(same["rows"]))
    other = inside.look_overlap(store.folder, ids["lora"], ids["full"])
    assert other["matrices"] == 7 * LAYERS
    assert {row["top"] for row in other["rows"]} == {1, 2, 4}
    assert all(0 <= row["share"] <= 1 and 0 < row["chance"] <= 1 for row in other["rows"])
    assert "drawn at random" in inside_words.about_overlap(other, "LoRA", "full")


def test_runs_that_changed_no_matrix_in_common_have_no_overlap(runs):
    store, ids = runs
    with pytest.raises(ValueError, match="no matrix in common"):
        inside.look_overlap(store.folder, ids["bitfit"], ids["full"])


def test_a_run_that_did_not_finish_gets_a_true_sentence_and_no_record(runs):
    found = look(runs, "queued")
    assert inside_words.sentences(found) == ["The run is queued: only a finished run can be looked into."]
    store, ids = runs
    assert inside_record.read(store.run_folder(ids["queued"])) is None


def test_a_run_without_its_weights_gets_a_true_sentence(runs, tmp_path):
    store, ids = runs
    look(runs, "head")
    folder = store.run_folder(ids["head"])
    record = (folder / inside_record.RECORD).read_text(encoding="utf-8")
    (folder / inside_record.RECORD).unlink()
    (folder / "trained").rename(tmp_path / "away")
    try:
        found = look(runs, "head")
    finally:
        (tmp_path / "away").rename(folder / "trained")
        (folder / inside_record.RECORD).write_text(record, encoding="utf-8")
    assert "holds no trained weights" in found["reason"]


def test_what_was_found_is_kept_until_versions_change(runs, monkeypatch):
    first = json.loads(json.dumps(look(runs, "lora")))  # whether it was just found or is read back
    monkeypatch.setattr(inside, "_look", lambda *arguments: pytest.fail("looked again"))
    assert look(runs, "lora") == first
    store, ids = runs
    monkeypatch.setattr(inside_record, "versions", lambda: "others")
    assert inside_record.read(store.run_folder(ids["lora"])) is None


def test_progress_is_told_while_looking_and_gone_afterwards(runs, monkeypatch):
    store, ids = runs
    folder = store.run_folder(ids["lora"])
    look(runs, "lora")
    (folder / inside_record.RECORD).unlink()
    seen = []
    say = inside_record.say_progress
    monkeypatch.setattr(
        inside_record,
        "say_progress",
        lambda at, share: (say(at, share), seen.append(inside_record.progress(at))),
    )
    look(runs, "lora")
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert inside_record.progress(folder) is None


def test_looking_leaves_the_caller_s_random_numbers_alone(runs):
    store, ids = runs
    (store.run_folder(ids["prompt"]) / inside_record.RECORD).unlink(missing_ok=True)
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    look(runs, "prompt")
    assert torch.equal(torch.rand(2), wanted)


def test_every_document_is_json_and_has_two_to_four_sentences(runs):
    for method in METHODS:
        look(runs, method)
        found = look(runs, method)  # as it is kept, whichever test looked first
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert 2 <= len(inside_words.sentences(found)) <= 4, method
        assert not any("nan" in one.lower().split() for one in inside_words.sentences(found))


def test_the_command_prints_sentences_and_figures(runs, capsys):
    store, ids = runs
    assert main(["inside", ids["lora"], "--store", str(store.folder), "--with", ids["full"]]) == 0
    told = capsys.readouterr().out
    assert "of 4 allowed" in told
    assert "drawn at random" in told
    assert main(["inside", ids["lora"], "--store", str(store.folder), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["sentences"]
    assert document["matrices"]
    assert main(["inside", ids["queued"], "--store", str(store.folder)]) == 1
    assert main(["inside", "nothing", "--store", str(store.folder)]) == 2


def _weights(sizes, **changes):
    """A document of weights whose layers hold these squared changes."""
    found = [
        {
            "layer": layer,
            "kind": "q",
            "trained": True,
            "change": size**0.5,
            "size": 10.0,
            "value": size**0.5 / 10,
        }
        for layer, size in enumerate(sizes, 1)
    ]
    return {
        "kind": "weights",
        "reason": None,
        "layers": len(sizes),
        "cells": found,
        "matrices": [],
        "head": None,
    } | changes


def test_sentences_say_where_the_change_is_only_where_it_is_in_few_layers():
    few = inside_words.sentences(_weights([1, 1, 1, 1, 6, 6, 1, 1]))[0]
    assert few == "Layers 5 and 6 of 8 hold 67 % of the squared change inside the layers."
    spread = inside_words.sentences(_weights([3, 3, 3, 3, 3, 4, 3, 2]))[0]
    assert spread.startswith("The change is spread over all 8 layers: layer 6 holds the largest share (17 %)")


def test_the_curve_pools_matrices_by_their_energy():
    def matrix(*values):
        return {"layer": 1, "values": values, "energy": sum(v**2 for v in values)}

    found = _weights(
        [1],
        matrices=[
            matrix(3.0, 1.0),
            matrix(3.0),
            dataclasses.asdict(spectrum(torch.zeros(2, 2))) | {"layer": 1},
        ],
    )
    assert inside_words.energy_curve(found) == pytest.approx([18 / 19, 1.0])


def test_a_cosine_is_read_by_the_model_s_own_words():
    prompt = {"usual_nearest": 0.6, "chance_nearest": 0.2}
    read = [inside_words.is_near(prompt, cosine) for cosine in (0.99, 0.7, 0.4, 0.1)]
    assert read == ["almost this word", "near", "far", "nothing near"]
