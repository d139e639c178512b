"""joulebird doctor: every check of board, sensors and software, with what was found and what to do.

Exit code 6 when something is wrong. --fix cures what is safe to cure: it puts a board back that a killed run left, and opens the
sensors' files to all until the next boot.
"""

import argparse
import os
import sys

from joulebird.harness.cli.output import add_output, as_json, put
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.doctor.check import BAD, Context, as_facts, as_text, checks, examine

EXAMPLES = """examples:
  joulebird doctor                  all checks
  joulebird doctor --json rails     one check, as JSON
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird doctor`."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "check", nargs="*", metavar="CHECK", help="only these checks (default: all)"
    )
    parser.add_argument("--fix", action="store_true", help="cure what is safe to cure")
    parser.add_argument(
        "--runs",
        default=".",
        metavar="DIR",
        help="folder of the runs, for the room on its disk (default: here)",
    )
    parser.add_argument(
        "--root", default="/", metavar="DIR", help="look at a copy of a board's files under DIR"
    )
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Make the checks and print them; 6 when something is wrong."""
    table = checks()
    known = [check.name for check in table]
    for name in args.check:
        if name not in known:
            raise HarnessError(f"no check is called {name!r}", "there are: " + ", ".join(known))
    folder = args.runs if os.path.isdir(args.runs) else "."
    wanted = [check for check in table if not args.check or check.name in args.check]
    results = examine(Context(root=args.root, folder=folder), wanted, args.fix)
    colour = (
        args.output == "-"
        and sys.stdout.isatty()
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
    )
    put(as_json(as_facts(results)) if args.json else as_text(results, colour), args.output)
    return 6 if any(result.status == BAD for result in results) else 0
