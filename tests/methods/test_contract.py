"""The contract, for every method that the registry finds (folders on WORKBENCH_METHODS_PATH included)."""

import pytest

from tests.methods import contract
from tests.tiny import DECODERS, LAYOUTS, MIXTURES
from workbench import registry

METHODS = registry.methods()
# Every method on a decoder that writes and on an encoder that classifies; the other pairs take minutes.
CLOSELY = (("qwen2", "generation"), ("bert", "classification"))
ALL = [(layout, "classification") for layout in (*LAYOUTS, *MIXTURES) if layout != "olmoe"] + [
    (layout, "generation") for layout in (*DECODERS, *MIXTURES)
]


def test_methods_were_found():
    assert len(METHODS) >= 11


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_card_and_options(method):
    contract.check_card(method)
    contract.check_options(method)


@pytest.mark.parametrize(("layout", "task"), CLOSELY)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_contract(method, layout, task, tmp_path):
    # Stacking takes the longest, and is hardest where there are heads.
    contract.check_all(contract.trial(method, layout, task), tmp_path, stacking=task == "classification")


@pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.family == "experts"], ids=lambda method: method.name
)
def test_contract_on_a_mixture(method, tmp_path):
    contract.check_all(contract.trial(method, "qwen3_moe", "generation"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "task"), [pair for pair in ALL if pair not in CLOSELY])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_other_layouts(method, layout, task, tmp_path):
    contract.check_all(contract.trial(method, layout, task), tmp_path)
