"""Loss on completions, and answers: the same in a batch with padding as alone, with a cache as without, for every kind of method."""

import math

import pytest
import torch

from tests.tiny import DECODERS, tiny_model, tiny_tokenizer
from workbench import generating, registry
from workbench.generating import NOT_LEARNT
from workbench.method import Context
from workbench.task import Live
from workbench.tasks.generation import GenerationOptions

TASK = registry.task("generation")
ROWS = [
    {"prompt": "film", "completion": "the film is good"},
    {"prompt": "room slow sad", "completion": "the room is slow and sad"},
    {"prompt": "a book was not very good but never dull", "completion": "they liked the book"},
    {"prompt": "plot bright", "completion": "bright"},
]
PROMPT_METHODS = ("prefix", "prompt", "p_tuning")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def live(layout="llama", method=None, **options) -> Live:
    """A tiny random model, with a method whose own weights are large enough to change what is said. Weights are widened:
    as they are drawn, attention is so flat that no position would matter."""
    model = tiny_model(layout, task="generation")
    for name, parameter in model.named_parameters():
        if "norm" not in name and "ln_" not in name:
            parameter.data.mul_(8)
    values = {"max_new_tokens": 8} | options
    if method:
        found = registry.method(method)
        torch.manual_seed(3)
        model = found.apply(model, found.options(), Context(task="generation")).eval()
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.data.add_(torch.randn_like(parameter) * (1.0 if "prompt_encoder" in name else 0.3))
    return Live(
        model, tiny_tokenizer(layout if layout in DECODERS else "qwen2"), options=GenerationOptions(**values)
    )


def prompts(one: Live) -> list[list[int]]:
    return [row["prompt_ids"] for row in TASK.encode(one.tokenizer, ROWS, (), 40, one.options, 64)]


@torch.no_grad()
def step_by_step(model, ids, count, ends=()):
    """Greedy decoding written out: no cache, no padding, one row."""
    told: list[int] = []
    for _ in range(count):
        row = torch.tensor([ids + told])
        told.append(int(model(input_ids=row, attention_mask=torch.ones_like(row)).logits[0, -1].argmax()))
        if told[-1] in ends:
            break
    return told


# -- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", DECODERS)
@pytest.mark.parametrize("method", [None, "lora", "ia3", *PROMPT_METHODS])
def test_a_batch_with_padding_says_what_each_row_says_alone_and_without_a_cache(layout, method):
    one = live(layout, method)
    ids = prompts(one)
    assert len({len(row) for row in ids}) > 2, "rows of several lengths, or nothing is padded"
    together = generating.generate(one, generating.collate_prompts(ids, 0), exactly=8)
    said = set()
    for row, found in zip(ids, together):
        alone = generating.generate(one, generating.collate_prompts([row], 0), exactly=8)[0]
        assert found == alone
        # At least so many tokens: the end token is left out until then.
        ends = generating.end_ids("plain", one.tokenizer)
        by_hand = step_by_step(one.model, row, 8)
        until = next((i for i, token in enumerate(by_hand) if token in ends), 8)
        assert found[:until] == by_hand[:until]
        said.add(tuple(found))
    assert len(said) > 1, "the prompts matter"


@pytest.mark.parametrize("method", PROMPT_METHODS)
def test_virtual_tokens_change_what_is_said(method):
    plain, with_method = live("llama"), live("llama", method)
    batch = generating.collate_prompts(prompts(plain), 0)
    assert generating.generate(plain, batch, exactly=8) != generating.generate(with_method, batch, exactly=8)


def test_an_answer_ends_at_its_end_token():
    one = live()
    found = [generating.spoken(one.tokenizer, ids, [3]) for ids in ([5, 6, 3, 0, 0], [3], [5, 6, 7])]
    assert [(tokens, ended) for _, tokens, ended in found] == [(3, True), (1, True), (3, False)]
    assert found[1][0] == ""
    assert found[0][0].split() == ["a", "film"]


def test_decoding_does_not_follow_what_the_model_brings_along():
    one = live()
    batch = generating.collate_prompts(prompts(one), 0)
    plain = generating.generate(one, batch)
    config = one.model.generation_config
    config.repetition_penalty, config.do_sample, config.temperature = 5.0, True, 3.0
    assert generating.generate(one, batch) == plain
    assert one.model.generation_config is config


def test_sampling_follows_its_seed_and_leaves_other_random_numbers_alone():
    batch = generating.collate_prompts(prompts(live()), 0)
    first = generating.generate(live(do_sample=True, temperature=1.5), batch)
    torch.rand(3)
    again = generating.generate(live(do_sample=True, temperature=1.5), batch)
    other = generating.generate(live(do_sample=True, temperature=1.5, decoding_seed=1), batch)
    assert first == again
    assert first != other
    assert first != generating.generate(live(), batch)


def test_answering_draws_no_random_numbers_of_training():
    one = live(do_sample=True)
    batch = generating.collate_prompts(prompts(one), 0)
    before = torch.random.get_rng_state()
    generating.generate(one, batch)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_in_training_stays_in_training():
    one = live("gpt2")
    one.model.train()
    TASK.predict(one, TASK.encode(one.tokenizer, ROWS, (), 40, one.options, 64))
    assert one.model.training


