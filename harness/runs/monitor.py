"""Warn of troubles of the machine beside a stage: a Jetson's own, and other work.

A process of its own samples the board and appends events to the stage's events.jsonl
(`joulebird.devices.health.log`): throttling, mode changes, swapping, a weak supply. Its warnings
are read from these events.
"""

import contextlib
import json
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from joulebird.devices import foreign
from joulebird.devices.board.identify import identify
from joulebird.devices.health.compare import EVENTS
from joulebird.devices.health.log import HealthLog
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import EventLog
from joulebird.harness.core.records import HEALTH_LINE
from joulebird.harness.runs.warnings import warning

Warnings = List[Tuple[str, Dict[str, Any]]]  # names of joulebird.harness.runs.warnings, and facts
NAMES = {event: name for name, event in EVENTS.items()}


class Monitor:
    """Follow the board from now on; elsewhere than on a Jetson, do nothing.

    No failure of the monitor harms the training: it becomes the warning health_unknown.
    """

    def __init__(self, events: str, root: str = "/") -> None:
        """`events` is the stage's events.jsonl; `root` is where /proc and /sys are."""
        self._events, self._offset = events, 0
        self._log: Optional[HealthLog] = None
        self._news: Warnings = []
        if identify(root)["jetson"]:
            with self._noted():
                self._log = HealthLog(events, root).__enter__()

    def news(self) -> Warnings:
        """Return the warnings since the last call; the first call includes killed attempts."""
        with self._noted():
            if self._log is not None:
                self._read()
                if self._log.ended:
                    raise HarnessError(self._log.ended)
        news, self._news = self._news, []
        return news

    def close(self) -> Warnings:
        """Stop the monitor after one last sample; return the last warnings. Harmless twice."""
        news, log, self._log = self.news(), self._log, None
        with self._noted():
            if log is not None:
                log.__exit__(None, None, None)
                self._read()
        return news + self.news()

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Turn a failure into the warning that the board's health could not be followed."""
        try:
            yield
        except Exception as error:
            reason = str(error) or type(error).__name__
            self._news.append(("health_unknown", {"reason": reason}))

    def _read(self) -> None:
        """Take the warnings in the lines that have been added to the events."""
        with open(self._events, "rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        self._news += warnings_in(whole.split(b"\n"))


def warnings_in(lines: List[bytes]) -> Warnings:
    """Return the warnings that a stage's events stand for; lines cut by a kill are passed over.

    >>> warnings_in([b'{"event": "throttle", "t_s": 2, "by": "gpu-balanced 2 (state 3)"}'])
    [('throttled', {'by': 'gpu-balanced 2 (state 3)'})]
    """
    warnings: Warnings = []
    for line in lines:
        if line.startswith(HEALTH_LINE):
            continue
        try:
            event = json.loads(line.decode("utf-8"))
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") in NAMES:
            facts = {key: value for key, value in event.items() if key not in ("event", "t_s")}
            warnings.append((NAMES[event["event"]], facts))
    return warnings


EPOCH_S = 1.0  # a shorter epoch is judged with its stage: processor times are in ticks of 10 ms
LEAST_S = 0.2  # a shorter stage is judged by the machine's load during it and just after it


class Beside:
    """The load of the windows of one attempt, from now on; `look` is `Neighbours.look`."""

    def __init__(self, look: Callable[[], foreign.Look]) -> None:
        self._look = look
        self._begin = self._last = look()

    def epoch(self) -> Tuple[Dict[str, Any], Warnings]:
        """Return the load since the last epoch, and a warning of it or of the attempt so far."""
        last, self._last = self._last, self._look()
        parts = [foreign.between(begin, self._last) for begin in (last, self._begin)]
        return parts[0].facts(), [
            found for part in parts if part.seconds >= EPOCH_S for found in warnings_of(part)
        ]

    def end(self) -> Tuple[Dict[str, Any], Warnings]:
        """Return the load of the whole attempt, and a warning of it; call it after the window."""
        if self._begin.busy_s is not None:
            time.sleep(max(0.0, LEAST_S - (time.monotonic() - self._begin.t_s)))
        whole = foreign.between(self._begin, self._look())
        return whole.facts(), warnings_of(whole)


def warnings_of(load: foreign.Load) -> Warnings:
    """Return the warning of a load that exceeds that of an idle machine."""
    if not load.complaint:
        return []
    cores = load.foreign_cores or 0.0
    facts = {"cores": round(cores, 3), "share": round(cores / load.cores, 3)}
    busiest = [{"name": name, "cpu_s": cpu_s} for name, cpu_s in load.others[:3]]
    return [("foreign_load", dict(facts, what=load.complaint, busiest=busiest))]


def noted(watch: Beside, events: EventLog, progress: Any) -> Dict[str, Any]:
    """Write the warning of an idle measurement that was not idle; return its load."""
    load, warnings = watch.end()
    for name, facts in warnings:
        full = warning(name, facts)
        events.write("warning", **full)
        progress.warn(full)
    return load
