"""joulebird demo: Table 2 of a small real study on this machine.

Five methods at three pruning ratios train VGG16 at an eighth of its width on 1,797 real handwritten digits, while the best power source
found here is recorded; then the table is printed and written, with a figure of the power. Where there is no power sensor, a simulated
board stands in, and the word "simulated" stands beside every number of its energy. Interrupted, the same command goes on.
"""

import argparse
import os

from joulebird.harness.cli.output import put
from joulebird.harness.cli.progress import Progress, duration
from joulebird.harness.core import registry
from joulebird.harness.host.studies import study
from joulebird.harness.runs.rundir import LOCK, split
from joulebird.harness.verbs.figure import draw
from joulebird.harness.verbs.run import add_source, seconds, work
from joulebird.reports import REPORTS

FILES = ("table2.md", "table2.json", "power.png", "power.svg")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird demo`."""
    parser.add_argument(
        "--runs", default="demo-runs", metavar="DIR", help="folder of the runs (default: demo-runs)"
    )
    parser.add_argument(
        "--study",
        default="demo",
        metavar="STUDY",
        help="another study for the same show (default: demo)",
    )
    parser.add_argument(
        "--idle",
        type=seconds,
        default=2.0,
        metavar="S",
        help="record the idle machine so long before and after (default: 2)",
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings")
    add_source(parser)
    parser.set_defaults(data_dir=None, download=False, lock=LOCK, prepare=None)


def main(args: argparse.Namespace) -> int:
    """Run what is not done, then print the table and write the files."""
    specs = study.load(args.study)
    progress = Progress(quiet=args.quiet)
    ahead = split(args.runs, specs)[1]
    if ahead:
        work(args, specs, ahead, progress)
    progress.say(f"took {duration(progress.elapsed_s())}; drawing")
    table = registry.find(REPORTS, "report", "table2")([args.runs])
    put(table.render("md"), os.path.join(args.runs, "table2.md"))
    put(table.render("json"), os.path.join(args.runs, "table2.json"))
    for name in ("power.png", "power.svg"):
        draw("power", [args.runs], os.path.join(args.runs, name))
    put(table.render("json" if args.json else "text"))
    progress.say("written: " + ", ".join(os.path.join(args.runs, name) for name in FILES))
    return 0
