"""joulebird table NAME RUNS...: a table of the paper from finished runs.

Table 2: accuracy, energy and FLOPs of every method at every pruning ratio, below them the
improvement over the best other method. NAME is a number, or package.module:function of your own,
which is called with the folders and returns a joulebird.reports.tables.table.Table.
"""

import inspect
from typing import Any, Dict, Iterable, List, Optional

from joulebird.harness.cli.arguments import Namespace, changed, form, own, single
from joulebird.harness.cli.output import put
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError
from joulebird.reports import REPORTS
from joulebird.reports.runs.records import load, on_board
from joulebird.reports.tables import recount

EXAMPLES = """examples:
  joulebird table 2 demo-runs
  joulebird table 2 runs --form tex -o table2.tex
  joulebird table 2 runs --energy per-epoch --published
  joulebird table 2 --recount                   every published FLOPs cell beside our recount
"""
FORMS = ("text", "md", "tex", "csv", "html", "json")
PREFIX = "table"
KINDS = (PREFIX, "figure-")
# option of the command line -> (keyword of the report, its value when not given)
OPTIONS = {
    "energy": "measured",
    "accuracy": "best",
    "net": False,
    "flops": "exact",
    "published": False,
    "rail": None,
}


def reports(prefix: str) -> Dict[str, str]:
    """Return the registered reports of one kind by their short names, and those of no kind."""
    others = tuple(kind for kind in KINDS if kind != prefix)
    return {
        name[len(prefix) :] if name.startswith(prefix) else name: path
        for name, path in REPORTS.items()
        if not name.startswith(others)
    }


ON_BOARD = changed(
    "--board", help="only the runs measured on this board: its serial number, name or host"
)
ARGUMENTS = (
    lambda: [own("name", metavar="NAME", help=f"{', '.join(reports(PREFIX))}, or module:function")],
    changed("RUNS", nargs="*"),
    *("--energy", "--accuracy", "--net", "--rail", ON_BOARD, "--output"),
    *form(*FORMS),
    own(
        "--flops",
        choices=("exact", "paper"),
        default="exact",
        help="exact (default), or rounded as the paper does",
    ),
    own("--published", action="store_true", help="the paper's own numbers below ours"),
    own(
        "--recount",
        action="store_true",
        help="every published FLOPs cell beside our recount; needs no runs",
    ),
)


def main(args: Namespace) -> int:
    """Make the table and write it."""
    if args.recount and args.runs:
        raise HarnessError("--recount takes no runs", f"joulebird table {args.name} --recount")
    name = int(args.name) if args.name.isdigit() else args.name
    table = recount.table(name) if args.recount else make(args)
    put(table.render(args.form), args.output)
    return 0


def make(args: Namespace) -> Any:
    """Return the table of some runs. Raises HarnessError for an option that this table lacks."""
    report = find(PREFIX, args.name)
    if not args.runs:
        raise HarnessError(
            "name a folder of runs", f"for instance `joulebird table {args.name} runs`"
        )
    table = report(
        chosen(args.runs, getattr(args, "board", None)), **given(report, args, f"table {args.name}")
    )
    if not hasattr(table, "render"):
        raise HarnessError(
            f"table {args.name} is a {type(table).__name__}",
            "return a joulebird.reports.tables.table.Table",
        )
    return table


def chosen(folders: List[str], boards: Optional[List[str]]) -> List[str]:
    """Return the folders of the runs that were measured on the board given, if one is.

    Raises HarnessError for a board without any, and for two boards.
    """
    if not boards:
        return folders
    return [run.folder for run in on_board(load(folders), single(boards, "--board"))]


def find(prefix: str, name: str) -> Any:
    """Return the report of a name or a dotted path. Raises HarnessError with the nearest name."""
    return registry.find(reports(prefix), prefix.rstrip("-"), name)


def given(report: Any, args: Namespace, label: str) -> Dict[str, Any]:
    """Return the options that are given. Raises HarnessError for one that the report lacks."""
    values = {name: getattr(args, name, default) for name, default in OPTIONS.items()}
    options = {name: value for name, value in values.items() if value != OPTIONS[name]}
    for name in options:
        if name not in inspect.signature(report).parameters:
            raise HarnessError(f"{label} has no --{name}", "leave it out")
    return options


def refuse(args: Namespace, names: Iterable[str], reason: str) -> None:
    """Raise HarnessError for an option of these that is given but has no meaning here."""
    for name in names:
        if getattr(args, name) not in (None, OPTIONS.get(name)):
            raise HarnessError(f"--{name} {reason}", "leave it out")
