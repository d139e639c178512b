"""jtop (jetson-stats 4.2 and later) as a power source: for boards where sysfs is closed to the user.

    --source jtop

The service reads about every half second, so this is right for long runs only; `ina3221` reads the same chip fifty
times a second without it. jetson-stats is AGPL and is not part of joulebird: `sudo -H pip3 install -U jetson-stats==4.3.2`
on JetPack 4, then log in again. It is read in a child process (`devices.jtop_client`), which is replaced when it fails,
hangs, or loses the service.
"""
import json
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from devices.base import PowerSample, PowerSource, SourceError
from devices.line_child import LineChild, module_command, module_environment

RESTART = "sudo systemctl restart jtop.service"
RETRY_S = 1.0               # between two attempts to reach the service again
CARRIER = "VDD_MUX"         # what the carrier board of the developer kit takes; not inside VDD_IN


def sample_of(message: Dict[str, Any], rails: Tuple[str, ...]) -> PowerSample:
    """A sample from a message of the child; a total without the name it had is jtop's own sum of nested rails, and is left out.

    >>> message = {"t_s": 1.0, "power": {"rail": {"VDD_SYS_GPU": 0.1}, "total_name": None, "total_w": 15.3}}
    >>> sample_of(message, ("VDD_IN", "VDD_SYS_GPU"))
    PowerSample(t_s=1.0, watts={'VDD_SYS_GPU': 0.1}, error='no VDD_IN')
    """
    power = message["power"]
    watts = dict(power["rail"])
    if power["total_name"] is not None:
        watts[power["total_name"]] = power["total_w"]
    missing = [rail for rail in rails if rail not in watts]
    return PowerSample(message["t_s"], {rail: watts[rail] for rail in rails if rail in watts},
                       "no " + missing[0] if missing else None)


class JtopSource(PowerSource):
    """The rails as the jtop service reads them; every rail is one conversion of the chip, about every `interval_s`.

    `interval_s`: the pace asked for; `slowest_s`: the slowest pace of the service (its first client sets it) that will do.
    `scope`: "module" (VDD_IN) or "board" (VDD_IN + VDD_MUX). `socket`: where the service listens, if not in /run (a container).
    `start_timeout_s`: jtop may hang for ever while it connects; after this long it is given up.
    """

    name = "jtop"
    sampling = "snapshot"

    def __init__(self, interval_s: float = 0.5, slowest_s: float = 1.0, scope: str = "module", socket: str = "",
                 start_timeout_s: float = 4.5, clock: Callable[[], float] = time.monotonic) -> None:
        if scope not in ("module", "board"):
            raise SourceError("jtop has no scope %r" % scope, "use module (VDD_IN) or board (VDD_IN + VDD_MUX)")
        self.scope = scope
        self.min_period_s = self._pace_s = interval_s
        self._options = ["--interval-s", repr(interval_s), "--slowest-s", repr(slowest_s), "--socket", socket]
        self._start_timeout_s, self._clock = start_timeout_s, clock
        self._child: Optional[LineChild] = None
        self._failure: Optional[SourceError] = None
        self._sample: Optional[PowerSample] = None
        self._deadline_s = 0.0      # by when the child must have said something
        self._retry_s = 0.0         # when to try again
        self._version = ""

    def open(self) -> None:
        """Start the child and wait for the first sample; raises SourceError within `start_timeout_s`."""
        if self._child is not None:
            return
        self._start()
        while self._sample is None:
            self._take(timeout_s=0.05)
            if self._failure is not None:
                failure = self._failure
                self.close()
                raise failure

    def read(self) -> PowerSample:
        """The newest sample, with the service's own time; raises SourceError while the service cannot be read.

        A source that has failed tries again by itself, in a fresh process, once a second.
        """
        if self._child is None and self._failure is not None and self._clock() >= self._retry_s:
            self._start()
        if self._child is not None:
            self._take()
        if self._failure is not None:
            raise self._failure
        if self._sample is None:
            raise SourceError("the jtop source is not open", "call open() first")
        return self._sample

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.stop(patience_s=0.2)
        self._child = self._failure = self._sample = None

    def describe(self) -> Dict[str, Any]:
        """The version of jtop, the pace it reads at, and what its readings are."""
        return dict(self.identity(), jetson_stats=self._version, interval_s=self._pace_s, resolution_w=0.001,
                    time="uptime of the service (CLOCK_BOOTTIME, 10 ms) as CLOCK_MONOTONIC")

    def _start(self) -> None:
        self._child = LineChild(module_command("devices.jtop_client", self._options), module_environment())
        self._deadline_s = self._clock() + self._start_timeout_s

    def _fail(self, failure: SourceError) -> None:
        self._failure = failure
        self._retry_s = self._clock() + RETRY_S
        if self._child is not None:
            self._child.stop(patience_s=0.05)
            self._child = None

    def _take(self, timeout_s: float = 0.0) -> None:
        assert self._child is not None
        lines = self._child.lines(timeout_s)
        for line in lines:
            if self._child is None:
                return
            self._message(json.loads(line))
        if self._child is None or lines:
            return
        if self._child.ended() is not None:
            self._fail(SourceError("the jtop client ended: " + (self._child.errors() or "without a word"), RESTART))
        elif self._clock() > self._deadline_s:
            self._fail(SourceError("the jtop service does not answer: it is stuck or overloaded", RESTART))

    def _message(self, message: Dict[str, Any]) -> None:
        if "failed" in message:
            self._fail(SourceError(message["failed"]["message"], message["failed"]["hint"]))
            return
        if "hello" in message:
            self._version, self._pace_s = message["hello"]["version"], message["hello"]["interval_s"]
        elif not self.rails:
            self._first(message)
        if "power" in message and self.rails:
            self._sample, self._failure = sample_of(message, self.rails), None
        self._deadline_s = self._clock() + max(2.0, 4 * self._pace_s)

    def _first(self, message: Dict[str, Any]) -> None:
        """Learn the rails from the first sample; refuse one whose total is not a rail."""
        power = message["power"]
        if power["total_name"] is None:
            self._fail(SourceError("jtop does not read VDD_IN here: what it calls the total is the sum of nested rails (%.1f W)"
                                   % power["total_w"], "use the source ina3221; or look why VDD_IN is missing: joulebird doctor"))
            return
        total: List[str] = [power["total_name"]]
        if self.scope == "board":
            if CARRIER not in power["rail"]:
                self._fail(SourceError("this carrier board has no %s, so its power cannot be read" % CARRIER, "use the scope module"))
                return
            total.append(CARRIER)
        self.total = tuple(total)
        self.rails = tuple(total + [rail for rail in sorted(power["rail"]) if rail not in total])
