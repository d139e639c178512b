"""joulebird measure -- COMMAND...: joules of any command.

The command's own output, exit code and signals pass through. The result goes to stderr, or to the file named with -o (- is stdout).
"""

import argparse
import sys
from typing import Any, Dict, List

from joulebird.devices.measure import Measured, measure_command
from joulebird.devices.measurement import Measurement
from joulebird.harness.cli.output import as_json, put
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.power.sources import parse_options

EXAMPLES = """examples:
  joulebird measure -- python3 train.py --epochs 2
  joulebird measure --json -o joules.json --log power.csv -- make
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird measure`."""
    parser.epilog = EXAMPLES
    parser.usage = "joulebird measure [options] -- COMMAND..."
    parser.add_argument(
        "--source",
        metavar="S",
        help="a name of `joulebird sources` or module:Class (default: the best one here)",
    )
    parser.add_argument(
        "--source-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the source",
    )
    parser.add_argument(
        "--period",
        type=float,
        metavar="S",
        help="mean seconds between two readings (default: 0.02 for a sensor that gives instants, 0.033 for one "
        "that averages)",
    )
    parser.add_argument(
        "--log", metavar="FILE", help="keep the readings (default: they are not kept)"
    )
    parser.add_argument("--json", action="store_true", help="give the result as JSON")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the result to FILE (- is stdout; default: stderr)",
    )
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND",
        help="what to run, with its arguments",
    )


def main(args: argparse.Namespace) -> int:
    """Run and measure the command; gives its exit code."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise HarnessError(
            "name a command to measure", "for instance `joulebird measure -- python3 train.py`"
        )
    measured = measure_command(
        command, args.source, args.log, args.period, **parse_options(args.source_option)
    )
    text = as_json(facts_of(command, measured)) if args.json else as_text(command, measured)
    if args.output is None:
        sys.stdout.flush()
        sys.stderr.write(text.rstrip("\n") + "\n")
    else:
        put(text, args.output)
    return measured.exit_code


def facts_of(command: List[str], measured: Measured) -> Dict[str, Any]:
    """The result as JSON values; joules and watts are null where too little was recorded, and `problem` says why."""
    measurement = measured.measurement
    return {
        "command": command,
        "exit_code": measured.exit_code,
        "seconds": measurement.seconds,
        "joules": measurement.joules,
        "coverage": measurement.coverage,
        "worst_gap_s": measurement.worst_gap_s,
        "problem": measurement.problem,
        "real": measurement.source["real"],
        "scope": measurement.source["scope"],
        "total": measurement.source["total"],
        "rails": {rail: found._asdict() for rail, found in measurement.rails.items()},
        "source": measurement.source,
    }


def as_text(command: List[str], measured: Measured) -> str:
    """The result for people: one line of totals, then a line for each rail."""
    measurement = measured.measurement
    source = measurement.source
    word = "" if source["real"] else " ({}, not measured)".format(source["name"])
    lines = [
        "",
        "joulebird: {}".format(" ".join(command)),
        "  {} J{} in {:.3f} s ({}, source {}, coverage {:.1f} %, longest gap {:.2f} s)".format(
            number(measurement.joules),
            word,
            measurement.seconds,
            source["scope"],
            source["name"],
            100.0 * measurement.coverage,
            measurement.worst_gap_s,
        ),
    ]
    lines += ["  " + measurement.problem] if measurement.problem else []
    if measured.exit_code:
        lines.append("  the command ended with exit code %d" % measured.exit_code)
    return "\n".join(lines + rail_lines(measurement))


def rail_lines(measurement: Measurement) -> List[str]:
    """The rails as a small table."""
    if not measurement.rails:
        return []
    total, width = measurement.source["total"], max(len(rail) for rail in measurement.rails)
    lines = ["  %s  %11s %9s %9s" % ("rail".ljust(width), "joules", "mean W", "peak W")]
    for rail, found in measurement.rails.items():
        lines.append(
            "  %s  %11s %9s %9s%s"
            % (
                rail.ljust(width),
                number(found.joules),
                number(found.mean_w, 3),
                number(found.peak_w, 3),
                "  total" if rail in total else "",
            )
        )
    return lines


def number(value: Any, digits: int = 2) -> str:
    """A number, or "void" where there is none.

    >>> number(1.005, 1), number(None)
    ('1.0', 'void')
    """
    return "void" if value is None else "%.*f" % (digits, value)
