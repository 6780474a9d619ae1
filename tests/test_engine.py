"""One base, many adapters: loaded once, switched exactly, nothing of the base written, the least used let go first."""

import pytest
import torch

from tests.served import add_run, served
from workbench import evaluate, models, registry, saving
from workbench.asking import Ask, classify, prove, waves
from workbench.engine import Engine
from workbench.engine_bases import base_key
from workbench.engine_tensors import checksum, unique_bytes
from workbench.engine_trees import MixedTree
from workbench.spec import canonical_json

TEXT = "the film was good and the plot was never dull"
PLAIN = [("lora", {"r": r}) for r in (2, 4, 4, 2)]
OTHERS = ["full", "freeze", "bitfit", "head", "dora", "ia3", "adapter", "adapter_parallel", "prefix", "prompt",
          "pissa", "ln_tuning", "qlora", "ptq", "vera", "shira", ("lora", {"bias": "lora_only"})]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return served(tmp_path_factory.mktemp("engine"), [*PLAIN, *OTHERS], layout="qwen2")


@pytest.fixture(scope="module")
def engine(many):
    found = Engine(many.store, device="cpu")
    found.load(many.ids)
    return found


def logits_alone(store, run_id, text=TEXT):
    """The run loaded by itself, as after training."""
    run = store.run(run_id)
    source = models.resolve(run.spec.setting.model)
    model = saving.load_trained(source, saving.trained_folder(store.run_folder(run_id)))
    return ask(model, run, models.load_tokenizer(source), text)


def ask(model, run, tokenizer, text=TEXT):
    task = registry.task(run.spec.setting.task)
    rows = task.encode(tokenizer, [{"text": text, "label": "positive"}], run.spec.setting.data.labels, 32)
    return evaluate.logits(model, evaluate.collate(rows, evaluate.pad_id(model)), "cpu", "float32")


@pytest.mark.parametrize("wanted", ["bfloat16", "float32"])
def test_runs_compute_in_the_precision_that_is_asked_for(many, wanted):
    found = Engine(many.store, device="cpu", precision=wanted)
    with found.using(many.ids[0]) as live:
        assert live.precision == wanted


def name(choice):
    return choice if isinstance(choice, str) else f"{choice[0]}-{'-'.join(map(str, choice[1].values()))}"


@pytest.mark.parametrize("place", range(len(PLAIN) + len(OTHERS)), ids=[name(c) for c in [*PLAIN, *OTHERS]])
def test_a_run_answers_as_it_does_alone_and_its_base_is_untouched(many, engine, place):
    run_id = many.ids[place]
    run = many.store.run(run_id)
    plain = {key: checksum(base.model) for key, base in engine._bases.items()}
    with engine.using(run_id) as live:
        on = ask(live.model, run, live.tokenizer)
    torch.testing.assert_close(on, logits_alone(many.store, run_id), atol=1e-5, rtol=1e-5)
    with engine.using(run_id, off=True) as live:
        off = ask(live.model, run, live.tokenizer)
    base = engine.base(run_id)
    assert torch.equal(off, ask(base.model, run, base.tokenizer))
    assert not torch.allclose(on, off)
    assert {key: checksum(base.model) for key, base in engine._bases.items()} == plain
    with engine.using(run_id) as live:
        assert torch.equal(ask(live.model, run, live.tokenizer), on)


def test_each_base_is_loaded_once_and_only_few_bits_make_another(many, engine):
    found = engine.contents()["bases"]
    assert [base["few_bits"] for base in found].count(False) == 1
    assert len(found) == 2
    assert sum(len(base["runs"]) for base in found) == len(many.ids)
    assert engine.base_key(many.ids[0]) == engine.base_key(many.ids[len(PLAIN)])


def test_what_a_run_costs_is_what_it_changed(many, engine):
    kinds = {run["run_id"]: run for base in engine.contents()["bases"] for run in base["runs"]}
    by_name = {name(c): kinds[run_id] for c, run_id in zip([*PLAIN, *OTHERS], many.ids)}
    base = unique_bytes(engine.base(many.ids[0]).model)
    assert by_name["bitfit"]["bytes"] < base / 10
    assert by_name["head"]["bytes"] < base / 10
    assert base * 0.9 < by_name["full"]["bytes"] <= base
    assert by_name["lora-4"]["bytes"] < 2.2 * by_name["lora-2"]["bytes"]
    assert {by_name[n]["kind"] for n in ("full", "freeze", "bitfit")} == {"changed weights"}
    assert by_name["adapter"]["kind"] == "own modules"
    assert by_name["qlora"]["kind"] == by_name["ptq"]["kind"] == "few bits"
    assert [n for n, run in by_name.items() if run["mixes"]] == ["lora-2", "lora-4"]


