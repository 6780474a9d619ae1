"""The command `compare`: the table of one setting, its claims, or the whole report."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from workbench.cli.printing import print_json
from workbench.home import default_store
from workbench.store import Store

FORMATS = ("table", "json", "csv", "markdown", "html")


def add(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command with its arguments; `command` is the parser's own way to add one."""
    compare = command("compare", look_at_comparison, "the table of one setting")
    compare.add_argument("--setting", metavar="ID", help="which setting (default: that of the newest run)")
    compare.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="html and markdown are the whole report (default: table)",
    )
    compare.add_argument(
        "--claims", action="store_true", help="what papers say of these methods, judged by these runs"
    )


def look_at_comparison(arguments: argparse.Namespace) -> int:
    from workbench import claims, report
    from workbench.compare import comparison

    store = Store(default_store())
    found = comparison(store, arguments.setting)
    as_json = arguments.json or arguments.format == "json"
    if arguments.claims:
        told = claims.findings(store, found)
        if as_json:
            print_json({"setting": found.setting.id, "claims": [one.record() for one in told]})
        else:
            print(claims.to_text(told))
    elif as_json:
        print_json(found.document())
    elif arguments.format in ("markdown", "html"):
        from workbench import report_html, report_markdown
        from workbench.report_content import gather

        form = {"markdown": report_markdown.to_markdown, "html": report_html.to_html}[arguments.format]
        print(form(gather(store, found)).rstrip("\n"))
    else:
        print({"table": report.to_text, "csv": report.to_csv}[arguments.format](found).rstrip("\n"))
    return 0
