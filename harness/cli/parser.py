"""The parser of each verb, made from its module's `ARGUMENTS`."""

import argparse
import re
import sys
from typing import Any, Iterable, NoReturn

from joulebird.harness import verbs
from joulebird.harness.cli.absent import reason
from joulebird.harness.cli.arguments import SHARED
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError


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
