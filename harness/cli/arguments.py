"""The arguments that several verbs share, defined once.

Each has one meaning and one error in every verb:

--source, --source-option: demo, run, measure, watch, sources, doctor
--period: demo, run, measure, watch
--board: run, plan, watch, sources, doctor
--form, --format: table, compare, figure, energy
--json: demo, run, plan, table, check, compare, energy, measure, watch, sources, doctor, flops,
    board deploy, board status, board pull, board clean
--output: demo, run, plan, table, check, compare, energy, measure, sources, doctor, flops,
    figure, report, export, board deploy, board status, board pull, board clean
--energy: table, compare, figure, report
--net: table
--rail: table, figure, energy, measure
--accuracy: table, compare
--idle: demo, run
--runs: demo, run, plan, doctor, board pull, board clean
--quiet: demo, run
--data-dir: run, board deploy

`run` and `demo` record several sources, `run` and `plan` take several boards. `sources` and
`doctor` read as fast as they can: no period. `plan` learns from energies of both kinds. Only a
table knows the idle power that --net subtracts.
"""

import argparse
import math
from typing import Any, Callable, List, NamedTuple, Optional

from joulebird.harness.core.errors import HarnessError


def seconds(text: str) -> float:
    """Return a length of time from the command line, 0 or more."""
    return _number(text, lambda value: value >= 0, "0 or more")


def period(text: str) -> float:
    """Return a time between two readings from the command line, above 0."""
    return _number(text, lambda value: value > 0, "above 0")


def _number(text: str, good: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not good(value) or value >= 1e6:
        raise argparse.ArgumentTypeError(f"must be {wanted}, in seconds (got {text!r})")
    return value


class Shared(NamedTuple):
    """An argument: its names, and its keywords for `add_argument`."""

    names: List[str]
    keywords: Any


def _shared(*names: str, **keywords: Any) -> Shared:
    return Shared(list(names), keywords)


SHARED = {
    "--source": _shared(
        "--source",
        action="append",
        metavar="S",
        help="power source: a name of `joulebird sources`, or module:Class "
        "(default: the best one here); "
        "`run` takes `none` too, and records further ones beside the first",
    ),
    "--source-option": _shared(
        "--source-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the source; of a further source: SOURCE.NAME=VALUE",
    ),
    "--period": _shared(
        "--period",
        type=period,
        metavar="S",
        help="mean seconds between two readings (default: as the source needs it)",
    ),
    "--board": _shared(
        "--board",
        action="append",
        metavar="B",
        help="do this for a board over ssh; `run` and `plan` take several, and by default "
        "JOULEBIRD_BOARD or the configuration (`here` is this machine)",
    ),
    "--form": _shared("--form", "--format", metavar="FORM", help="form of the result"),
    "--json": _shared("--json", action="store_const", const="json", dest="form", help="write JSON"),
    "--output": _shared(
        "-o", "--output", metavar="FILE", default="-", help="write to FILE (- is stdout)"
    ),
    "--energy": _shared(
        "--energy",
        choices=("measured", "per-epoch"),
        default="measured",
        help="each run's whole recording (default), or the mean recorded epoch of each structure "
        "times the epochs trained",
    ),
    "--net": _shared("--net", action="store_true", help="energies less the idle power"),
    "--rail": _shared("--rail", metavar="R", help="one rail instead of the source's total"),
    "--accuracy": _shared(
        "--accuracy",
        choices=("best", "last"),
        default="best",
        help="of the best epoch (default), as in the paper, or of the last",
    ),
    "--idle": _shared(
        "--idle",
        type=seconds,
        metavar="S",
        help="record the idle machine so long before and after "
        "(default: 60 with a real source, else 2)",
    ),
    "--runs": _shared(
        "--runs",
        metavar="DIR",
        help="folder of the runs (default: JOULEBIRD_RUNS, the configuration, or runs)",
    ),
    "--quiet": _shared("-q", "--quiet", action="store_true", help="print only warnings"),
    "--data-dir": _shared(
        "--data-dir", "--data", metavar="DIR", help="folder that holds the data sets"
    ),
    "RUNS": _shared("runs", metavar="RUNS", nargs="+", help="folders of runs, or of single runs"),
    "NAME": _shared(
        "name",
        nargs="?",
        metavar="NAME",
        help="the board (default: JOULEBIRD_BOARD or the configuration)",
    ),
}


def add(parser: argparse.ArgumentParser, *names: str, **changes: Any) -> None:
    """Add shared arguments to a verb; `changes` are keywords in which this verb differs."""
    for name in names:
        shared = SHARED[name]
        parser.add_argument(*shared.names, **dict(shared.keywords, **changes))


def add_form(parser: argparse.ArgumentParser, *forms: str) -> None:
    """Add --form with these choices, the first being the default, and --json if it is one."""
    listed = "form of the result: " + ", ".join(forms)
    add(parser, "--form", choices=forms, default=forms[0], help=f"{listed} (default: {forms[0]})")
    if "json" in forms:
        add(parser, "--json")


def single(values: Optional[List[str]], option: str) -> Optional[str]:
    """Return the value of an option that only other verbs may repeat.

    Raises HarnessError for two.


    >>> single(["ina3221"], "--source"), single(None, "--source")
    ('ina3221', None)
    """
    if values and len(values) > 1:
        raise HarnessError(f"{option} is given {len(values)} times", "give it once")
    return values[0] if values else None
