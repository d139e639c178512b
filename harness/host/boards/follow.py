"""Follow a job on a board: its output, its end, and retries while the connection is lost."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import LinkError
from joulebird.harness.host.link.patience import Patience

EVERY_S = 30.0  # while a stage is measured, looking wakes the board: no more often than this


def follow(
    agent: Agent,
    job_id: str | None,
    say: Callable[[str], None],
    every_s: float = EVERY_S,
    patience: Patience | None = None,
) -> dict[str, Any]:
    """Pass on the output of the job (None: the newest) until it ends; return the facts of its end.

    They are status, exit, rebooted and progress.

    A broken connection is taken up again where it was, as long as `patience` lasts (default: for
    ever); then the last LinkError is raised.
    """
    patience = patience or Patience(agent.board.name, float("inf"), say)
    offset = 0
    while True:
        try:
            for part in _parts(agent, job_id, offset, every_s):
                patience.heard()
                if "end" in part:
                    return dict(part["end"])
                for line in part["text"].splitlines():
                    if not line.startswith("$ "):
                        say(line)
                offset = part["next"]
            raise LinkError(
                f"{agent.board.name}: the connection broke",
                "the same command follows the run again",
                lost=True,
            )
        except LinkError as error:
            patience.lost(error)


def _parts(
    agent: Agent, job_id: str | None, offset: int, every_s: float
) -> Iterator[dict[str, Any]]:
    """Give the board's lines as long as the connection lasts; raises LinkError when it breaks."""
    with agent.channel("follow", run=job_id, offset=offset, every_s=every_s) as process:
        for line in process.stdout:
            if not line.endswith(b"\n"):
                break  # cut in the middle of a line
            try:
                part = agent.value(line)
            except json.JSONDecodeError:
                break
            yield part
