"""joulebird compare A B: judge whether the difference between two folders of runs is real.

Energies as A / B, accuracies as A - B, each with its 95 % interval.

Foreign load alone can make a "real" difference. The words beside the energies name it.
"""

import re

from joulebird.harness.cli.arguments import Namespace, form, own
from joulebird.harness.cli.output import put
from joulebird.harness.core.errors import CHECK, HarnessError
from joulebird.harness.verbs.table import FORMS, ON_BOARD, chosen, given
from joulebird.reports.tables.compare import compare

EXAMPLES = """examples:
  joulebird compare new-runs old-runs
  joulebird compare new-runs old-runs --fail-over 5%     exit code 6 if an energy is really higher
"""


def percent(text: str) -> float:
    """Return a percentage from the command line as a share, 0 or more.

    >>> percent("5%"), percent("2.5")
    (0.05, 0.025)
    """
    if not re.fullmatch(r"\d+(\.\d*)?%?", text.strip()):
        raise ValueError(text)
    return float(text.strip().rstrip("%")) / 100


ARGUMENTS = (
    own("a", metavar="A", help="a folder of runs, or of one run"),
    own("b", metavar="B", help="another one"),
    own(
        "--fail-over",
        type=percent,
        metavar="P%",
        help="exit code 6 when A really needs more than P %% above B",
    ),
    *("--energy", "--accuracy", "--net", "--rail", ON_BOARD, "--output"),
    *form(*FORMS),
)


def main(args: Namespace) -> int:
    """Compare and print."""
    a, b = (chosen([folder], args.board) for folder in (args.a, args.b))
    table = compare(a, b, **given(compare, args, "compare"))
    put(table.render(args.form), args.output)
    worst = table.facts["worst_energy_ratio"]
    if args.fail_over is not None and worst is not None and worst > 1 + args.fail_over:
        raise HarnessError(
            f"{args.a} needs {100 * (worst - 1):.1f} % more energy than {args.b}, "
            f"and the limit is {100 * args.fail_over:g} %",
            "see the table for where",
            CHECK,
        )
    return 0
