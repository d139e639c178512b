"""The arguments that several verbs share, defined once.

Each has one meaning and one error in every verb:

--source, --source-option: demo, run, measure, watch, sources, doctor
--period: demo, run, measure, watch
--board: run, plan, table, figure, export, report, check, compare, watch, sources, doctor
--form, --format: demo, run, plan, table, figure, export, check, compare, energy, measure, watch,
    sources, doctor, flops, board deploy, board status, board pull, board clean
--json: demo, run, plan, table, check, compare, energy, measure, watch, sources, doctor, flops,
    board deploy, board status, board pull, board clean
--output: demo, run, plan, table, figure, report, check, compare, export, energy, measure, sources,
    doctor, flops, board deploy, board status, board pull, board clean, completion
--energy: table, figure, export, report, compare
--net: table, figure, export, compare, energy
--rail: table, figure, export, compare, energy, measure, watch
--accuracy: table, compare
--idle: demo, run
--runs: demo, run, plan, doctor, board pull, board clean
--quiet: demo, run
--data-dir: run, board deploy

`harness/cli/parser.py` has the reason for every verb that is not in such a line. `--json` is
`--form json`. `run` and `demo` record several sources, `run` and `plan` take several boards. Verbs
that read finished runs keep those that were measured on the board.
"""

import argparse
import math
from typing import Any, Callable, Iterable, List, NamedTuple, Optional

from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError

# the test of a length of time, and its words
SHORT = (lambda value: value < 1e6), "below 1000000 seconds, which is more than 11 days"


def seconds(text: str) -> float:
    """Return a length of time, 0 or more."""
    _number(text, lambda value: value >= 0, "0 or more, in seconds")
    return _number(text, *SHORT)


def period(text: str) -> float:
    """Return a time between two readings, above 0."""
    _number(text, lambda value: value > 0, "above 0, in seconds")
    return _number(text, *SHORT)


def instant(text: str) -> float:
    """Return a time on some clock."""
    return _number(text, math.isfinite, "a finite number, in seconds")


def count(text: str) -> int:
    """Return a number of things, at least 1."""
    return int(_number(text, lambda value: value >= 1 and value % 1 == 0, "a number of 1 or more"))


def word(text: str) -> str:
    """Return a name or path, which is not empty (as an unset variable of the shell is)."""
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _number(text: str, good: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not good(value):
        raise argparse.ArgumentTypeError(f"must be {wanted} (got {text!r})")
    return value


Namespace = argparse.Namespace  # the arguments that a verb gets


class Argument(NamedTuple):
    """An argument: its names, and its keywords for `add_argument`."""

    names: List[str]
    keywords: Any


def own(*names: str, **keywords: Any) -> Argument:
    """Return an argument of one verb."""
    return Argument(list(names), keywords)


SHARED = {
    "--source": own(
        "--source",
        action="append",
        type=word,
        metavar="S",
        help="power source: a name of `joulebird sources`, or module:Class "
        "(default: the best sensor here)",
    ),
    "--source-option": own(
        "--source-option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the source; of a further source: SOURCE.NAME=VALUE",
    ),
    "--period": own(
        "--period",
        type=period,
        metavar="S",
        help="mean seconds between two readings (default: as the source needs it)",
    ),
    "--board": own(
        "--board",
        action="append",
        type=word,
        metavar="B",
        help="do this on a board over ssh",
    ),
    "--form": own(
        "--form",
        "--format",
        choices=("text", "json"),
        default="text",
        metavar="FORM",
        help="form of the result: text (default) or json",
    ),
    "--json": own(
        "--json", action="store_const", const="json", dest="form", help="the same as --form json"
    ),
    "--output": own(
        "-o",
        "--output",
        type=word,
        metavar="FILE",
        default="-",
        help="write to FILE (- is stdout)",
    ),
    "--energy": own(
        "--energy",
        choices=("measured", "per-epoch"),
        default="measured",
        help="each run's whole recording (default), or the mean recorded epoch of each structure "
        "times the epochs trained",
    ),
    "--net": own("--net", action="store_true", help="subtract the idle power"),
    "--rail": own("--rail", metavar="R", help="one rail instead of the source's total"),
    "--accuracy": own(
        "--accuracy",
        choices=("best", "last"),
        default="best",
        help="of the best epoch (default), as in the paper, or of the last",
    ),
    "--idle": own(
        "--idle",
        type=seconds,
        metavar="S",
        help="record the idle machine for S seconds before and after "
        "(default: 60 with a real source, else 2)",
    ),
    "--runs": own(
        "--runs",
        type=word,
        metavar="DIR",
        help="folder of the runs (default: JOULEBIRD_RUNS, the configuration, or runs)",
    ),
    "--quiet": own("-q", "--quiet", action="store_true", help="print only warnings"),
    "--data-dir": own(
        "--data-dir",
        "--data",
        type=word,
        metavar="DIR",
        help="folder that holds the data sets",
    ),
    "STUDY": own(
        "study",
        metavar="STUDY|SPEC",
        help="a study (TOML, or the name of an included one), or a spec (JSON)",
    ),
    "RUNS": own("runs", metavar="RUNS", nargs="+", help="folders of runs, or of single runs"),
    "NAME": own(
        "name",
        nargs="?",
        type=word,
        metavar="NAME",
        help="the board (default: JOULEBIRD_BOARD or the configuration)",
    ),
}


def changed(name: str, **changes: Any) -> Argument:
    """Return a shared argument; `changes` are the keywords in which one verb differs."""
    return Argument(SHARED[name].names, dict(SHARED[name].keywords, **changes))


BOARDS = changed(  # of the verbs that take several
    "--board",
    help="do this on a board over ssh; repeat it for several (default: JOULEBIRD_BOARD or the "
    "configuration; `here` is this machine)",
)


def form(*forms: str) -> List[Argument]:
    """Return --form with these choices, the first being the default, and --json if it is one."""
    listed = f"form of the result: {', '.join(forms)} (default: {forms[0]})"
    choice = changed("--form", choices=forms, default=forms[0], help=listed)
    return [choice, SHARED["--json"]] if "json" in forms else [choice]


def single(values: Optional[List[str]], option: str) -> Optional[str]:
    """Return the value of an option that only other verbs may repeat.

    Raises HarnessError for two.

    >>> single(["ina3221"], "--source"), single(None, "--source")
    ('ina3221', None)
    """
    if values and len(values) > 1:
        raise HarnessError(f"{option} is given {len(values)} times", "give it once")
    return values[0] if values else None


def known_rail(rail: Optional[str], name: str, rails: Iterable[str]) -> None:
    """Raise HarnessError when the value of --rail is no rail of the source `name`."""
    if rail is not None and rail not in rails:
        raise HarnessError(f"{name} has no rail named {rail}", registry.nearest(rail, rails))