def test_plain_lora_runs_share_a_model_and_cost_no_more_than_their_weights(many):
    engine = Engine(many.store, device="cpu")
    engine.load(many.ids[:4])
    trees = {id(engine.resident(run_id).tree) for run_id in many.ids[:4]}
    assert len(trees) == 1
    base = unique_bytes(engine.base(many.ids[0]).model)
    own = sum(run["bytes"] for run in engine.contents()["bases"][0]["runs"])
    assert engine.bytes == base + own
    assert engine.mixes(many.ids[:6]) == [list(many.ids[:4]), [many.ids[4]], [many.ids[5]]]


def test_a_mixed_batch_says_what_each_says_alone(many, engine):
    texts = [TEXT, "a sad room", "good", TEXT]
    asks = [Ask(run_id, text) for run_id, text in zip(many.ids, texts)]
    asks += [Ask(many.ids[1], "food was cold and the price was bad")]
    together = classify(engine, asks)
    alone = classify(engine, asks, alone=True)
    assert [a["batch"] for a in together] == [5] * 5
    assert [a["batch"] for a in alone] == [1] * 5
    for one, other in zip(together, alone):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
        assert one["label"] == other["label"]
    assert len({round(a["probabilities"]["positive"], 4) for a in together}) > 3


def test_the_budget_lets_go_of_what_was_not_asked_for_the_longest_time(many):
    full = many.ids[4:5] + many.ids[5:6]
    roomy = Engine(many.store, device="cpu")
    roomy.load([*full])
    engine = Engine(many.store, device="cpu", budget_bytes=roomy.bytes + 10_000)
    engine.load(full)
    assert set(engine._runs) == set(full)
    engine.resident(full[0])
    engine.load([many.ids[0], many.ids[12 + 0]])
    assert full[1] not in engine._runs
    assert not engine.is_over_budget or set(engine._runs) == {many.ids[0], many.ids[12]}
    tiny = Engine(many.store, device="cpu", budget_bytes=1)
    first = classify(tiny, [Ask(many.ids[0], TEXT)])
    second = classify(tiny, [Ask(many.ids[5], TEXT)])
    assert first[0]["label"]
    assert second[0]["label"]
    assert list(tiny._runs) == [many.ids[5]]


def test_more_than_fits_at_once_is_asked_in_waves(many):
    ids = [many.ids[4], many.ids[0], many.ids[5], many.ids[1]]
    asks = [Ask(run_id, TEXT) for run_id in ids]
    roomy = Engine(many.store, device="cpu")
    wanted = classify(roomy, asks)
    tight = Engine(many.store, device="cpu", budget_bytes=roomy.bytes - 40_000)
    assert len(list(waves(tight, asks))) > 1
    found = classify(tight, asks)
    assert [a["probabilities"] for a in found] == [
        pytest.approx(a["probabilities"], abs=1e-6) for a in wanted
    ]
    assert not tight.is_over_budget


def test_adapters_that_are_let_go_leave_the_others_as_they_are(many):
    engine = Engine(many.store, device="cpu")
    before = classify(engine, [Ask(run_id, TEXT) for run_id in many.ids[:3]])
    engine.unload([many.ids[1]])
    assert isinstance(engine.resident(many.ids[0]).tree, MixedTree)
    assert engine.resident(many.ids[0]).tree.names == [many.ids[0], many.ids[2]]
    after = classify(engine, [Ask(many.ids[0], TEXT), Ask(many.ids[2], TEXT), Ask(many.ids[1], TEXT)])
    for one, other in zip((before[0], before[2], before[1]), after):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)
    engine.unload()
    assert engine.bytes == 0


def test_a_base_of_another_head_shares_the_body(many):
    store = many.store
    writer = add_run(store, many.model, "lora", task="generation", seed=1)
    engine = Engine(store, device="cpu")
    engine.load([many.ids[0]])
    one = engine.bytes
    engine.load([writer])
    body = unique_bytes(engine.base(many.ids[0]).model)
    assert len(engine.contents()["bases"]) == 2
    own = next(
        run["bytes"] for base in engine.contents()["bases"] for run in base["runs"] if run["run_id"] == writer
    )
    assert engine.bytes - one - own < body / 5  # the tiny model's output layer, which is not tied


def test_every_run_is_proven(many, engine):
    found = prove(engine, [Ask(run_id, TEXT) for run_id in many.ids])
    assert all(proof is not None and proof.live for proof in found)
    assert max(proof.off_difference for proof in found if proof) == 0.0


def test_keys_tell_settings_with_other_weights_apart(many):
    import dataclasses

    setting = many.store.run(many.ids[0]).spec.setting
    assert base_key(setting) == base_key(dataclasses.replace(setting, max_length=17))
    assert base_key(setting) != base_key(dataclasses.replace(setting, model="another"))
    assert canonical_json([setting.model])[1:-1] in base_key(setting)


def test_an_unknown_budget_is_refused(monkeypatch):
    from workbench.engine import default_budget

    monkeypatch.setenv("WORKBENCH_INFERENCE_BYTES", "12345")
    assert default_budget("cpu") == 12345
    monkeypatch.setenv("WORKBENCH_INFERENCE_BYTES", "4 GB")
    with pytest.raises(ValueError, match="whole number of bytes"):
        default_budget("cpu")
