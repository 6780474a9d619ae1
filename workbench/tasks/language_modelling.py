"""Language modelling: plain texts, every token of which is learnt, by any causal language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import packing
from workbench.method import Unsuitable
from workbench.options import Options, option
from workbench.task import Batch, Encoded, Live, Outcome, Row, Task
from workbench.tasks import _decoding_options as shared
from workbench.tasks.generation import DECODING, SILENCE, GenerationOptions
from workbench.templates import PLACE

if TYPE_CHECKING:
    from workbench.data import Prepared

PROBE_TOKENS = 32
NOT_LEARNT = -100


@dataclass(frozen=True)
class LanguageModellingOptions(Options):
    general_texts: int = option(
        136,
        "How many texts of a fixed general sample are read before and after training, to see what was forgotten; 0 for"
        " none.",
        min=0,
        max=136,
        advanced=True,
    )
    max_new_tokens: int = option(
        64, "Where it is asked to go on with a text: by so many tokens at most.", min=1, max=8192
    )
    do_sample: bool = shared.do_sample(True)
    temperature: float = shared.temperature()
    top_p: float = shared.top_p(0.95)
    top_k: int = shared.top_k()
    decoding_seed: int = shared.decoding_seed()


def complete(options: Any, tokenizer: Any, rows: Mapping[str, Sequence[Row]]) -> Any:
    packing.documents(tokenizer, [])
    return options


def check_model(config: Any, title: str) -> None:
    from workbench.tasks.generation import check_model as causal

    try:
        causal(config, title)
    except Unsuitable:
        raise Unsuitable(
            f"{title} is of type {config.model_type}, which fills gaps and can't tell a text token by token: language"
            " modelling needs a causal language model such as GPT-2, Llama or Qwen"
        ) from None


def encode(
    tokenizer: Any,
    rows: Sequence[Row],
    labels: Sequence[str],
    max_length: int,
    options: Any = None,
    room: int | None = None,
) -> list[Encoded]:
    """Whole texts, never cut: `window` is how many tokens of one are read at a time."""
    window = max_length if room is None else min(max_length, room)
    if window < 2:
        raise ValueError(f"a window has room for at least 2 tokens, one to tell another from, not {window}")
    return [
        {
            "input_ids": ids,
            "attention_mask": [1] * len(ids),
            "labels": [NOT_LEARNT, *ids[1:]],
            "truncated": False,
            "window": window,
            "row": row,
        }
        for row, ids in zip(rows, packing.documents(tokenizer, [row["text"] for row in rows]))
    ]


def pack(rows: Sequence[Encoded], max_length: int) -> list[Encoded]:
    """What is trained on: windows of the texts end to end."""
    return [
        {
            "input_ids": ids,
            "attention_mask": [1] * len(ids),
            "labels": [NOT_LEARNT, *ids[1:]],
            "truncated": False,
        }
        for ids in packing.windows([row["input_ids"] for row in rows], max_length)
    ]


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Any]:
    from workbench import generating

    return generating.collate(rows, pad_id)


def loss(logits: Any, labels: Any, count: Any, label_smoothing: float) -> Any:
    from workbench import generating

    return generating.loss(logits, labels, count, label_smoothing)


def predict(live: Live, rows: Sequence[Encoded]) -> list[Outcome]:
    from workbench import language_scores

    return language_scores.read(live, rows)


def score(
    outcomes: Sequence[Mapping[str, Any]], labels: Sequence[str] = (), options: Any = None
) -> dict[str, float]:
    from workbench import language_scores

    if not outcomes:
        raise ValueError("a score needs at least one text")
    return language_scores.scores(outcomes)


def validation_loss(outcomes: Sequence[Outcome], labels: Sequence[str]) -> float:
    from workbench import language_scores

    return language_scores.nats_per_token(outcomes)


def drift(
    live: Live, start: Live, rows: Sequence[Encoded], outcomes: Sequence[Outcome] = ()
) -> dict[str, Any]:
    """What only the base beside the trained model can tell: where it began, and what it forgot."""
    from workbench import language_scores

    options: Any = live.options
    texts = [{"text": text} for text in language_scores.general_texts(options.general_texts)]
    general = encode(live.tokenizer, texts, (), rows[0]["window"])
    return language_scores.drift(live, start, rows, general)


def marks(outcomes: Sequence[Mapping[str, Any]], options: Any) -> list[float]:
    """Each text's own bits per byte, below zero: the more the better, as in every paired test."""
    import math

    return [-o["nats"] / math.log(2) / max(1, o["bytes"]) for o in outcomes]


def probes(rows: Sequence[Encoded], pad_id: int) -> list[Any]:
    from workbench import generating

    return generating.typical_prompts(
        [{"prompt_ids": row["input_ids"][: min(PROBE_TOKENS, max(1, row["window"] // 2))]} for row in rows],
        pad_id,
    )


def logits(live: Live, batch: Batch) -> Any:
    from workbench import generating

    return generating.next_token_logits(live, batch)


def timed(live: Live, batches: Sequence[Batch]) -> Callable[[int], Any]:
    from workbench import generating

    return generating.timed_answer(_writing(live), batches)


def ask_batch(live: Live, text: str, max_length: int, room: int | None) -> tuple[Any, bool]:
    from workbench import evaluate, generating

    options: Any = live.options
    ids = packing.documents(live.tokenizer, [text])[0][:-1]
    most = len(ids) if room is None else max(1, room - options.max_new_tokens)
    return generating.collate_prompts([ids[-most:]], evaluate.pad_id(live.model)), most < len(ids)


def answer(live: Live, batch: Batch) -> dict[str, Any]:
    from workbench import generating

    return dict(SILENCE) | generating.answer_batch(_writing(live), batch)


def _writing(live: Live) -> Live:
    """As generation writes, with nothing put around the text."""
    drawn = {name: getattr(live.options, name) for name in DECODING}
    return replace(live, options=GenerationOptions(template=PLACE, **drawn))


def references(prepared: Prepared, options: Any) -> list[dict[str, Any]]:
    from workbench import text_references

    return text_references.records(prepared)


def refer(prepared: Prepared, options: Any, record: Mapping[str, Any]) -> Callable[[str], dict[str, Any]]:
    from workbench import text_references

    go_on = text_references.asked(prepared)
    return lambda text: dict(SILENCE) | go_on(text)


TASK = Task(
    name="language_modelling",
    title="Language modelling",
    version=1,
    columns=("text",),
    metrics=("bits_per_byte", "perplexity"),
    best_metric="bits_per_byte",
    model_class="AutoModelForCausalLM",
    sentence="Read plain text and learn to go on with it: the language of a field.",
    options=LanguageModellingOptions,
    judged_by=lambda options: "bits_per_byte",
    chosen_by=lambda options: "bits_per_byte",
    marks=marks,
    encode=encode,
    pack=pack,
    collate=collate,
    cut_note=lambda part, rows, max_length: "",
    loss=loss,
    validate=predict,
    predict=predict,
    score=score,
    validation_loss=validation_loss,
    details=lambda outcomes, labels: {},
    drift=drift,
    probes=probes,
    logits=logits,
    timed=timed,
    ask_batch=ask_batch,
    answer=answer,
    references=references,
    refer=refer,
    yardstick="ngram",
    silence=SILENCE,
    latency_rounds=12,
    complete=complete,
    check_model=check_model,
)
