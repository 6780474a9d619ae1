"""Names that want out of their folder: every way of saying "up there" that an earlier hole was made of."""

from __future__ import annotations

import os
from pathlib import Path


def names_for(target: Path) -> list[str]:
    """Over 40 ways to name a file outside, as a person, a browser or a client of the raw interface may send them."""
    path = str(target)
    up = "/".join([".."] * 12)
    bare = path.lstrip("/")
    return [
        path,
        f"//{bare}",
        f"///{bare}",
        f"{up}/{bare}",
        f"./{up}/{bare}",
        f"/{up}/{bare}",
        f"data/{up}/{bare}",
        f"....//....//....//....//....//....//{bare}",
        f"..;/{up}/{bare}",
        f"{up}//{bare}",
        up.replace("/", "\\") + "\\" + bare.replace("/", "\\"),
        path.replace("/", "\\"),
        f"C:{path}",
        f"C:\\{bare}",
        f"\\\\localhost\\{bare}",
        f"\\\\?\\{path}",
        f"file://{path}",
        f"file:{path}",
        f"FILE:///{bare}",
        f"http://127.0.0.1:1/{bare}",
        f"https://localhost/{bare}",
        f"gopher://127.0.0.1{path}",
        f"~{up}/{bare}",
        "~/.bashrc",
        "~root/.profile",
        "$HOME/../" + bare,
        f"{path}\0",
        f"{path}\0.csv",
        f"reviews\0{path}",
        f"{path}%00.csv",
        path.replace("/", "%2f"),
        path.replace("/", "%252f"),
        up.replace("..", "%2e%2e") + path,
        up.replace(".", "%c0%ae") + path,
        up.replace("..", ".%2e") + path,
        path.replace("/", "\u2215"),
        path.replace("/", "\uff0f"),
        up.replace(".", "\uff0e") + path,
        f"embedded:{up}/{bare}",
        f"embedded:{path}",
        f"upload:{up}/{bare}",
        f"upload:0123456789abcdef/{up}/{bare}",
        f"upload:{'0' * 16}/..%2f..%2f{bare}",
        f"run:{up}/{bare}",
        f"best:{path}+{path}",
        f"reviews/../{up}/{bare}",
        f"stanfordnlp/{up}/{bare}",
        f" {path} ",
        f"\t{path}\n",
        f"{os.path.dirname(path)}/./canary.csv",
        f"{os.path.dirname(path)}/../outside/canary.csv",
        "/proc/self/environ",
        "/proc/self/cwd/app.py",
        "/dev/stdin",
        "/dev/fd/0",
    ]
