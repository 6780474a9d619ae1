"""Names and passwords of a private server: a file `accounts` in the store's folder, one scrypt hash on each line."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

FILE = "accounts"
LEAST = 8
_NAME = re.compile(r"[\w.@-]{1,64}")
_COST = {"n": 2**14, "r": 8, "p": 1}


def has_accounts(store_folder: Path) -> bool:
    """Whether this server asks for a password."""
    return (store_folder / FILE).is_file()


def set_password(store_folder: Path, name: str, password: str) -> None:
    """Add an account, or give it a new password. With the first one the page begins to ask at its next start."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"a name has 1 to 64 letters, digits, . _ @ or -, not {name!r:.80}")
    if len(password) < LEAST:
        raise ValueError(f"a password has at least {LEAST} characters, this one has {len(password)}")
    salt = secrets.token_hex(16)
    others = {known: line for known, line in _lines(store_folder).items() if known != name}
    lines = [*others.values(), f"{name}:{salt}:{_hash(password, salt)}"]
    store_folder.mkdir(parents=True, exist_ok=True)
    part = store_folder / f".{FILE}.{secrets.token_hex(4)}"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.replace(part, store_folder / FILE)


def is_password(store_folder: Path, name: str, password: str) -> bool:
    """Whether that is the account's password; unknown names take as long as known ones."""
    line = _lines(store_folder).get(name, f"{name}:{'0' * 32}:{'0' * 64}")
    _, salt, kept = line.rsplit(":", 2)
    return hmac.compare_digest(_hash(password, salt), kept)


def _lines(store_folder: Path) -> dict[str, str]:
    try:
        text = (store_folder / FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {line.split(":", 1)[0]: line for line in text.splitlines() if line.count(":") == 2}


def _hash(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), dklen=32, **_COST).hex()
