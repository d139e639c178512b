"""The result of a rule: pass, note, warn or fail, with the remedy."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from joulebird.reports.runs.records import FinishedRun, FinishedStage, unique_stages

PASS, NOTE, WARN, FAIL = "pass", "note", "warn", "fail"
STATES = (PASS, NOTE, WARN, FAIL)


@dataclass(frozen=True)
class Finding:
    """A rule (R1 to R16) with its status, the fact that decided it, and the remedy."""

    rule: str
    status: str
    text: str
    remedy: str = ""


Verdict = tuple[str, str, str]  # status, text, remedy
Verdicts = Iterable[Verdict]
# the sentence of a rule, and a function whose verdicts are the exceptions from it
Rules = dict[str, tuple[str, Callable[[list[FinishedRun]], Verdicts]]]


def measured(runs: list[FinishedRun]) -> list[FinishedStage]:
    """Return the stages with a power log, each once."""
    return [stage for stage in unique_stages(runs) if stage.measured]
