"""joulebird check RUNS: judge whether a finished study is trustworthy.

Sixteen rules after MLPerf Power and Training, each pass, note, warn or fail.

The exit code is 6 when a rule fails (with --strict also when one warns).
"""

from joulebird.harness.cli.arguments import Namespace, own
from joulebird.harness.cli.output import put
from joulebird.harness.verbs.table import ON_BOARD, chosen
from joulebird.reports.checks.check import check

EXAMPLES = """examples:
  joulebird check runs
  joulebird check runs --strict --json
"""


ARGUMENTS = (
    own("--strict", action="store_true", help="a warning counts as a failure"),
    *("RUNS", ON_BOARD, "--form", "--json", "--output"),
)


def main(args: Namespace) -> int:
    """Apply the rules and print the findings."""
    findings = check(chosen(args.runs, args.board))
    put(findings.json() if args.form == "json" else findings.text(), args.output)
    return findings.exit_code(args.strict)
