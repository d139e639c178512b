"""joulebird measure -- COMMAND...: joules of any command.

The command's own output, exit code and signals pass through. The result goes to stderr, or to the
file named with -o (- is stdout).
"""

import argparse
import sys
from typing import Any, Dict, List, NamedTuple, Optional

from joulebird.devices import registry
from joulebird.devices.energy import Energy
from joulebird.devices.measure import measure_command
from joulebird.devices.measurement import Measurement
from joulebird.devices.registry import make
from joulebird.harness.cli.arguments import changed, own, single
from joulebird.harness.cli.output import as_json, put
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import nearest
from joulebird.harness.power.sources import parse_options

EXAMPLES = """examples:
  joulebird measure -- python3 train.py --epochs 2
  joulebird measure --json -o joules.json --log power.csv -- make
"""


ARGUMENTS = (
    *("--source", "--source-option", "--period", "--rail", "--json"),
    changed("--output", default=None),
    own("--log", metavar="FILE", help="keep the readings (default: they are not kept)"),
    own(
        "command",
        nargs=argparse.REMAINDER,
        metavar="-- COMMAND",
        help="what to run, with its arguments",
    ),
)
USAGE = "joulebird measure [options] -- COMMAND..."


def main(args: argparse.Namespace) -> int:
    """Run and measure the command; gives its exit code."""
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise HarnessError(
            "name a command to measure", "for instance `joulebird measure -- python3 train.py`"
        )
    source = single(args.source, "--source")
    options = parse_options(args.source_option)
    if args.rail is not None:
        check_rail(args.rail, source or registry.best(), options)
    measured = measure_command(command, source, args.log, args.period, **options)
    measurement = measured.measurement
    energy = measurement.rails.get(args.rail, measurement.total)
    total = [args.rail] if args.rail in measurement.rails else list(measurement.source["total"])
    result = Result(command, measured.exit_code, measurement, energy, total)
    text = as_json(facts_of(result)) if args.form == "json" else as_text(result)
    if args.output is None:
        sys.stdout.flush()
        sys.stderr.write(text.rstrip("\n") + "\n")
    else:
        try:
            put(text, args.output)
        except HarnessError:  # the command has run: its result must not be lost
            sys.stderr.write(text.rstrip("\n") + "\n")
            raise
    return measured.exit_code


def check_rail(rail: str, name: str, options: Dict[str, Any]) -> None:
    """Raise HarnessError before the command runs when the source has no such rail."""
    with make(name, options) as source:
        if rail not in source.rails:
            raise HarnessError(f"{name} has no rail named {rail}", nearest(rail, source.rails))


class Result(NamedTuple):
    """A measured command: its words, exit code and measurement, the energy and rails that count."""

    command: List[str]
    exit_code: int
    measurement: Measurement
    energy: Energy
    total: List[str]


def facts_of(result: Result) -> Dict[str, Any]:
    """Return the result as JSON values.

    Joules and watts are null where too little was recorded; `problem` has the reason.
    """
    measurement, energy = result.measurement, result.energy
    return {
        "command": result.command,
        "exit_code": result.exit_code,
        "seconds": energy.seconds,
        "joules": energy.joules,
        "coverage": energy.coverage,
        "worst_gap_s": energy.worst_gap_s,
        "problem": measurement.problem,
        "real": measurement.source["real"],
        "scope": measurement.source["scope"],
        "total": result.total,
        "rails": {name: rail._asdict() for name, rail in measurement.rails.items()},
        "source": measurement.source,
    }


def as_text(result: Result) -> str:
    """Return the result for people: one line of totals, then a line for each rail."""
    measurement, energy = result.measurement, result.energy
    source = measurement.source
    word = "" if source["real"] else f" ({source['name']}, not measured)"
    lines = [
        "",
        f"joulebird: {' '.join(result.command)}",
        f"  {number(energy.joules)} J{word} in {energy.seconds:.3f} s "
        f"({source['scope']}, source {source['name']}, coverage {100.0 * energy.coverage:.1f} %, "
        f"longest gap {energy.worst_gap_s:.2f} s)",
    ]
    lines += ["  " + measurement.problem] if measurement.problem else []
    if result.exit_code:
        lines.append(f"  the command ended with exit code {result.exit_code}")
    return "\n".join(lines + rail_lines(result))


def rail_lines(result: Result) -> List[str]:
    """Return the rails as a small table."""
    rails = result.measurement.rails
    if not rails:
        return []
    width = max(len(name) for name in rails)
    lines = [f"  {'rail'.ljust(width)}  {'joules':>11} {'mean W':>9} {'peak W':>9}"]
    for name, rail in rails.items():
        values = (
            f"{number(rail.joules):>11} {number(rail.mean_w, 3):>9} {number(rail.peak_w, 3):>9}"
        )
        mark = "  total" if name in result.total else ""
        lines.append(f"  {name.ljust(width)}  {values}{mark}")
    return lines


def number(value: Optional[float], digits: int = 2) -> str:
    """Return a number as text, or "void" for None.

    >>> number(1.005, 1), number(None)
    ('1.0', 'void')
    """
    return "void" if value is None else f"{value:.{digits}f}"
