"""joulebird status [B]: who uses a board, what runs there, and what is finished and not yet fetched."""

import argparse
import time
from typing import Any, Dict, Optional

from joulebird.harness.cli.output import add_output, as_json, put
from joulebird.harness.host.boards.board_run import owner_text
from joulebird.harness.host.boards.run_boards import agent


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `joulebird status`."""
    parser.add_argument(
        "board",
        nargs="?",
        metavar="B",
        help="the board (default: JOULEBIRD_BOARD or the configuration)",
    )
    add_output(parser)


def main(args: argparse.Namespace) -> int:
    """Print the board's state."""
    there = agent(args.board)
    status = there.call("status")
    put(
        as_json(dict(status, board=there.board.name))
        if args.json
        else text(there.board.name, status),
        args.output,
    )
    return 0


def text(name: str, status: Dict[str, Any]) -> str:
    """The state in lines."""
    machine, holder = status["machine"], status["holder"]
    lines = [
        f"{name}: {machine['hostname']}, Python {machine['python']}, {machine['free_bytes'] / 1e9:.1f} GB free, "
        f"up {machine['t_s'] / 3600:.1f} h",
        f"in use by {owner_text(holder)} since {clock(holder.get('since_wall_s'))}"
        if holder is not None
        else "free",
    ]
    for job in status["jobs"][-5:]:
        state = job["status"] if job["code"] is None else f"ended with code {job['code']}"
        if job["status"] == "lost":
            state = "ended by a reboot" if job["rebooted"] else "was killed"
        lines.append(
            f"  job {job['id']} ({owner_text(job['owner'])}, {len(job['runs'])} runs): {state}"
        )
        if job["last"]:
            lines.append(f"    {job['last'].strip()}")
    lines.append(
        f"{len(status['done'])} finished runs there"
        + (f": `joulebird pull {name}` fetches them" if status["done"] else "")
    )
    return "\n".join(lines)


def clock(wall_s: Optional[float]) -> str:
    """A time of day for people, in this machine's zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall_s)) if wall_s else "an unknown time"
