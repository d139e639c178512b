"""The arguments that several verbs share, defined once, and the parser of each verb.

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
import sys
from typing import Any, Callable, Iterable, List, NamedTuple, NoReturn, Optional

from joulebird.harness import verbs
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError

Namespace = argparse.Namespace  # the arguments that a verb gets


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
        metavar="S",
        help="power source: a name of `joulebird sources`, or module:Class "
        "(default: the best one here)",
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
        metavar="B",
        help="do this on a board over ssh",
    ),
    "--form": own("--form", "--format", metavar="FORM", help="form of the result"),
    "--json": own("--json", action="store_const", const="json", dest="form", help="write JSON"),
    "--output": own(
        "-o", "--output", metavar="FILE", default="-", help="write to FILE (- is stdout)"
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
        metavar="DIR",
        help="folder of the runs (default: JOULEBIRD_RUNS, the configuration, or runs)",
    ),
    "--quiet": own("-q", "--quiet", action="store_true", help="print only warnings"),
    "--data-dir": own(
        "--data-dir", "--data", metavar="DIR", help="folder that holds the data sets"
    ),
    "RUNS": own("runs", metavar="RUNS", nargs="+", help="folders of runs, or of single runs"),
    "NAME": own(
        "name",
        nargs="?",
        metavar="NAME",
        help="the board (default: JOULEBIRD_BOARD or the configuration)",
    ),
}


def changed(name: str, **changes: Any) -> Argument:
    """Return a shared argument; `changes` are the keywords in which one verb differs."""
    shared = SHARED[name]
    return Argument(shared.names, dict(shared.keywords, **changes))


def boards() -> Argument:
    """Return --board of the verbs that take several."""
    words = (
        "do this on a board over ssh; repeat it for several (default: JOULEBIRD_BOARD or the "
        "configuration; `here` is this machine)"
    )
    return changed("--board", help=words)


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


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are HarnessErrors: one or two lines, with a remedy."""

    def error(self, message: str) -> NoReturn:
        """Raise the HarnessError for a wrong command line."""
        verb = self.prog.partition(" ")[2]
        if message.startswith("argument "):
            message = message[len("argument ") :]
        raise HarnessError(f"{verb}: {message}", f"see `{self.prog} --help`")


def module_of(verb: str) -> Any:
    """Import the module of a verb ("run", "board add").

    Raises HarnessError on a board's Python for a verb of the desk, and when a package is missing.
    """
    if sys.version_info < (3, 11) and verb not in verbs.ON_A_BOARD:
        raise HarnessError(
            "`joulebird {}` needs the desk's Python (3.11 or newer); this is {}.{}".format(
                verb, *sys.version_info
            ),
            "give this command at your desk",
        )
    name = f"{verbs.__name__}.{verb.replace(' ', '.')}"
    return registry.import_module(name, f"`joulebird {verb}`")


def parser_of(verb: str) -> Parser:
    """Return the parser of a verb; its `main` is the default of the argument `main`."""
    module = module_of(verb)
    parser = Parser(
        prog="joulebird " + verb,
        usage=getattr(module, "USAGE", None),
        description=module.__doc__,
        epilog=getattr(module, "EXAMPLES", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add(parser, module.ARGUMENTS)
    parser.set_defaults(main=module.main, **getattr(module, "DEFAULTS", {}))
    return parser


def add(parser: Any, entries: Iterable[Any]) -> None:
    """Add arguments: shared ones by name, own ones, lists of exclusive ones, functions of more."""
    for entry in entries:
        if callable(entry):
            add(parser, entry())
        elif isinstance(entry, list):
            add(parser.add_mutually_exclusive_group(), entry)
        else:
            argument = SHARED[entry] if isinstance(entry, str) else entry
            parser.add_argument(*argument.names, **argument.keywords)
