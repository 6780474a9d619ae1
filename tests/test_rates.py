"""Default learning rates: the searched one on small models, less on wider ones where matrices are trained."""

import csv
import json
import math
import statistics

import pytest

from workbench import rates, registry
from workbench.home import shipped
from workbench.model_config import config_of, width_of
from workbench.presets import MethodChoice

WIDE = 3072  # Llama-3.2-3B, the model of PEFT's own comparison


def test_a_small_model_gets_the_rate_that_was_searched():
    lora = registry.method("lora")
    for width in (None, 32, 256):
        assert rates.default_rate(lora, width) == lora.learning_rate


def test_four_times_the_width_takes_an_eighth_of_a_matrix_rate():
    full = registry.method("full")
    assert rates.default_rate(full, 1024) == pytest.approx(full.learning_rate / 8, rel=0.05)


@pytest.mark.parametrize("name", ["ia3", "bitfit", "prompt", "prefix", "vera", "cartridge", "waveft"])
def test_vectors_coefficients_and_prompts_keep_their_rate(name):
    method = registry.method(name)
    assert rates.default_rate(method, WIDE) == method.learning_rate


def test_a_choice_has_the_rate_of_its_model_and_no_rate_in_its_label():
    choice = MethodChoice("lora").choice(WIDE)
    assert choice.learning_rate == rates.default_rate(registry.method("lora"), WIDE)
    assert choice.label == "LoRA"
    given = MethodChoice("lora", {}, 0.5).choice(WIDE)
    assert (given.learning_rate, given.label) == (0.5, "LoRA, rate 0.5")


@pytest.mark.parametrize(
    ("model", "width"),
    [
        ("embedded:fable-8m", 256),
        ("meta-llama/Llama-3.2-3B", WIDE),
        ("distilbert-base-uncased", 768),
        ("gpt2", 768),
        ("embedded:none", None),
        ("/nowhere/at/all", None),
        ("nobody/nothing", None),
        ("not a name at all", None),
    ],
)
def test_the_width_is_read_from_the_config(model, width):
    assert width_of(config_of(model)) == width


def test_a_model_of_words_and_pictures_says_its_width_inside():
    assert width_of({"text_config": {"hidden_size": 640}}) == 640


def test_the_power_lies_between_our_rates_and_those_of_pefts_own_comparison(shared):
    """The power of the width that leads from each found rate to the rate of PEFT's best run with that tuner: its median."""
    found = json.loads((shipped("assets") / "learning_rates" / "found.json").read_text(encoding="utf-8"))
    best: dict[str, tuple[float, float]] = {}
    with (shared / "reference" / "peft_metamathqa.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind = row["peft_type"].removesuffix("-finetuning").lower()
            run = (float(row["test_accuracy"] or 0), float(row["lr"]))
            best[kind] = max(best.get(kind, run), run)
    powers = [
        math.log(one["found"] / best[name][1]) / math.log(WIDE / rates.SEARCHED_AT)
        for name, one in found["methods"].items()
        if name in best and registry.method(name).rate_by_width
    ]
    assert len(powers) >= 15
    assert statistics.median(powers) == pytest.approx(rates.POWER, abs=0.3)
