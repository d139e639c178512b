"""joulebird table N RUNS...: a table of the paper from finished runs.

Table 2: accuracy, energy and FLOPs of every method at every pruning ratio, below them the improvement over the best other method.
"""

import argparse
import inspect
from typing import List

from joulebird.harness.cli.output import put
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError
from joulebird.reports import REPORTS

EXAMPLES = """examples:
  joulebird table 2 demo-runs
  joulebird table 2 runs --form tex -o table2.tex
  joulebird table 2 runs --energy per-epoch --published
  joulebird table 2 --recount                   every published FLOPs cell beside our recount
"""
FORMS = ("text", "md", "tex", "csv", "html", "json")
# option of the command line -> (keyword of the report, its value when not given)
OPTIONS = {
    "energy": "measured",
    "accuracy": "best",
    "net": False,
    "flops": "exact",
    "published": False,
    "rail": None,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird table`."""
    parser.epilog = EXAMPLES
    parser.add_argument("number", metavar="N", help="which table: " + ", ".join(numbers()))
    parser.add_argument(
        "runs", nargs="*", metavar="RUNS", help="folders of runs, or of single runs"
    )
    parser.add_argument(
        "--form", choices=FORMS, default="text", help="how it is written (default: text)"
    )
    parser.add_argument(
        "--json", action="store_const", const="json", dest="form", help="the same as --form json"
    )
    parser.add_argument(
        "--energy",
        choices=("measured", "per-epoch"),
        default="measured",
        help="each run's whole recording, or the mean recorded epoch of each structure times the epochs trained",
    )
    parser.add_argument(
        "--accuracy",
        choices=("best", "last"),
        default="best",
        help="of the best epoch, as in the paper, or of the last",
    )
    parser.add_argument("--net", action="store_true", help="energies less the idle power")
    parser.add_argument(
        "--flops",
        choices=("exact", "paper"),
        default="exact",
        help="exact, or rounded as the paper does",
    )
    parser.add_argument(
        "--published", action="store_true", help="the paper's own numbers below ours"
    )
    parser.add_argument("--rail", metavar="R", help="one rail instead of the source's total")
    parser.add_argument(
        "--recount",
        action="store_true",
        help="every published FLOPs cell beside our recount; needs no runs",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="write to FILE instead (- is stdout)"
    )


def main(args: argparse.Namespace) -> int:
    """Make the table and write it."""
    if args.recount:
        if args.runs:
            raise HarnessError(
                "--recount takes no runs", f"joulebird table {args.number} --recount"
            )
        table = registry.resolve("joulebird.reports.tables.recount:table")(
            int(args.number) if args.number.isdigit() else args.number
        )
    else:
        table = make(args)
    put(table.render(args.form), args.output)
    return 0


def make(args: argparse.Namespace):
    """The table of some runs, with the options that this table knows; raises HarnessError for one that it does not know."""
    if args.number not in numbers():
        raise HarnessError(f"there is no table {args.number}", "there are: " + ", ".join(numbers()))
    if not args.runs:
        raise HarnessError(
            "name a folder of runs", f"for instance `joulebird table {args.number} runs`"
        )
    report = registry.find(REPORTS, "report", "table" + args.number)
    known = inspect.signature(report).parameters
    given = {
        name: getattr(args, name)
        for name, default in OPTIONS.items()
        if getattr(args, name) != default
    }
    for name in given:
        if name not in known:
            raise HarnessError(f"table {args.number} has no --{name}", "leave it out")
    return report(args.runs, **given)


def numbers() -> List[str]:
    """The tables there are."""
    return [name[len("table") :] for name in REPORTS if name.startswith("table")]
