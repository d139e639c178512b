"""Integrate a measured window: joules, seconds, watts by rail, coverage."""

import os
from typing import Any, Dict, List, Optional, Tuple

from joulebird.devices.energy import Energy, energies
from joulebird.devices.foreign import Load, Neighbours, between
from joulebird.devices.overlap import Overlap, Presence, shared_s, shared_text
from joulebird.devices.powerlog_read import read_rows
from joulebird.devices.recorder.parent import Recorder
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.integral import allowed_gap_s
from joulebird.harness.core.powerlog import OK, Row, row_width
from joulebird.harness.core.sensor import ALIASED, UNSTATED, words_of

MARGIN_ROWS = 64  # before a window, to cut its edge; a long log is not read from its beginning


class Measurement:
    """The energy of a window. Asking before the window has ended raises SourceError.

    `source` is the power source's description of itself, `problem` why a number is missing, or "".
    `overlaps` are the other measurements that ran on this machine within the window, those around
    this one and those of its own code left out: the joules are then not this code's alone.
    `load` is the machine's own and foreign processor time, known after the window.
    """

    def __init__(self, recorder: Recorder, log: str, floor: int, presence: Presence) -> None:
        """Prepare a window in `log`, whose segment's rows begin at the byte `floor`."""
        self.source, self.problem = recorder.describe(), ""
        self.overlaps: List[Overlap] = []
        self._presence = presence
        self._mark: Dict[str, int] = {}
        self._neighbours, self.load = Neighbours(), Load(0.0, 1)
        self._recorder, self._log, self._floor = recorder, log, floor
        self._offset, self._begin_s = floor, 0.0
        self._total: Optional[Energy] = None
        self._rails: Dict[str, Energy] = {}

    def window(self) -> "Measurement":
        """Return a window inside this one, to be used with `with`; it shares the recorder."""
        return Measurement(self._recorder, self._log, self._floor, self._presence)

    @property
    def joules(self) -> Optional[float]:
        """Energy of the source's total; None below 95 % coverage, or without a total."""
        return self.total.joules

    @property
    def u_joules(self) -> Optional[float]:
        """Uncertainty of `joules` at about 95 %; None without joules.

        Its parts are `total.u_sensor_j`, None where the sensor's accuracy is not stated, and
        `total.u_sampling_j`.
        """
        return self.total.u_joules

    @property
    def words(self) -> Tuple[str, ...]:
        """The words that go with every number: "simulated" or "replayed", "shared", "foreign load".

        The last one stands where `load.exceeds` that of an idle machine; `total.doubt` explains
        "aliased?".
        """
        words = words_of(self.source) + (ALIASED,) * bool(self.total.doubt)
        words += ("shared",) * bool(self.overlaps)
        return words + ("foreign load",) * self.load.exceeds

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self.total.seconds

    @property
    def coverage(self) -> float:
        """The share of the window between good readings, 0 to 1."""
        return self.total.coverage

    @property
    def worst_gap_s(self) -> float:
        """The longest time without a good reading."""
        return self.total.worst_gap_s

    @property
    def rails(self) -> Dict[str, Energy]:
        """Energy of each rail; they nest, so they do not add up to the total."""
        _ = self.total  # raises before the end
        return dict(self._rails)

    @property
    def watts_mean(self) -> Dict[str, Optional[float]]:
        """Mean power of each rail in watts; None where too little was recorded."""
        return {rail: energy.mean_w for rail, energy in self.rails.items()}

    @property
    def watts_peak(self) -> Dict[str, Optional[float]]:
        """Highest reading of each rail in watts; None where there was none."""
        return {rail: energy.peak_w for rail, energy in self.rails.items()}

    @property
    def total(self) -> Energy:
        """Energy of the source's total with mean and peak power, coverage and worst gap."""
        if self._total is None:
            raise SourceError("this window has not ended", "read it after the `with` block")
        return self._total

    def __enter__(self) -> "Measurement":
        """Take the reading at the first edge."""
        self._before = self._neighbours.look()
        self._mark = self._presence.mark()
        self._offset = os.path.getsize(self._log)
        self._begin_s = self._recorder.sample()
        return self

    def __exit__(self, *exc: Any) -> None:
        """Take the reading at the last edge and integrate; an error is a `problem`, not raised."""
        begin_s = end_s = self._begin_s
        try:
            end_s = self._recorder.sample()
            self._recorder.settle()
            rows = self._rows(begin_s, begin_s - allowed_gap_s(self.source))
            self._total, self._rails = energies(self.source, rows, begin_s, end_s)
            if not self.source["total"]:
                self.problem = "this source has no total; see its rails"
            elif self.joules is None:
                self.problem = f"only {100.0 * self.coverage:.1f} % of the window was recorded"
                words = sorted({row.status for row in rows if row.status != OK})
                self.problem += f" (failed readings: {', '.join(words)})" if words else ""
        except SourceError as error:
            self._total = Energy(None, end_s - begin_s, 0.0, None, None, end_s - begin_s)
            self.problem = error.message
        self.overlaps = self._presence.since(self._mark, begin_s, end_s)
        self.load = between(self._before, self._neighbours.look())

    def _rows(self, begin_s: float, oldest_s: float) -> List[Row]:
        """Read the window's rows, and before it up to a whole reading or the longest gap."""
        rails, margin = self.source["rails"], MARGIN_ROWS
        while True:
            offset = max(self._floor, self._offset - margin * row_width(len(rails)))
            rows = read_rows(self._log, rails, offset)
            early = (row for row in rows if row.t_s <= begin_s)
            if offset == self._floor or any(
                len(row.watts) == len(rails) or row.t_s < oldest_s for row in early
            ):
                return rows
            margin *= 4

    def __str__(self) -> str:
        words = [word for word in words_of(self.source) if word != self.source["name"]]
        words += [ALIASED] * bool(self.total.doubt) + ["foreign load"] * self.load.exceeds
        words += ["not measured"] * (not self.source["real"])
        origin = ", ".join([self.source["scope"], self.source["name"], *words])
        count = len(self.overlaps)
        shared = f"; {shared_text(count, shared_s(self.overlaps), 'code')}" if count else ""
        if self.joules is None:
            return f"no energy for these {self.seconds:.3f} s: {self.problem} ({origin}){shared}"
        total = self.total
        unstated = f", {UNSTATED}" if total.u_sensor_j is None else ""
        return (
            f"{self.joules:.2f} J +- {self.u_joules or 0.0:.2g} J{unstated} "
            f"in {self.seconds:.3f} s: mean {total.mean_w or 0.0:.2f} W, "
            f"peak {total.peak_w or 0.0:.2f} W, coverage {100.0 * self.coverage:.1f} % ({origin})"
            f"{shared}"
        )
