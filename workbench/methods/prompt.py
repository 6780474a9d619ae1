"""Put a few learned vectors in front of the text, where words would stand, and train only these.

**Use it** when one frozen model must serve many tasks at once: each task is a handful of vectors.
**Costs** tokens × width weights, and that many more tokens to read for every answer.
**Watch** the size of the model: on small ones it stays far behind the rest. It learns slowly; models of a billion weights take learning rates of 1e-2 to 3e-1, small ones less, since the head learns at the same rate. It can't be folded into the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.method import Context, Method
from workbench.methods._peft import attach_prompt
from workbench.options import Options, option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PromptOptions(Options):
    num_virtual_tokens: int = option(
        16, "How many learned vectors stand in front of the text.", min=1, max=512
    )
    prompt_tuning_init: str = option(
        "SAMPLE_VOCAB",
        "Where the vectors start: at random words of the vocabulary, at the words of a text, or anywhere.",
        choices=("SAMPLE_VOCAB", "TEXT", "RANDOM"),
    )
    prompt_tuning_init_text: str = option(
        "Classify the text:", "The text to start from, where prompt_tuning_init is TEXT.", advanced=True
    )


def apply(model: nn.Module, options: PromptOptions, context: Context) -> nn.Module:
    from peft import PromptTuningConfig

    start: dict[str, Any] = {"prompt_tuning_init": options.prompt_tuning_init}
    if options.prompt_tuning_init == "TEXT":
        # Without weights there is no tokenizer either, and the count is the same.
        start = {"prompt_tuning_init": "RANDOM"} if context.on_meta else start | _text_start(model, options)
    config = PromptTuningConfig(
        task_type=context.peft_task, num_virtual_tokens=options.num_virtual_tokens, **start
    )
    return attach_prompt(model, config, context)


def _text_start(model: Any, options: PromptOptions) -> dict[str, Any]:
    if not options.prompt_tuning_init_text.strip():
        raise ValueError("prompt_tuning_init_text is a text of one word or more, not an empty one")
    revision = getattr(model.config, "_commit_hash", None)
    return {
        "prompt_tuning_init_text": options.prompt_tuning_init_text,
        "tokenizer_name_or_path": model.config._name_or_path,
        "tokenizer_kwargs": {"local_files_only": True} | ({"revision": revision} if revision else {}),
    }


METHOD = Method(
    name="prompt",
    title="Prompt tuning",
    family="prompt",
    options=PromptOptions,
    apply=apply,
    learning_rate=3e-3,
    rate_by_width=False,
    card=__doc__,
    paper="https://arxiv.org/abs/2104.08691",
    peft_type="PROMPT_TUNING",
)
