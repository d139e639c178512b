"""The command line: `joulebird VERB` or `python -m joulebird VERB`."""

import signal
import sys
from typing import Dict, List, Optional, Tuple

from joulebird import __version__
from joulebird.harness.core.errors import BROKEN_PIPE, DONE, EXIT_CODES, INTERRUPTED, HarnessError
from joulebird.harness.core.terminal import open_standard_streams, silence, to_stdout
from joulebird.harness.verbs import BOARD_VERBS, HELPERS, REMOTE, VERBS

EXAMPLES = """usage: joulebird VERB ...

Energy of training on a Jetson TX2, around Early-Bird tickets.

  joulebird demo                    a small real study on this machine, and its table
  joulebird energy power.csv        joules of a power log
"""
BOARD_USAGE = """usage: joulebird board VERB [NAME] ...

Boards that are reached over ssh. NAME is a board of the configuration, or any name that ssh knows.

  joulebird board add tx2 nvidia@tx2.lan
  joulebird board status tx2
"""


def help_text() -> str:
    """Return the text of `joulebird --help`: two examples, the verbs, the exit codes."""
    listed = _list("joulebird VERB --help", dict(VERBS, **HELPERS))
    return f"{EXAMPLES}\n{listed}\n{EXIT_CODES}\n"


def _list(more: str, verbs: Dict[str, str]) -> str:
    lines = (f"  {verb:{max(map(len, verbs))}}  {text}\n" for verb, text in verbs.items())
    return f"verbs (`{more}` for each):\n" + "".join(lines)


def main(argv: Optional[List[str]] = None) -> int:
    """Run one command; return its exit code. A user's error is one or two lines on stderr."""
    argv = list(sys.argv[1:] if argv is None else argv)
    open_standard_streams()
    try:
        code = dispatch(argv)
        to_stdout(lambda: None)
        return code
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # for a second Ctrl-C while Python ends
        _complain("\njoulebird: interrupted\n  give the same command again to continue\n")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone
        silence(sys.stdout)
        return BROKEN_PIPE
    except HarnessError as error:
        if error.exit_code == INTERRUPTED:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        _complain(error_text(error))
        return error.exit_code


def _say(text: str) -> None:
    to_stdout(lambda: sys.stdout.write(text))


def _complain(text: str) -> None:
    """Write to stderr; the exit code stays when that fails."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        silence(sys.stderr)


def error_text(error: HarnessError) -> str:
    r"""Return an error as one line, and its hint as a second one.

    >>> error_text(HarnessError("no such study", "see `joulebird run --help`"))
    'joulebird: no such study\n  see `joulebird run --help`\n'
    """
    texts = (f"joulebird: {error.message}", error.hint)
    return "\n  ".join(" ".join(str(text).split()) for text in texts if text) + "\n"


def dispatch(argv: List[str]) -> int:
    """Find the verb, parse its arguments, call it."""
    if argv[:1] == ["help"]:
        argv = [word for word in argv if word != "help"] + ["--help"]
    if not argv or argv[0] in ("-h", "--help"):
        _say(help_text())
        return DONE
    if argv[0] in ("-V", "--version"):
        _say(f"joulebird {__version__}\n")
        return DONE
    verb, words = verb_of(argv)
    if verb == "board":
        _say(f"{BOARD_USAGE}\n{_list('joulebird board VERB --help', BOARD_VERBS)}")
        return DONE
    from joulebird.harness.cli.parser import parser_of
    from joulebird.harness.core.registry import EXTRAS, missing_package

    args = parser_of(verb).parse_args(words)
    if verb in REMOTE and args.board:
        from joulebird.harness.host.boards import remote_verbs

        return remote_verbs.main(verb, args, words)
    try:
        return int(args.main(args))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in EXTRAS:
            raise
        raise missing_package(f"`joulebird {verb}`", error.name) from None


def verb_of(argv: List[str]) -> Tuple[str, List[str]]:
    """Split a command line into its verb and the rest. Raises HarnessError with the nearest verb.

    >>> verb_of(["board", "status", "tx2"]), verb_of(["board", "--help"])
    (('board status', ['tx2']), ('board', ['--help']))
    """
    if argv[0] != "board":
        return _known(argv[0], "verb", dict(VERBS, **HELPERS)), argv[1:]
    if len(argv) == 1 or argv[1] in ("-h", "--help"):
        return "board", argv[1:]
    return "board " + _known(argv[1], "verb of `joulebird board`:", BOARD_VERBS), argv[2:]


def _known(verb: str, kind: str, verbs: Dict[str, str]) -> str:
    if verb in verbs:
        return verb
    from joulebird.harness.core.registry import nearest

    raise HarnessError(f"unknown {kind} {verb!r}", nearest(verb, verbs))
