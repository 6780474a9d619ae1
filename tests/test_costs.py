"""What fits, how large it may be, and the formula that is shown until a step was followed."""

import pytest

from workbench import closed_form, costs, devices
from workbench.costs import Training, largest

GIB = 2**30


@pytest.mark.parametrize(("fixed", "each", "bend"), [(2, 0.01, 0), (0.5, 0.4, 0), (1, 0.02, 1e-5)])
def test_the_largest_that_fits_is_found_in_a_few_looks(fixed, each, bend):
    looked = []

    def fits(n):
        looked.append(n)
        peak = int((fixed + each * n + bend * n * n) * GIB)
        return devices.fits(peak, 16), peak

    found = largest(fits, 16, 16, 4096, int(fixed * GIB))
    good = [n for n in range(1, 4097) if devices.fits(int((fixed + each * n + bend * n * n) * GIB), 16)]
    assert found <= max(good)
    assert found >= max(good) - max(1, max(good) // 100)
    assert len(looked) <= 8


def test_nothing_fits_or_everything_does():
    assert largest(lambda n: (False, n * GIB), 1, 4, 64) == 0
    assert largest(lambda n: (True, n), 1, 4, 64) == 64


def test_a_training_names_a_known_gpu():
    with pytest.raises(ValueError, match="unknown device 'abacus'; known: here, t4"):
        Training(device="abacus")
    with pytest.raises(ValueError, match="gib is a number above 0"):
        Training(gib=-1.0)


def test_rows_say_memory_work_time_and_what_fits(tmp_path):
    from tests.tiny import save_tiny
    from workbench.estimate import estimates

    model = str(save_tiny("qwen2", tmp_path))
    asked = Training(batch_size=2, max_length=16, device="t4", gib=1.0, weights="bfloat16")
    (row,) = estimates(model, [("lora", None)], training=asked)
    assert row["memory"]["peak"] == row["peak_memory_bytes"] > row["memory"]["weights"] > 0
    assert row["fits"] == dict.fromkeys(devices.SHOWN, True)
    assert row["fits_gib"]
    assert row["largest_batch_size"] > 1000
    assert row["largest_length"] == 64  # all places that the model has
    assert row["adapter_bytes"] > 4 * row["method_parameters"] - 1
    assert row["flops"] > 0
    assert "T4" in row["step_basis"]


@pytest.mark.parametrize(
    ("model", "width", "layers", "gated"),
    [
        ("embedded:fable-8m", 256, 8, True),
        ("meta-llama/Llama-3.2-3B", 3072, 28, True),
        ("distilbert-base-uncased", 768, 6, False),
        ("gpt2", 768, 12, False),
        ("google/gemma-2-2b", 2304, 26, True),
    ],
)
def test_the_formula_reads_every_kind_of_config(model, width, layers, gated):
    shape = closed_form.shape_of(model)
    assert (shape.width, shape.layers, shape.gated) == (width, layers, gated)


def test_the_formula_knows_no_model_without_a_config():
    assert closed_form.shape_of("somebody/unknown") is None


def test_the_formula_is_near_what_was_measured_on_a_gpu():
    """LoRA of rank 32 on Llama-3.2-3B took 20.76 GiB with 4 rows of about 732 tokens (PEFT's own comparison)."""
    asked = {"batch_size": 4, "max_length": 732, "weights": "bfloat16", "optimizer": "adamw_torch"}
    memory = closed_form.memory(
        closed_form.shape_of("Llama-3.2-3B"),
        base=3_212_749_824,
        trained=9_175_040,
        total=3_221_924_864,
        training={**asked, "gradient_checkpointing": False},
        narrow=True,
        on_cuda=True,
        language=True,
    )
    assert memory["peak"] == pytest.approx(20.76 * GIB, rel=0.15)


def test_another_number_of_tokens_is_told_without_following_again():
    before = {"peak": 100, "weights": 40, "gradients": 5, "optimizer": 10, "activations": 30, "loss": 15}
    after = costs.at_once(before, 100, 200)
    assert after == {
        "peak": 145,
        "weights": 40,
        "gradients": 5,
        "optimizer": 10,
        "activations": 60,
        "loss": 30,
    }
