"""Align two clocks by a line: an instant of the board on this machine's clock, and its error.

A meter on the desk is read on this machine's CLOCK_MONOTONIC, the stages are marked on the board's.
Both run evenly, at slightly different rates. A probe is one question over an open connection: sent
(here), answered (there), received (here). The true difference of the clocks lies within half a
round trip of the midpoint, so the quickest probes of each stretch of time fix a line, and their
round trips its error.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from joulebird.harness.core.errors import UNREACHABLE, HarnessError
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.host.link.errors import LinkError

FORMAT = "# joulebird-clock-log 1"
BURST = 20  # probes before and after
SPACING_S = 0.02  # between two probes of a burst
EVERY_S = 30.0  # between two probes during a run: each wakes the board once
# The rate of a clock is taken as constant; of each such window the quickest probes count.
WINDOW_S = 600.0
SHARE = 0.1  # of the probes of a window, those with the smallest round trip
RESOLUTION_S = 2e-6  # of the clocks and of the answers


class Probe(NamedTuple):
    """One question: this machine's clock before and after, and the board's in between; seconds."""

    sent_s: float
    board_s: float
    received_s: float

    @property
    def round_trip_s(self) -> float:
        """The time that the answer took."""
        return self.received_s - self.sent_s

    @property
    def here_s(self) -> float:
        """The midpoint on this machine's clock."""
        return (self.sent_s + self.received_s) / 2


class Alignment(NamedTuple):
    """A line from the board's clock to this machine's, through the probes in `used`.

    `rate` is this machine's seconds per second of the board; `slack_s` is the error that the probes
    show beyond their own round trips (a clock that changed its rate).
    """

    board_s: float
    here_s: float
    rate: float
    used: tuple[Probe, ...]
    slack_s: float = 0.0

    def here(self, board_s: float) -> float:
        """Return the instant on this machine's clock."""
        return self.here_s + (board_s - self.board_s) * self.rate

    def there(self, here_s: float) -> float:
        """Return the instant on the board's clock."""
        return self.board_s + (here_s - self.here_s) / self.rate

    def error_s(self, board_s: float) -> float:
        """Return the largest error that `here(board_s)` can have.

        Every used probe is wrong by half its round trip then, each in the worst direction.
        """
        shares = _shares([probe.board_s for probe in self.used], _weights(self.used), board_s)
        return (
            sum(abs(share) * probe.round_trip_s / 2 for share, probe in zip(shares, self.used))
            + self.slack_s
            + RESOLUTION_S
        )

    def facts(self, begin_s: float, end_s: float) -> dict[str, float]:
        """Return the facts for the record of a window of the board's clock."""
        return {
            "offset_s": round(self.here(begin_s) - begin_s, 6),
            "drift_ppm": round((self.rate - 1) * 1e6, 3),
            "probes": len(self.used),
            "smallest_round_trip_s": round(min(probe.round_trip_s for probe in self.used), 6),
            "u_s": round(max(self.error_s(begin_s), self.error_s(end_s)), 6),
        }


def align(probes: Sequence[Probe]) -> Alignment:
    """Return the line through the quickest probes of every stretch.

    Raises HarnessError with fewer than two probes.

    >>> line = align([Probe(t, 100 + t, t + 0.002) for t in range(40)])
    >>> round(line.here(110.0), 3), round(line.error_s(110.0), 3)
    (10.001, 0.001)
    """
    probes = [probe for probe in probes if probe.received_s >= probe.sent_s]
    if len(probes) < 2:
        raise HarnessError(
            "the clocks of board and meter were not compared",
            "was the connection to the board up? run again",
            UNREACHABLE,
        )
    used = _quickest(sorted(probes, key=lambda probe: probe.board_s))
    weights = _weights(used)
    times = [probe.board_s for probe in used]
    middle = sum(weight * one for weight, one in zip(weights, times)) / sum(weights)
    at, later = (_value(used, weights, middle + step) for step in (0.0, 1.0))
    line = Alignment(middle, at, later - at if times[-1] > times[0] else 1.0, tuple(used))
    beyond = (
        abs(probe.here_s - line.here(probe.board_s)) - probe.round_trip_s / 2 for probe in probes
    )
    return line._replace(slack_s=max(0.0, *beyond))


