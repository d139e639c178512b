"""joulebird board clean [NAME]: remove fetched runs, old code and ended jobs from a board.

A run counts as fetched when it is finished in the folder of the runs here; `joulebird board pull`
brings the others. Nothing is removed while a job runs. -n only lists.
"""

import posixpath
from typing import Any, Dict

from joulebird.harness.cli.arguments import Namespace, own
from joulebird.harness.cli.output import answer, plural
from joulebird.harness.host.boards.chosen import agent, runs_folder
from joulebird.harness.runs.rundir import is_finished

ARGUMENTS = (
    *("NAME", "--runs", "--form", "--json", "--output"),
    own("-n", "--dry-run", action="store_true", help="list, and remove nothing"),
)


def main(args: Namespace) -> int:
    """Ask the board to remove them, and print their paths."""
    there, root = agent(args.name), runs_folder(args.runs)
    done = there.call("status")["done"]
    fetched = [run for run in done if is_finished(root, run)]
    removed = there.call(
        "clean",
        fetched=fetched,
        cache=there.board.cache,
        keep=posixpath.basename(there.deployed.path),
        remove=not args.dry_run,
    )
    facts = dict(
        removed, board=there.board.name, dry_run=args.dry_run, left=len(done) - len(fetched)
    )
    return answer(args, facts, text(facts))


def text(facts: Dict[str, Any]) -> str:
    """Return the paths in lines, and a summary."""
    lines = [path for kind in ("runs", "stages", "idle", "jobs", "code") for path in facts[kind]]
    word = "would free" if facts["dry_run"] else "freed"
    lines.append(f"{facts['board']}: {word} {facts['bytes'] / 1e6:.1f} MB")
    if facts["left"]:
        lines.append(
            f"{plural(facts['left'], 'finished run')} not here, and therefore kept: "
            f"see `joulebird board pull {facts['board']}`"
        )
    return "\n".join(lines)
