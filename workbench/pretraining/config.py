"""What a pretraining file may say, read and checked before any library is loaded."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from workbench.corpus import Source
from workbench.home import shipped
from workbench.options import Options, option, unknown_names

SOURCE_KEYS = ("train", "heldout", "share", "about", "license", "names")
POSITIONS = ("drawn", "sinusoidal")
EMBEDDED = "embedded:"


@dataclass(frozen=True)
class Recipe(Options):
    """How to train: everything but the model and the texts."""

    objective: str = option(
        "causal",
        "What is learnt: the next token, hidden ones, or in conversations the replies.",
        choices=("causal", "masked", "chat"),
    )
    context: int = option(256, "Tokens in a window.", min=8, max=4096)
    batch_windows: int = option(96, "Windows in one step, over all processes.", min=1)
    device_windows: int | None = option(None, "At most so many at once in a process; None: all.", min=1)
    tokens: float | None = option(None, "Train on so many tokens.", min=1)
    minutes: float | None = option(None, "Train for so many minutes.", min=0.01)
    optimizer: str = option(
        "adamw",
        "muon learns more from every token: AdamW for all but the hidden matrices.",
        choices=("adamw", "muon"),
    )
    learning_rate: float = option(2e-3, "Its peak.", min=0, max=1)
    warmup_share: float = option(0.05, "The part of the budget in which the rate rises.", min=0, max=0.9)
    final_share: float = option(0.02, "The part of the peak at which the rate ends.", min=0, max=1)
    weight_decay: float = option(0.1, "Decay of matrices; biases and norms have none.", min=0, max=1)
    adam_beta2: float = option(0.95, "Adam's memory of squared gradients.", min=0, max=0.9999)
    gradient_clip: float = option(1.0, "The longest gradient.", min=0)
    mask_share: float = option(0.2, "Hidden tokens, where the objective is masked.", min=0.01, max=0.9)
    seed: int = option(0, "Draws weights, windows and masks.", min=0)
    precision: str = option(
        "auto", "auto: bfloat16 where the machine has it.", choices=("auto", "bfloat16", "float32")
    )
    processes: int | None = option(None, "None: one for each GPU, or for each core.", min=1)
    niceness: int = option(0, "How far to stand back behind other programs.", min=0, max=19)
    log_steps: int = option(10, "Steps from one line of the log to the next.", min=1)
    checkpoint_minutes: float = option(5.0, "Minutes from one checkpoint to the next.", min=0)
    evaluations: int = option(5, "How often held-out text is scored on the way.", min=0)
    heldout_windows: int = option(512, "At most so many held-out windows of a source are scored.", min=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.tokens is None) == (self.minutes is None):
            raise ValueError("the budget is either tokens or minutes, one of the two")

    def per_process(self, processes: int) -> tuple[int, int]:
        """Windows at once in a process, and pieces that make up its part of a step."""
        windows = max(1, round(self.batch_windows / processes))
        pieces = math.ceil(windows / (self.device_windows or windows))
        return math.ceil(windows / pieces), pieces

    def learning_rate_at(self, share: float) -> float:
        """A linear warm-up, then half a cosine down to `final_share` of the peak; `share` is that of the budget."""
        if share < self.warmup_share:
            return self.learning_rate * share / self.warmup_share
        rest = min(1.0, (share - self.warmup_share) / (1 - self.warmup_share))
        cosine = 0.5 * (1 + math.cos(math.pi * rest))
        return self.learning_rate * (self.final_share + (1 - self.final_share) * cosine)


@dataclass(frozen=True)
class PretrainConfig:
    """A model to make. `architecture` is a transformers config with its `model_type`. `start` is a model folder to go
    on from, or, beside an `architecture`, to take token embeddings from. `positions: sinusoidal` starts learned position
    embeddings as waves (Vaswani et al. 2017), `attention_gain` multiplies the first query and key weights: attention by
    place is then found after half a million tokens instead of many. `tokenizer` is a folder to take one over from
    (by default `start`); without either one of `vocabulary` entries is trained."""

    name: str
    sources: Mapping[str, Mapping[str, Any]]
    title: str = ""
    summary: str = ""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    start: str | None = None
    tokenizer: str | None = None
    vocabulary: int = 8192
    positions: str = "drawn"
    attention_gain: float = 1.0
    earlier_tokens: int = 0
    continuations: str | None = None
    intended_use: str = ""
    limits: str = ""
    license: str = "apache-2.0"
    language: str = "en"
    recipe: Recipe = field(default_factory=lambda: Recipe(tokens=1e6))

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name):
            raise ValueError(f"name is made of letters, digits, - and _, not {self.name!r}")
        if not self.architecture and not self.start:
            raise ValueError(
                "say architecture (with its model_type), or start (a model folder to go on from)"
            )
        if self.architecture and "model_type" not in self.architecture:
            raise ValueError("architecture needs a model_type, such as qwen2 or bert")
        if self.recipe.objective == "chat" and not (self.start or self.tokenizer):
            raise ValueError(
                "objective chat needs start or tokenizer: a model folder to take the tokenizer from"
            )
        if not isinstance(self.sources, Mapping) or not self.sources:
            raise ValueError(
                "sources is a mapping of names to train and heldout files, with one source or more"
            )
        for name, entry in self.sources.items():
            _check_source(name, entry)
        if self.positions not in POSITIONS:
            raise ValueError("positions: " + unknown_names("start", [str(self.positions)], POSITIONS))
        gain = self.attention_gain
        if isinstance(gain, bool) or not isinstance(gain, int | float) or not gain > 0:
            raise ValueError(f"attention_gain is a number above 0, not {gain!r}")
        if self.continuations is not None and self.continuations not in self.sources:
            raise ValueError("continuations: " + unknown_names("source", [self.continuations], self.sources))
        if not isinstance(self.vocabulary, int) or not 300 <= self.vocabulary <= 65_536:
            raise ValueError(
                f"vocabulary is a whole number of at least 300 and at most 65,536, not {self.vocabulary!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Flat, as the file is; `from_values` reads it back."""
        values = asdict(self)
        return values | values.pop("recipe")

    @property
    def kind(self) -> str:
        return "encoder" if self.recipe.objective == "masked" else "decoder"


