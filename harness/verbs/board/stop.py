"""joulebird board stop [NAME] [RUN]: end the run on a board after its epoch; again, at once.

The same `joulebird run` continues it later.
"""

import sys

from joulebird.harness.cli.arguments import Namespace, own
from joulebird.harness.host.boards.chosen import agent

ARGUMENTS = (
    "NAME",
    own("run", nargs="?", metavar="RUN", help="stop only if this run or job is the one that runs"),
)


def main(args: Namespace) -> int:
    """Send the request."""
    there = agent(args.name)
    job = there.call("stop", run=args.run)["job"]
    sys.stderr.write(
        f"{there.board.name}: job {job['id']} was asked to stop: it ends after its epoch; "
        "the same command again ends it at once\n"
    )
    return 0
