"""A check of `joulebird doctor`, its context and its verdict; all results as text and JSON."""

import glob
import os
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from joulebird.devices.board.identify import identify
from joulebird.devices.util.command import Runner, run_command, sudo_prefix
from joulebird.devices.util.sysfs import text_or_none
from joulebird.harness.core.errors import HarnessError

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


MARKS = {OK: "ok", WARN: "!", BAD: "WRONG", SKIP: "-"}
COLOURS = {OK: "32", WARN: "33", BAD: "31", SKIP: "2"}


class CheckResult(NamedTuple):
    """A check with its verdict; `fixed` says what --fix did about it, "" if nothing."""

    name: str
    status: str
    found: str
    remedy: str
    fixed: str


def examine(context: Context, table: List[Check], fix: bool = False) -> List[CheckResult]:
    """Make the checks; with `fix`, cure the safe ones and check again."""
    results = []
    for check in table:
        verdict, done = check.look(context), ""
        if fix and check.fix is not None and verdict.status in (BAD, WARN):
            try:
                done = check.fix(context)
                verdict = check.look(context)
            except HarnessError as error:
                done = f"could not be fixed: {error}"
        remedy = verdict.remedy if verdict.status in (BAD, WARN) else ""
        results.append(CheckResult(check.name, verdict.status, verdict.found, remedy, done))
    return results


def as_text(results: List[CheckResult], colour: bool = False) -> str:
    """Return the results for people: a line each with its remedy, the skipped ones, a count."""
    lines, width = [], max(len(result.name) for result in results)
    shown = [result for result in results if result.status != SKIP or len(results) == 1]
    indent = " " * (width + 8)
    for result in shown:
        mark = MARKS[result.status].ljust(5)
        if colour:
            mark = f"\x1b[{COLOURS[result.status]}m{mark}\x1b[0m"
        lines.append(f"{mark}  {result.name.ljust(width)}  {result.found}")
        if result.fixed:
            lines.append(f"{indent} done: {result.fixed}")
        if result.remedy:
            lines.append(f"{indent} do: {result.remedy}")
    skipped = ", ".join(result.name for result in results if result not in shown)
    lines += ["do not apply: " + skipped] if skipped else []
    count = {status: sum(result.status == status for result in results) for status in MARKS}
    lines.append(f"{count[BAD]} wrong, {count[WARN]} warnings, {count[OK]} fine")
    return "\n".join(lines)


def as_facts(results: List[CheckResult]) -> Dict[str, Any]:
    """Return the results as JSON values."""
    return {
        "wrong": sum(result.status == BAD for result in results),
        "checks": [dict(result._asdict()) for result in results],
    }
