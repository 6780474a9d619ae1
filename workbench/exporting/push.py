"""Sends an export to the Hugging Face Hub, after a dry run that says what would be sent. The token is used and forgotten."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.exporting.card import open_fields

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,94}/[A-Za-z0-9][\w.-]{0,94}")
# What is part of the export but nobody else's business, or is no file of it.
LEFT_OUT = (".*", "*.tmp", "*.part*")


@dataclass(frozen=True)
class Sending:
    """What a push would do: nothing was sent yet. `open_fields` are the card's lines that still have to be filled in."""

    repo: str
    private: bool
    files: tuple[tuple[str, int], ...]
    open_fields: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"bytes": self.bytes}


def check_name(repo: str) -> None:
    """ValueError where the Hub would not take it."""
    if not _REPO.fullmatch(repo):
        raise ValueError(f"a repository on the Hub is named OWNER/NAME, not {repo!r:.100}")


def dry_run(folder: Path, repo: str, *, private: bool = True) -> Sending:
    """ValueError where the folder is no export or the name can't be a repository's."""
    check_name(repo)
    card = folder / "README.md"
    if not card.is_file():
        raise ValueError(f"{folder} is no export: its card README.md is missing")
    files = tuple(
        (str(path.relative_to(folder)), path.stat().st_size)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    return Sending(repo, private, files, tuple(open_fields(card.read_text(encoding="utf-8"))))


def push(
    folder: Path, sending: Sending, token: str, *, endpoint: str | None = None, unfilled: bool = False
) -> str:
    """Make the repository where it is not there and send the files; the address of the commit.

    A card with open fields is sent only where `unfilled` says so.
    """
    if sending.open_fields and not unfilled:
        raise ValueError(
            f"the card has {len(sending.open_fields)} lines to fill in, the first is {sending.open_fields[0]!r:.120}: fill them"
            " in README.md first, or say that it shall be sent as it is"
        )
    if not token.strip():
        raise ValueError("a push needs a token of the Hub that may write: set HF_TOKEN")
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=endpoint, token=token.strip())
    try:
        api.create_repo(sending.repo, private=sending.private, exist_ok=True, repo_type="model")
        done = api.upload_folder(
            repo_id=sending.repo,
            folder_path=str(folder),
            commit_message="A fine-tuned model from the workbench",
            ignore_patterns=list(LEFT_OUT),
        )
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no")
        reason = _without(str(error).strip().splitlines()[0], token)
        raise ValueError(f"the Hub refused {sending.repo} (status {status}): {reason[:300]}") from None
    except Exception as error:  # whatever its HTTP library raises on a line that is down
        raise ValueError(
            f"the Hub could not be reached ({type(error).__name__}): {_without(str(error), token)[:200]}"
        ) from None
    return str(done.commit_url)


def _without(text: str, token: str) -> str:
    """An error's text never shows the token."""
    return text.replace(token.strip(), "(token)")
