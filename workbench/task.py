"""Task: the record that a file in tasks/ exports. Whatever differs by task stands behind its functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.options import Options

if TYPE_CHECKING:
    from workbench.data import Prepared

Row = Mapping[str, Any]
Encoded = Mapping[str, Any]
Outcome = dict[str, Any]
Batch = Mapping[str, Any]


@dataclass(frozen=True)
class Live:
    """A model that answers, and how it shall. `tick` is called before every batch."""

    model: Any
    tokenizer: Any = None
    labels: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    device: str = "cpu"
    precision: str = "float32"
    batch_size: int | None = None
    tick: Callable[[], object] | None = None


def _complete(options: Any, tokenizer: Any, rows: Mapping[str, Sequence[Row]]) -> Any:
    return options


def _any_model(config: Any, title: str) -> None:
    return None


def as_they_are(rows: Sequence[Encoded], max_length: int) -> list[Encoded]:
    return list(rows)


def _no_drift(
    live: Live, start: Live, rows: Sequence[Encoded], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    return {}


def _no_notes(options: Any, rows: Mapping[str, Sequence[Encoded]]) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Task:
    """One kind of problem. Rows are plain dicts with the keys of `columns`; `labels` are the data set's (none: empty).

    What is asked: `options` is the task's own part of a setting, an Options class. `complete(options, tokenizer, rows)`
    fills in what only the model or the data can say, and raises ValueError where the two don't go together.
    `model_class` is the transformers Auto class; `check_model(config, title)` raises Unsuitable for what can't serve.
    `judged_by(options)` names the metric that the table ranks by and the paired tests compare, `marks` its value on
    each row, the more the better; `chosen_by(options)` the one that picks the checkpoint on the validation part.

    Tokens: `encode(tokenizer, rows, labels, max_length, options, room)` gives dicts with input_ids, attention_mask,
    labels and truncated, without padding; `room` is how many tokens the model takes altogether. `collate(rows, pad_id)`
    makes a training batch of them. `cut_note(part, rows, max_length)` says what was cut, or is empty. Where rows are not
    what is trained on, `pack(rows, max_length)` makes of the training part what is. `said(rows)`
    are those of them that the task's own loss learns to say.

    Learning: `loss(logits, labels, count, label_smoothing)` is the sum over what is learnt, divided by `count`.

    Judging: `validate(live, rows)` gives the outcomes during training, cheaply; `predict(live, rows)` those of the test
    part. `score(outcomes, labels, options)` makes metrics of them (shares from 0 to 1), `validation_loss` nats,
    `details(outcomes, labels)` further fields of Result, `notes(options, encoded parts)` what the reader must know.

    Measuring: `probes(rows, pad_id)` are typical inputs, one to a batch; `logits(live, batch)` one line of numbers per
    row; `timed(live, batches)` a function that answers the i-th and may return times of its own. `drift(live, start, rows,
    outcomes)` gives fields of Result that need the base beside the trained model, and may add to the outcomes of the test part;
    its metrics are added to theirs.

    Asking: `ask_batch(live, text, max_length, room)` is one text as a batch and whether it was cut;
    `answer(live, batch)` what the model says of it; `silence` the same keys where it can't say anything.

    References: `references(prepared, options)` are result records made without deep learning; `yardstick` names the one
    that is compared with the methods, and `refer(prepared, options, record)` makes a function that asks it.
    """

    name: str
    title: str
    version: int
    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    best_metric: str
    model_class: str
    sentence: str
    judged_by: Callable[[Any], str]
    chosen_by: Callable[[Any], str]
    marks: Callable[[Sequence[Mapping[str, Any]], Any], list[float]]
    encode: Callable[..., list[Encoded]]
    collate: Callable[[Sequence[Encoded], int], dict[str, Any]]
    cut_note: Callable[[str, Sequence[Encoded], int], str]
    loss: Callable[[Any, Any, Any, float], Any]
    validate: Callable[[Live, Sequence[Encoded]], list[Outcome]]
    predict: Callable[[Live, Sequence[Encoded]], list[Outcome]]
    score: Callable[..., dict[str, float]]
    validation_loss: Callable[[Sequence[Outcome], Sequence[str]], float]
    details: Callable[[Sequence[Outcome], Sequence[str]], dict[str, Any]]
    probes: Callable[[Sequence[Encoded], int], list[Any]]
    logits: Callable[[Live, Batch], Any]
    timed: Callable[[Live, Sequence[Batch]], Callable[[int], Any]]
    ask_batch: Callable[[Live, str, int, int | None], tuple[Any, bool]]
    answer: Callable[[Live, Batch], dict[str, Any]]
    references: Callable[[Prepared, Any], list[dict[str, Any]]]
    refer: Callable[[Prepared, Any, Mapping[str, Any]], Callable[[str], dict[str, Any]]]
    yardstick: str
    silence: Mapping[str, Any]
    options: type[Options] = Options
    latency_rounds: int = 30
    complete: Callable[[Any, Any, Mapping[str, Sequence[Row]]], Any] = _complete
    check_model: Callable[[Any, str], None] = _any_model
    notes: Callable[[Any, Mapping[str, Sequence[Encoded]]], tuple[str, ...]] = _no_notes
    pack: Callable[[Sequence[Encoded], int], list[Encoded]] = as_they_are
    said: Callable[[Sequence[Encoded]], list[Encoded]] = list
    drift: Callable[[Live, Live, Sequence[Encoded], Sequence[Outcome]], dict[str, Any]] = _no_drift
