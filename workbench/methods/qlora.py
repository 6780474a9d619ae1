"""Keep the frozen matrices in 4 bits, taking each apart only while it is used, and learn an adapter beside them at full width.

**Use it** when the model itself hardly fits into memory: its matrices take about an eighth of their 32-bit room while training and after.
**Costs** LoRA's weights, and time: every layer's matrix is unpacked in every pass. Where there is a GPU, AdamW keeps its values in 8 bits and moves them to the machine's memory when the GPU's is full.
**Watch** what is merged: the adapter was trained on the rounded matrices and belongs to them. Folded into the original ones, or rounded again after folding, the answers drift; a finished run says by how much. On small models embeddings, which stay wide, are most of the weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench import optimizers
from workbench.architecture import mixture_names
from workbench.method import Context, Method
from workbench.methods._bitsandbytes import check_package, odd_widths, store_in_bits, widen
from workbench.methods._low_rank import LowRankOptions
from workbench.options import option

if TYPE_CHECKING:
    from torch import nn

# Methods that train on layers of bitsandbytes and fold into them when these are widened: found by trying all.
TUNERS = (
    "lora",
    "rslora",
    "dora",
    "lora_plus",
    "lora_fa",
    "adalora",
    "vera",
    "randlora",
    "hira",
    "miss",
    "fourierft",
    "oft",
    "boft",
    "road",
    "ia3",
    "ln_tuning",
)


@dataclass(frozen=True)
class QloraOptions(LowRankOptions):
    bits: str = option(
        "nf4",
        "How each weight is kept: nf4 and fp4 take 4 bits (nf4 has its 16 values where a bell curve has most weights), int8"
        " takes 8.",
        choices=("nf4", "fp4", "int8"),
    )
    double_quant: bool = option(
        True,
        "Keep the scales in 8 bits too: 0.37 bits less for each weight. With 4 bits only.",
        advanced=True,
    )
    tuner: str = option(
        "lora",
        "What is learnt beside the stored matrices: LoRA, or another method by its name. It takes those of the options above"
        " that it has, and its own defaults.",
        choices=TUNERS,
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            self.tuner == "dora" and self.bits == "int8"
        ):  # PEFT reads the scales away that its own layer needs later
            raise ValueError("tuner dora needs bits nf4 or fp4, not int8: DoRA does not work on 8-bit layers")
        if self.tuner != "lora":
            _tuner(self)


def _tuner(options: QloraOptions) -> tuple[Method, Any]:
    """The method that is put on top, and its options."""
    from workbench import registry

    method = registry.method(options.tuner)
    known = {fact.name for fact in method.options.facts()}
    # What was not asked for stays the tuner's own: a rank of 8 is no default for all of them.
    given = options.to_dict() if options.tuner == "lora" else options.changed()
    return method, method.options.from_dict({name: given[name] for name in given if name in known})


def prepare_model(model: nn.Module, options: QloraOptions, context: Context) -> nn.Module:
    check_package()
    return store_in_bits(
        model, options.bits, double=options.double_quant, device=context.device, on_meta=context.on_meta
    )


def apply(model: nn.Module, options: QloraOptions, context: Context) -> nn.Module:
    method, own = _tuner(options)
    if context.on_meta and options.tuner != "lora":  # some read the weights, and the counts are the same
        model = widen(model, on_meta=True)
    return method.apply(model, own, context)


def optimizer(model: nn.Module, options: QloraOptions, learning_rate: float, weight_decay: float) -> Any:
    method, own = _tuner(options)
    if method.optimizer is not None:
        return method.optimizer(model, own, learning_rate, weight_decay)
    if next(model.parameters()).is_cuda:
        return optimizers.paged_adamw_8bit(model, learning_rate, weight_decay)
    return None


def notes(model: nn.Module, options: QloraOptions) -> tuple[str, ...]:
    found = []
    if odd := odd_widths(model):
        which = ", ".join(map(str, odd))
        found.append(
            f"Layers of width {which} stay at full width: 4-bit weights come in rows that 32 divides."
        )
    if mixture_names(model):
        found.append("The experts of this mixture are no linear layers and stay as wide as they were.")
    return tuple(found)


METHOD = Method(
    name="qlora",
    title="QLoRA",
    family="quantised",
    options=QloraOptions,
    apply=apply,
    prepare_model=prepare_model,
    optimizer=optimizer,
    notes=notes,
    learning_rate=2e-3,
    card=__doc__,
    paper="https://arxiv.org/abs/2305.14314",
    mergeable=True,
)
