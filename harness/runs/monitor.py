"""Warn of a Jetson's troubles during a stage: throttling, mode changes, swapping, a weak supply.

A process of its own samples the board and appends events to the stage's events.jsonl
(`joulebird.devices.health.log`); the warnings are read from these events.
"""

import json
from typing import Any, Dict, List, Optional, Tuple

from joulebird.devices.board.identify import identify
from joulebird.devices.health.compare import EVENTS
from joulebird.devices.health.log import HealthLog
from joulebird.harness.core.records import HEALTH_LINE

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
        self._failure: Warnings = []
        if identify(root)["jetson"]:
            try:
                self._log = HealthLog(events, root).__enter__()
            except Exception as error:
                self._failure = [unknown(error)]

    def news(self) -> Warnings:
        """Return the warnings since the last call; the first call includes killed attempts."""
        news, self._failure = self._failure, []
        if self._log is not None:
            try:
                news += self._read()
                if self._log.ended:
                    news.append(unknown(self._log.ended))
            except Exception as error:
                news.append(unknown(error))
        return news

    def close(self) -> Warnings:
        """Stop the monitor after one last sample; return the last warnings. Harmless twice."""
        log, news = self._log, self.news()
        self._log = None
        if log is not None:
            try:
                log.__exit__(None, None, None)
                news += self._read()
            except Exception as error:
                news.append(unknown(error))
        return news

    def _read(self) -> Warnings:
        """Return the warnings in the lines that have been added to the events."""
        with open(self._events, "rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        return warnings_in(whole.split(b"\n"))


def unknown(reason: Any) -> Tuple[str, Dict[str, Any]]:
    """Return the warning that the board's health could not be followed."""
    return "health_unknown", {"reason": str(reason) or type(reason).__name__}


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
