"""The commands `export` and `code`: what a finished run can be taken home as, and the script that repeats it."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.cli.look import find_run
from workbench.cli.printing import print_json, print_table, say
from workbench.exporting import forms
from workbench.home import default_store
from workbench.result import Run
from workbench.store import Store


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add both commands; `command` is the parser's own way to add one."""
    export = command(
        "export", run_export, "take a finished run home: adapter, whole, 8-bit, 4-bit or pruned model"
    )
    export.add_argument("run", metavar="RUN")
    export.add_argument(
        "--to", metavar="DIR", help="a new folder; without it the forms are listed that it can take"
    )
    export.add_argument(
        "--as", dest="form", choices=tuple(forms.BY_NAME), help="default: the adapter, else the whole model"
    )
    export.add_argument("--merge", action="store_true", help="the same as --as merged")
    export.add_argument(
        "--share",
        type=float,
        default=forms.PRUNED_SHARE,
        help=f"with --as pruned: share of weights set to zero (default: {forms.PRUNED_SHARE})",
    )
    export.add_argument(
        "--license", default="", help="the licence of the weights, as the Hub names it, such as apache-2.0"
    )
    export.add_argument(
        "--push", metavar="OWNER/NAME", help="send it to the Hub; the token is HF_TOKEN, or asked for"
    )
    export.add_argument(
        "--dry-run", action="store_true", help="with --push: say what would be sent, and send nothing"
    )
    export.add_argument(
        "--public", action="store_true", help="with --push: a repository that everybody can see"
    )
    export.add_argument(
        "--unfilled", action="store_true", help="with --push: send the card with its open fields"
    )
    export.add_argument(
        "--score",
        action="store_true",
        help="score every form on the test part and time it: drift and latency, kept with the run",
    )
    code = command(
        "code",
        run_code,
        "a script and a notebook that repeat a finished run with transformers and peft alone",
    )
    code.add_argument("run", metavar="RUN")
    code.add_argument("--to", metavar="DIR", help="a new folder; without it the script is printed")


def run_export(arguments: argparse.Namespace) -> int:
    store = Store(default_store())
    run = find_run(store, arguments.run)
    if arguments.score:
        return _score(store, run, arguments)
    if not arguments.to:
        return _list(store, run, arguments.json)
    from workbench.exporting import push
    from workbench.exporting.write import export

    to = Path(arguments.to).expanduser()
    if arguments.push:
        push.check_name(arguments.push)
    done = export(
        store,
        run,
        _form(store, run, arguments),
        to,
        share=arguments.share,
        license=arguments.license,
        progress=lambda words, share: say(f"{share:4.0%}  {words}"),
    )
    found: dict[str, Any] = done.to_dict()
    if arguments.push:
        sending = push.dry_run(to, arguments.push, private=not arguments.public)
        found["push"] = sending.to_dict()
        if not arguments.dry_run:
            found["push"]["commit"] = push.push(to, sending, _token(), unfilled=arguments.unfilled)
    if arguments.json:
        print_json(found)
        return 0
    _tell(found)
    return 0


def _form(store: Store, run: Run, arguments: argparse.Namespace) -> str:
    if arguments.merge or arguments.form:
        return "merged" if arguments.merge else arguments.form
    return "merged" if forms.offer(store, run, forms.form("adapter")).reason else "adapter"


def _list(store: Store, run: Run, as_json: bool) -> int:
    found = forms.offers(store, run)
    if as_json:
        print_json(
            {
                "run": run.id,
                "forms": [
                    {"name": o.form.name, "title": o.form.title, "reason": o.reason, "note": o.note}
                    for o in found
                ],
            }
        )
        return 0
    print_table(
        ["--as", "", ""], [[o.form.name, o.form.title, o.reason or o.note or o.form.sentence] for o in found]
    )
    return 0


def _token() -> str:
    """From the environment, or typed unseen; never an argument, which the shell would remember."""
    given = os.environ.get("HF_TOKEN", "")
    if not given and sys.stdin.isatty():
        given = getpass.getpass("Token of the Hub (it is not kept): ")
    return given


def _tell(found: dict[str, Any]) -> None:
    print(f"{found['folder']}  {found['bytes'] / 1e6:,.2f} MB")
    if check := found.get("check"):
        print(
            f"loaded back with public libraries: {check['same']} of {check['texts']} {check['what']} the same, logits differ by"
            f" at most {check['largest_difference']:.2g}"
        )
    if sent := found.get("push"):
        print(
            f"{'sent' if 'commit' in sent else 'would send'} to {sent['repo']}{' (private)' if sent['private'] else ''}:"
        )
        for name, size in sent["files"]:
            print(f"  {size:>12,}  {name}")
        for line in sent["open_fields"]:
            print(f"  to fill in: {line}")
        if "commit" in sent:
            print(sent["commit"])


def _score(store: Store, run: Run, arguments: argparse.Namespace) -> int:
    from workbench.deployed import measure_forms
    from workbench.deployed_record import table

    chosen = [arguments.form] if arguments.form else None
    found = measure_forms(
        store, run, chosen, share=arguments.share, progress=lambda words, share: say(f"{share:4.0%}  {words}")
    )
    if arguments.json:
        print_json(found)
        return 0
    header, rows = table(found)
    print_table(header, rows, right=range(1, len(header)))
    for one in found["forms"]:
        if one["reason"]:
            print(f"{one['title']}: {one['reason']}")
    return 0


def run_code(arguments: argparse.Namespace) -> int:
    from workbench.standalone.script import code_of, write_code

    store = Store(default_store())
    run = find_run(store, arguments.run)
    if not arguments.to:
        code = code_of(store, run)
        if arguments.json:
            print_json({"run": run.id, "lines": code.lines, "script": code.script})
        else:
            print(code.script, end="")
        return 0
    to = Path(arguments.to).expanduser()
    code = write_code(store, run, to)
    files = sorted(str(path.relative_to(to)) for path in to.rglob("*") if path.is_file())
    if arguments.json:
        print_json({"run": run.id, "folder": str(to), "lines": code.lines, "files": files})
    else:
        print(f"{to}: {', '.join(files)}\n{code.lines} lines; run it there: python train.py")
    return 0
