"""Make the checks of `joulebird doctor`; their results as text and JSON."""

from typing import Any, Dict, List, NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.doctor.check import BAD, OK, SKIP, WARN, Check, Context

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
