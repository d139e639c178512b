"""`events.jsonl`: what happened in a stage, one line at a time, in order, readable however the process ends."""

import json
import math
import os
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional


class EventLog:
    """Appends events to a file, each in one write. A last line cut short by a kill is closed first, so that the next one stands alone."""

    def __init__(self, path: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            os.write(self._handle, b"\n")

    def write(self, event: str, durable: bool = False, **facts: Any) -> float:
        """Append one event and give its time (s, CLOCK_MONOTONIC); a durable one is on the disk when this returns."""
        t_s = facts.pop("t_s", None)
        t_s = self._clock() if t_s is None else t_s
        line = (
            json.dumps(dict(plain(facts), t_s=round(t_s, 6), event=event), allow_nan=False) + "\n"
        )
        data = line.encode("utf-8")
        while data:  # a full disk may take a part; the next attempt raises ENOSPC
            data = data[os.write(self._handle, data) :]
        if durable:
            os.fsync(self._handle)
        return t_s

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def plain(value: Any) -> Any:
    """A value as JSON can hold it: a number that is none (nan, infinity) becomes null, a tuple a list.

    >>> plain({"loss": float("nan"), "widths": (1, 2)})
    {'loss': None, 'widths': [1, 2]}
    """
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


class Attempt(NamedTuple):
    """One attempt at a stage as its events tell: what it began with, its events, and whether it ended the stage."""

    begin: Dict[str, Any]
    events: List[Dict[str, Any]]

    def of(self, name: str) -> List[Dict[str, Any]]:
        """The attempt's events of one name."""
        return [event for event in self.events if event["event"] == name]

    def seconds(self) -> float:
        """From its begin to its end or, when it was killed, to its last epoch (0 when it reached none)."""
        ends = self.of("stage_end") or self.of("epoch")
        begins = self.of("stage_begin") or self.of("stage_resume")
        return max(0.0, ends[-1]["t_s"] - begins[0]["t_s"]) if ends and begins else 0.0


def attempts(events: List[Dict[str, Any]]) -> List[Attempt]:
    """The events of a stage, attempt by attempt."""
    found = []  # type: List[Attempt]
    for event in events:
        if event["event"] == "attempt_begin":
            found.append(Attempt(event, []))
        elif found:
            found[-1].events.append(event)
    return found


def last_saved(events: List[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """The newest epoch event whose checkpoint is on the disk, or None."""
    saved = [event for event in events if event["event"] == "epoch" and event.get("checkpoint")]
    return saved[-1] if saved else None


def kept_epochs(events: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """One event per epoch that counts, in order: of an epoch trained twice, because a kill undid it, the last one."""
    by_epoch = {event["epoch"]: event for event in events if event["event"] == "epoch"}
    return [by_epoch[number] for number in sorted(by_epoch)]
