"""joulebird figure NAME RUNS -o FILE: a figure of finished runs as png, svg or pdf.

The form is that of the file's name, or of --form. NAME is a figure's name (power: watts over time,
with the stages as bands), or package.module:function of your own, which is called with the folders
and the name of the file to write.
"""

import os
from typing import Any, List

from joulebird.harness.cli.arguments import Namespace, changed, own
from joulebird.harness.cli.output import written
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.verbs.table import ON_BOARD, chosen, find, given, reports

EXAMPLES = """examples:
  joulebird figure power demo-runs -o power.png
  joulebird figure mylab.figures:cost runs --form svg -o -
"""
FORMS = ("png", "svg", "pdf")
PREFIX = "figure-"


ARGUMENTS = (
    lambda: [own("name", metavar="NAME", help=f"{', '.join(reports(PREFIX))}, or module:function")],
    *("RUNS", "--energy", "--net", "--rail", ON_BOARD),
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
    draw(report, chosen(args.runs, args.board), args.output, args.form, **options)
    return 0


def draw(report: Any, runs: List[str], output: str, form: str = "", **options: Any) -> None:
    """Draw a figure into a file or to stdout. Raises HarnessError when it cannot be written."""
    ending = "." + form if form else os.path.splitext(output)[1]
    if output == "-" and not form:
        raise HarnessError("a figure on stdout needs a form", "for instance --form svg")
    with written(output, "figure" + ending) as path:
        report(runs, path, **options)
