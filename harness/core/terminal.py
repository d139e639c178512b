"""Facts about the terminal behind a stream, and the end of a stream that fails."""

import contextlib
import os
import sys
from typing import Any, Callable, Mapping, Optional

from joulebird.harness.core.errors import HarnessError


def is_terminal(stream: Any) -> bool:
    """Return whether a person reads the stream."""
    return bool(getattr(stream, "isatty", lambda: False)())


def interactive() -> bool:
    """Return whether a person can read an error and answer it with another command."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def silence(stream: Any) -> None:
    """Send the rest of a stream to nowhere: Python flushes at exit too, and must not complain."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def to_stdout(write: Callable[[], Any]) -> None:
    """Call a function that writes to stdout, and flush.

    Raises HarnessError when stdout cannot be written, BrokenPipeError when its reader has gone.
    """
    try:
        write()
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(sys.stdout)
        raise HarnessError(
            f"stdout: cannot be written ({error.strerror})", "write to a file elsewhere: -o FILE"
        ) from None


def open_standard_streams() -> None:
    """Open those of stdin, stdout and stderr that were closed, before a file takes their place.

    Otherwise a library's message to descriptor 2 would land in the next file that is opened. Text
    for stderr is lost; writing to stdout fails, as it does without a descriptor.
    """
    streams = (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY))
    for number, (_, flags) in enumerate(streams):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # gives the lowest number that is free
    for number, (name, flags) in enumerate(streams):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, flags)
            setattr(sys, name, open(null, "w" if number else "r"))  # noqa: SIM115


def can_move(stream: Any, environ: Optional[Mapping[str, str]] = None) -> bool:
    """Return whether lines can be redrawn on the stream: a terminal that is not dumb."""
    environ = os.environ if environ is None else environ
    return is_terminal(stream) and environ.get("TERM", "dumb") != "dumb"


def has_colour(stream: Any) -> bool:
    """Return whether the stream shows colours, and the user has not declined them with NO_COLOR."""
    return can_move(stream) and not os.environ.get("NO_COLOR")
