"""PEFT's tuners without a file of their own: read from its source as from its classes, new ones offered by themselves."""

import dataclasses
import enum
import subprocess
import sys

import pytest
import torch

from tests.tiny import tiny_model
from workbench import registry
from workbench.method import Context, Unsuitable
from workbench.methods import _peft_fields as fields
from workbench.methods import peft_generic

NAMED = {m.peft_type for m in registry.methods().values() if m.apply.__module__ != peft_generic.__name__}
TUNERS = {tuner.peft_type: tuner for tuner in fields.tuners()}

NEW_TUNER = {
    "__init__.py": 'from .config import FancyConfig\nregister_peft_method(name="fancy", config_cls=FancyConfig, model_cls=None)\n',
    "config.py": '''
from __future__ import annotations
import enum
from dataclasses import dataclass, field
from typing import Literal, Optional, Union
from peft.config import PeftConfig

class Start(str, enum.Enum):
    COLD = "COLD"
    WARM = "WARM"

@dataclass
class FancyConfig(PeftConfig):
    """
    Bend each weight matrix a little. See https://huggingface.co/papers/2501.01234.

    Args:
        unexplained (`float`):
            Told in the docstring only.
    """

    target_modules: Optional[Union[list[str], str]] = field(
        default=None, metadata={"help": "Names, for example ['q', 'v']."}
    )
    bends: int = field(default=4, metadata={"help": "How many bends."})
    kind: Literal["soft", "hard"] = field(default="soft", metadata={"help": "Kind of bend."})
    start: Union[Start, str] = field(default=Start.WARM, metadata={"help": "Where it starts."})
    limit: Optional[float] = field(default=None, metadata={"help": "No more than this."})
    places: Optional[list[int]] = field(default=None, metadata={"help": "Where."})
    bend_pattern: Optional[dict] = field(default_factory=dict, metadata={"help": "Bends by name."})
    bias: str = field(default="none", metadata={"help": "Bias type. Can be 'none', 'all' or 'fancy_only'"})
    table: dict = field(default_factory=dict, metadata={"help": "Left out."})
    hook: Optional[callable] = field(default=None, metadata={"help": "Left out."})
    strange: int = field(default=SOMEWHERE, metadata={"help": "Left to PEFT."})
    unexplained: float = 0.5
''',
}


def test_every_tuner_of_the_installed_peft_is_offered_once():
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    offered = [m.peft_type for m in registry.methods().values() if m.peft_type]
    assert set(offered) >= {t.value for t in PEFT_TYPE_TO_CONFIG_MAPPING}
    generic = [m for m in registry.methods().values() if m.apply.__module__ == peft_generic.__name__]
    assert len(generic) >= 20
    assert {m.name for m in generic} == {str(m.peft_type).lower() for m in generic}
    assert not {m.peft_type for m in generic} & NAMED


@pytest.mark.parametrize("peft_type", TUNERS)
def test_read_from_the_source_as_from_the_class(peft_type):
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    config_class = next(c for t, c in PEFT_TYPE_TO_CONFIG_MAPPING.items() if t.value == peft_type)
    read, imported = TUNERS[peft_type], fields.from_class(peft_type, config_class)
    assert read.fields
    assert read.fields == imported.fields
    assert read.prompt == imported.prompt


def test_what_an_option_can_not_be_is_left_out_and_all_else_is_there():
    options = {f.name: f for f in registry.method("delora").options.facts()}
    own = {f.name for f in TUNERS["DELORA"].fields}
    assert own - options.keys() == {"modules_to_save"}
    assert options["delora_lambda"].default == 15
    assert options["bias"].choices == ("none", "all", "delora_only")
    assert not options["r"].advanced
    assert options["init_weights"].advanced


