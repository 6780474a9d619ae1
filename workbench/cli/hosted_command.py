"""The commands `snapshot`, `restore` and `clean` for a store, and `hosted` for a shared page: limits, keys, accounts, status."""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from workbench.cli.printing import print_json, say
from workbench.home import default_store
from workbench.hosted import load_limits, owners
from workbench.hosted.accounts import set_password
from workbench.hosted.cleanup import clean
from workbench.hosted.limits import own_file
from workbench.hosted.snapshot import read_snapshot, restore_snapshot, write_snapshot
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands with their arguments; `command` is the parser's own way to add one."""
    snapshot = command("snapshot", take_snapshot, "copy the whole store into one file, while it is in use")
    snapshot.add_argument("file", metavar="FILE", type=Path)
    snapshot.add_argument("--look", action="store_true", help="only say what the file holds")
    restore = command("restore", restore_store, "make the store from such a copy")
    restore.add_argument("file", metavar="FILE", type=Path)
    restore.add_argument(
        "--replace", action="store_true", help="move a store aside that holds runs already (default: refuse)"
    )
    cleaning = command("clean", clean_store, "remove old runs and uploads, and what nobody uses")
    cleaning.add_argument(
        "--days",
        type=float,
        metavar="N",
        help="keep what is younger (default: keep_days of the settings file)",
    )
    cleaning.add_argument("--dry-run", action="store_true", help="only say what would go")
    hosted = command("hosted", look_after_hosted, "a shared page: its limits, its signing key, its accounts")
    hosted.add_argument(
        "what",
        choices=("limits", "rotate-key", "account"),
        help="print the limits in force; sign cookies with a new key; set the password of an account",
    )
    hosted.add_argument(
        "name", metavar="NAME", nargs="?", help="of the account; the password is read from standard input"
    )


def take_snapshot(arguments: argparse.Namespace) -> int:
    made = (
        read_snapshot(arguments.file)
        if arguments.look
        else write_snapshot(Store(default_store()), arguments.file)
    )
    if arguments.json:
        print_json(dataclasses.asdict(made))
    else:
        print(f"{arguments.file}: {made.sentence()}")
    return 0


def restore_store(arguments: argparse.Namespace) -> int:
    folder = default_store()
    found = restore_snapshot(arguments.file, folder, replace=arguments.replace)
    Store(folder)  # an older schema is carried forward now, and not under a visitor's hands
    if arguments.json:
        print_json({"store": str(folder), **dataclasses.asdict(found)})
    else:
        print(f"{folder}: {found.sentence()}")
    return 0


def clean_store(arguments: argparse.Namespace) -> int:
    if arguments.days is not None and not arguments.days >= 0:
        raise ValueError(f"--days is a number from 0 up, not {arguments.days}")
    days = load_limits().keep_days if arguments.days is None else arguments.days
    swept = clean(Store(default_store()), keep_days=days, dry_run=arguments.dry_run)
    if arguments.json:
        print_json(dataclasses.asdict(swept))
    else:
        print(swept.sentence(arguments.dry_run))
    return 0


def look_after_hosted(arguments: argparse.Namespace) -> int:
    folder = default_store()
    if arguments.what == "limits":
        limits = load_limits()
        if arguments.json:
            print_json(dataclasses.asdict(limits))
        else:
            print(f"changed by {own_file()}\n")
            print("\n".join(f"{title}: {sentence}" for title, sentence in limits.words()))
        return 0
    store = Store(folder)
    if arguments.what == "rotate-key":
        kept = owners.rotate(store.folder)
        print_json({"keys": kept}) if arguments.json else print(
            "new cookies are signed with a new key; the last one stays good"
        )
        return 0
    if not arguments.name:
        raise ValueError("say whose password: workbench hosted account NAME")
    set_password(store.folder, arguments.name, _password())
    say(f"the page asks for a password from its next start on; {arguments.name} has one")
    return 0


def _password() -> str:
    """Never an argument: arguments can be read by everybody on the machine."""
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\n")