def _check_source(name: str, entry: Any) -> None:
    if not isinstance(entry, Mapping):
        raise ValueError(f"source {name}: give train and heldout files, not {entry!r}")
    if unknown := [str(key) for key in entry if key not in SOURCE_KEYS]:
        raise ValueError(f"source {name}: " + unknown_names("key", unknown, SOURCE_KEYS))
    if missing := [key for key in ("train", "heldout") if not entry.get(key)]:
        raise ValueError(f"source {name}: there is no {' and no '.join(missing)} file")
    share = entry.get("share", 1)
    if isinstance(share, bool) or not isinstance(share, int | float) or not share > 0:
        raise ValueError(f"source {name}: share is a number above 0, not {share!r}")
    names = entry.get("names") or {}
    if not isinstance(names, Mapping) or not all(
        isinstance(given, str) and given for given in names.values()
    ):
        raise ValueError(
            f"source {name}: names says what each mark such as {{name}} stands for, not {names!r}"
        )


def from_values(values: Mapping[str, Any]) -> PretrainConfig:
    """A config from the flat keys of a file."""
    recipe_keys = [fact.name for fact in Recipe.facts()]
    own_keys = [f.name for f in fields(PretrainConfig) if f.name != "recipe"]
    known = [*own_keys, *recipe_keys]
    if unknown := [str(key) for key in values if key not in known]:
        raise ValueError(unknown_names("key", unknown, known))
    if missing := [key for key in ("name", "sources") if key not in values]:
        raise ValueError(f"there is no {' and no '.join(missing)}")
    recipe = Recipe.from_dict({key: values[key] for key in recipe_keys if key in values})
    return PretrainConfig(**{key: values[key] for key in own_keys if key in values}, recipe=recipe)


def load_config(path: Path, changes: Mapping[str, Any] | None = None) -> PretrainConfig:
    """Read a YAML file, with some keys set otherwise. ValueError names the file, the key and the nearest right one."""
    if not path.is_file():
        raise ValueError(
            f"there is no pretraining file {path}; shipped ones: {', '.join(shipped_configs()) or 'none'}"
        )
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} is not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path.name}: a pretraining file is a mapping of keys to values")
    given = {key: value for key, value in (changes or {}).items() if value is not None}
    if {"tokens", "minutes"} & set(given):
        values = {key: value for key, value in values.items() if key not in ("tokens", "minutes")}
    try:
        return from_values(values | given)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def shipped_configs() -> list[str]:
    """Names that the command takes without a path."""
    return sorted(path.stem for path in (shipped("assets") / "pretraining").glob("*.yaml"))


def find_config(name: str) -> Path:
    """A path, or the name of a shipped file."""
    path = shipped("assets") / "pretraining" / f"{name}.yaml"
    return path if not Path(name).exists() and path.is_file() else Path(name)


def sources_of(config: PretrainConfig, base: Path) -> list[Source]:
    """The corpora, found under `base` or under the folder WORKBENCH_SHARED; ValueError names a missing file."""
    return [
        Source(
            name,
            _file(name, str(entry["train"]), base),
            _file(name, str(entry["heldout"]), base),
            float(entry.get("share", 1)),
            str(entry.get("about", "")),
            str(entry.get("license", "")),
        )
        for name, entry in config.sources.items()
    ]


def _file(source: str, name: str, base: Path) -> Path:
    shared = os.environ.get("WORKBENCH_SHARED")
    roots = [base, *([Path(shared)] if shared else [])]
    for root in roots:
        if (root / name).is_file():
            return root / name
    where = " nor in ".join(str(root) for root in roots)
    hint = "" if shared else "; set WORKBENCH_SHARED to the folder that holds the corpora"
    raise ValueError(f"source {source}: there is no file {name} in {where}{hint}")


def model_folder(ref: str, base: Path) -> Path:
    """A model folder: `embedded:NAME`, or a path from `base` on."""
    if ref.startswith(EMBEDDED):
        name, root = ref.removeprefix(EMBEDDED), shipped("assets") / "models"
        known = sorted(path.parent.name for path in root.glob("*/config.json"))
        if name not in known:
            raise ValueError(unknown_names("embedded model", [name], known))
        return root / name
    if not (base / ref / "config.json").is_file():
        raise ValueError(f"there is no model folder {base / ref} (with a config.json); or say embedded:NAME")
    return base / ref


def with_processes(config: PretrainConfig, processes: int) -> PretrainConfig:
    """The same with their number settled."""
    return replace(config, recipe=replace(config.recipe, processes=processes))
