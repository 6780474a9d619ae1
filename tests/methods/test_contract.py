"""The contract, for every method that the registry finds (folders on WORKBENCH_METHODS_PATH included)."""

import pytest

from tests.methods import contract
from tests.tiny import DECODERS, LAYOUTS, MIXTURES
from workbench import registry

METHODS = registry.methods()
DECODER, ENCODER = ("qwen2", "generation"), ("bert", "classification")
ALL = [(layout, "classification") for layout in (*LAYOUTS, *MIXTURES) if layout != "olmoe"] + [
    (layout, "generation") for layout in (*DECODERS, *MIXTURES)
]
# Every method on a decoder that writes; on an encoder that classifies those that do not write, and the first of each
# family, since the others attach as it does. The other pairs take minutes.
FIRST = {method.family: method.name for method in reversed(METHODS.values())}
CLOSELY = [(method, *DECODER) for method in METHODS.values()] + [
    (method, *ENCODER)
    for method in METHODS.values()
    if "generation" not in method.tasks or method.name in FIRST.values()
]
OTHERS = [(method, *pair) for method in METHODS.values() for pair in ALL if (method, *pair) not in CLOSELY]


def named(trials):
    return ["-".join((method.name, *pair)) for method, *pair in trials]


def test_methods_were_found():
    assert len(METHODS) >= 11


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_card_and_options(method):
    contract.check_card(method)
    contract.check_options(method)


@pytest.mark.parametrize(("method", "layout", "task"), CLOSELY, ids=named(CLOSELY))
def test_contract(method, layout, task, tmp_path):
    contract.check_all(contract.trial(method, layout, task), tmp_path)


@pytest.mark.parametrize(
    "method", [m for m in METHODS.values() if m.family == "experts"], ids=lambda method: method.name
)
def test_contract_on_a_mixture(method, tmp_path):
    contract.check_all(contract.trial(method, "qwen3_moe", "generation"), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "layout", "task"), OTHERS, ids=named(OTHERS))
def test_other_layouts(method, layout, task, tmp_path):
    contract.check_all(contract.trial(method, layout, task), tmp_path)
