"""From the name of a verb to its module and its parser; only that module is imported."""

import argparse
import sys
from typing import Any, NoReturn

from joulebird.harness import verbs
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError


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
    name = verb.replace(" ", ".")
    return registry.import_module(f"{verbs.__name__}.{name}", f"`joulebird {verb}`")


def parser_of(verb: str) -> Parser:
    """Return the parser of a verb; its `main` is the default of the argument `main`."""
    module = module_of(verb)
    parser = Parser(
        prog="joulebird " + verb,
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    parser.set_defaults(main=module.main)
    return parser
