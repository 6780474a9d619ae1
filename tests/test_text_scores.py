"""Scores of texts against values worked out by hand, empty outputs and several references among them."""

import math
import subprocess
import sys

import pytest

from workbench import text_scores
from workbench.scores import metric
from workbench.text_scores import answer_match, bleu, chrf, exact_match, rouge_l, rouge_ls, sentence_chrf

PATTERN = r"####\s*([^\n]+)"


def test_exact_match_takes_any_reference_and_forgives_white_space():
    assert exact_match("a b\n c ", ["x", "a b c"]) == 1
    assert exact_match("a b", ["a b c"]) == 0
    assert exact_match("A b", ["a b"]) == 0
    assert exact_match("", ["a"]) == 0


def test_rouge_l_by_hand():
    # the longest common subsequence of "the cat sat" and "the cat on a mat sat" is all three: P 3/3, R 3/6
    assert rouge_l("the cat sat", ["the cat on a mat sat"]) == pytest.approx(2 / 3)
    # the best of the references counts: "cat" is half of "a cat" (P 1, R 1/2)
    assert rouge_l("cat", ["dog", "a cat"]) == pytest.approx(2 / 3)
    assert rouge_l("", ["a"]) == 0
    assert rouge_l("!", ["?"]) == 0
    assert rouge_ls(["cat", ""], [["cat"], ["dog"]]) == 0.5


def test_rouge_l_counts_words_as_rouge_score_does_and_letters_of_other_scripts_too():
    from rouge_score.rouge_scorer import RougeScorer

    pairs = [("The cat's 3rd hat, again!", "the cats hat; AGAIN"), ("a_b c", "a b d")]
    for output, right in pairs:
        wanted = RougeScorer(["rougeL"]).score(right, output)["rougeL"].fmeasure
        assert rouge_l(output, [right]) == pytest.approx(wanted)
    assert rouge_l("кот сел", ["кот встал"]) == pytest.approx(1 / 2)
    assert rouge_l("猫坐", ["猫站"]) == pytest.approx(1 / 2)


def test_bleu_by_hand():
    # "a b c d e" against "a b c d x": precisions 4/5, 3/4, 2/3, 1/2, of equal length
    wanted = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** (1 / 4)
    assert bleu(["a b c d e"], [["a b c d x"]]) == pytest.approx(wanted)
    # shorter than its reference: all that is said is right, brevity exp(1 - 5/4)
    assert bleu(["a b c d"], [["a b c d e"]]) == pytest.approx(math.exp(1 - 5 / 4))
    assert bleu([""], [["a b"]]) == 0


def test_bleu_counts_over_the_part_and_takes_rows_with_different_numbers_of_references():
    # 4-gram matches 2, 1 of 1 + 2 rows: row one "a b c d" right by its second reference, row two wrong
    found = bleu(["a b c d", "x y z w"], [["k l m n", "a b c d"], ["a b c d"]])
    assert found == pytest.approx((4 / 8 * 3 / 6 * 2 / 4 * 1 / 2) ** (1 / 4))


def test_bleu_cuts_texts_without_spaces_into_characters():
    assert bleu(["我们今天去看电影"], [["我们今天去看电影"]]) == pytest.approx(1)
    assert 0 < bleu(["我们今天去看电影"], [["我们今天去看话剧"]]) < 1


def test_chrf_by_hand():
    # "ab" against "abc": n = 1: P 2/2, R 2/3; n = 2: P 1/1, R 1/2; F with beta 2 of each, averaged over these orders
    def f(p, r):
        return 5 * p * r / (4 * p + r)

    # sacrebleu averages precision and recall over the orders that both texts have, then takes F
    wanted = f(1, (2 / 3 + 1 / 2) / 2)
    assert sentence_chrf("ab", ["abc"]) == pytest.approx(wanted, abs=1e-4)
    assert sentence_chrf("abc", ["x", "abc"]) == pytest.approx(1)
    assert sentence_chrf("", ["abc"]) == 0
    assert chrf(["abcdefgh"], [["abcdefgh"]]) == pytest.approx(1)
    assert chrf([""], [["abc"]]) == 0


def test_chrf_of_a_part_is_sacrebleus_corpus_score():
    from sacrebleu import corpus_chrf

    outputs, right = ["the cat sat", "a dog"], [["the cat sits", "a cat sat"], ["the dog"]]
    wanted = corpus_chrf(outputs, [["the cat sits", "the dog"], ["a cat sat", None]]).score / 100
    assert chrf(outputs, right) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("output", "answer", "right"),
    [
        ("12 / 3 = 4\n#### 4", 4, 1),
        ("#### 4.0", "4", 1),
        ("#### 1,200", 1200, 1),
        ("#### $5.", "5", 1),
        ("#### 3\n#### 4", 4, 1),
        ("#### 5", 4, 0),
        ("4", 4, 0),
        ("", 4, 0),
        ("#### Paris ", "paris", 1),
        ("#### nan", "nan", 1),
    ],
)
def test_the_last_answer_in_a_text_is_compared_by_value(output, answer, right):
    assert answer_match(output, answer, PATTERN) == right


def test_perplexity_is_over_all_tokens():
    rows = [{"nats": 3.0, "tokens": 2}, {"nats": 1.0, "tokens": 6}, {"nats": None, "tokens": 9}]
    assert text_scores.perplexity(rows) == pytest.approx(math.exp(0.5))
    assert text_scores.perplexity([{"nats": 1e6, "tokens": 1}]) == math.inf


def test_scores_by_kind_stand_apart():
    def row(kind, output):
        scores = text_scores.row_scores(output, {"completion": "a b"}, PATTERN)
        return {"kind": kind, "references": ["a b"], "output": output, "nats": 1.0, "tokens": 2, **scores}

    found = text_scores.by_kind([row("x", "a b"), row("x", ""), row("y", "a b"), {"references": ["q"]}])
    assert {kind: values["rows"] for kind, values in found.items()} == {"x": 2, "y": 1}
    assert found["x"]["exact_match"] == 0.5
    assert found["y"]["exact_match"] == 1
    assert found["y"]["perplexity"] == pytest.approx(math.exp(0.5))


@pytest.mark.parametrize("name", list(text_scores.FORMULAS))
def test_the_metrics_say_the_same_as_the_plain_functions(name):
    outputs, right = ["the cat sat", "", "a b c d e"], [["the cat sat"], ["dog", "a"], ["a b c d x"]]
    found = metric(name).compute(predictions=outputs, references=right)
    assert found == {name: pytest.approx(text_scores.FORMULAS[name](outputs, right))}
    assert 0 < found[name] < 1


def test_scores_need_no_deep_learning_library_and_fetch_nothing():
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a connection was tried')\n"
        "socket.socket.connect = refuse\n"
        "from workbench import text_scores\n"
        "rows = [{'output': 'a b c d', 'references': ['a b c d'], 'answer_match': 1.0}]\n"
        "assert text_scores.scores(rows)['bleu'] > 0.99\n"
        "assert not {'torch', 'transformers', 'evaluate', 'datasets'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
