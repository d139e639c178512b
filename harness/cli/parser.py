"""The parser of each verb, made from its module's `ARGUMENTS`; why a verb lacks a shared option."""

import argparse
import re
import sys
from typing import Any, Iterable, NoReturn

from joulebird.harness import verbs
from joulebird.harness.cli.arguments import SHARED
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError

# verbs ("board" is each verb of it), the options that they lack, the reason
ABSENT = (
    (
        "plan, table, figure, report, check, compare, energy, export",
        "--source, --source-option, --period",
        "it reads recordings: give the option to the `joulebird run` that records",
    ),
    ("sources, doctor", "--period", "it reads as fast as the source can"),
    ("demo", "--board", "on a board, `joulebird run demo --board B` trains the same study"),
    ("measure", "--board", "the command runs on this machine: start joulebird on the board"),
    (
        "energy",
        "--board",
        "it reads files of this machine: `joulebird board pull` fetches those of a board",
    ),
    ("report", "--form, --format, --json", "it writes one page of HTML"),
    ("export", "--json", "it writes rows, as --form csv or parquet"),
    ("figure", "--json", "it draws a picture: give --format png, svg or pdf"),
    ("board add, board stop", "--form, --format, --json, -o, --output", "it prints no result"),
    ("board logs", "--form, --format, --json", "it prints the output of a job as it is"),
    (
        "watch, board logs",
        "-o, --output",
        "it may print for ever, and a file would appear only at the end: redirect its output",
    ),
    (
        "demo",
        "--energy, --net, --rail",
        "its table has measured gross energies: then `joulebird table 2 demo-runs`",
    ),
    ("plan", "--energy", "it learns from recorded epochs, which is per-epoch"),
    ("plan", "--net, --rail", "it plans the joules that the source's total will show"),
    ("report", "--net, --rail", "its page judges the gross energies of the source's total"),
    ("check", "--energy, --net, --rail", "it judges the recordings, with every rail"),
    ("measure", "--net", "it records no idle power: `joulebird run` does, with --idle"),
    (
        "run, measure, watch, sources, doctor",
        "--energy, --net",
        "it accounts for no finished run: `joulebird table` and `compare` do",
    ),
    ("energy", "--energy", "it accounts for no finished run: `joulebird table` and `compare` do"),
    ("run", "--rail", "it writes every rail to the log: `joulebird energy` chooses one"),
    ("sources, doctor", "--rail", "it tries every rail"),
    ("flops", "--board", "it counts the same on every machine"),
    (
        "flops",
        "--source, --source-option, --period, --energy, --net, --rail",
        "it counts operations and measures nothing",
    ),
    ("board", "--board", "the board is its argument NAME"),
    (
        "board",
        "--source, --source-option, --period, --energy, --net, --rail",
        "it manages a board and measures nothing: `joulebird run --board B` does",
    ),
    (
        "completion",
        "--source, --source-option, --period, --board, --form, --format, --json, --energy, --net, "
        "--rail",
        "it prints a script for a shell",
    ),
)


def reason(verb: str, option: str) -> str:
    """Return why a verb lacks an option; "" for an option that no verb shares.

    >>> reason("report", "--json"), reason("report", "--nosuch")
    ('it writes one page of HTML', '')
    """
    reasons = (
        why
        for verbs, options, why in ABSENT
        if {verb, verb.partition(" ")[0]} & set(verbs.split(", ")) and option in options.split(", ")
    )
    return next(reasons, "")


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are HarnessErrors: one or two lines, with a remedy."""

    def error(self, message: str) -> NoReturn:
        """Raise the HarnessError for a wrong command line."""
        verb = self.prog.partition(" ")[2]
        text = re.sub("^argument ", "", message)
        unknown = re.search("^unrecognized arguments: ([^ =]*)", message)
        hint = reason(verb, unknown.group(1)) if unknown else ""
        raise HarnessError(f"{verb}: {text}", hint or f"see `{self.prog} --help`")


def parser_of(verb: str) -> Parser:
    """Return the parser of a verb ("run", "board add"); its argument `main` is the verb's function.

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
    module = registry.import_module(name, f"`joulebird {verb}`")
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
