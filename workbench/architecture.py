"""Where the parts of a live transformer model are: head, blocks, attention and feed-forward outputs, keys, biases.

Found by the layouts that transformers uses, not by a list of model names; no import of torch at the top.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from workbench.method import Unsuitable

if TYPE_CHECKING:
    from torch import nn

# Paths inside one block, most specific first: the projection that ends the sublayer, before the residual is added.
ATTENTION_OUTPUTS = (
    "attention.output.dense",
    "attention.out_lin",
    "self_attn.o_proj",
    "self_attn.out_proj",
    "self_attn.dense",
    "self_attention.dense",
    "attention.dense",
    "attention.o_proj",
    "attn.c_proj",
    "attn.attention.out_proj",
    "attn.out_proj",
    "attn.Wo",
)
FEED_FORWARD_OUTPUTS = (
    "mlp.down_proj",
    "mlp.c_proj",
    "mlp.dense_4h_to_h",
    "mlp.fc2",
    "mlp.fc_out",
    "mlp.Wo",
    "ffn.lin2",
    "feed_forward.down_proj",
    "feed_forward.w2",
    "output.dense",
    "ffn_output",
    "fc2",
)
# Where the same sublayer begins: its first projection, or the first of several that read the same input.
FEED_FORWARD_INPUTS = (
    "mlp.gate_proj",
    "mlp.gate_up_proj",
    "mlp.c_fc",
    "mlp.dense_h_to_4h",
    "mlp.fc1",
    "mlp.fc_in",
    "mlp.Wi",
    "ffn.lin1",
    "feed_forward.gate_proj",
    "feed_forward.w1",
    "intermediate.dense",
    "ffn",
    "fc1",
)
QUERIES = ("query", "q_lin", "q_proj", "query_proj")
KEYS = ("key", "k_lin", "k_proj", "key_proj")
VALUES = ("value", "v_lin", "v_proj", "value_proj")
FUSED = ("c_attn", "query_key_value", "qkv_proj", "Wqkv", "in_proj")


def trunk_name(model: Any) -> str:
    """The attribute that holds the pretrained body, as PEFT and transformers name it."""
    return str(plain_base(model).base_model_prefix)


def plain_base(model: Any) -> Any:
    """The transformers model inside a PEFT model, or the model itself."""
    return (
        model.get_base_model()
        if hasattr(model, "peft_config") and hasattr(model, "get_base_model")
        else model
    )


def head_names(model: Any) -> tuple[str, ...]:
    """Children that are the task's own head (`score`, `classifier`, ...); a language-model head is not one."""
    base = plain_base(model)
    output = base.get_output_embeddings() if hasattr(base, "get_output_embeddings") else None
    if output is not None:
        return ()
    return tuple(
        name
        for name, child in base.named_children()
        if name != base.base_model_prefix and any(True for _ in child.parameters())
    )


def is_head(name: str, heads: Sequence[str]) -> bool:
    """Whether a parameter or module of that full name belongs to one of the heads, in a PEFT model too."""
    name = re.sub(r"^(base_model\.)?(model\.)?", "", name) if name.startswith("base_model.") else name
    return name.split(".")[0] in heads


def train_heads(model: Any) -> None:
    """Set requires_grad on the task head."""
    for name in head_names(model):
        for parameter in getattr(plain_base(model), name).parameters():
            parameter.requires_grad_(True)


def freeze_all_but_head(model: Any) -> None:
    """Nothing is trained but the task head."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    train_heads(model)


def new_head(model: Any, labels: Sequence[str]) -> None:
    """Replace the head's last layer by a new one for other labels."""
    from torch import nn

    config = model.config
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: i for i, label in enumerate(labels)}
    model.num_labels = len(labels)
    for head in head_names(model):
        for name, module in list(getattr(model, head).named_modules(prefix=head)):
            if isinstance(module, nn.Linear) and module.out_features != len(labels) and _is_last(model, name):
                fresh = nn.Linear(module.in_features, len(labels), bias=module.bias is not None)
                fresh.weight.data.normal_(0.0, getattr(config, "initializer_range", 0.02))
                if fresh.bias is not None:
                    fresh.bias.data.zero_()
                parent, _, child = name.rpartition(".")
                setattr(model.get_submodule(parent), child, fresh.to(module.weight.device))


def _is_last(model: Any, name: str) -> bool:
    return name.split(".")[-1] in ("score", "classifier", "out_proj", "logits_proj")


def blocks(model: Any) -> list[nn.Module]:
    """The transformer blocks from the first to the last."""
    return [block for _, block in named_blocks(model)]


def named_blocks(model: Any) -> list[tuple[str, nn.Module]]:
    """The blocks with their full names."""
    from torch import nn

    base = plain_base(model)
    wanted = _block_count(base.config)
    lists = [
        (name, module)
        for name, module in base.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == wanted
    ]
    if not lists:
        raise Unsuitable(
            f"the blocks of a {base.config.model_type} model can't be told apart (its layers may share weights):"
            " choose a model with one module per block"
        )
    name, module = lists[0]
    return [(f"{name}.{i}", block) for i, block in enumerate(module)]


def _block_count(config: Any) -> int:
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    for name in ("num_hidden_layers", "n_layer", "n_layers", "num_layers"):
        if isinstance(getattr(text, name, None), int):
            return int(getattr(text, name))
    return -1


