"""joulebird figure NAME RUNS -o FILE: a figure of finished runs as png, svg or pdf.

The form is that of the file's name, or of --form. NAME is a figure's name (power: watts over time,
with the stages as bands), or package.module:function of your own, which is called with the folders
and the name of the file to write.

`figure power LOG...` draws power logs, ours or foreign, a panel each, with their marks as bands.
"""

import inspect
import os
from functools import partial
from typing import Any, Callable, Dict, List

from joulebird.harness.cli.arguments import Namespace, changed, own
from joulebird.harness.cli.output import written
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.verbs.energy import READING, opened
from joulebird.harness.verbs.table import ON_BOARD, chosen, find, given, refuse, reports
from joulebird.reports.logs.opening import is_log

EXAMPLES = """examples:
  joulebird figure power demo-runs -o power.png
  joulebird figure power tegrastats.txt --interval 100ms -o power.svg
  joulebird figure mylab.figures:cost runs --form svg -o -
"""
FORMS = ("png", "svg", "pdf")
PREFIX = "figure-"


ARGUMENTS = (
    lambda: [own("name", metavar="NAME", help=f"{', '.join(reports(PREFIX))}, or module:function")],
    changed("RUNS", help="folders of runs, or of single runs; for `power` also power logs"),
    *("--energy", "--net", "--rail", ON_BOARD),
    *READING,
    changed(
        "--form",
        choices=FORMS,
        default=None,
        help=f"form of the result: {', '.join(FORMS)} (default: by the file's name)",
    ),
    changed("--output", required=True),
)


def main(args: Namespace) -> int:
    """Draw the figure."""
    report = find(PREFIX, args.name)
    options = given(report, args, f"figure {args.name}")
    logs = [path for path in args.runs if is_log(path)]
    if logs:
        options.update(of_logs(report, args, logs))
        refuse(args, ("board",), f"is for folders of runs, and {logs[0]} is a log")
    else:
        refuse(args, ("map", "interval", "reading"), "is for logs, and these are folders of runs")
    draw(report, chosen(args.runs, args.board), args.output, args.form, **options)
    return 0


def of_logs(report: Any, args: Namespace, logs: List[str]) -> Dict[str, Callable[..., Any]]:
    """Return the option by which a figure reads logs. Raises HarnessError for one of runs."""
    if "load_log" not in inspect.signature(report).parameters:
        raise HarnessError(
            f"figure {args.name} is of finished runs, and {logs[0]} is a file",
            f"give a folder of runs, or `joulebird figure power {logs[0]}`",
        )
    if len(logs) < len(args.runs):
        raise HarnessError("logs and folders of runs are two figures", "give one kind")
    return {"load_log": partial(opened, args)}


def draw(report: Any, runs: List[str], output: str, form: str = "", **options: Any) -> None:
    """Draw a figure into a file or to stdout. Raises HarnessError when it cannot be written."""
    ending = "." + form if form else os.path.splitext(output)[1]
    if output == "-" and not form:
        raise HarnessError("a figure on stdout needs a form", "for instance --form svg")
    with written(output, "figure" + ending) as path:
        report(runs, path, **options)
