"""joulebird board pull [NAME] [RUN...]: fetch finished runs from a board.

Their stages, logs and idle measurements come with them.
"""

from pathlib import Path

from joulebird.harness.cli.arguments import Namespace, own
from joulebird.harness.cli.output import answer
from joulebird.harness.core.errors import CHECK, DONE
from joulebird.harness.host.boards.chosen import agent, runs_folder
from joulebird.harness.host.boards.results import fetch

ARGUMENTS = (
    "NAME",
    own("run", nargs="*", metavar="RUN", help="the runs to fetch (default: all that are finished)"),
    *("--runs", "--form", "--json", "--output"),
)


def main(args: Namespace) -> int:
    """Fetch the runs and print their ids."""
    there = agent(args.name)
    done = fetch(there, Path(runs_folder(args.runs)), args.run)
    absent = [run for run in args.run if run not in done]
    lines = done + [f"{run}: not finished on {there.board.name}" for run in absent]
    text = "\n".join(lines or [f"{there.board.name}: no finished runs"])
    answer(args, {"runs": done, "not_finished": absent}, text)
    return CHECK if absent else DONE
