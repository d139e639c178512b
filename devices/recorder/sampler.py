"""Sample a power source into a log, at random intervals, with a row for every failure."""

import contextlib
import errno
import random
import sys
import threading
import time
import traceback
from typing import Any, Callable, Dict, Optional, Set, Tuple

from joulebird.devices.powerlog import PowerLog
from joulebird.devices.source import PowerSample, PowerSource
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.sensor import lowest_w, of_rail

# Of the period: a fixed one in step with the training's iterations errs by up to 45 %.
JITTER = (0.5, 1.5)
STALE_S = 5.0  # older data than this is not the present power
AHEAD_S = 1.0  # a sample from further in the future has a wrong clock
SYNC_EVERY_S = 1.0


def status_of(error: BaseException) -> str:
    """Return the log's word for a failed read.

    It is an errno's name, a SourceError's `status` or UNREADABLE, or the exception's name.

    >>> [status_of(error) for error in (OSError(121, ""), SourceError(""), ZeroDivisionError())]
    ['EREMOTEIO', 'UNREADABLE', 'ZeroDivision']
    """
    if isinstance(error, OSError) and error.errno is not None and error.errno in errno.errorcode:
        return errno.errorcode[error.errno]
    if isinstance(error, SourceError):
        return str(getattr(error, "status", "UNREADABLE"))
    name = type(error).__name__
    return name[:-5] if name.endswith("Error") and len(name) > 5 else name


Bounds = Dict[str, Tuple[float, float]]  # the lowest and the highest watts of a rail


def bounds_of(describe: Dict[str, Any]) -> Bounds:
    """Return the readings that a source's sensor can mean, by the source's description.

    The highest is the rail's `range_w`; a rail without one has no bounds.
    """
    ranges = {rail: of_rail(describe.get("range_w"), rail) for rail in describe.get("rails", ())}
    return {
        rail: (lowest_w(describe, rail, high), high)
        for rail, high in ranges.items()
        if high is not None
    }


def within(bounds: Bounds, sample: PowerSample) -> PowerSample:
    """Return a sample, the readings out of bounds left out with the error RANGE.

    >>> within({"WALL": (-1.0, 60.0)}, PowerSample(1.0, {"WALL": 61.0}))
    PowerSample(t_s=1.0, watts={}, error='RANGE')
    """
    wrong = [
        rail
        for rail, (low, high) in bounds.items()
        if rail in sample.watts and not low <= sample.watts[rail] <= high
    ]
    kept = {rail: watts for rail, watts in sample.watts.items() if rail not in wrong}
    return PowerSample(sample.t_s, kept, "RANGE") if wrong else sample


