"""joulebird doctor: check board, sensors and software, with a remedy for each fault.

The exit code is 6 when something is wrong. --fix applies safe remedies: it restores the power mode,
clocks and fan that a killed run left changed, and opens the sensors' files to all users until the
next boot.
"""

import os
import sys
from typing import List

from joulebird.devices import SOURCES
from joulebird.harness.cli.arguments import Namespace, changed, own, single
from joulebird.harness.cli.output import answer
from joulebird.harness.core.errors import CHECK, DONE, HarnessError, SourceError
from joulebird.harness.core.registry import dotted
from joulebird.harness.core.terminal import has_colour
from joulebird.harness.doctor import CHECKS
from joulebird.harness.doctor.check import (
    BAD,
    OK,
    Check,
    CheckResult,
    Context,
    Verdict,
    as_facts,
    as_text,
    examine,
)
from joulebird.harness.power.sources import parse_options
from joulebird.harness.verbs.sources import facts_of

EXAMPLES = """examples:
  joulebird doctor                  all checks
  joulebird doctor --json rails     one check, as JSON
"""


ARGUMENTS = (
    own("check", nargs="*", metavar="CHECK", help="only these checks (default: all)"),
    own("--fix", action="store_true", help="apply the safe remedies"),
    own("--root", default="/", metavar="DIR", help="look at a copy of a board's files under DIR"),
    changed(
        "--runs", default=".", help="folder of the runs, for the room on its disk (default: here)"
    ),
    *("--source", "--source-option", "--board", "--form", "--json", "--output"),
)


def main(args: Namespace) -> int:
    """Make the checks and print them; 6 when something is wrong."""
    folder = args.runs if os.path.isdir(args.runs) else "."
    return show(examine(Context(root=args.root, folder=folder), chosen(args), args.fix), args)


def show(results: List[CheckResult], args: Namespace) -> int:
    """Print the results; return 6 when something is wrong."""
    colour = args.output == "-" and has_colour(sys.stdout)
    answer(args, as_facts(results), as_text(results, colour))
    return CHECK if BAD in [result.status for result in results] else DONE


def chosen(args: Namespace) -> List[Check]:
    """Return the checks that were named, by default all. Raises HarnessError for an unknown one."""
    table, source = CHECKS, single(args.source, "--source")
    if source:
        own_check = named_source(source, args.source_option)
        table = [own_check if check.name == own_check.name else check for check in CHECKS]
    known = [check.name for check in table]
    for name in args.check:
        if name not in known:
            raise HarnessError(f"unknown check {name!r}", "known: " + ", ".join(known))
    return [check for check in table if not args.check or check.name in args.check]


def named_source(name: str, words: List[str]) -> Check:
    """Return the check `source` for a source that is named instead of the best one."""
    dotted(SOURCES, "source", name, SourceError)
    options = parse_options(words)

    def look(context: Context) -> Verdict:
        facts = facts_of(name, options)
        if not facts["usable"]:
            return Verdict(BAD, f"{name}: {facts['reason']}", facts["hint"])
        return Verdict(OK, f"{name}: up to {facts['rate_hz']:g} readings a second")

    return Check("source", look)
