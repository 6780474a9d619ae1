"""T-Few's losses against values worked out by hand, and where its wrong answers come from."""

import math
from types import SimpleNamespace

import pytest
import torch

from tests.methods import contract
from tests.tiny import tiny_batch, tiny_model
from workbench import registry
from workbench.method import Context
from workbench.methods import t_few

METHOD = registry.method("t_few")
# p(next token): after token 0, 1, 2 (rows) of a vocabulary of 3.
NEXT = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])


class Bigram(torch.nn.Module):
    """Tells the next token from the last one alone, so that every probability can be read off."""

    def __init__(self, room=None):
        super().__init__()
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(max_position_embeddings=room))
        self.log_p = torch.nn.Parameter(NEXT.log())
        self.read = []

    def forward(self, input_ids, attention_mask=None, use_cache=None):
        self.read.append(input_ids.tolist())
        return SimpleNamespace(logits=self.log_p[input_ids])


def batch(*rows):
    """Rows of (prompt, completion), padded on the right with 0."""
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids, mask, labels = (
        torch.zeros(len(rows), longest, dtype=torch.long),
        torch.zeros(len(rows), longest, dtype=torch.long),
        torch.full((len(rows), longest), -100),
    )
    for i, (prompt, answer) in enumerate(rows):
        whole = prompt + answer
        ids[i, : len(whole)] = torch.tensor(whole)
        mask[i, : len(whole)] = 1
        labels[i, len(prompt) : len(whole)] = torch.tensor(answer)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def loss(rows, room=None, **options):
    model, given = Bigram(room), batch(*rows)
    outputs = {"logits": model.log_p[given["input_ids"]]}
    return METHOD.objective(model, given, outputs, METHOD.options(**options)), model


TWO = (([0], [1, 2]), ([0, 1], [0]))


def test_the_three_losses_by_hand():
    """Row 1: prompt 0, right answer 1 2, wrong answer 0. Row 2: prompt 0 1, right answer 0, wrong answer 1 2."""
    right = [(math.log(0.5) + math.log(0.3)) / 2, math.log(0.1)]
    wrong = [math.log(0.2), (math.log(0.6) + math.log(0.3)) / 2]
    language = -(right[0] + right[1]) / 2
    unlikely = (-math.log(0.8) + (-math.log(0.4) - math.log(0.7)) / 2) / 2
    ranked = -sum(math.log(math.exp(r) / (math.exp(r) + math.exp(w))) for r, w in zip(right, wrong)) / 2
    assert loss(TWO, unlikelihood_weight=0, length_normalised_weight=0)[0].item() == pytest.approx(
        language, abs=1e-6
    )
    assert loss(TWO, length_normalised_weight=0)[0].item() == pytest.approx(language + unlikely, abs=1e-6)
    assert loss(TWO, unlikelihood_weight=0)[0].item() == pytest.approx(language + ranked, abs=1e-6)
    assert loss(TWO)[0].item() == pytest.approx(language + unlikely + ranked, abs=1e-6)
    weighed = loss(TWO, unlikelihood_weight=0.5, length_normalised_weight=2)[0].item()
    assert weighed == pytest.approx(language + 0.5 * unlikely + 2 * ranked, abs=1e-6)


def test_several_wrong_answers_count_by_their_tokens():
    """Unlikelihood is a mean over all tokens of a row's wrong answers (equation 2), not over the answers."""
    rows = (([0], [1]), ([0], [2, 2]), ([0], [0]))
    p = {1: [0.5], 2: [0.3, 0.5], 0: [0.2]}
    unlikely, ranked = 0.0, 0.0
    for own in (1, 2, 0):
        tokens = [q for answer, found in p.items() if answer != own for q in found]
        unlikely += sum(-math.log(1 - q) for q in tokens) / len(tokens)
        beta = {answer: sum(map(math.log, found)) / len(found) for answer, found in p.items()}
        ranked += -math.log(math.exp(beta[own]) / sum(map(math.exp, beta.values())))
    language = -(math.log(0.5) + (math.log(0.3) + math.log(0.5)) / 2 + math.log(0.2))
    assert loss(rows)[0].item() == pytest.approx((language + unlikely + ranked) / 3, abs=1e-6)


