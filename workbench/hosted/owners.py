"""Who a visitor is: random owners in signed tokens, owners of named accounts, and the keys that sign, with their rotation."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from pathlib import Path

STRANGER = "stranger"
"""A visitor without a valid cookie: owns nothing and may queue nothing."""
SECRET = "secret"
KEPT_KEYS = 2
_OWNER = re.compile(r"[0-9a-f]{32}", re.ASCII)
_LEAST = 32


def new_owner() -> str:
    return secrets.token_hex(16)


def is_owner(name: str) -> bool:
    """Whether a visitor can be called so."""
    return _OWNER.fullmatch(name) is not None


def account_owner(kind: str, name: str) -> str:
    """The owner of a named account, the same on each machine of the account's holder. It is no secret: only a token is."""
    return hashlib.sha256(f"{kind}\0{name}".encode()).hexdigest()[:32]


def sign(owner: str, keys: Sequence[bytes]) -> str:
    """The owner with a signature by the newest key: what a visitor's cookie holds."""
    return f"{owner}.{_signature(owner, keys[0])}"


def verified(token: str, keys: Sequence[bytes]) -> str | None:
    """The owner that a token was signed for with any of the keys; None for anything else."""
    owner, _, signature = token.partition(".")
    if not _OWNER.fullmatch(owner) or not signature.isascii():
        return None
    # Every key is tried, so that the time taken does not tell which one fits.
    fits = [hmac.compare_digest(signature, _signature(owner, key)) for key in keys]
    return owner if any(fits) else None


def is_fresh(token: str, keys: Sequence[bytes]) -> bool:
    """Whether the newest key signed it; an older one's token is still good, and is replaced on the way."""
    return verified(token, keys[:1]) is not None


def signing_keys(store_folder: Path) -> tuple[bytes, ...]:
    """The newest first: WORKBENCH_SECRET (several separated by commas), or those kept in the store's folder."""
    if given := os.environ.get("WORKBENCH_SECRET"):
        keys = [word.strip().encode() for word in given.split(",") if word.strip()]
        if not keys or min(map(len, keys)) < _LEAST:
            raise ValueError(
                f"WORKBENCH_SECRET needs at least {_LEAST} characters: `openssl rand -hex 32` makes some"
            )
        return tuple(keys)
    path = store_folder / SECRET
    with (
        contextlib.suppress(FileExistsError),
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file,
    ):
        file.write(_new_key() + "\n")
    kept = path.read_text(encoding="ascii", errors="replace").split()
    if not kept or min(map(len, kept)) < _LEAST:
        raise ValueError(
            f"{path} is not a signing secret any more: delete it, and the next start makes a new one"
        )
    return tuple(key.encode() for key in kept)


def rotate(store_folder: Path) -> int:
    """Sign with a new key from now on; the one before it stays good, older ones are forgotten. Returns how many there are.

    A page that is running takes the new key at its next request.
    """
    if os.environ.get("WORKBENCH_SECRET"):
        raise ValueError("WORKBENCH_SECRET gives the key: put a new one before it, separated by a comma")
    before = [key.decode() for key in signing_keys(store_folder)]
    keys = [_new_key(), *before][:KEPT_KEYS]
    part = store_folder / f".{SECRET}.{secrets.token_hex(4)}"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(keys) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, store_folder / SECRET)
    return len(keys)


class Keys:
    """The keys of one store, read again when their file has changed."""

    def __init__(self, store_folder: Path) -> None:
        self._folder = store_folder
        self._keys = signing_keys(store_folder)
        self._stamp = self._look()

    def __call__(self) -> tuple[bytes, ...]:
        if (stamp := self._look()) != self._stamp:
            self._keys, self._stamp = signing_keys(self._folder), stamp
        return self._keys

    def _look(self) -> int:
        try:
            return (self._folder / SECRET).stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def _new_key() -> str:
    return secrets.token_hex(32)


def _signature(owner: str, key: bytes) -> str:
    return hmac.new(key, owner.encode(), hashlib.sha256).hexdigest()
