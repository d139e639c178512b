"""joulebird deploy [B]: put the code on a board, one file named by its SHA-256; nothing is installed there. `run` does this by itself."""

import argparse
from pathlib import Path

from joulebird.harness.cli.output import add_output, as_json, put
from joulebird.harness.host.boards.run_boards import agent
from joulebird.harness.host.link.datasets import send


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird deploy`."""
    parser.add_argument(
        "board",
        nargs="?",
        metavar="B",
        help="the board (default: JOULEBIRD_BOARD or the configuration)",
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="send this folder of data sets too"
    )
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Deploy and say what had to be sent."""
    there = agent(args.board)
    found = there.deployed
    answer = {
        "board": there.board.name,
        "path": found.path,
        "sha256": found.sha256,
        "sent_bytes": found.sent_bytes,
    }
    if args.data_dir:
        answer["data"] = send(there, args.data_dir)
    put(
        as_json(answer)
        if args.json
        else "\n".join(
            [
                f"{found.path} ({f'{found.sent_bytes} bytes sent' if found.sent_bytes else 'was there'})"
            ]
            + ([f"{answer['data']} (data sets)"] if args.data_dir else [])
        ),
        args.output,
    )
    return 0
