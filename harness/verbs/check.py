"""joulebird check RUNS: is a finished study trustworthy? Sixteen rules after MLPerf Power and Training, each pass, warn or fail.

The exit code is 6 when a rule fails (with --strict also when one warns).
"""

import argparse

from joulebird.harness.cli.output import add_output, put
from joulebird.reports.checks.check import check

EXAMPLES = """examples:
  joulebird check runs
  joulebird check runs --strict --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird check`."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "runs", nargs="+", metavar="RUNS", help="folders of runs, or of single runs"
    )
    parser.add_argument("--strict", action="store_true", help="a warning counts as a failure")
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Apply the rules and print the findings."""
    found = check(args.runs)
    put(found.json() if args.json else found.text(), args.output)
    return found.exit_code(args.strict)
