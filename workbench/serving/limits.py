"""How the server may be used: where it listens, whose key it wants, how much one request may ask for."""

from __future__ import annotations

import hmac
import ipaddress
import os
from dataclasses import dataclass

KEY = "WORKBENCH_API_KEY"
SHORTEST_KEY = 16


@dataclass(frozen=True)
class Limits:
    """Loopback without a key by default; any other address needs one."""

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str = ""
    request_bytes: int = 1_000_000
    new_tokens: int = 1024
    prompts: int = 64
    waiting: int = 512
    batch: int = 64
    shutdown_seconds: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"a port is a number from 0 to 65535, not {self.port}")
        if not is_loopback(self.host) and not self.api_key:
            raise ValueError(
                f"an API key is required to listen on {self.host}, which others can reach: set {KEY} to one of at least"
                f" {SHORTEST_KEY} characters, or listen on 127.0.0.1"
            )
        if self.api_key and len(self.api_key) < SHORTEST_KEY:
            raise ValueError(f"{KEY} has {len(self.api_key)} characters: take at least {SHORTEST_KEY}")
        if not self.api_key.isascii():
            raise ValueError(f"{KEY} holds letters that can't stand in a header: take ASCII")
        for name in ("request_bytes", "new_tokens", "prompts", "waiting", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")

    def admits(self, authorization: str | None) -> bool:
        """Whether a request with this header may be answered."""
        if not self.api_key:
            return True
        kind, _, given = (authorization or "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.api_key.encode())

    def knows_host(self, host: str | None) -> bool:
        """Without a key only names of this machine are answered: a web page elsewhere must not reach through a browser."""
        if self.api_key:
            return True
        name = (host or "").rsplit(":", 1)[0] if not (host or "").endswith("]") else str(host)
        return is_loopback(name.strip("[]"))


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def key_from_environment() -> str:
    return os.environ.get(KEY, "").strip()