class Sampler:
    """Read an open source, write new samples into the present log, and count the failures."""

    def __init__(
        self,
        source: PowerSource,
        period_s: float,
        clock: Callable[[], float] = time.monotonic,
        generator: Optional[random.Random] = None,
    ) -> None:
        self.source, self._clock = source, clock
        # A source that has something new every min_period_s is asked twice as often, so that
        # nothing is missed.
        self.period_s = max(period_s, source.min_period_s / 2.0)
        self._stale_s = max(STALE_S, 5.0 * max(period_s, source.min_period_s))
        # Seeded from os.urandom: no two recorders in step.
        self._random = generator or random.Random()
        # Times of the newest sample, the last row, and the last edge that a reading should cover.
        self._newest_s = self._row_s = self._edge_s = float("-inf")
        self._path = ""
        self._printed: Set[str] = set()
        self.log: Optional[PowerLog] = None
        self.log_error: Optional[SourceError] = None
        # Ticks that came more than a period late, the worst lateness, and the worst gap between two
        # readings of the total so far.
        self.missed, self.late_s, self.worst_gap_s = 0, 0.0, 0.0
        self._bounds = bounds_of(source.describe())
        # Of the log: its first whole reading, and the last one, at first the log's begin.
        self._first_s: Optional[float] = None
        self._last_s = clock()
        self.next_s = self._last_s + self._step()

    def _step(self) -> float:
        return self.period_s * self._random.uniform(*JITTER)

    def open(self, path: str, describe: Dict[str, Any]) -> None:
        """Begin a segment; closes the log before. Raises SourceError when it cannot be written."""
        self.close()
        self.log_error = None
        self.missed, self.late_s, self.worst_gap_s = 0, 0.0, 0.0
        # The last reading of a slow meter belongs in this log, too: it covers its begin.
        self._newest_s = float("-inf")
        if path != self._path:
            self._path, self._row_s = path, float("-inf")
        self.log = PowerLog(path, describe, self._clock)
        self._total = tuple(describe.get("total") or describe["rails"])
        self._first_s, self._last_s = None, self._clock()
        self.next_s = self._last_s + self._step()

    def close(self) -> Dict[str, Any]:
        """End the log and return its counts.

        They are rows, failed, missed ticks, worst lateness, and rate and worst gap of the readings
        of the total, from the log's begin to its end.

        Raises SourceError when it could not be written.
        """
        log, self.log = self.log, None
        if log is None:
            return {}
        log.close()
        self.check()
        span_s = 0.0 if self._first_s is None else self._last_s - self._first_s
        worst_gap_s = max(self.worst_gap_s, self._clock() - self._last_s)
        return {
            "path": log.path,
            "rows": log.rows,
            "failed": log.failed,
            "missed": self.missed,
            "late_s": round(self.late_s, 6),
            "worst_gap_s": round(worst_gap_s, 6),
            "rate_hz": round((log.rows - log.failed - 1) / span_s, 3) if span_s > 0 else 0.0,
        }

    def check(self) -> None:
        """Raise, once, the error that kept rows from being written since the last call."""
        error, self.log_error = self.log_error, None
        if error is not None:
            raise error

    def tick(self) -> None:
        """Sample if it is time. Ticks that were missed are not made up for."""
        now_s = self._clock()
        if now_s < self.next_s:
            return
        self.late_s = max(self.late_s, now_s - self.next_s)
        self.take()
        self.next_s += self._step()
        now_s = self._clock()
        if self.next_s <= now_s:
            self.missed += 1
            self.next_s = now_s + self._step()

    def edge(self) -> Tuple[float, str]:
        """Take one sample now, at the edge of a stage. Returns (time, status)."""
        t_s, status = self.take()
        self._edge_s = t_s if status == "ok" else float("-inf")
        return t_s, status

    def owed_s(self) -> float:
        """Return the seconds to wait for the reading that covers the last edge.

        It is 0 if it is there, else the longest delay of a source that pushes.
        """
        return (
            min(STALE_S, 2.0 * self.source.min_period_s) if self._newest_s < self._edge_s else 0.0
        )

    def read(self) -> PowerSample:
        """Return a reading within the bounds; a failed one is tried again once, immediately.

        Raises any error of the source.
        """
        try:
            sample = self.source.read()
        except (OSError, SourceError):
            sample = self.source.read()
        if sample.error is not None:
            with contextlib.suppress(OSError, SourceError):
                sample = max(sample, self.source.read(), key=lambda each: len(each.watts))
        return within(self._bounds, sample)

    def take(self) -> Tuple[float, str]:
        """Take one sample now, with a row if it is new.

        Returns (its time, status), or (now, "ok") for a source with nothing new.
        """
        try:
            sample = self.read()
        except Exception as error:  # a bug of a driver must not stop the samples or the training
            self._print_once(error)
            error.__traceback__ = None  # it would grow in a driver that raises one error repeatedly
            return self._put(self._clock(), {}, status_of(error))
        now_s = self._clock()
        if sample.t_s > now_s + AHEAD_S or sample.t_s < self._newest_s:
            return self._put(now_s, {}, "CLOCK")
        if now_s - sample.t_s > self._stale_s:
            return self._put(now_s, {}, "STALE")
        if sample.t_s == self._newest_s:
            return now_s, "ok"
        self._newest_s = sample.t_s
        return self._put(sample.t_s, sample.watts, sample.error or "ok")

    def _put(self, t_s: float, watts: Dict[str, float], status: str) -> Tuple[float, str]:
        # A pushed sample may be older than the failure that was written just before it; rows never
        # go back in time.
        if self.log is not None and t_s > self._row_s:
            try:
                self.log.row(t_s, watts, status)
                self._row_s = t_s
                if all(rail in watts for rail in self._total):  # for the record
                    self.worst_gap_s = max(self.worst_gap_s, t_s - self._last_s)
                    self._first_s = t_s if self._first_s is None else self._first_s
                    self._last_s = t_s
            except SourceError as error:
                if self.log_error is None:
                    self._print_once(error)
                self.log_error = error
        return t_s, status

    def _print_once(self, error: Exception) -> None:
        """Print each failure once on stderr, which the parent keeps.

        A bug of a driver with its traceback.
        """
        key = f"{type(error).__name__}: {error}"
        if key not in self._printed and len(self._printed) < 100:
            self._printed.add(key)
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            expected = isinstance(error, (OSError, SourceError))
            print(error if expected else "".join(lines).rstrip(), file=sys.stderr, flush=True)


class Syncer(threading.Thread):
    """Sync the log once a second, beside the sampling: a slow card must not delay a sample."""

    def __init__(self, sampler: Sampler, every_s: float = SYNC_EVERY_S) -> None:
        super().__init__(name="sync", daemon=True)
        self._sampler, self._every_s = sampler, every_s
        self._end = threading.Event()

    def run(self) -> None:
        """Sync until `stop`."""
        while not self._end.wait(self._every_s):
            log = self._sampler.log
            try:
                if log is not None:
                    log.sync()
            except SourceError as error:
                self._sampler.log_error = error

    def stop(self) -> None:
        """End it; returns when it has ended."""
        self._end.set()
        self.join(timeout=5.0)
