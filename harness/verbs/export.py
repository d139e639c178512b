"""joulebird export PATH... -o FILE: a power log, or the numbers of finished runs, for other tools.

A power log, ours or foreign, becomes a power.csv of ours (--form log, the default) or columns with
a row for each reading. A raw log of a serial meter becomes a power.csv: it is decoded again, by
another description with --meter; headers, and the rows where the meter was away, are those of the
power.csv that was recorded (--log). Folders of runs become tidy columns: a row for each --each.

Columns are CSV or Parquet, which needs the package pyarrow; FILE.parquet says so too.
"""

import contextlib
import os
import sys
from typing import Iterator

from joulebird.devices.serial_meter.rawlog import MAGIC
from joulebird.devices.serial_meter.repair import rewrite
from joulebird.harness.cli.arguments import Namespace, changed, own
from joulebird.harness.cli.output import written
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import replacing
from joulebird.harness.core.records import POWER
from joulebird.harness.verbs.energy import READING, opened
from joulebird.harness.verbs.table import ON_BOARD, chosen, refuse
from joulebird.reports.columns import block_of, write
from joulebird.reports.logs.export import columns, write_log
from joulebird.reports.logs.opening import is_log
from joulebird.reports.runs.records import load
from joulebird.reports.tables.tidy import ROWS

EXAMPLES = """examples:
  joulebird export meter.log --meter um25c -o fixed.csv
  joulebird export meter.log --meter '{"like": "um25c", "interval_s": 1.0}' -o fixed.csv
  joulebird export tegrastats.txt --interval 100ms -o power.csv
  joulebird export power.csv --form csv -o readings.csv
  joulebird export runs --each epoch -o epochs.parquet
"""
OF_RUNS = ("each", "board", "energy", "net", "rail")
OF_LOGS = ("map", "interval", "reading")
OF_METERS = ("meter", "log")


ARGUMENTS = (
    own("paths", metavar="PATH", nargs="+", help="a power log, a raw log, or folders of runs"),
    changed("--output", required=True),
    changed(
        "--form",
        choices=("log", "csv", "parquet"),
        default=None,
        help="log (a power.csv; default of logs), csv (default of runs) or parquet",
    ),
    *READING,
    own("--each", choices=list(ROWS), help="of runs: a row for each of these (default: cell)"),
    *("--energy", "--net", "--rail", ON_BOARD),
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
)


def main(args: Namespace) -> int:
    """Export. Raises HarnessError for a missing input, or one that is the output."""
    parquet = os.path.splitext(args.output)[1] == ".parquet"
    args.form = args.form or ("parquet" if parquet else None)
    if all(map(os.path.isdir, args.paths)):
        refuse(args, OF_LOGS + OF_METERS, "is for logs, and these are folders of runs")
        return export_runs(args)
    if len(args.paths) > 1:
        raise HarnessError("several logs make no one file", "export each by itself")
    log = args.paths[0]
    refuse(args, OF_RUNS, f"is for folders of runs, and {log} is a log")
    if os.path.isfile(log) or not is_log(log):
        check_input(log, args.output)
    if is_raw(log) or args.meter is not None or args.log is not None:
        refuse(args, OF_LOGS, f"is for power logs, and {log} is a raw log")
        return export_raw(args, log)
    return export_log(args, log)


def check_input(path: str, output: str) -> None:
    """Raise HarnessError for an input that is no file, or that is the output."""
    if not os.path.isfile(path):
        raise HarnessError(
            f"{path}: no such file", f"name a log, or the recorded {POWER} with --log"
        )
    if os.path.exists(output) and os.path.samefile(path, output):
        raise HarnessError(f"{path}: would be overwritten", "name another file with -o")


def is_raw(path: str) -> bool:
    """Return whether a file is the raw log of a serial meter."""
    if not os.path.isfile(path):  # a pipe is read once
        return False
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return MAGIC.encode() in file.read(4096)
    return False


@contextlib.contextmanager
def target(path: str) -> Iterator[str]:
    """Yield the name of a file to write, which becomes `path` as a whole; - is stdout."""
    real = os.path.realpath(path)
    plain = path != "-" and os.path.isdir(os.path.dirname(real))
    if plain and (os.path.isfile(real) or not os.path.exists(real)):
        try:
            with replacing(real) as part:
                yield part
        except OSError as error:
            problem = f"{path}: cannot be written ({error.strerror})"
            raise HarnessError(problem, "name another file, on a disk with room") from None
    else:
        with written(path, POWER) as part:
            yield part


def export_raw(args: Namespace, raw: str) -> int:
    """Decode a raw log again, into a power.csv."""
    if args.form not in (None, "log"):
        raise HarnessError("a raw log becomes a power.csv", "export that one, with --form")
    log = args.log or os.path.join(os.path.dirname(raw), POWER)
    check_input(log, args.output)
    with target(args.output) as part:
        rewrite(log, raw, part, args.meter)
    return 0


def export_log(args: Namespace, log: str) -> int:
    """Write a power log as one of ours, or as columns; name each energy that rounding changed."""
    trace, words = opened(args, log)
    notes = []
    with target(args.output) as part:
        if args.form in (None, "log"):
            notes = write_log(trace, part, words)
        else:
            reading = trace.reading.as_dict() if trace.reading else None
            facts = {"source": trace.source, "reading": reading, "problems": trace.problems()}
            write(part, columns(trace, words), args.form, facts)
    for note in notes:
        sys.stderr.write(f"joulebird: {note}\n")
    return 0


def export_runs(args: Namespace) -> int:
    """Write the tidy rows of finished runs."""
    if args.form == "log":
        raise HarnessError("runs have no one log", "name a log, or --form csv or parquet")
    runs = load(chosen(args.paths, args.board))
    rows = ROWS[args.each or "cell"](runs, args.energy, args.net, args.rail)
    if not rows:
        raise HarnessError(f"these runs have no {args.each}", "for instance --each stage")
    with target(args.output) as part:
        write(part, [block_of(rows)], args.form or "csv", {"each": args.each or "cell"})
    return 0