def attention_outputs(model: Any) -> list[str]:
    """Full name of the projection that ends each block's attention. Unsuitable when a block has none that we know."""
    return _in_each_block(model, ATTENTION_OUTPUTS, "attention output")


def feed_forward_outputs(model: Any) -> list[str]:
    """Full name of the projection that ends each block's feed-forward part."""
    return _in_each_block(model, FEED_FORWARD_OUTPUTS, "feed-forward output")


def feed_forward_sites(model: Any) -> list[tuple[str, str]]:
    """For each block the module that reads the feed-forward part's input and the one that gives its output; where experts
    stand in its place, both are the module that holds them."""
    mixtures = set(mixture_names(model))
    ends = (FEED_FORWARD_INPUTS, "feed-forward input"), (FEED_FORWARD_OUTPUTS, "feed-forward output")
    begin, end = (_in_each_block(model, paths, what, mixtures) for paths, what in ends)
    return list(zip(begin, end))


def mixture_names(model: Any) -> list[str]:
    """Full name of the modules that hold a router and its `experts`: what a mixture has for a feed-forward part."""
    names = [name for name, _ in plain_base(model).named_modules()]
    return [name.rpartition(".")[0] for name in names if name.endswith(".experts")]


def _in_each_block(
    model: Any, paths: Sequence[str], what: str, whole: Collection[str] = frozenset()
) -> list[str]:
    """The first of `paths` in each block, or a module of `whole` where the block has one."""
    found = []
    for name, block in named_blocks(model):
        inside = {inner for inner, _ in block.named_modules()}
        path = next((inner for inner in inside if f"{name}.{inner}" in whole), None)
        path = path or next((path for path in paths if path in inside), None)
        if path is None:
            raise Unsuitable(
                f"no {what} that the workbench knows in the blocks of a {plain_base(model).config.model_type} model:"
                " choose a BERT, DistilBERT, RoBERTa, GPT-2, Llama or Qwen type model"
            )
        found.append(f"{name}.{path}")
    return found


def linear_modules(model: Any) -> dict[str, Any]:
    """Full name -> linear layer (nn.Linear, GPT-2's Conv1D, quantised ones) of the body, heads left out."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    base, heads = plain_base(model), head_names(model)
    output = base.get_output_embeddings() if not heads and hasattr(base, "get_output_embeddings") else None
    return {
        name: module
        for name, module in base.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not is_head(name, heads) and module is not output
    }


def linear_names(model: Any) -> list[str]:
    """The short names of the linear layers, as `target_modules` takes them: `q_proj`, `attention.output.dense`, ...

    A short name that two places in a block share (BERT's `dense`) is made longer until it says which.
    """
    inside: dict[str, None] = {}
    for full in linear_modules(model):
        inside[re.split(r"\.\d+\.", full, maxsplit=1)[-1]] = None
    paths = list(inside)
    ends = [path.split(".")[-1] for path in paths]
    return [path if ends.count(end) > 1 else end for path, end in zip(paths, ends)]


def key_value_names(model: Any) -> list[str]:
    """Short names of the key and value projections, or of the fused one where there is no other."""
    ends = {full.split(".")[-1] for full in linear_modules(model)}
    for group in ((*KEYS, *VALUES), FUSED):
        if found := [name for name in group if name in ends]:
            return found
    raise Unsuitable(
        f"no key and value projections found in a {plain_base(model).config.model_type} model;"
        f" its linear layers: {', '.join(linear_names(model))}"
    )


def query_names(model: Any) -> list[str]:
    """Short names of the query projection, or of the fused one where there is no other."""
    ends = {full.split(".")[-1] for full in linear_modules(model)}
    found = [name for name in QUERIES if name in ends] or [name for name in FUSED if name in ends]
    if not found:
        raise Unsuitable(f"no query projection found; linear layers: {', '.join(linear_names(model))}")
    return found


def bias_names(model: Any) -> list[str]:
    """Full names of all bias vectors outside the head (layer norms' included)."""
    heads = head_names(model)
    return [
        name
        for name, _ in model.named_parameters()
        if name.split(".")[-1] in ("bias", "beta") and not is_head(name, heads)
    ]


def norm_names(model: Any) -> list[str]:
    """Full names of the weights of all norms inside the blocks, bias terms included."""
    return [
        f"{name}.{inner}.{weight}"
        for name, block in named_blocks(model)
        for inner, module in block.named_modules()
        if "norm" in type(module).__name__.lower()
        for weight, _ in module.named_parameters(recurse=False)
    ]


def checked_targets(model: Any, targets: Sequence[str]) -> str | list[str]:
    """`target_modules` for PEFT: `all-linear` as it is, other names only if the model has them all.

    PEFT itself keeps silent about a wrong name as long as one other is right.
    """
    if [name.lower() for name in targets] == ["all-linear"]:
        return "all-linear"
    heads = head_names(model)
    modules = [name for name, _ in plain_base(model).named_modules() if name and not is_head(name, heads)]
    wrong = [t for t in targets if not any(name == t or name.endswith("." + t) for name in modules)]
    if wrong or not targets:
        given = f"not {', '.join(wrong)}" if wrong else "and one at least"
        raise ValueError(
            f"target_modules are names of this model's linear layers, {given};"
            f" known: all-linear, {', '.join(linear_names(model))}"
        )
    return list(targets)
