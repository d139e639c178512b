"""joulebird figure NAME RUNS -o FILE: a figure of finished runs; the name of the file says which form (png, svg, pdf).

power: watts over time, with the stages as bands.
"""

import argparse
import os
from typing import List

from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError
from joulebird.reports import REPORTS

EXAMPLES = """examples:
  joulebird figure power demo-runs -o power.png
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird figure`."""
    parser.epilog = EXAMPLES
    parser.add_argument("name", metavar="NAME", help="which figure: " + ", ".join(names()))
    parser.add_argument(
        "runs", nargs="+", metavar="RUNS", help="folders of runs, or of single runs"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="file to write: .png, .svg or .pdf"
    )


def main(args: argparse.Namespace) -> int:
    """Draw the figure."""
    if args.name not in names():
        raise HarnessError(
            f"there is no figure {args.name!r}", registry.nearest(args.name, names())
        )
    draw(args.name, args.runs, args.output)
    return 0


def draw(name: str, runs: List[str], output: str) -> None:
    """Draw a figure into a file; raises HarnessError when the file cannot be written."""
    folder = os.path.dirname(output) or "."
    if not os.path.isdir(folder):
        raise HarnessError(
            f"{output}: there is no folder {folder}", "make it, or name another file"
        )
    registry.find(REPORTS, "report", "figure-" + name)(runs, output)


def names() -> List[str]:
    """The figures there are."""
    return [name[len("figure-") :] for name in REPORTS if name.startswith("figure-")]
