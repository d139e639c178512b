"""A check of `joulebird doctor`, its context and its verdict."""

import glob
import os
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from joulebird.devices.board.identify import identify
from joulebird.devices.util.command import Runner, run_command, sudo_prefix
from joulebird.devices.util.sysfs import text_or_none

OK, WARN, BAD, SKIP = "ok", "warn", "bad", "skip"


class Verdict(NamedTuple):
    """The outcome of a check: a status, a sentence, and the remedy, shown for warn and bad.

    ok; warn: the numbers are worse for it; bad: wrong; skip: the check does not apply.
    """

    status: str
    found: str
    remedy: str = ""


def first_of(*rows: Tuple[Any, ...]) -> Verdict:
    """Return the verdict of the first row that holds: a row is a condition and the verdict."""
    return next(Verdict(*verdict) for holds, *verdict in rows if holds)


class Context:
    """The machine as the checks see it: files, commands, environment, Python, folder."""

    def __init__(
        self,
        root: str = "/",
        run: Runner = run_command,
        environ: Optional[Mapping[str, str]] = None,
        python: str = sys.executable,
        folder: str = ".",
        machine: Optional[str] = None,
        wall: Callable[[], float] = time.time,
        state_folder: Optional[str] = None,
        sudo: Optional[List[str]] = None,
    ) -> None:
        self.root, self.run, self.python, self.folder, self.wall = root, run, python, folder, wall
        self.environ = os.environ if environ is None else environ
        self.machine, self.state_folder = machine or os.uname().machine, state_folder
        self.sudo = list(sudo_prefix() if sudo is None else sudo)
        self.board: Dict[str, Any] = identify(root)

    @property
    def jetson(self) -> bool:
        """True on a Jetson."""
        return bool(self.board["jetson"])

    def running(self, names: List[str]) -> List[str]:
        """Return those of these commands that run now."""
        files = glob.glob(os.path.join(glob.escape(self.root), "proc", "[0-9]*", "comm"))
        commands = {text_or_none(path) for path in files}
        return [name for name in names if name in commands]


class Check(NamedTuple):
    """A named check; `fix`, if there is one, cures the trouble safely and returns its action."""

    name: str
    look: Callable[[Context], Verdict]
    fix: Optional[Callable[[Context], str]] = None


def jetson_only(look: Callable[[Context], Verdict]) -> Callable[[Context], Verdict]:
    """Let a check apply to Jetsons only."""
    return lambda context: look(context) if context.jetson else Verdict(SKIP, "not a Jetson")


def none_running(names: List[str], remedy: str, fine: str) -> Callable[[Context], Verdict]:
    """Return the check that none of these commands runs on a Jetson."""

    @jetson_only
    def look(context: Context) -> Verdict:
        running = ", ".join(context.running(names))
        return first_of((running, WARN, f"running: {running}", remedy), (True, OK, fine))

    return look
