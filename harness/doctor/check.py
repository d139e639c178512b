"""The checks of `joulebird doctor`: one table of small functions, each with what was found and what to do."""

import os
import sys
import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from joulebird.devices.board.identify import identify
from joulebird.devices.util.command import Runner, run_command, sudo_prefix
from joulebird.devices.util.sysfs import text_or_none

OK, WARN, BAD, SKIP = "ok", "warn", "bad", "skip"
MARKS = {OK: "ok", WARN: "!", BAD: "WRONG", SKIP: "-"}
COLOURS = {OK: "32", WARN: "33", BAD: "31", SKIP: "2"}


class Finding(NamedTuple):
    """What a check found: a status (ok; warn: numbers are worse for it; bad: wrong; skip: does not apply), a sentence, and what to do."""

    status: str
    found: str
    remedy: str = ""


class Context:
    """What checks look at: a file tree, commands, the environment, the Python that trains, the folder of the runs, the wall clock."""

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
        self.environ = dict(os.environ if environ is None else environ)
        self.machine = machine or os.uname().machine
        self.state_folder = state_folder
        self.sudo = list(sudo_prefix() if sudo is None else sudo)
        self.board: Dict[str, Any] = identify(root)

    @property
    def jetson(self) -> bool:
        """Whether this is a Jetson."""
        return bool(self.board["jetson"])

    def text(self, path: str) -> Optional[str]:
        """The text of a file of the tree, or None."""
        return text_or_none(os.path.join(self.root, path))

    def running(self, names: List[str]) -> List[str]:
        """Those of these commands that run now."""
        found = set()
        try:
            numbers = [
                name for name in os.listdir(os.path.join(self.root, "proc")) if name.isdigit()
            ]
        except OSError:
            numbers = []
        for number in numbers:
            found.add(self.text(os.path.join("proc", number, "comm")))
        return [name for name in names if name in found]

    def memory(self) -> Dict[str, int]:
        """Bytes by name from /proc/meminfo; empty where there is none."""
        lines = [line.split() for line in (self.text("proc/meminfo") or "").splitlines()]
        return {
            words[0].rstrip(":"): 1024 * int(words[1])
            for words in lines
            if len(words) >= 2 and words[1].isdigit()
        }


class Check(NamedTuple):
    """One line of the table: a name, a function from Context to Finding, and maybe one that cures it safely (gives what it did)."""

    name: str
    look: Callable[[Context], Finding]
    fix: Optional[Callable[[Context], str]] = None


class Result(NamedTuple):
    """A check that was made; `fixed` says what was done about it, "" if nothing."""

    name: str
    status: str
    found: str
    remedy: str
    fixed: str


def jetson_only(look: Callable[[Context], Finding]) -> Callable[[Context], Finding]:
    """A check that does not apply to other machines."""

    def checked(context: Context) -> Finding:
        return look(context) if context.jetson else Finding(SKIP, "not a Jetson")

    checked.__doc__ = look.__doc__
    return checked


def checks() -> List[Check]:
    """All checks, in the order in which they are shown."""
    from joulebird.harness.doctor import (
        board as doctor_board,
    )
    from joulebird.harness.doctor import (
        power as doctor_power,
    )
    from joulebird.harness.doctor import (
        software as doctor_software,
    )

    return doctor_board.CHECKS + doctor_power.CHECKS + doctor_software.CHECKS


def examine(context: Context, table: List[Check], fix: bool = False) -> List[Result]:
    """Make the checks; with `fix`, cure what can be cured safely, and look again."""
    results = []
    for check in table:
        finding, done = check.look(context), ""
        if fix and check.fix is not None and finding.status in (BAD, WARN):
            try:
                done = check.fix(context)
                finding = check.look(context)
            except Exception as error:
                if not hasattr(error, "hint"):
                    raise
                done = f"could not be fixed: {error}"
        results.append(Result(check.name, finding.status, finding.found, finding.remedy, done))
    return results


def as_text(results: List[Result], colour: bool = False) -> str:
    """The results for people: a line each, what to do under those that are not fine, those that do not apply in one line, a count."""
    lines, width = [], max(len(result.name) for result in results)
    shown = [result for result in results if result.status != SKIP or len(results) == 1]
    for result in shown:
        mark = MARKS[result.status].ljust(5)
        lines.append(
            "{}  {}  {}".format(
                f"\x1b[{COLOURS[result.status]}m{mark}\x1b[0m" if colour else mark,
                result.name.ljust(width),
                result.found,
            )
        )
        if result.fixed:
            lines.append("{} done: {}".format(" " * (width + 8), result.fixed))
        if result.remedy and result.status in (WARN, BAD):
            lines.append("{} do: {}".format(" " * (width + 8), result.remedy))
    count = {status: sum(result.status == status for result in results) for status in MARKS}
    skipped = ", ".join(result.name for result in results if result not in shown)
    lines += ["do not apply: " + skipped] if skipped else []
    return "\n".join(
        lines + ["%d wrong, %d warnings, %d fine" % (count[BAD], count[WARN], count[OK])]
    )


def as_facts(results: List[Result]) -> Dict[str, Any]:
    """The results as JSON values."""
    return {
        "wrong": sum(result.status == BAD for result in results),
        "checks": [dict(result._asdict()) for result in results],
    }
