"""Follow a job on a board: its output, its end, and retries while the connection is lost.

Permanent errors are raised at once, transient ones retried with back-off.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import LinkError

EVERY_S = 30.0  # while a stage is measured, looking wakes the board: no more often than this

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0


class Patience:
    """Counts from the last sign of life: `heard` at each one, `lost` at each failure.

    A board that was never heard gets no retry.
    """

    def __init__(
        self,
        name: str,
        patience_s: float,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name, self._patience_s, self._say, self._clock, self._sleep = (
            name,
            patience_s,
            say,
            clock,
            sleep,
        )
        self._heard_s: float | None = None
        self._wait_s, self._silent = FIRST_WAIT_S, False

    def heard(self) -> None:
        """Note an answer of the board."""
        if self._silent:
            self._say(f"{self._name} answers again")
        self._heard_s, self._wait_s, self._silent = self._clock(), FIRST_WAIT_S, False

    def lost(self, error: LinkError) -> None:
        """Wait, longer each time; raises the error when it is permanent or the patience is over."""
        if (
            not error.lost
            or self._heard_s is None
            or self._clock() - self._heard_s + self._wait_s > self._patience_s
        ):
            raise error
        if not self._silent:
            self._say(
                f"no connection to {self._name} ({error.message}); "
                "the run continues there; retrying"
            )
        self._silent = True
        self._sleep(self._wait_s)
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)


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
