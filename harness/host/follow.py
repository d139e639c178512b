"""Stay with a job on a board as long as one likes: its words as they come, its end, and patience with the line."""
import json
import time
from collections.abc import Callable
from typing import Any

from harness.host.agent import Agent
from harness.host.link_errors import LinkError

EVERY_S = 30.0                      # while a stage is measured, looking wakes the board: no more often than this
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0


def follow(agent: Agent, job_id: str, say: Callable[[str], None], every_s: float = EVERY_S, patience_s: float = float("inf"),
           offset: int = 0, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Say what the job writes until it ends; gives what the board says about its end (status, exit, rebooted, progress).

    A broken line is taken up again where it was, for at most `patience_s` without any answer; then the last LinkError is raised.
    """
    heard_s, wait_s, lost = clock(), FIRST_WAIT_S, False
    while True:
        try:
            for part in _parts(agent, job_id, offset, every_s):
                if lost:
                    say(f"{agent.board.name} answers again")
                heard_s, wait_s, lost = clock(), FIRST_WAIT_S, False
                if "end" in part:
                    return part["end"]
                for line in part["text"].splitlines():
                    if not line.startswith("$ "):
                        say(line)
                offset = part["next"]
            error = LinkError(f"{agent.board.name}: the connection broke", "the same command follows the run again", lost=True)
        except LinkError as caught:
            error = caught
        if not error.lost or clock() - heard_s + wait_s > patience_s:
            raise error
        if not lost:
            say(f"no connection to {agent.board.name} ({error.message}); what runs there goes on; trying again")
        lost = True
        sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _parts(agent: Agent, job_id: str, offset: int, every_s: float):
    """The board's lines, as long as the connection lasts; raises LinkError when it breaks with a reason."""
    with agent.channel("follow", run=job_id, offset=offset, every_s=every_s) as process:
        for line in process.stdout:
            if not line.endswith(b"\n"):
                break                               # cut in the middle of a line
            try:
                part = agent.value(line)
            except json.JSONDecodeError:
                break
            yield part
