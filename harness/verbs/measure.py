"""joulebird measure -- COMMAND...: joules of any command.

The command's own output, exit code and signals pass through. The result goes to stderr, or to the
file named with -o (- is stdout).
"""

import argparse
import sys
from typing import Any, Dict, List, Optional

from joulebird.devices import registry
from joulebird.devices.measure import Measured, measure_command
from joulebird.devices.overlap import shared_s, shared_text
from joulebird.harness.cli.arguments import changed, known_rail, own, single
from joulebird.harness.cli.output import as_json, put
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.sensor import ALIASED, parts_text, words_of
from joulebird.harness.power.sources import parse_options

MOST_SHOWN = 5  # of the measurements beside this one
EXAMPLES = """examples:
  joulebird measure -- python3 train.py --epochs 2
  joulebird measure --json -o joules.json --log power.csv -- make
"""


ARGUMENTS = (
    *("--source", "--source-option", "--period", "--rail", "--form", "--json"),
    changed("--output", default=None),
    own("--log", metavar="FILE", help="keep the readings, with those just before and after"),
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
        with registry.make(source or registry.best(), options) as found:
            known_rail(args.rail, found.name, found.rails)
    measured = measure_command(command, source, args.log, args.period, **options)
    facts = facts_of(command, measured, args.rail)
    text = as_json(facts) if args.form == "json" else as_text(facts)
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


def facts_of(command: List[str], measured: Measured, rail: Optional[str]) -> Dict[str, Any]:
    """Return the result as JSON values; `rail` is the one that counts, None is the total.

    Joules and watts are null where too little was recorded; `problem` has the reason. `u_sensor_j`
    is null where the sensor's accuracy is not stated.
    """
    measurement = measured.measurement
    words = list(measurement.words)
    energy = measurement.rails.get(rail or "", measurement.total)
    return {
        "command": command,
        "exit_code": measured.exit_code,
        "seconds": energy.seconds,
        "joules": energy.joules,
        "u_joules": energy.u_joules,
        "u_sensor_j": energy.u_sensor_j,
        "u_sampling_j": energy.u_sampling_j,
        "words": words,
        "doubt": energy.doubt or None,
        "overlaps": [overlap._asdict() for overlap in measurement.overlaps],
        "shared_s": shared_s(measurement.overlaps),
        "load": measurement.load.facts(),
        "foreign_load": measurement.load.complaint,
        "coverage": energy.coverage,
        "worst_gap_s": energy.worst_gap_s,
        "problem": measurement.problem,
        "real": measurement.source["real"],
        "scope": measurement.source["scope"],
        "total": [rail] if rail in measurement.rails else list(measurement.source["total"]),
        "rails": {
            name: dict(energy._asdict(), words=words) for name, energy in measurement.rails.items()
        },
        "source": measurement.source,
    }


def as_text(facts: Dict[str, Any]) -> str:
    """Return the result for people: one line of totals, then a line for each rail."""
    source = facts["source"]["name"]
    words = dict.fromkeys([source, *words_of(facts["source"])])
    word = "" if facts["real"] else f" ({', '.join(words)}, not measured)"
    known = facts["u_joules"] is not None
    u_text = f" +- {facts['u_joules']:.2g} J" if known else ""
    lines = [
        "",
        f"joulebird: {' '.join(facts['command'])}",
        f"  {number(facts['joules'])} J{u_text}{word} in {facts['seconds']:.3f} s "
        f"({facts['scope']}, source {source}, coverage {100.0 * facts['coverage']:.1f} %, "
        f"longest gap {facts['worst_gap_s']:.2f} s)",
    ]
    if known:
        parts = parts_text(facts["u_sensor_j"], facts["u_sampling_j"])
        lines.append(f"  uncertainty (95 %): {parts}")
    lines += ["  " + facts["problem"]] if facts["problem"] else []
    lines += [f"  {ALIASED}: {facts['doubt']}"] if facts["doubt"] else []
    others = facts["overlaps"]
    lines += ["  foreign load: " + facts["foreign_load"]] if facts["foreign_load"] else []
    lines += ["  " + shared_text(len(others), facts["shared_s"], "command")] if others else []
    for other in others[:MOST_SHOWN]:
        lines.append(f"    process {other['pid']}, {other['seconds']:.1f} s: {other['command']}")
    if facts["exit_code"]:
        lines.append(f"  the command ended with exit code {facts['exit_code']}")
    return "\n".join(lines + rail_lines(facts["rails"], facts["total"]))


def rail_lines(rails: Dict[str, Dict[str, Any]], total: List[str]) -> List[str]:
    """Return the rails as a small table."""
    width = max(map(len, rails), default=4)
    head = f"  {'rail':{width}}  {'joules':>11} {'mean W':>9} {'peak W':>9}"
    rows = [
        f"  {name:{width}}  {number(rail['joules']):>11} {number(rail['mean_w'], 3):>9} "
        f"{number(rail['peak_w'], 3):>9}{'  total' if name in total else ''}"
        for name, rail in rails.items()
    ]
    return [head, *rows] if rows else []


def number(value: Optional[float], digits: int = 2) -> str:
    """Return a number as text, or "void" for None.

    >>> number(1.005, 1), number(None)
    ('1.0', 'void')
    """
    return "void" if value is None else f"{value:.{digits}f}"
