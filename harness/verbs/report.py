"""joulebird report RUNS -o FILE.html: one self-contained page about a study.

It has the tables, figures, every run and stage, warnings and checks.
"""

from joulebird.harness.cli.arguments import Namespace, changed
from joulebird.harness.cli.output import put
from joulebird.harness.verbs.table import ON_BOARD, chosen
from joulebird.reports.html import page

EXAMPLES = """examples:
  joulebird report demo-runs -o report.html
"""


ARGUMENTS = ("RUNS", "--energy", ON_BOARD, changed("--output", required=True))


def main(args: Namespace) -> int:
    """Write the page."""
    put(page(chosen(args.runs, args.board), args.energy), args.output)
    return 0
