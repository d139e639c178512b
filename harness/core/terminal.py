"""Facts about the terminal behind a stream."""

import os
import sys
from typing import Any, Mapping, Optional


def is_terminal(stream: Any) -> bool:
    """Return whether a person reads the stream."""
    return bool(getattr(stream, "isatty", lambda: False)())


def interactive() -> bool:
    """Return whether a person can read an error and answer it with another command."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def can_move(stream: Any, environ: Optional[Mapping[str, str]] = None) -> bool:
    """Return whether lines can be redrawn on the stream: a terminal that is not dumb."""
    environ = os.environ if environ is None else environ
    return is_terminal(stream) and environ.get("TERM", "dumb") != "dumb"


def has_colour(stream: Any) -> bool:
    """Return whether the stream shows colours, and the user has not declined them with NO_COLOR."""
    return can_move(stream) and not os.environ.get("NO_COLOR")
