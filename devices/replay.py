"""Play a recorded power log again, at its own pace or faster.

    --source replay --source-option path=runs/stages/train-1f3a/power.csv

For trials and demonstrations: nothing is measured, and every result is marked `replayed`.
"""

import errno
import time
from typing import Any, Callable, Dict, Iterator, Optional

from joulebird.devices.powerlog_read import Timed, timeline
from joulebird.devices.source import PowerSample, PowerSource, Unread
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.powerlog import Head

# facts of the source that was recorded
KEPT = ("sensor", "range_w", "accuracy", "simulated", "below_resolution")


class ReplaySource(PowerSource):
    """The rows of a `power.csv`, in time with the clock: `read` gives the newest row that is due.

    `path`: the log. `speed`: 2 plays twice as fast, so that it holds half the energy. `loop`: begin
    again at its end. A failed row fails again.
    """

    name = "replay"
    real = False
    scope = "unknown"

    def __init__(
        self,
        path: str = "",
        speed: float = 1.0,
        loop: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not speed > 0.0:
            raise SourceError(
                f"a log cannot be replayed at speed {speed!r}", "give a number above 0"
            )
        self._path, self._speed, self._loop, self._clock = path, speed, loop, clock
        self._rows: Iterator[Timed] = iter(())
        self._head: Optional[Head] = None
        self._due: Optional[Timed] = None  # the row that is shown
        self._next: Optional[Timed] = None  # the one after it
        self._begin_s = 0.0

    def open(self) -> None:
        """Begin to play; raises SourceError when the file is no power log or has no rows."""
        if self._due is not None:
            return
        if not self._path:
            raise SourceError("replay needs a log", "name it with --source-option path=power.csv")
        head = self._begin()
        self._head, source = head, head.source
        self.rails, self.total = head.rails, tuple(source.get("total") or ())
        self.sampling = source.get("sampling") or "snapshot"
        self.scope = source.get("scope") or "unknown"
        self.min_period_s = (source.get("recorder") or {}).get("period_s", 0.0) / self._speed

    def _begin(self) -> Head:
        """Go to the log's first row; return the log's first head."""
        self._rows = timeline(self._path)
        self._due = next(self._rows, None)
        if self._due is None:
            raise SourceError(
                f"the power log {self._path} has no rows", "give another one, or record again"
            )
        self._next = next(self._rows, None)
        self._begin_s = self._clock()
        return self._due[2]

    def read(self) -> PowerSample:
        """Return the newest row that is due; raises SourceError for a failed one and at the end."""
        if self._due is None:
            raise SourceError("the source is not open", "call open() first")
        now_s = (self._clock() - self._begin_s) * self._speed
        while self._next is not None and self._next[0] <= now_s:
            self._due, self._next = self._next, next(self._rows, None)
        if self._next is None and now_s > self._due[0] + 1.0:
            if not self._loop:
                raise Unread(
                    "END",
                    f"the replayed log {self._path} has ended",
                    "use loop=true to begin again",
                )
            self._begin()
        at_s, row, _ = self._due
        if not row.watts:
            raise _failure(row.status)
        error = None if row.status == "ok" else row.status
        return PowerSample(self._begin_s + at_s / self._speed, row.watts, error)

    def close(self) -> None:
        """Stop playing."""
        self._due = self._next = None

    def describe(self) -> Dict[str, Any]:
        """Return the log, the speed, and its source's description; simulated stays simulated."""
        then = dict(self._head.source) if self._head is not None else {}
        kept = {key: then[key] for key in KEPT if key in then}
        ours = {"path": self._path, "speed": self._speed, "loop": self._loop, "replayed": then}
        return {**self.identity(), **kept, **ours}


def _failure(status: str) -> Exception:
    number = getattr(errno, status, None)
    if isinstance(number, int):
        return OSError(number, f"recorded as {status}")
    return Unread(
        status,
        f"the replayed log has a failed reading here ({status})",
        "no remedy: it failed when it was recorded",
    )
