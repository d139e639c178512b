"""joulebird demo: Table 2 of a small real study on this machine.

Five methods at three pruning ratios train VGG16 at an eighth of its width on 1,797 real
handwritten digits. The best power sensor found here is recorded meanwhile. Then the table is
printed and written, with a figure of the power. Without a power sensor, a simulated board is
recorded, and every energy carries the word "simulated". After an interruption, the same command
continues.
"""

import os

from joulebird.devices import registry
from joulebird.harness.cli.arguments import Namespace, changed, form, own
from joulebird.harness.cli.output import put
from joulebird.harness.cli.progress import Progress, duration
from joulebird.harness.core.errors import SourceError
from joulebird.harness.host.studies import study
from joulebird.harness.runs.rundir import split
from joulebird.harness.verbs.figure import draw
from joulebird.harness.verbs.run import work
from joulebird.harness.verbs.table import FORMS
from joulebird.reports.figures.power import power
from joulebird.reports.tables.table2 import table2

FILES = ("table2.md", "table2.json", "power.png", "power.svg")


ARGUMENTS = (
    own(
        "--study",
        default="demo",
        metavar="STUDY",
        help="run this study instead (default: demo)",
    ),
    changed("--runs", default="demo-runs", help="folder of the runs (default: demo-runs)"),
    changed(
        "--idle",
        default=2.0,
        help="record the idle machine for S seconds before and after (default: 2)",
    ),
    *("--source", "--source-option", "--period", "--output", "--quiet"),
    *form(*FORMS),
)
DEFAULTS = {
    "data_dir": None,
    "download": False,
    "lock": "",
    "wait": False,
    "prepare": None,
    "restart": True,
}


def main(args: Namespace) -> int:
    """Run the unfinished runs, then print the table and write the files."""
    specs = study.load(args.study)
    progress = Progress(quiet=args.quiet)
    ahead = split(args.runs, specs)[1]
    if ahead:
        args.source = args.source or [sensor_or_simulated(progress)]
        work(args, specs, ahead, progress)
    progress.say(f"took {duration(progress.elapsed_s())}; drawing")
    table = table2([args.runs])
    paths = [os.path.join(args.runs, name) for name in FILES]
    put(table.render("md"), paths[0])
    put(table.render("json"), paths[1])
    for path in paths[2:]:
        draw(power, [args.runs], path)
    put(table.render(args.form), args.output)
    progress.say("written: " + ", ".join(paths))
    return 0


def sensor_or_simulated(progress: Progress) -> str:
    """Return the best power sensor here, else the simulated board, and print the reason."""
    try:
        return registry.best()
    except SourceError as error:
        progress.say(f"{error.message}: a board is simulated\n  {error.hint}")
        return registry.SIMULATED
