"""joulebird pull [B] [RUN...]: fetch finished runs from a board, with their stages, logs and idle measurements."""

import argparse
from pathlib import Path

from joulebird.harness.cli.output import add_output, as_json, put
from joulebird.harness.host import config
from joulebird.harness.host.boards.results import fetch
from joulebird.harness.host.boards.run_boards import agent


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird pull`."""
    parser.add_argument(
        "board",
        nargs="?",
        metavar="B",
        help="the board (default: JOULEBIRD_BOARD or the configuration)",
    )
    parser.add_argument(
        "run", nargs="*", metavar="RUN", help="the runs to fetch (default: all that are finished)"
    )
    parser.add_argument("--runs", metavar="DIR", help="folder of the runs here (default: runs)")
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Fetch and name what is here now."""
    there = agent(args.board)
    root = Path(config.load().value("runs", args.runs, default="runs")[0])
    done = fetch(there, root, args.run)
    absent = [run for run in args.run if run not in done]
    put(
        as_json({"runs": done, "not_finished": absent})
        if args.json
        else "\n".join(
            [f"{run}" for run in done]
            + [f"{run}: not finished on {there.board.name}" for run in absent]
        ),
        args.output,
    )
    return 6 if absent else 0
