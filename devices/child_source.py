"""A power source that is read through a child process, which is watched and replaced."""

import os
from abc import abstractmethod
from typing import Callable, Dict, List, Optional

from joulebird.devices.ina3221.describe import describe_sensor
from joulebird.devices.source import PowerSample, PowerSource, Unread
from joulebird.devices.util.line_child import LineChild
from joulebird.harness.core.errors import SourceError

# Before the next start of the child, which itself loads the board: doubled up to the second.
RETRY_S, RETRY_MOST_S = 1.0, 3.0
MODULE = ("VDD_IN", "POM_5V_IN")  # the whole module: TX1, TX2, Xavier NX; Nano
CARRIER = "VDD_MUX"  # the carrier board of the developer kit; not inside VDD_IN


class ChildSource(PowerSource):
    """Turn the lines of a child into samples; restart it after it ends, fails or falls silent.

    A driver gives the `command` and interprets each line in `take`, which calls `arrived` or
    `fail`. `read` never blocks: the recorder must go on while a service hangs.
    """

    restart_hint = ""  # the remedy when the child gives none

    def __init__(
        self,
        interval_s: float,
        total: str,
        start_timeout_s: float,
        root: str,
        clock: Callable[[], float],
    ) -> None:
        if total not in ("module", "board"):
            raise SourceError(
                f"there is no total {total!r}", "use module (VDD_IN) or board (VDD_IN + VDD_MUX)"
            )
        self.scope = total
        self.min_period_s = self.pace_s = interval_s
        self._start_timeout_s, self._root, self._clock = start_timeout_s, root, clock
        self._child: Optional[LineChild] = None
        self._failure: Optional[SourceError] = None
        self._sample: Optional[PowerSample] = None
        self._deadline_s = 0.0  # for the next line of the child
        self._retry_s = 0.0  # when to try again
        self._failures = 0  # since the last sample

    @abstractmethod
    def command(self) -> List[str]:
        """Return the command line of the child."""

    @abstractmethod
    def take(self, line: str) -> None:
        """Read one line: call `arrived` with the watts, `fail` with the reason, or neither."""

    def open(self) -> None:
        """Start the child and wait for the first sample.

        Raises SourceError within the start's time limit.
        """
        if self._child is not None:
            return
        self._start()
        while self._child is not None and self._sample is None:
            self._listen(self._child, timeout_s=0.05)
        if self._failure is not None:
            failure = self._failure
            self.close()
            raise failure

    def read(self) -> PowerSample:
        """Return the newest sample.

        Raises SourceError at every call while the child gives no sample.
        """
        if self._child is None and self._failure is not None and self._clock() >= self._retry_s:
            self._start()
        if self._child is not None:
            self._listen(self._child)
        if self._failure is not None:
            raise self._failure
        if self._sample is None:
            raise SourceError(f"the source {self.name} is not open", "call open() first")
        return self._sample

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.stop(patience_s=0.2)
        self._child = self._failure = self._sample = None

    def arrived(self, t_s: float, watts: Dict[str, float]) -> None:
        """Keep watts by rail as the newest sample; a failure before it is over.

        The first sample decides on the rails, and fails where the scope asked for does not exist.
        """
        if not self.rails:
            self._choose(watts)
        if self.rails:
            ours = {rail: watts[rail] for rail in self.rails if rail in watts}
            missing = None if len(ours) == len(self.rails) else "MISSING"
            self._sample, self._failure = PowerSample(t_s, ours, missing), None
            self._failures = 0

    def fail(self, status: str, message: str, hint: str) -> None:
        """End the child and raise this failure from every read until a new child gives a sample.

        `status` is its word in the log.
        """
        self._failure = Unread(status, message, hint)
        self._retry_s = self._clock() + min(RETRY_MOST_S, RETRY_S * 2**self._failures)
        self._failures = min(self._failures + 1, 8)
        if self._child is not None:
            self._child.stop(patience_s=0.05)
        self._child = None

    def _choose(self, rails: Dict[str, float]) -> None:
        """Choose the total by its name, whatever a service calls its total, and the rails."""
        total = next((rail for rail in MODULE if rail in rails), None)
        if total is None:
            self.fail(
                "UNREADABLE",
                f"{self.name} shows no rail of the whole module here: rails nest, "
                f"so their sum ({sum(rails.values()):.1f} W) would be wrong",
                "use the source ina3221, or see why VDD_IN is missing: joulebird doctor",
            )
        elif self.scope == "board" and CARRIER not in rails:
            self.fail(
                "UNREADABLE",
                f"{self.name} shows no {CARRIER} here, so the carrier board's power cannot be read",
                "use total=module",
            )
        else:
            self.total = (total,) + (CARRIER,) * (self.scope == "board")
            self.rails = self.total + tuple(
                sorted(rail for rail in rails if rail not in self.total)
            )
            self.sensor, self.range_w, self.accuracy = describe_sensor(self._root, self.rails)

    def _start(self) -> None:
        self._deadline_s = self._clock() + self._start_timeout_s
        try:
            self._child = LineChild(self.command())
        except OSError as error:
            self.fail(
                "NO_TOOL",
                f"{self.command()[0]} cannot be started: {os.strerror(error.errno or 0)}",
                self.restart_hint,
            )

    def _listen(self, child: LineChild, timeout_s: float = 0.0) -> None:
        lines = child.lines(timeout_s)
        for line in lines:
            if self._child is child:  # not after a line that made it fail
                self.take(line)
        if self._child is not child:
            return
        if lines:
            self._deadline_s = self._clock() + max(2.0, 4 * self.pace_s)
        elif child.ended() is not None:
            self.fail(
                "ENDED",
                f"the child of {self.name} ended: {child.errors() or 'without a word'}",
                self.restart_hint,
            )
        elif self._clock() > self._deadline_s:
            self.fail(
                "SILENT",
                f"{self.name} does not answer: it is stuck or overloaded",
                self.restart_hint,
            )
