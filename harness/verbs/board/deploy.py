"""joulebird board deploy [NAME]: put the code on a board, one file named by its SHA-256.

Nothing is installed there. `joulebird run` does this by itself.
"""

from pathlib import Path

from joulebird.harness.cli.arguments import Namespace, changed
from joulebird.harness.cli.output import answer
from joulebird.harness.host.boards.chosen import agent
from joulebird.harness.host.link.transfer import send

ARGUMENTS = (
    *("NAME", "--form", "--json", "--output"),
    changed("--data-dir", help="send this folder of data sets too"),
)


def main(args: Namespace) -> int:
    """Deploy and print the file, and the bytes sent."""
    there = agent(args.name)
    code = there.deployed
    facts = {
        "board": there.board.name,
        "path": code.path,
        "sha256": code.sha256,
        "sent_bytes": code.sent_bytes,
    }
    lines = [f"{code.path} ({f'{code.sent_bytes} bytes sent' if code.sent_bytes else 'was there'})"]
    if args.data_dir:
        facts["data"] = send(there, Path(args.data_dir))
        lines.append(f"{facts['data']} (data sets)")
    return answer(args, facts, "\n".join(lines))
