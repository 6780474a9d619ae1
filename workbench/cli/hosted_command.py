"""The commands `snapshot`, `restore` and `clean` for a store, and `hosted` for a shared page: limits, keys, accounts, removal."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import getpass
import sys
import time
from collections.abc import Callable
from pathlib import Path

from workbench.cli.printing import print_json, say
from workbench.home import default_store
from workbench.hosted import load_limits, owners, removal, shared
from workbench.hosted.accounts import set_password
from workbench.hosted.cleanup import clean
from workbench.hosted.limits import MEGABYTE, own_file
from workbench.hosted.snapshot import read_snapshot, restore_snapshot, write_snapshot
from workbench.store import Store

# A run is asked to stop, told so, and then killed: 30 seconds in all, and some for a busy machine.
STOPPING_SECONDS = 60.0


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
    hosted = command(
        "hosted",
        look_after_hosted,
        "a shared page: its limits, signing key, accounts, shared reports, and removal",
    )
    hosted.add_argument(
        "what",
        choices=("limits", "rotate-key", "account", "shared", "unshare", "forget"),
        help="print the limits in force; sign cookies with a new key; set the password of an account; list the reports that"
        " visitors share; stop sharing one; remove everything of one visitor",
    )
    hosted.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        help="of the account, whose password is read from standard input; or the token of the shared report; or the visitor:"
        " the 32 hex digits at the beginning of their cookie",
    )
    hosted.add_argument("--dry-run", action="store_true", help="with forget: only say what would go")


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
    if arguments.what == "shared":
        return _list_shared(store, arguments.json)
    if arguments.what == "unshare":
        return _unshare(store, arguments.name)
    if arguments.what == "forget":
        return _forget(store, arguments.name or "", arguments.dry_run, arguments.json)
    if not arguments.name:
        raise ValueError("say whose password: workbench hosted account NAME")
    set_password(store.folder, arguments.name, _password())
    say(f"the page asks for a password from its next start on; {arguments.name} has one")
    return 0


def _list_shared(store: Store, as_json: bool) -> int:
    """The newest first: token, day, size, owner, title."""
    found = shared.shared(store, load_limits())
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
    for one in () if as_json else found:
        day = time.strftime("%Y-%m-%d", time.localtime(one.made_at))
        print(f"{one.token}  {day}  {one.bytes / MEGABYTE:6.2f} MB  {one.owner}  {one.title}")
    if not found:
        say("nothing is shared")
    return 0


def _unshare(store: Store, token: str | None) -> int:
    if not token or not shared.stop(store, token):
        raise ValueError("say the token of a report that is shared: `workbench hosted shared` lists them")
    say(f"{token} is not shared any more")
    return 0


def _forget(store: Store, owner: str, dry_run: bool, as_json: bool) -> int:
    """Everything of one visitor. Runs under way are waited for, whether or not a page looks after the queue."""
    found = removal.holdings(store, owner) if dry_run else removal.forget_owner(store, owner)
    left = 0 if dry_run else _wait_for_stopping(store)
    if as_json:
        print_json({**dataclasses.asdict(found), "active": found.active if dry_run else left})
        return 0
    for sentence in found.words():
        print(sentence)
    if not found:
        say(f"nothing of {owner} is kept here")
    elif dry_run:
        say("all this would be removed")
    else:
        say(
            f"removed; {left} runs are stopping still: a page takes them when they have"
            if left
            else "removed"
        )
    return 0


def _wait_for_stopping(store: Store) -> int:
    """Remove runs of those who are gone as they stop. Returns how many have not within the time that stopping takes."""
    from workbench.runner import Runner

    if waiting := removal.stopping(store):
        with contextlib.suppress(TimeoutError):
            Runner(store).wait(waiting, timeout=STOPPING_SECONDS)
        removal.remove_stopped(store)
    return len(removal.stopping(store))


def _password() -> str:
    """Never an argument: arguments can be read by everybody on the machine."""
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\n")
