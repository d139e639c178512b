"""joulebird report RUNS -o FILE.html: one self-contained page about a study: tables, figures, every run and stage, warnings, checks."""

import argparse

from joulebird.reports.html import report

EXAMPLES = """examples:
  joulebird report demo-runs -o report.html
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird report`."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "runs", nargs="+", metavar="RUNS", help="folders of runs, or of single runs"
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE.html", help="file to write")
    parser.add_argument(
        "--energy",
        choices=("measured", "per-epoch"),
        default="measured",
        help="which energies (default: measured)",
    )


def main(args: argparse.Namespace) -> int:
    """Write the page."""
    report(args.runs, args.output, energy=args.energy)
    return 0
