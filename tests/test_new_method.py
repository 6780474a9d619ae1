"""Adding a method touches one file: dropped on the discovery path, it is listed, drawn and under contract."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.methods import contract
from workbench import registry
from workbench.method import card_parts

SOURCE = '''"""Train only the scales of the layer norms.

**Use it** to see how far a handful of numbers can go.
**Costs** one number per channel and norm.
**Watch** hard tasks, which need more.
"""

from dataclasses import dataclass

from workbench.architecture import freeze_all_but_head
from workbench.method import Method
from workbench.options import Options, option


@dataclass(frozen=True)
class NormOptions(Options):
    biases: bool = option(False, "Train the norms' bias terms as well.")
    blocks: int = option(1000, "At most so many norms, from the last one down.", min=1)


def apply(model, options, context):
    freeze_all_but_head(model)
    names = [n for n, _ in model.named_parameters() if "norm" in n.lower() or "ln_" in n]
    names = [n for n in names if options.biases or n.endswith("weight")]
    for name in names[-options.blocks:]:
        model.get_parameter(name).requires_grad_(True)
    return model


METHOD = Method(
    name="norms",
    title="Layer norms",
    family="selected",
    options=NormOptions,
    apply=apply,
    learning_rate=1e-2,
    card=__doc__,
    paper="https://arxiv.org/abs/2003.00152",
)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "norms.py").write_text(SOURCE)
    monkeypatch.setenv("WORKBENCH_METHODS_PATH", str(tmp_path))
    return tmp_path


@pytest.fixture
def method(folder):
    return registry.method("norms")


def test_it_is_found_beside_the_others(method):
    assert len(registry.methods()) >= 12
    names = list(registry.methods())
    assert names.index("norms") > names.index("full"), "families keep their order"
    assert "norms" not in _names_without()


def _names_without():
    path = os.environ.pop("WORKBENCH_METHODS_PATH")
    try:
        return list(registry.methods())
    finally:
        os.environ["WORKBENCH_METHODS_PATH"] = path


def test_its_card_and_form_come_from_the_file(method):
    card = card_parts(method.card)
    assert card.summary == method.sentence == "Train only the scales of the layer norms."
    assert card.watch == "hard tasks, which need more."
    facts = {fact.name: fact for fact in method.options.facts()}
    assert (facts["biases"].kind, facts["biases"].default) == ("bool", False)
    assert (facts["blocks"].kind, facts["blocks"].min) == ("int", 1)
    with pytest.raises(ValueError, match="blocks is a whole number of at least 1"):
        method.options.from_text({"blocks": "0"})


def test_the_command_line_lists_it(folder):
    """In a fresh interpreter, as a user has it."""
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "methods", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"WORKBENCH_METHODS_PATH": str(folder)},
    )
    row = next(m for m in json.loads(done.stdout)["methods"] if m["name"] == "norms")
    assert (row["title"], row["family"], row["reason"]) == ("Layer norms", "selected", None)


def test_card_and_options_keep_the_contract(method):
    contract.check_card(method)
    contract.check_options(method)


@pytest.mark.parametrize(("layout", "task"), [("qwen2", "generation"), ("bert", "classification")])
def test_it_keeps_the_contract(method, layout, task, tmp_path):
    contract.check_all(contract.trial(method, layout, task), tmp_path)


def test_it_is_saved_and_loaded_with_other_options(method, tmp_path):
    contract.check_saving(contract.trial(method, "bert", biases=True), tmp_path / "trained")


def test_it_is_counted_and_probed(method, tmp_path):
    from workbench import estimate, probe

    counts = estimate.count("embedded:fable-8m", "norms")
    assert counts.method == 17 * 256
    found = probe.findings("embedded:fable-8m", cache=tmp_path, methods=["norms"])
    assert found.reasons == {"norms": None}


def test_the_contract_tests_pick_it_up_by_themselves(folder):
    """Read afresh with the folder on the path, the contract tests have it among their methods."""
    path = Path(contract.__file__).with_name("test_contract.py")
    spec = importlib.util.spec_from_file_location("contract_tests_again", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert "norms" in module.METHODS
    (mark,) = module.test_contract.pytestmark
    assert ("norms", "qwen2") in [(method.name, layout) for method, layout, _ in mark.args[1]]


def test_a_file_whose_method_has_another_name_is_refused(folder):
    (folder / "scales.py").write_text(SOURCE)
    registry._methods.cache_clear()
    with pytest.raises(ValueError, match="the name of a method is its file's name, not 'norms'"):
        registry.methods()
    registry._methods.cache_clear()


def test_a_card_without_its_parts_is_refused(folder):
    (folder / "norms.py").write_text(SOURCE.replace("**Costs**", "Costs"))
    registry._methods.cache_clear()
    with pytest.raises(ValueError, match="Costs"):
        registry.methods()
    registry._methods.cache_clear()
