"""joulebird board status [NAME]: the holder of a board, its jobs, and the finished runs there."""

import argparse
import time
from typing import Any, Dict, List, Optional

from joulebird.harness.cli.output import answer, plural
from joulebird.harness.host.boards.chosen import agent
from joulebird.harness.host.boards.one_board import owner_text

ARGUMENTS = ("NAME", "--form", "--json", "--output")


def main(args: argparse.Namespace) -> int:
    """Print the board's state."""
    there = agent(args.name)
    name, status = there.board.name, there.call("status")
    return answer(args, dict(status, board=name), text(name, status))


def text(name: str, status: Dict[str, Any]) -> str:
    """Return the state in lines."""
    machine, holder = status["machine"], status["holder"]
    done = f"{plural(len(status['done']), 'finished run')} there"
    lines = [
        f"{name}: {machine['hostname']}, Python {machine['python']}, "
        f"{machine['free_bytes'] / 1e9:.1f} GB free, up {machine['t_s'] / 3600:.1f} h"
    ]
    since = clock(holder.get("since_wall_s")) if holder else ""
    lines.append(f"in use by {owner_text(holder)} since {since}" if holder else "free")
    lines += [line for job in status["jobs"][-5:] for line in job_lines(job)]
    fetch = f": `joulebird board pull {name}` fetches them" if status["done"] else ""
    return "\n".join([*lines, done + fetch])


def job_lines(job: Dict[str, Any]) -> List[str]:
    """Return a job's state, and the last line of its output."""
    state = job["status"] if job["code"] is None else f"ended with code {job['code']}"
    if job["status"] == "lost":
        state = "ended by a reboot" if job["rebooted"] else "was killed"
    runs = plural(len(job["runs"]), "run")
    line = f"  job {job['id']} ({owner_text(job['owner'])}, {runs}): {state}"
    return [line, f"    {job['last'].strip()}"] if job["last"] else [line]


def clock(wall_s: Optional[float]) -> str:
    """Return a time of day in this machine's zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall_s)) if wall_s else "an unknown time"