# -- loss ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [None, "lora", *PROMPT_METHODS])
def test_loss_is_on_the_completion_alone_and_padding_changes_nothing(method):
    one = live("llama", method)
    rows = TASK.encode(one.tokenizer, ROWS, (), 40, one.options, 64)
    batch = generating.collate(rows, 0)
    with torch.no_grad():
        logits = one.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    count = (batch["labels"] != NOT_LEARNT).sum()
    found = float(generating.loss(logits, batch["labels"], count))
    nats, tokens = 0.0, 0
    for row in rows:
        ids, learnt = row["input_ids"], [i for i, label in enumerate(row["labels"]) if label != NOT_LEARNT]
        with torch.no_grad():
            alone = one.model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))).logits[0]
        alone = alone[-len(ids) :].log_softmax(-1)
        nats -= sum(float(alone[i - 1, ids[i]]) for i in learnt)
        tokens += len(learnt)
    assert int(count) == tokens
    assert found == pytest.approx(nats / tokens, rel=1e-4)
    read = generating.read(one, rows)
    assert sum(o["nats"] for o in read) == pytest.approx(nats, rel=1e-4)
    assert [o["tokens"] for o in read] == [sum(x != NOT_LEARNT for x in row["labels"]) for row in rows]


def test_the_loss_of_a_step_does_not_depend_on_how_it_was_cut():
    one = live()
    rows = TASK.encode(one.tokenizer, ROWS, (), 40, one.options, 64)

    def loss(part, count):
        batch = generating.collate(part, 0)
        with torch.no_grad():
            logits = one.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return float(generating.loss(logits, batch["labels"], count))

    count = sum(label != NOT_LEARNT for row in rows for label in row["labels"])
    assert loss(rows, count) == pytest.approx(loss(rows[:1], count) + loss(rows[1:], count), rel=1e-5)


def test_label_smoothing_is_the_libraries_own():
    logits, labels = torch.randn(2, 4, 7), torch.tensor([[-100, 3, 4, -100], [-100, -100, 2, 6]])
    picked = torch.cat([logits[0, 0:2], logits[1, 1:3]])
    wanted = torch.nn.functional.cross_entropy(picked, torch.tensor([3, 4, 2, 6]), label_smoothing=0.1)
    assert float(generating.loss(logits, labels, 4, 0.1)) == pytest.approx(float(wanted), rel=1e-5)


# -- a part ----------------------------------------------------------------------------------------------------------


def test_outcomes_stand_in_the_order_of_the_rows_with_all_that_is_said_of_them():
    one = live(answer_pattern=r"(\w+)$")
    rows = [dict(row, kind="short", answer="good") for row in ROWS]
    found = TASK.predict(one, TASK.encode(one.tokenizer, rows, (), 40, one.options, 64))
    assert [o["prompt"] for o in found] == [row["prompt"] for row in ROWS]
    assert set(found[0]) == {
        "prompt", "references", "kind", "answer", "nats", "tokens", "output", "new_tokens", "ended", "exact_match",
        "chrf", "rouge_l", "answer_match",
    }  # fmt: skip
    scores = TASK.score(found, (), one.options)
    assert set(scores) == set(TASK.metrics)
    nats = sum(o["nats"] for o in found) / sum(o["tokens"] for o in found)
    assert scores["perplexity"] == pytest.approx(math.exp(nats))
    assert TASK.validation_loss(found, ()) == pytest.approx(nats)
    details = TASK.details(found, ())["per_kind"]
    assert details["short"]["rows"] == 4
    assert details["short"]["chrf"] == pytest.approx(scores["chrf"])


def test_validation_is_one_pass_unless_answers_pick_the_checkpoint(monkeypatch):
    one = live()
    rows = TASK.encode(one.tokenizer, ROWS, (), 40, one.options, 64)
    monkeypatch.setattr(generating, "generate", lambda *a, **k: pytest.fail("generated"))
    assert set(TASK.score(TASK.validate(one, rows), (), one.options)) == {"perplexity"}
    monkeypatch.undo()
    one = live(choose_by="chrf", validation_answers=2)
    found = TASK.validate(one, rows)
    assert ["output" in o for o in found] == [True, False, True, False]
    assert TASK.chosen_by(one.options) in TASK.score(found, (), one.options)


def test_a_limit_on_test_answers_spreads_them_and_says_so():
    one = live(test_answers=2)
    rows = TASK.encode(one.tokenizer, ROWS, (), 40, one.options, 64)
    found = TASK.predict(one, rows)
    assert [o["prompt"] for o in found] == [ROWS[0]["prompt"], ROWS[2]["prompt"]]
    (note,) = TASK.notes(one.options, {"test": rows})
    assert "Only 2 of 4 test rows were answered" in note


# -- one answer, timed ----------------------------------------------------------------------------------------------


def test_a_timed_answer_has_its_parts():
    one = live()
    rows = TASK.encode(one.tokenizer, ROWS, (), 40, one.options, 64)
    batches = TASK.probes(rows, 0)
    assert all(batch["input_ids"].shape[0] == 1 and bool(batch["attention_mask"].all()) for batch in batches)
    times = TASK.timed(one, batches)(0)
    assert times["first_token_ms"] > 0
    assert times["token_ms"] > 0


@pytest.mark.parametrize("method", [None, "prefix", "prompt"])
def test_logits_are_those_after_the_prompt(method):
    one = live("llama", method)
    (batch,) = TASK.probes(TASK.encode(one.tokenizer, ROWS[:1], (), 40, one.options, 64), 0)
    assert TASK.logits(one, batch).shape == (1, 64)
    first = int(TASK.logits(one, batch).argmax())
    assert generating.generate(one, batch, exactly=1)[0] == [first] or first == 3


def test_an_answer_that_is_told_to_stop_keeps_what_it_has_said():
    one = live(max_new_tokens=8)
    batch = generating.collate_prompts(prompts(one)[:1], 0)
    whole = generating.generate(one, batch, exactly=8)[0]
    asked = iter([False, False, True])
    with generating.stopped_when(lambda: next(asked)):
        cut = generating.generate(one, batch, exactly=8)[0]
    assert cut == whole[:3]
    assert generating.generate(one, batch, exactly=8)[0] == whole
