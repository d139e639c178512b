"""Is a finished study trustworthy? Sixteen rules after MLPerf Power and Training (R1-R16), each pass, warn or fail with what to do."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from joulebird.reports.runs.records import Run, load
from joulebird.reports.tables.table import FORMAT

PASS, WARN, FAIL = "pass", "warn", "fail"
CHECK_FAILED = 6


@dataclass(frozen=True)
class Finding:
    """What one rule says: its id (R1 to R16), pass, warn or fail, what was found, and what to do about it."""

    rule: str
    status: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class CheckReport:
    """All findings, in the order of the rules."""

    findings: tuple[Finding, ...]

    @property
    def worst(self) -> str:
        """The worst status: fail, warn or pass."""
        return max((f.status for f in self.findings), key=(PASS, WARN, FAIL).index, default=PASS)

    def exit_code(self, strict: bool = False) -> int:
        """0, or 6 when a rule failed; `strict`: also when one warned."""
        return CHECK_FAILED if self.worst == FAIL or (strict and self.worst == WARN) else 0

    def of(self, rule: str) -> list[Finding]:
        """The findings of one rule."""
        return [finding for finding in self.findings if finding.rule == rule]

    def text(self) -> str:
        """One line a finding, remedies below, and the count."""
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.rule:<4} {finding.status:<5} {finding.text}")
            lines += (
                [f"           do: {finding.remedy}"]
                if finding.remedy and finding.status != PASS
                else []
            )
        count = {
            status: sum(f.status == status for f in self.findings) for status in (PASS, WARN, FAIL)
        }
        return (
            "\n".join([*lines, "", ", ".join(f"{many} {status}" for status, many in count.items())])
            + "\n"
        )

    def json(self) -> str:
        """The findings as JSON."""
        return (
            json.dumps(
                {
                    "format": FORMAT,
                    "worst": self.worst,
                    "findings": [vars(f) for f in self.findings],
                },
                indent=1,
            )
            + "\n"
        )


def check(paths: Iterable[str] | str) -> CheckReport:
    """Apply every rule to the finished runs of some folders; raises HarnessError when there are none or a record cannot be read."""
    return check_runs(load(paths))


def check_runs(runs: list[Run]) -> CheckReport:
    """Apply every rule; a rule without anything to say passes."""
    from joulebird.reports.checks.power import POWER_RULES
    from joulebird.reports.checks.runs import RUN_RULES

    findings: list[Finding] = []
    for rule, (what, function) in sorted(
        {**RUN_RULES, **POWER_RULES}.items(), key=lambda item: int(item[0][1:])
    ):
        found = [Finding(rule, *rest) for rest in function(runs)]
        findings += found or [Finding(rule, PASS, what)]
    return CheckReport(tuple(findings))
