"""Continued pre-training keeps the contract by whatever it trains."""

import pytest

from tests.methods import contract
from workbench import registry

METHOD = registry.method("continued_pretraining")


@pytest.mark.parametrize("parameterisation", ["full", "freeze", "lora", "adapter", "lora_plus", "prefix"])
def test_the_contract_holds_for_plain_text(parameterisation, tmp_path):
    trial = contract.trial(METHOD, "qwen2", "language_modelling", parameterisation=parameterisation)
    contract.check_all(trial, tmp_path)


def test_an_ordinary_method_serves_plain_text_too(tmp_path):
    contract.check_all(contract.trial(registry.method("lora"), "llama", "language_modelling"), tmp_path)