def test_equal_answers_are_not_wrong_ones():
    same = (([0], [1, 2]), ([1], [1, 2]))
    found, model = loss(same)
    assert model.read == [], "there is nothing else to read"
    assert found.item() == pytest.approx(
        loss(same, unlikelihood_weight=0, length_normalised_weight=0)[0].item()
    )
    pairs = t_few.wrong_pairs([[7], [7], [7], [7]], [[1], [2], [1], [2]], most=9, room=None)
    assert pairs == [(0, [2]), (1, [1]), (2, [2]), (3, [1])], "each wrong answer once"


def test_wrong_answers_come_from_the_rows_that_follow():
    prompts, answers = [[5], [6], [7], [8]], [[1], [2], [3], [4]]
    assert t_few.wrong_pairs(prompts, answers, most=2, room=None)[:4] == [
        (0, [2]),
        (0, [3]),
        (1, [3]),
        (1, [4]),
    ]
    assert t_few.wrong_pairs(prompts, answers, most=2, room=None)[-2:] == [(3, [1]), (3, [2])]


def test_answers_are_cut_to_the_models_room():
    pairs = t_few.wrong_pairs([[5, 5, 5], [6]], [[1, 1], [2, 2, 2]], most=4, room=4)
    assert pairs == [(0, [2]), (1, [1, 1])]
    assert t_few.wrong_pairs([[5] * 4, [6]], [[1], [2]], most=4, room=4) == [(1, [1])]
    found, model = loss((([0, 1, 2], [1]), ([0], [2])), room=4)
    assert all(len(row) <= 4 for text in model.read for row in text)
    assert torch.isfinite(found)


def test_a_row_without_an_answer_teaches_nothing():
    """Its completion was cut off altogether."""
    rows = (([0], [1, 2]), ([0, 1], [0]))
    given = batch(*rows, ([1, 2, 0], []))
    model = Bigram()
    found = METHOD.objective(model, given, {"logits": model.log_p[given["input_ids"]]}, METHOD.options())
    assert found.item() == pytest.approx(loss(rows)[0].item() * 2 / 3, abs=1e-6)


def test_prompts_are_read_without_their_padding():
    """Left-padded or right-padded, the texts with wrong answers are the same."""
    given = batch(*TWO)
    model = Bigram()
    METHOD.objective(model, given, {"logits": model.log_p[given["input_ids"]]}, METHOD.options())
    assert model.read == [[[0, 0, 0, 0], [0, 1, 1, 2]]]


def test_all_three_losses_reach_the_scales():
    model = contract.prepared(METHOD, "qwen2", "generation")
    given = tiny_batch(rows=4, task="generation")
    plain = METHOD.options(unlikelihood_weight=0, length_normalised_weight=0)
    gradients = []
    for options in (plain, METHOD.options()):
        METHOD.objective(model, given, model(**given), options).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad]))
        model.zero_grad()
    assert all(g.abs().sum() > 0 for g in gradients)
    assert not torch.allclose(*gradients)


def test_it_trains_what_ia3_trains():
    models = [contract.prepared(registry.method(name), "qwen2", "generation") for name in ("ia3", "t_few")]
    first, second = ({n for n, p in m.named_parameters() if p.requires_grad} for m in models)
    assert first == second
    # k and v have 16 channels each (two of four heads), the feed-forward part 48: d_k + d_v + d_ff for each block.
    assert sum(p.numel() for p in models[1].parameters() if p.requires_grad) == 2 * (16 + 16 + 48)


def test_it_serves_answers_in_words_only():
    assert METHOD.tasks == ("generation",)
    model = METHOD.apply(
        tiny_model("mixtral", task="generation"), METHOD.options(), Context(task="generation")
    )
    scaled = {n.split(".")[-3] for n, p in model.named_parameters() if p.requires_grad}
    assert scaled == {"k_proj", "v_proj"}, "in a mixture keys and values alone"
