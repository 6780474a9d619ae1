"""What to run: a Setting (equal for all runs that are compared) and a Choice (what is being compared)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from workbench import optimizers

BUDGET_KINDS = ("epochs", "steps", "seconds")
BUDGET_CAPS = ("peak_memory_bytes", "trainable_parameters")
SCHEDULES = ("linear", "cosine", "constant")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
MOST_GENERAL_TEXTS = 136
OPTIMIZERS = tuple(optimizers.BY_NAME)


def canonical_json(value: Any) -> str:
    """One text for equal values, whatever order their keys came in."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Budget:
    """How long each run may train, and how much it may take: the same for every method of a setting. A run that needs
    more than a cap allows fails and says so, since a method that got more than the others is not compared fairly."""

    kind: str = "epochs"
    amount: float = 3.0
    peak_memory_bytes: int | None = None
    trainable_parameters: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in BUDGET_KINDS:
            raise ValueError(f"a budget is given in {', '.join(BUDGET_KINDS)}, not {self.kind!r}")
        if isinstance(self.amount, bool) or not isinstance(self.amount, int | float) or not self.amount > 0:
            raise ValueError(f"budget: {self.kind} is a number above 0, not {self.amount!r}")
        if self.kind == "steps" and self.amount != int(self.amount):
            raise ValueError(f"budget: steps is a whole number, not {self.amount!r}")
        object.__setattr__(self, "amount", float(self.amount))
        for name in BUDGET_CAPS:
            if (cap := getattr(self, name)) is not None:
                _check_range(f"budget: {name}", cap, 1, 10**15, whole=True)

    @property
    def caps(self) -> dict[str, int]:
        """Those that are set, by name."""
        return {name: cap for name in BUDGET_CAPS if (cap := getattr(self, name)) is not None}

    @property
    def words(self) -> str:
        """`3 epochs`, `1 step`, `90 seconds, at most 100,000 trained weights`."""
        said = [f"{self.amount:g} {self.kind if self.amount != 1 else self.kind.removesuffix('s')}"]
        if self.peak_memory_bytes is not None:
            said.append(f"at most {self.peak_memory_bytes / 2**20:,.4g} MiB of memory")
        if self.trainable_parameters is not None:
            said.append(f"at most {self.trainable_parameters:,} trained weights")
        return ", ".join(said)


@dataclass(frozen=True)
class DataSpec:
    """Which rows are used. `fingerprint` is a hash of the prepared rows of all three parts: it alone says whether
    two runs saw the same data; the other fields say how to get there again.

    `source` is a bundled name, a path or a Hub id; `parts` maps train/validation/test to their own files.
    `fixes` are the doctor's repairs in the order applied. `train_rows` etc. draw a subset by `split_seed`. For tasks on
    free text `format` is how rows are given, `columns` those chosen by role, `fill` the words for placeholders. `mix` are
    further data sets joined with the source, `augment` what made new training rows, by the name of the augmenter.
    """

    source: str
    parts: Mapping[str, str] = field(default_factory=dict)
    text: str = "text"
    label: str = "label"
    labels: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()
    train_rows: int | None = None
    validation_rows: int | None = None
    test_rows: int | None = None
    validation_share: float = 0.15
    test_share: float = 0.2
    split_seed: int = 0
    encoding: str | None = None
    skip_broken: bool = False
    revision: str | None = None
    task: str = "classification"
    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    fill: Mapping[str, str] = field(default_factory=dict)
    mix: tuple[Mapping[str, Any], ...] = ()
    augment: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True)
