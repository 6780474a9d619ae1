"""The `workbench` command: everything the page does. `workbench --help` lists the commands."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from workbench.cli.parser import build_parser
from workbench.cli.printing import complain


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. 0: all well; 1: some runs failed; 2: bad input, said in one line on standard error."""
    arguments = build_parser().parse_args(argv)
    if getattr(arguments, "store", None):
        os.environ["WORKBENCH_HOME"] = os.path.abspath(os.path.expanduser(arguments.store))
    from workbench.store import StoreError

    try:
        return arguments.command(arguments)
    except (ValueError, LookupError, StoreError) as error:
        return complain(error)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
