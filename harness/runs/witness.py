"""What happens to a Jetson while a stage is measured: throttling, mode changes, swapping, a sagging supply."""

from typing import Any, Dict, List, Tuple

from joulebird.harness.core.records import read_events
from joulebird.harness.core.registry import resolve

Warnings = List[Tuple[str, Dict[str, Any]]]


class Witness:
    """`poll` at every epoch's end gives new warnings (names of `joulebird.harness.runs.warnings`, and facts). Elsewhere than on a Jetson: none.

    With `events`, the path of a stage's events.jsonl, a process of its own writes the board's health there once a second, until `close`.
    Looking never harms the training: what cannot be read ends the looking, and that is told too.
    """

    def __init__(self, root: str = "/", events: str = "") -> None:
        """`root` is where /proc and /sys are looked for."""
        self._events = events
        self._told = []  # type: List[str]
        self._failure = []  # type: Warnings
        self._inner = None  # type: Any
        self._log = None  # type: Any
        if resolve("joulebird.devices.board.identify:identify")(root)["jetson"]:
            try:
                self._inner = resolve("joulebird.devices.health.compare:Witness")(
                    resolve("joulebird.devices.health.read:Health")(root)
                )
                if events:
                    self._log = resolve("joulebird.devices.health.log:HealthLog")(
                        events, root
                    ).__enter__()
            except Exception as error:
                self._give_up(error)

    def poll(self) -> Warnings:
        """The warnings that were not given before."""
        found, self._failure = self._failure, []
        if self._inner is not None:
            try:
                found += self._inner.poll()
            except Exception as error:
                self._inner = None
                found.append(unknown(error))
        return self._new(found)

    def close(self) -> Warnings:
        """Stop looking; gives what was not given before, also of troubles that came and went between two polls. Harmless when repeated."""
        log, self._log, self._inner = self._log, None, None
        if log is None:
            return []
        try:
            ended = log.ended
            log.__exit__(None, None, None)
            found = [unknown(ended)] if ended else []  # type: Warnings
            return self._new(found + told_by(read_events(self._events)))
        except Exception as error:
            return self._new([unknown(error)])

    def _new(self, found: Warnings) -> Warnings:
        news = []  # type: Warnings
        for name, facts in found:
            if name not in self._told:
                self._told.append(name)
                news.append((name, facts))
        return news

    def _give_up(self, error: Exception) -> None:
        self._inner = None
        self._failure = [unknown(error)]


def unknown(reason: Any) -> Tuple[str, Dict[str, Any]]:
    """The warning that the board's health could not be followed."""
    return "health_unknown", {"reason": str(reason) or type(reason).__name__}


def told_by(events: List[Dict[str, Any]]) -> Warnings:
    """The warnings that a stage's events stand for, those of killed attempts too; each once.

    >>> told_by([{"event": "attempt_begin", "t_s": 1}, {"event": "throttle", "t_s": 2, "by": "gpu-balanced 2 (state 3)"}])
    [('throttled', {'by': 'gpu-balanced 2 (state 3)'})]
    """
    names = {event: name for name, event in resolve("joulebird.devices.health.log:EVENTS").items()}
    found = {}  # type: Dict[str, Dict[str, Any]]
    for event in events:
        if event["event"] in names:
            found.setdefault(
                names[event["event"]],
                {key: value for key, value in event.items() if key not in ("event", "t_s")},
            )
    return list(found.items())
