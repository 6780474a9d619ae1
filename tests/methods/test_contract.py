"""The contract, for every method that the registry finds (folders on WORKBENCH_METHODS_PATH included)."""

import pytest

from tests.methods import contract
from tests.tiny import LAYOUTS
from workbench import registry

METHODS = registry.methods()
# Every method on the layout of the embedded model and on an encoder; the others get the checks that layouts break.
CLOSELY = ("qwen2", "bert")


def test_methods_were_found():
    assert len(METHODS) >= 11


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_card_and_options(method):
    contract.check_card(method)
    contract.check_options(method)


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("layout", CLOSELY)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_contract(method, layout, check):
    check(method, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_saved_result_loads_back(method, layout, tmp_path):
    contract.check_saving(method, layout, tmp_path)


@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout not in CLOSELY])
@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_other_layouts(method, layout):
    contract.check_training(method, layout)
    contract.check_padding(method, layout)
    contract.check_merging(method, layout)