def _quickest(probes: list[Probe]) -> list[Probe]:
    """Return the share of every window with the smallest round trips, two at least.

    There are at least four windows, so that the ends hold the line.
    """
    begin_s, span_s = probes[0].board_s, probes[-1].board_s - probes[0].board_s
    count = max(4, int(span_s // WINDOW_S) + 1)
    windows: list[list[Probe]] = [[] for _ in range(count)]
    for probe in probes:
        windows[
            min(count - 1, int(count * (probe.board_s - begin_s) / span_s)) if span_s else 0
        ].append(probe)
    used = []
    for window in windows:
        keep = max(2, round(SHARE * len(window)))
        used += sorted(window, key=lambda probe: probe.round_trip_s)[:keep]
    return sorted(used, key=lambda probe: probe.board_s)


def _weights(probes: Sequence[Probe]) -> list[float]:
    return [1.0 / (probe.round_trip_s + RESOLUTION_S) ** 2 for probe in probes]


def _shares(times: Sequence[float], weights: Sequence[float], at_s: float) -> list[float]:
    """Return the share of each probe in the fitted line at an instant; they add up to one."""
    total = sum(weights)
    mean = sum(weight * one for weight, one in zip(weights, times)) / total
    spread = sum(weight * (one - mean) ** 2 for weight, one in zip(weights, times))
    slope = (at_s - mean) / spread if spread > 0 else 0.0
    return [weight * (1 / total + slope * (one - mean)) for weight, one in zip(weights, times)]


def _value(probes: Sequence[Probe], weights: Sequence[float], at_s: float) -> float:
    """Return the fitted line at an instant; differences to the first probe keep the digits."""
    base = probes[0]
    shares = _shares([probe.board_s for probe in probes], weights, at_s)
    return (
        at_s
        + (base.here_s - base.board_s)
        + sum(
            share * (probe.here_s - base.here_s - probe.board_s + base.board_s)
            for share, probe in zip(shares, probes)
        )
    )


class ClockLog:
    """Write clock.csv: every probe as it comes, in nanoseconds, in segments of one boot."""

    def __init__(self, path: Path) -> None:
        self.path, self._boot = path, ""

    def add(self, boot_id: str, probes: Sequence[Probe]) -> None:
        """Append probes."""
        lines = []
        if boot_id != self._boot:
            lines += [
                FORMAT,
                "# board " + json.dumps({"boot_id": boot_id}),
                "sent_ns,board_ns,received_ns",
            ]
            self._boot = boot_id
        lines += [",".join(str(round(value * 1e9)) for value in probe) for probe in probes]
        with open(self.path, "a", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")


def read_log(path: Path) -> dict[str, list[Probe]]:
    """Return the probes in clock.csv by the board's boot_id; damaged lines are left out.

    Raises HarnessError for a newer format.
    """
    found: dict[str, list[Probe]] = {}
    boot = ""
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("# joulebird-clock-log") and line != FORMAT:
            raise HarnessError(
                f"{path}: {line[2:]} is newer than this joulebird", "update joulebird"
            )
        if line.startswith("# board "):
            boot = json.loads(line[8:])["boot_id"]
        fields = line.split(",")
        if len(fields) == 3 and all(field.isdigit() for field in fields):
            found.setdefault(boot, []).append(Probe(*(int(field) / 1e9 for field in fields)))
    return found


def ask(stdin: Any, stdout: Any, clock: Callable[[], float] = time.monotonic) -> Probe:
    """Make a probe over an open channel to the board's echo.

    Raises EOFError when the channel has ended.
    """
    sent_s = clock()
    stdin.write(b"\n")
    stdin.flush()
    answer = stdout.readline()
    received_s = clock()
    words = answer.split()
    if len(words) != 2:
        raise EOFError
    return Probe(sent_s, int(words[0]) / 1e9, received_s)


class ClockWatch:
    """A context manager that compares the clocks before, during and after its body.

    A broken connection is opened again; a reboot of the board begins a new segment.
    """

    def __init__(self, agent: Agent, path: Path, every_s: float = EVERY_S) -> None:
        self.agent, self.every_s = agent, every_s
        self._log = ClockLog(path)
        self._over, self._ready = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "ClockWatch":
        self._thread.start()
        self._ready.wait(60.0)
        return self

    def __exit__(self, *error: Any) -> None:
        self._over.set()
        self._thread.join(60.0)

    def _work(self) -> None:
        while True:
            try:
                boot = self.agent.call("facts")["boot_id"]
                with self.agent.channel("echo") as process:
                    self._talk(boot, lambda: ask(process.stdin, process.stdout))
            except (LinkError, EOFError, OSError):
                pass  # the line is down, or the board: the run goes on there, and so do we
            if self._over.wait(1.0):
                return

    def _talk(self, boot: str, probe: Callable[[], Probe]) -> None:
        self._burst(boot, probe)
        self._ready.set()
        while not self._over.wait(self.every_s):
            self._log.add(boot, [probe()])
        self._burst(boot, probe)

    def _burst(self, boot: str, probe: Callable[[], Probe]) -> None:
        found = []
        for _ in range(BURST):
            found.append(probe())
            time.sleep(SPACING_S)
        self._log.add(boot, found)
