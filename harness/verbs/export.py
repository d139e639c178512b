"""joulebird export RAW.log -o FILE: write a power.csv anew from a serial meter's raw log.

The raw log is decoded again, by another description with --meter. Headers, and the rows where the
meter was away, are those of the power.csv that was recorded (--log).
"""

import os

from joulebird.devices.serial_meter.repair import rewrite
from joulebird.harness.cli.arguments import Namespace, changed, own
from joulebird.harness.cli.output import written
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.records import POWER

EXAMPLES = """examples:
  joulebird export meter.log --meter um25c -o fixed.csv
  joulebird export meter.log --meter '{"like": "um25c", "interval_s": 1.0}' -o fixed.csv
"""


ARGUMENTS = (
    own("raw", metavar="RAW.log", help="raw log of a serial meter (option raw_log)"),
    own(
        "--meter",
        metavar="DESCRIPTION",
        help="name of a meter, JSON, or a .json or .toml file (default: the raw log's description)",
    ),
    own(
        "--log",
        metavar="FILE",
        help=f"the {POWER} that was recorded (default: the one beside the raw log)",
    ),
    changed("--output", required=True),
)


def main(args: Namespace) -> int:
    """Decode and write. Raises HarnessError for a missing input, or one that is the output."""
    log = args.log or os.path.join(os.path.dirname(args.raw), POWER)
    for path in (args.raw, log):
        if not os.path.isfile(path):
            raise HarnessError(f"{path}: no such file", "name the recorded power.csv with --log")
        if os.path.exists(args.output) and os.path.samefile(path, args.output):
            raise HarnessError(f"{path}: would be overwritten", "name another file with -o")
    with written(args.output, POWER) as part:
        rewrite(log, args.raw, part, args.meter)
    return 0
