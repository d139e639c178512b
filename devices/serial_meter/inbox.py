"""Hold the readings of a meter until they are taken.

The reading thread fills it, `PowerSource.read` empties it.
"""

import errno
import threading
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from joulebird.devices.serial_meter.records import Record

KEPT = 20000  # readings not taken yet


class Taken(NamedTuple):
    """The readings not taken yet, (seconds, watts), and the newest failure after them."""

    readings: List[Tuple[float, Any]]
    failure_s: float
    failure: str


class Inbox:
    """Readings, failures and present trouble of one meter, safe between two threads.

    And its identity.
    """

    def __init__(self) -> None:
        self.counts = {"readings": 0, "flagged": 0, "damaged": 0, "timeouts": 0, "opened": 0}
        self.identity: Optional[Dict[str, Any]] = None  # as the meter gave it
        self.ever = threading.Event()  # a reading has come since the beginning
        self.heard_s = 0.0  # when the last one came
        self.bytes = 0  # bytes since then
        self.damage = ""  # why the last frame was refused, until a good one
        self.trouble: Optional[BaseException] = None  # why nothing comes
        self._traceback: Any = None
        self._lock = threading.Lock()
        self._taken = Taken([], 0.0, "")

    def note(self, t_s: float, record: Record) -> None:
        """Keep the content of a record."""
        if record.kind == "damaged":
            self.damage = record.reason
        if record.kind not in ("reading", "flagged", "damaged"):
            return
        self.counts["readings" if record.kind == "reading" else record.kind] += 1
        if record.kind != "reading":
            self.fail(t_s, record.reason if record.kind == "flagged" else "damaged")
        with self._lock:
            if record.kind == "reading":
                self._taken.readings.append((t_s, record.power_w))
                del self._taken.readings[:-KEPT]
            if record.kind != "damaged":
                self.heard_s, self.trouble, self.bytes, self.damage = t_s, None, 0, ""
                self.ever.set()

    def fail(self, t_s: float, word: str) -> None:
        """Note a reading that should have come and did not."""
        with self._lock:
            self._taken = self._taken._replace(failure_s=t_s, failure=word)

    def lost(self, error: BaseException) -> None:
        """Note that the meter is away or silent, from now until the next reading."""
        with self._lock:
            self.trouble, self._traceback = error, error.__traceback__

    def take(self, now_s: float, quiet_s: float) -> Taken:
        """Return the readings since the last call; raises the trouble while there is nothing else.

        When nothing has come for `quiet_s` and no reason is known, the reading thread itself hangs
        in the kernel: that is an OSError.
        """
        with self._lock:
            taken, self._taken = self._taken, Taken([], 0.0, "")
            trouble, traceback, heard_s = self.trouble, self._traceback, self.heard_s
        if taken.readings:
            return taken
        if trouble is not None:
            raise trouble.with_traceback(traceback)  # else the traceback grows with every read
        if not taken.failure and now_s - heard_s > quiet_s:
            raise OSError(errno.ETIMEDOUT, "no reading for %.1f s" % (now_s - heard_s))
        return taken
