"""Check a finished study by sixteen rules after MLPerf Power and Training (R1-R16)."""

import json
from collections import Counter
from dataclasses import asdict, dataclass

from joulebird.harness.core.errors import CHECK, DONE
from joulebird.reports.checks.board import BOARD_RULES
from joulebird.reports.checks.finding import FAIL, PASS, STATES, WARN, Finding
from joulebird.reports.checks.power import POWER_RULES
from joulebird.reports.checks.runs import RUN_RULES
from joulebird.reports.runs.records import Paths, load
from joulebird.reports.tables.table import FORMAT

RULES = {**RUN_RULES, **BOARD_RULES, **POWER_RULES}


@dataclass(frozen=True)
class CheckReport:
    """All findings, in the order of the rules."""

    findings: tuple[Finding, ...]

    @property
    def worst(self) -> str:
        """Return the worst status: fail, warn, note or pass."""
        return max((finding.status for finding in self.findings), key=STATES.index, default=PASS)

    def exit_code(self, strict: bool = False) -> int:
        """Return 0, or 6 when a rule failed; `strict`: also when one warned."""
        failed = self.worst == FAIL or (strict and self.worst == WARN)
        return CHECK if failed else DONE

    def text(self) -> str:
        """Write one line a finding, remedies below, and the counts."""
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.rule:<4} {finding.status:<5} {finding.text}")
            if finding.remedy and finding.status != PASS:
                lines.append(f"           do: {finding.remedy}")
        counts = Counter(finding.status for finding in self.findings)
        summary = ", ".join(f"{counts[status]} {status}" for status in STATES)
        return "\n".join([*lines, "", summary]) + "\n"

    def json(self) -> str:
        """Write the findings as JSON."""
        facts = {"format": FORMAT, "worst": self.worst, **asdict(self)}
        return json.dumps(facts, indent=1) + "\n"


def check(paths: Paths) -> CheckReport:
    """Apply every rule to the finished runs of some folders; a rule without a verdict passes.

    Raises HarnessError when there are none or a record cannot be read.
    """
    runs, findings = load(paths), []
    for rule, (sentence, verdicts) in sorted(RULES.items(), key=lambda item: int(item[0][1:])):
        exceptions = [Finding(rule, *verdict) for verdict in verdicts(runs)]
        findings += exceptions or [Finding(rule, PASS, sentence)]
    return CheckReport(tuple(findings))