class Setting:
    """Everything that must be equal for two runs to be compared. `id` is a hash of it.

    `task_options` are the task's own options, all of them, defaults included; empty where the task has none. With
    `search_trials` each run first tries so many learning rates for the whole budget, and takes the best by validation.
    With `forgetting_texts` so many general texts are read before and after training; language modelling always does that.
    """

    data: DataSpec
    model: str
    task: str = "classification"
    task_version: int = 1
    model_revision: str | None = None
    budget: Budget = field(default_factory=Budget)
    batch_size: int = 16
    gradient_accumulation: int = 1
    max_length: int = 128
    precision: str = "auto"
    schedule: str = "linear"
    warmup_share: float = 0.06
    weight_decay: float = 0.01
    optimizer: str = "adamw_torch_fused"
    label_smoothing: float = 0.0
    gradient_clip: float = 1.0
    evaluations: int = 4
    early_stopping: int | None = None
    search_trials: int | None = None
    forgetting_texts: int | None = None
    task_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choices in (("precision", PRECISIONS), ("schedule", SCHEDULES), ("optimizer", OPTIMIZERS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}, not {getattr(self, name)!r}")
        for name, low, high in (
            ("batch_size", 1, 4096),
            ("gradient_accumulation", 1, 1024),
            ("max_length", 4, 131072),
            ("evaluations", 1, 1000),
        ):
            _check_range(name, getattr(self, name), low, high, whole=True)
        for name, top in (
            ("warmup_share", 0.9),
            ("weight_decay", 10),
            ("label_smoothing", 0.9),
            ("gradient_clip", 1000),
        ):
            _check_range(name, getattr(self, name), 0, top, whole=False)
        if self.early_stopping is not None:
            _check_range("early_stopping", self.early_stopping, 1, 1000, whole=True)
        if self.search_trials is not None:
            _check_range("search_trials", self.search_trials, 2, 100, whole=True)
        if self.forgetting_texts is not None:
            _check_range("forgetting_texts", self.forgetting_texts, 1, MOST_GENERAL_TEXTS, whole=True)

    @property
    def id(self) -> str:
        """16 hex digits. Where the rows came from does not count, what they are does."""
        values = self._values()
        values["data"] = {"fingerprint": self.data.fingerprint, "labels": list(self.data.labels)}
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        return json.loads(canonical_json(self._values()))

    def _values(self) -> dict[str, Any]:
        """What is left empty and came later than other fields is not there, so that older settings keep their ids."""
        values = asdict(self)
        for name in ("task_options", "search_trials", "forgetting_texts"):
            if not values[name]:
                del values[name]
        values["budget"] = {name: value for name, value in values["budget"].items() if value is not None}
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`; fields that this version does not know are an error."""
        values = dict(values)
        data = dict(values.pop("data"))
        for name in ("labels", "fixes", "mix"):
            data[name] = tuple(data.get(name) or ())
        known = {f.name for f in fields(cls)}
        if extra := set(values) - known:
            raise ValueError(
                f"a setting has no field {', '.join(sorted(extra))}; known: {', '.join(sorted(known))}"
            )
        if "budget" in values:
            values["budget"] = Budget(**values["budget"])
        return cls(data=DataSpec(**data), **values)


def _check_range(name: str, value: Any, low: float, high: float, whole: bool) -> None:
    good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not good or not low <= value <= high:
        raise ValueError(
            f"{name} is a {'whole ' if whole else ''}number from {low:g} to {high:g}, not {value!r}"
        )


@dataclass(frozen=True)
class Choice:
    """What is being compared: a method with its options (all of them, defaults included) and a learning rate."""

    method: str
    options: Mapping[str, Any]
    learning_rate: float
    label: str = ""

    def __post_init__(self) -> None:
        good = isinstance(self.learning_rate, int | float) and not isinstance(self.learning_rate, bool)
        if not good or not 0 < self.learning_rate <= 100:
            raise ValueError(f"learning_rate is a number above 0 and at most 100, not {self.learning_rate!r}")

    @property
    def id(self) -> str:
        """12 hex digits; two runs with equal setting and choice ids differ by their seed alone."""
        values = {
            "method": self.method,
            "options": dict(self.options),
            "learning_rate": float(self.learning_rate),
        }
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class RunSpec:
    """One run: a setting, a choice and a seed."""

    setting: Setting
    choice: Choice
    seed: int = 0

    def __post_init__(self) -> None:
        _check_range("seed", self.seed, 0, 2**31 - 1, whole=True)

    def to_dict(self) -> dict[str, Any]:
        return {"setting": self.setting.to_dict(), "choice": asdict(self.choice), "seed": self.seed}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls(Setting.from_dict(values["setting"]), Choice(**values["choice"]), values["seed"])
