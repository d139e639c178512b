"""The command line: `joulebird VERB` or `python -m joulebird VERB`. Only the module of the verb asked for is imported."""

import argparse
import importlib
import os
import signal
import sys
from typing import Any, List, NoReturn, Optional

from joulebird import __version__
from joulebird.harness.core import exit_codes
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.verbs import ON_A_BOARD

# verb -> (module with configure(parser) and main(args) -> exit code, one line of help)
VERBS = {
    "demo": (
        "joulebird.harness.verbs.demo",
        "Table 2 of a small real study on this machine, in minutes",
    ),
    "run": ("joulebird.harness.verbs.run", "run a study or a spec: what is not done yet"),
    "plan": (
        "joulebird.harness.verbs.plan",
        "runs, shared stages, hours and kJ of a study, before paying",
    ),
    "table": ("joulebird.harness.verbs.table", "a paper-style table of finished runs"),
    "figure": ("joulebird.harness.verbs.figure", "a figure of finished runs; power over time"),
    "report": ("joulebird.harness.verbs.report", "one self-contained page about finished runs"),
    "check": ("joulebird.harness.verbs.check", "is a finished study trustworthy"),
    "compare": (
        "joulebird.harness.verbs.compare",
        "is the difference between two folders of runs real",
    ),
    "energy": (
        "joulebird.harness.verbs.energy",
        "energy of a window of a power log, ours or foreign",
    ),
    "flops": ("joulebird.harness.verbs.flops", "MACs and FLOPs of a network, dense or thin"),
    "measure": ("joulebird.harness.verbs.measure", "joules of any command"),
    "sources": ("joulebird.harness.verbs.sources", "what can be measured here"),
    "watch": ("joulebird.harness.verbs.watch", "live power"),
    "init": ("joulebird.harness.verbs.init", "describe a board that is reached over ssh"),
    "deploy": ("joulebird.harness.verbs.deploy", "put the code on a board (run does it by itself)"),
    "status": (
        "joulebird.harness.verbs.status",
        "who uses a board, what runs there, what is finished",
    ),
    "logs": ("joulebird.harness.verbs.logs", "what a run on a board has said"),
    "stop": ("joulebird.harness.verbs.stop", "end a run on a board after its epoch, or at once"),
    "pull": ("joulebird.harness.verbs.pull", "fetch finished runs from a board"),
    "doctor": (
        "joulebird.harness.verbs.doctor",
        "check board, sensors and software, and say what to do",
    ),
}
ON_BOARDS = ("sources", "watch", "doctor")  # these can be done on a board: --board B


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are HarnessErrors, one or two lines with a remedy like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise the HarnessError for a wrong command line."""
        raise HarnessError(
            "{}: {}".format(self.prog.partition(" ")[2], message), f"see `{self.prog} --help`"
        )


def help_text() -> str:
    """What `joulebird --help` prints: two examples, the verbs, the exit codes."""
    width = max(len(verb) for verb in VERBS)
    lines = [
        "usage: joulebird VERB ...",
        "",
        "Energy of training on a Jetson TX2, around Early-Bird tickets.",
        "",
        "  joulebird demo                    a small real study on this machine, and its table",
        "  joulebird energy power.csv        joules of a power log",
        "",
        "verbs (`joulebird VERB --help` for each):",
    ]
    lines += [f"  {verb.ljust(width)}  {text}" for verb, (_, text) in VERBS.items()]
    return "\n".join(lines + ["", exit_codes.TEXT]) + "\n"


def main(argv: Optional[List[str]] = None) -> int:
    """Run one command and give its exit code; what a user can cure is one or two lines on stderr, never a traceback."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        code = dispatch(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # one more while Python shuts down changes nothing
        sys.stderr.write("\njoulebird: interrupted\n  give the same command again to continue\n")
        return 130
    except BrokenPipeError:
        # whoever read our output has gone; what Python still flushes at exit must not complain either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if not isinstance(error, HarnessError):
            raise
        if error.exit_code == 130:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write(error_text(error))
        return error.exit_code


def error_text(error: Any) -> str:
    """An error as one or two lines.

    >>> error_text(HarnessError("no such study", "see `joulebird run --help`"))
    'joulebird: no such study\\n  see `joulebird run --help`\\n'
    """
    lines = ["joulebird: " + " ".join(str(error.message).split())]
    if error.hint:
        lines.append("  " + " ".join(str(error.hint).split()))
    return "\n".join(lines) + "\n"


def dispatch(argv: List[str]) -> int:
    """Find the verb, parse its arguments, call it."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return 0
    if argv[0] in ("-V", "--version"):
        sys.stdout.write(f"joulebird {__version__}\n")
        return 0
    if argv[0] not in VERBS:
        from joulebird.harness.core.registry import nearest

        raise HarnessError(f"unknown verb {argv[0]!r}", nearest(argv[0], VERBS))
    module = import_verb(argv[0])
    parser = Parser(
        prog="joulebird " + argv[0],
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    if argv[0] in ON_BOARDS:
        parser.add_argument("--board", metavar="B", help="do this on a board over ssh")
    args = parser.parse_args(argv[1:])
    if argv[0] in ON_BOARDS and args.board:
        return import_module("joulebird.harness.host.boards.forward", argv[0]).main(
            argv[0], args, argv[1:]
        )
    return module.main(args)


def import_verb(verb: str) -> Any:
    """The module of a verb."""
    return import_module(VERBS[verb][0], verb)


def import_module(name: str, verb: str) -> Any:
    """A module that a verb needs. Raises HarnessError on a board's Python for a part of the desk, and when a package is missing."""
    if sys.version_info < (3, 11) and (
        verb not in ON_A_BOARD or name.startswith("joulebird.harness.host.")
    ):
        raise HarnessError(
            "`joulebird %s` needs the host's Python (3.11 or newer); this is %d.%d"
            % ((verb,) + sys.version_info[:2]),
            "give this command at your desk",
        )
    try:
        return importlib.import_module(name)
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "joulebird"):
            raise
        raise HarnessError(
            f"`joulebird {verb}` needs the package {missing!r}, which is not installed",
            "pip install joulebird, or install that package",
        ) from None