def test_listing_imports_no_torch():
    code = (
        "import sys; from workbench.methods import peft_generic; assert peft_generic.METHODS();"
        "assert not {'torch', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.fixture
def release(tmp_path, monkeypatch):
    """The installed PEFT with one more tuner, as a new release would bring it."""
    installed = fields._package_folder()
    package = tmp_path / "peft"
    (package / "tuners").mkdir(parents=True)
    (package / "config.py").write_text(
        (installed / "config.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    for name in ("hra", "delora"):
        (package / "tuners" / name).symlink_to(installed / "tuners" / name)
    folder = package / "tuners" / "fancy"
    folder.mkdir()
    for name, text in NEW_TUNER.items():
        (folder / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(fields, "_package_folder", lambda: package)
    return package


def test_a_new_release_brings_its_tuners(release):
    found = {m.name: m for m in peft_generic.METHODS()}
    assert {"hra", "delora", "fancy"} <= set(found)
    fancy = found["fancy"]
    assert fancy.title == "Fancy"
    assert fancy.sentence == "Bend each weight matrix a little."
    assert fancy.paper == "https://arxiv.org/abs/2501.01234"
    assert not fancy.mergeable
    facts = {f.name: f for f in fancy.options.facts()}
    assert set(facts) == {
        "target_modules", "bends", "kind", "start", "limit", "places", "bend_pattern", "bias", "unexplained",
    }  # fmt: skip
    assert facts["target_modules"].default == ("all-linear",)
    assert (facts["bends"].kind, facts["bends"].default, facts["bends"].min) == ("int", 4, 1)
    assert facts["kind"].choices == ("soft", "hard")
    assert (facts["start"].choices, facts["start"].default) == (("COLD", "WARM"), "WARM")
    assert (facts["limit"].kind, facts["limit"].optional) == ("float", True)
    assert facts["places"].kind == facts["bend_pattern"].kind == "list"
    assert facts["bias"].choices == ("none", "all", "fancy_only")
    assert facts["unexplained"].help == "Told in the docstring only."


def test_a_tuner_registered_by_a_program_is_offered_and_trains(monkeypatch):
    from peft import mapping
    from peft.tuners.hra import HRAConfig, HRAModel

    class MoreTypes(enum.StrEnum):
        HOMEMADE = "HOMEMADE"

    @dataclasses.dataclass
    class HomemadeConfig(HRAConfig):
        """Mirrors of our own make, for this test."""

        def __post_init__(self):
            super().__post_init__()
            self.peft_type = MoreTypes.HOMEMADE

    for name, value in (("CONFIG", HomemadeConfig), ("TUNER", HRAModel), ("PREFIX", "hra_")):
        monkeypatch.setitem(getattr(mapping, f"PEFT_TYPE_TO_{name}_MAPPING"), MoreTypes.HOMEMADE, value)
    found = {m.name: m for m in peft_generic.METHODS()}
    homemade = found["homemade"]
    assert homemade.sentence == "Mirrors of our own make, for this test."
    model = homemade.apply(tiny_model("qwen2"), homemade.options(r=2), Context())
    assert any("hra_" in name for name, p in model.named_parameters() if p.requires_grad)


def test_whole_numbers_and_names_with_numbers_are_read_from_text():
    method = registry.method("trainable_tokens")
    options = method.options.from_text({"token_indices": "4, 9"})
    model = method.apply(tiny_model("qwen2"), options, Context())
    assert sum(p.numel() for n, p in model.named_parameters() if p.requires_grad and "token" in n) == 2 * 32
    with pytest.raises(ValueError, match="token_indices is a list of whole numbers, not nine"):
        method.apply(tiny_model("qwen2"), method.options(token_indices=("nine",)), Context())
    osf = registry.method("osf")
    narrow = osf.options(target_modules=("q_proj", "v_proj"), rank_pattern=("q_proj=24", "v_proj=8"))
    model = osf.apply(tiny_model("llama"), narrow, Context())
    # Free directions: 32 - 24 of each 32 x 32 query matrix, 16 - 8 of each 16 x 32 value matrix; u, s and v each.
    trained = sum(p.numel() for n, p in model.named_parameters() if p.requires_grad and "score" not in n)
    assert trained == 2 * (8 * (32 + 32 + 1) + 8 * (16 + 32 + 1))
    with pytest.raises(ValueError, match="rank_pattern is a list of name=number, not q_proj"):
        osf.apply(tiny_model("llama"), osf.options(rank_pattern=("q_proj",)), Context())


def test_sizes_are_chosen_to_fit_and_a_wrong_one_is_refused_in_words():
    vblora = registry.method("vblora")
    assert vblora.options().vector_length is None
    model = vblora.apply(tiny_model("qwen2"), vblora.options(), Context())
    assert model.peft_config["default"].vector_length == 16
    with pytest.raises(Unsuitable, match="VBLORA on a qwen2 model"):
        vblora.apply(tiny_model("qwen2"), vblora.options(vector_length=7), Context())


@pytest.mark.parametrize(
    ("name", "layout", "task", "reason"),
    [
        ("xlora", "qwen2", "generation", "adapters that were trained before"),
        ("adaption_prompt", "qwen2", "generation", "qwen2"),
        ("lily", "qwen2", "generation", "the texts beside it"),
        ("cpt", "qwen2", "classification", "generation only"),
        ("cartridge", "distilbert", "classification", "takes no keys and values"),
        ("trainable_tokens", "bert", "classification", "token_indices"),
        ("osf", "gpt2", "classification", "finds nothing that it can adapt"),
    ],
)
def test_what_does_not_fit_says_why(name, layout, task, reason):
    method = registry.method(name)
    with pytest.raises(Unsuitable, match=reason):
        method.apply(tiny_model(layout, task=task), method.options(), Context(task=task))


def test_counting_reads_no_weights_and_leaves_nothing_replaced():
    from peft.tuners.adamss import layer

    from workbench.methods._peft_shapes import shapes_only

    before = layer.clustering_Z
    with shapes_only():
        assert layer.clustering_Z is not before
        assert torch.randperm(4).is_meta
        assert torch.ones(2, device="meta").cpu().is_meta
        assert torch.ones(2).cpu().device.type == "cpu"
    assert layer.clustering_Z is before
    assert not torch.randperm(4).is_meta
