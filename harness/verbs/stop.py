"""joulebird stop [B] [RUN]: end the run on a board after its epoch; given again, at once. The same `joulebird run` continues it later."""

import argparse
import sys

from joulebird.harness.host.boards.run_boards import agent


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird stop`."""
    parser.add_argument(
        "board",
        nargs="?",
        metavar="B",
        help="the board (default: JOULEBIRD_BOARD or the configuration)",
    )
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="stop only if this run or job is the one that runs"
    )


def main(args: argparse.Namespace) -> int:
    """Send the request."""
    there = agent(args.board)
    found = there.call("stop", run=args.run)
    sys.stderr.write(
        f"{there.board.name}: job {found['job']['id']} was asked to stop: it ends after its epoch; "
        "the same command again ends it at once\n"
    )
    return 0
