"""joulebird board logs [NAME] [RUN]: the output of a run on a board; -f follows it."""

import sys

from joulebird.harness.cli.arguments import Namespace, own, period
from joulebird.harness.host.boards.chosen import agent
from joulebird.harness.host.boards.follow import EVERY_S, follow

ARGUMENTS = (
    "NAME",
    own("run", nargs="?", metavar="RUN", help="a run or a job (default: the newest job)"),
    own(
        "-f",
        "--follow",
        action="store_true",
        help="go on until the job ends; Ctrl-C leaves it running",
    ),
    own(
        "--every",
        type=period,
        default=EVERY_S,
        metavar="S",
        help="look no more often than this (default: %(default)g s)",
    ),
)


def main(args: Namespace) -> int:
    """Print the log."""
    there = agent(args.name)
    if args.follow:
        follow(there, args.run, lambda line: print(line, flush=True), max(1.0, args.every))
        return 0
    offset = 0
    while True:
        part = there.call("log", run=args.run, offset=offset)
        sys.stdout.write(part["text"])
        if part["next"] == offset:
            return 0
        offset = part["next"]
