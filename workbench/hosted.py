"""What a hosted page allows: limits said in words, and signed owner tokens. WORKBENCH_HOSTED=1 switches it on."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.options import unknown_names
from workbench.sources import embedded
from workbench.spec import Budget, Setting

if TYPE_CHECKING:
    from workbench.data import Prepared
    from workbench.presets import Preset

SMALL_HUB_MODELS = (
    "distilbert/distilbert-base-uncased",
    "google-bert/bert-base-uncased",
    "google/electra-small-discriminator",
    "prajjwal1/bert-tiny",
)
_OWNER = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Limits:
    """How much one visitor may ask for. `steps` counts optimiser steps of one run, whatever the kind of budget."""

    runs: int = 12
    steps: int = 1000
    seconds: int = 300
    max_length: int = 256
    batch_size: int = 64
    rows: int = 10_000
    models: tuple[str, ...] = SMALL_HUB_MODELS

    def sentence(self) -> str:
        """The limits as a visitor reads them."""
        return (
            f"This page is shared. Each visitor has at most {self.runs} runs waiting or training at a time, each of at"
            f" most {self.steps:,} steps or {self.seconds // 60} minutes, on at most {self.rows:,} rows of at most"
            f" {self.max_length} tokens."
        )


def check_plan(
    preset: Preset, prepared: Prepared, limits: Limits, *, seeds: int = 0, active: int = 0, settings: int = 1
) -> None:
    """ValueError with one sentence where a plan asks for more than a visitor may have.

    `active` is the number of runs that the visitor has waiting or training already, `settings` how many the plan has:
    one for each size of a learning curve.
    """
    setting = Setting(data=prepared.spec, model=preset.model, **preset.setting)
    check_model(preset.model, limits)
    wanted = len(preset.methods) * (seeds or len(preset.seeds)) * settings
    if active + wanted > limits.runs:
        already = f" and {active} of yours are not done yet" if active else ""
        raise ValueError(
            f"This shared page takes {limits.runs} runs of a visitor at a time; the plan has {wanted}{already}: tick"
            " fewer methods or seeds, or run the workbench on your own machine."
        )
    rows = sum(len(part) for part in prepared.rows.values())
    _at_most("rows", rows, limits.rows, "draw fewer under Advanced on the Data tab")
    _at_most("tokens of longest input", setting.max_length, limits.max_length, "lower the longest input")
    _at_most(
        "rows per batch", setting.batch_size * setting.gradient_accumulation, limits.batch_size, "lower it"
    )
    if setting.budget.kind == "seconds":
        _at_most("seconds for each run", int(setting.budget.amount), limits.seconds, "lower the budget")
    else:
        steps = steps_of(setting, len(prepared.rows["train"]))
        _at_most("steps for each run", steps, limits.steps, "lower the budget")


def check_model(model: str, limits: Limits) -> None:
    """Embedded models, a visitor's own runs, and a few small models of the Hub."""
    known = [card.ref for card in embedded()]
    if model in known or model in limits.models or model.startswith("run:"):
        return
    raise ValueError(
        "This shared page trains small models only: "
        + unknown_names("model", [model], [*known, *limits.models])
    )


def steps_of(setting: Setting, train_rows: int) -> int:
    """Optimiser steps of one run with a budget of steps or epochs."""
    budget: Budget = setting.budget
    if budget.kind == "steps":
        return int(budget.amount)
    per_epoch = -(-train_rows // (setting.batch_size * setting.gradient_accumulation))
    return int(-(-budget.amount * per_epoch // 1))


def _at_most(what: str, given: int, most: int, way_out: str) -> None:
    if given > most:
        raise ValueError(
            f"This shared page takes at most {most:,} {what}, not {given:,}: {way_out}, or run the workbench on your own"
            " machine."
        )


def signing_secret(store_folder: Path) -> bytes:
    """WORKBENCH_SECRET, or one made once and kept in the store's folder, so that visitors stay who they are."""
    if given := os.environ.get("WORKBENCH_SECRET"):
        return given.encode()
    path = store_folder / "secret"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    kept = path.read_text().strip()
    if len(kept) < 32:
        raise ValueError(
            f"{path} is not a signing secret any more: delete it, and the next start makes a new one"
        )
    return kept.encode()


def new_owner() -> str:
    return secrets.token_hex(16)


def sign(owner: str, secret: bytes) -> str:
    """The owner with a signature: what a visitor's cookie holds."""
    return f"{owner}.{_signature(owner, secret)}"


def verified(token: str, secret: bytes) -> str | None:
    """The owner that a token was signed for; None for anything else."""
    owner, _, signature = token.partition(".")
    if not _OWNER.fullmatch(owner) or not signature.isascii():
        return None
    return owner if hmac.compare_digest(signature, _signature(owner, secret)) else None


def _signature(owner: str, secret: bytes) -> str:
    return hmac.new(secret, owner.encode(), hashlib.sha256).hexdigest()
