"""Retry policy: permanent errors are raised at once, transient ones retried with back-off."""

import time
from collections.abc import Callable

from joulebird.harness.host.link.errors import LinkError

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
