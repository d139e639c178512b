"""`events.jsonl`: the marks of a stage, a line each, readable however the process ends."""

import errno
import json
import math
import os
import time
from functools import partial
from typing import Any, Iterable, List, NamedTuple, Optional, Tuple

from joulebird.harness.core import lock
from joulebird.harness.core.errors import BUSY, HarnessError
from joulebird.harness.core.files import opened, patiently
from joulebird.harness.core.jsonfile import plain
from joulebird.harness.core.records import Event


class EventLog:
    """Append events to a file, each in one write; a line that a kill cut short is closed first.

    The file is locked until `close`; raises HarnessError (75) when it is locked already.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        if not lock.grab(self._handle, path):
            self.close()
            raise HarnessError(f"{path}: another process writes it", "wait until it is done", BUSY)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            os.write(self._handle, b"\n")

    def write(self, event: str, durable: bool = False, **facts: Any) -> float:
        """Append one event and return its time (s, CLOCK_MONOTONIC).

        A durable event is on the disk when this returns. A passing fault of the disk is waited for;
        raises the OSError of one that stays, and of a file that was deleted.
        """
        if not os.fstat(self._handle).st_nlink:  # the marks would go nowhere
            raise FileNotFoundError(errno.ENOENT, "deleted", self._path)
        t_s: float = facts.pop("t_s") if "t_s" in facts else time.monotonic()
        values = dict(plain(facts), t_s=round(t_s, 6), event=event)
        data = (json.dumps(values, allow_nan=False) + "\n").encode("utf-8")
        left = data
        while left:  # a full disk may take a part; the next attempt raises ENOSPC
            left = left[patiently(self._path, partial(os.write, self._handle, left)) :]
        if durable:
            end = os.lseek(self._handle, 0, os.SEEK_CUR)
            patiently(self._path, lambda: self._sync(data, end - len(data)))
        return t_s

    def _sync(self, data: bytes, offset: int) -> None:
        """Bring an event to the disk; Linux forgets the pages that it could not write."""
        try:
            os.fsync(self._handle)
        except OSError:
            with opened(self._path, os.O_WRONLY) as handle:  # one that does not append
                os.pwrite(handle, data, offset)
            raise

    def begin_attempt(
        self, number: int, boot_id: str, session: str, from_epoch: int, **facts: Any
    ) -> None:
        """Append the first event of an attempt at a stage."""
        self.write(
            "attempt_begin",
            attempt=number,
            boot_id=boot_id,
            wall_s=round(time.time(), 3),
            pid=os.getpid(),
            session=session,
            from_epoch=from_epoch,
            **facts,
        )

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


class Window(NamedTuple):
    """A stretch of one attempt at a stage, in seconds of the clock of one boot.

    `boot_id` is None where it is unknown; `session` is the session that recorded the stretch.
    """

    begin_s: float
    end_s: float
    boot_id: Optional[str] = None
    session: str = ""

    @property
    def seconds(self) -> float:
        """Return the length in seconds."""
        return self.end_s - self.begin_s


class Attempt(NamedTuple):
    """One attempt at a stage.

    `first` is its attempt_begin event, `begin` the instant of it. `useful` is the window of its
    useful work: to its end or, when it was killed, to its last epoch (None before the first one).
    """

    first: Event
    begin: Window
    useful: Optional[Window]
    ended: bool
    epochs: Tuple[Event, ...]

    @property
    def seconds(self) -> float:
        """The length of the useful work."""
        return 0.0 if self.useful is None else max(0.0, self.useful.seconds)


def attempts(events: Iterable[Event]) -> List[Attempt]:
    """Return the attempts at a stage, in order, from its events.

    An attempt that continues from epoch F undoes the later epochs of those before it; one that
    restarts the stage undoes them all.
    """
    parts: List[List[Event]] = []
    for event in events:
        if event["event"] == "attempt_begin":
            parts.append([event])
        elif parts:
            parts[-1].append(event)
    limit, counted = math.inf, []
    for first, *rest in reversed(parts):
        counted.append(_attempt(first, rest, limit))
        limit = min(limit, 0 if first.get("restarted") else first.get("from_epoch", math.inf))
    return counted[::-1]


def _attempt(first: Event, events: List[Event], limit: float) -> Attempt:
    """Return an attempt; later ones undid its epochs after `limit` (infinite: none)."""
    boot_id, session = first.get("boot_id") or None, first.get("session", "")
    begins = [e["t_s"] for e in events if e["event"] in ("stage_begin", "stage_resume")]
    ends = [e["t_s"] for e in events if e["event"] == "stage_end" and limit == math.inf]
    epochs = tuple(e for e in events if e["event"] == "epoch" and e["epoch"] <= limit)
    last = ends or [e["t_s"] for e in epochs]
    useful = Window(begins[0], last[-1], boot_id, session) if begins and last else None
    begin = Window(first["t_s"], first["t_s"], boot_id, session)
    return Attempt(first, begin, useful, bool(ends), epochs)


def kept_epochs(tries: Iterable[Attempt]) -> List[Tuple[Event, Attempt]]:
    """Return the epochs that count, in order, each with its attempt.

    Of an epoch that was trained twice, because a kill undid it, the last one counts.
    """
    kept = {event["epoch"]: (event, attempt) for attempt in tries for event in attempt.epochs}
    return [kept[number] for number in sorted(kept)]


def since_restart(events: List[Event]) -> List[Event]:
    """Return the events of the attempts that count.

    They are from the last restart of the stage on, or after an end whose result is gone.
    """
    ends = [n + 1 for n, e in enumerate(events) if e["event"] == "stage_end"]
    begins = [n for n, e in enumerate(events) if e["event"] == "attempt_begin"]
    return events[max(ends + [n for n in begins if events[n].get("restarted")], default=0) :]
