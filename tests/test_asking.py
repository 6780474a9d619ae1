"""Many answers at once: what each says alone, in pieces that add up, ended one by one, and nothing shown that is not proven."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.served import served
from workbench import engine as engine_module
from workbench import generating, registry, saving
from workbench.asking import Ask, classify, prove, stream, write
from workbench.engine import Engine
from workbench.engine_trees import MixedTree

PROMPT = "film slow"
CHOICES = [
    ("lora", {"r": 2}),
    ("lora", {"r": 4}),
    ("lora", {"r": 2, "lora_alpha": 4}),
    "full",
    "prefix",
    "ia3",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return served(tmp_path_factory.mktemp("asking"), CHOICES, task="generation", layout="llama", spread=1.0)


@pytest.fixture(scope="module")
def engine(many):
    found = Engine(many.store, device="cpu")
    found.load(many.ids)
    return found


def by_task(engine, run_id, text, **options):
    """As the task itself answers: one model, one prompt."""
    with engine.using(run_id) as live:
        task = registry.task("generation")
        changed = task.options.from_dict({**live.options.to_dict(), **options})
        live = type(live)(**{**vars(live), "options": changed})
        return task.answer(live, task.ask_batch(live, text, 32, 64)[0])


def test_all_panes_at_once_say_what_each_says_alone(many, engine):
    asks = [Ask(many.ids[0], PROMPT, base=True), *[Ask(run_id, PROMPT) for run_id in many.ids]]
    answers = write(engine, asks)
    assert [a["run_id"] for a in answers] == ["base", *many.ids]
    assert [a["batch"] for a in answers] == [4, 4, 4, 4, 1, 1, 1]
    assert [a["live"] for a in answers] == [None, *[True] * 6]
    for run_id, found in zip(many.ids, answers[1:]):
        alone = by_task(engine, run_id, PROMPT)
        assert {k: found[k] for k in ("text", "tokens", "ended")} == {
            k: alone[k] for k in ("text", "tokens", "ended")
        }
        assert found["first_token_ms"] > 0
        assert found["finish"] == ("stop" if found["ended"] else "length")
    assert len({a["text"] for a in answers}) > 4


def test_pieces_add_up_and_come_from_all_panes_in_turn(many, engine):
    asks = [Ask(run_id, PROMPT, options={"max_new_tokens": 6}) for run_id in many.ids]
    pieces = list(stream(engine, asks))
    for place in range(len(asks)):
        own = [piece for piece in pieces if piece.place == place]
        assert [piece.ended for piece in own] == [*[False] * (len(own) - 1), True]
        assert "".join(piece.text for piece in own) == own[-1].answer["text"]
        assert [piece.tokens for piece in own] == list(range(1, len(own) + 1))
    beginning = {piece.place for piece in pieces[: 2 * len(asks)]}
    assert beginning == set(range(len(asks)))


def test_rows_of_one_batch_have_options_of_their_own(many, engine):
    drawn = {"do_sample": True, "temperature": 2.0, "decoding_seed": 5}
    asks = [
        Ask(many.ids[0], PROMPT, options={"max_new_tokens": 3}),
        Ask(many.ids[1], "a room was cold and sad", options=drawn),
        Ask(many.ids[1], "a room was cold and sad", options={**drawn, "decoding_seed": 6}),
        Ask(many.ids[2], "food"),
    ]
    together = write(engine, asks)
    assert {a["batch"] for a in together} == {4}
    assert together[0]["tokens"] <= 3
    assert together[1]["text"] != together[2]["text"]
    for ask, found in zip(asks, together):
        assert write(engine, [ask])[0]["text"] == found["text"]
    assert together[1]["text"] == by_task(engine, many.ids[1], asks[1].text, **drawn)["text"]


def test_an_answer_ends_at_a_given_text_and_where_it_is_told_to(many, engine):
    whole = write(engine, [Ask(many.ids[0], PROMPT, options={"max_new_tokens": 8})])[0]["text"]
    assert len(whole) > 6
    (cut,) = write(engine, [Ask(many.ids[0], PROMPT, stop=(whole[4:6],), options={"max_new_tokens": 8})])
    assert cut["text"] == whole[: whole.index(whole[4:6])].strip()
    assert cut["finish"] == "stop"
    calls = []
    found = write(
        engine,
        [Ask(many.ids[0], PROMPT), Ask(many.ids[1], PROMPT)],
        stopped=lambda place: calls.append(place) or (place == 0 and calls.count(0) >= 2),
    )
    assert found[0]["finish"] == "stopped"
    assert found[0]["tokens"] == 2
    assert found[1]["finish"] != "stopped"


def test_a_reader_who_leaves_ends_the_answers(many, engine):
    pieces = stream(engine, [Ask(run_id, PROMPT) for run_id in many.ids])
    next(pieces)
    pieces.close()
    assert write(engine, [Ask(many.ids[0], PROMPT)])[0]["text"]


def test_a_chat_is_laid_out_as_its_turns(many, engine):
    turns = ({"role": "user", "content": "film"}, {"role": "assistant", "content": "bad"},
             {"role": "user", "content": "slow"})  # fmt: skip
    (found,) = write(engine, [Ask(many.ids[0], messages=turns)])
    (plain,) = write(engine, [Ask(many.ids[0], "User: film\n\nAssistant: bad\n\nUser: slow")])
    assert found["text"] == plain["text"]
    assert found["prompt_tokens"] == plain["prompt_tokens"]


def test_long_prompts_and_long_answers_do_not_share_a_batch_that_is_too_long(many, engine):
    long = "film " * 28
    asks = [Ask(many.ids[0], long, options={"max_new_tokens": 20}), Ask(many.ids[1], "film", options={"max_new_tokens": 50})]  # fmt: skip
    answers = write(engine, asks)
    assert [a["batch"] for a in answers] == [1, 1]


def test_one_that_cannot_be_loaded_hides_nobody(many, tmp_path):
    engine = Engine(many.store, device="cpu")
    folder = saving.trained_folder(many.store.run_folder(many.ids[1]))
    folder.rename(tmp_path / "away")
    try:
        broken, whole = write(engine, [Ask(many.ids[1], PROMPT), Ask(many.ids[0], PROMPT)])
    finally:
        (tmp_path / "away").rename(folder)
    assert broken["text"] is None
    assert "no trained weights" in broken["reason"]
    assert whole["text"] is not None


# -- live proof ------------------------------------------------------------------------------------------------------


def sabotaged(tmp_path, choice):
    """A store of its own with one run and an honest one beside it."""
    return served(tmp_path, [choice, ("lora", {"r": 2})], layout="llama", task="generation", spread=1.0)


def zero(folder):
    for file in folder.glob("*.safetensors"):
        kept = {n: t if "magnitude" in n else t * 0 for n, t in load_file(file).items()}
        save_file(kept, file)


@pytest.mark.parametrize("method", ["lora", "rslora", "adapter"])
def test_an_adapter_that_was_zeroed_shows_no_text(tmp_path, method):
    found = sabotaged(tmp_path, method)
    folder = saving.trained_folder(found.store.run_folder(found.ids[0]))
    zero(folder)
    dead, alive = write(Engine(found.store, device="cpu"), [Ask(run_id, PROMPT) for run_id in found.ids])
    assert dead["live"] is False
    assert dead["text"] is None
    assert "does not change" in dead["reason"]
    assert alive["live"] is True
    assert alive["text"] is not None


def test_an_adapter_that_was_not_loaded_shows_no_text(tmp_path, monkeypatch):
    found = sabotaged(tmp_path, "lora")
    real = MixedTree.add

    def add(self, run_id, folder):
        real(self, run_id, folder)
        if run_id == found.ids[0]:
            for name, parameter in self.model.named_parameters():
                if f".{run_id}." in name and "lora_B" in name:
                    parameter.data.zero_()

    monkeypatch.setattr(MixedTree, "add", add)
    dead, alive = write(Engine(found.store, device="cpu"), [Ask(run_id, PROMPT) for run_id in found.ids])
    assert dead["live"] is False
    assert dead["text"] is None
    assert alive["text"] is not None


def test_a_base_in_place_of_a_full_run_shows_no_text(tmp_path, monkeypatch):
    found = sabotaged(tmp_path, "full")
    real = engine_module.own_tree

    def bare(base, run_id, folder):
        tree = real(base, run_id, folder)
        for place in tree.changed:
            place.swap()
        tree.changed.clear()
        return tree

    monkeypatch.setattr(engine_module, "own_tree", bare)
    (dead,) = write(Engine(found.store, device="cpu"), [Ask(found.ids[0], PROMPT)])
    assert dead["live"] is False
    assert dead["text"] is None


def test_a_write_into_shared_weights_is_noticed(tmp_path):
    found = sabotaged(tmp_path, "ia3")
    engine = Engine(found.store, device="cpu")
    tree = engine.resident(found.ids[0]).tree
    for name, parameter in tree.model.named_parameters():
        if name.endswith("norm.weight"):
            parameter.data = parameter.data * 1.5  # as if loading had written into what it should share
            break
    base = engine.base(found.ids[0]).model
    shared = {id(p) for p in base.parameters()}
    assert id(parameter) in shared
    assert not engine.resident(found.ids[0]).base.is_untouched


def test_proofs_say_how_much_changed(many, engine):
    found = prove(
        engine, [Ask(many.ids[0], PROMPT, base=True), *[Ask(run_id, PROMPT) for run_id in many.ids]]
    )
    assert found[0] is None
    assert all(proof.live and proof.off_difference == 0.0 for proof in found[1:])
    with engine.using(many.ids[3], off=True) as live:
        off = generating.next_token_logits(live, generating.collate_prompts([[5, 6]], 0))
    base = engine.base(many.ids[3])
    assert torch.equal(off, generating.next_token_logits(base, generating.collate_prompts([[5, 6]], 0)))


def test_a_classifier_is_proven_too(tmp_path):
    found = served(tmp_path, [("lora", {"r": 2})], layout="llama")
    base, alive = classify(
        Engine(found.store, device="cpu"),
        [Ask(found.ids[0], "good", base=True), Ask(found.ids[0], "good")],
    )
    assert base["label"] is None
    assert "no trained head" in base["reason"]
    assert alive["label"]
    assert alive["live"] is True
    assert alive["difference"] > 0
    assert alive["off_difference"] == 0.0
