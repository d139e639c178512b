"""Integrate a measured window: joules, seconds, watts by rail, coverage."""

import os
from typing import Any, Dict, Optional

from joulebird.devices.energy import Energy, energy, points
from joulebird.devices.powerlog_read import read_rows
from joulebird.devices.recorder.parent import Recorder
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.powerlog import row_width

MARGIN_ROWS = (
    64  # rows before a window that serve to cut its edge; a long log is not read from its beginning
)


class Measurement:
    """The energy of a window.

    Complete once the window has ended, and asking earlier raises SourceError.

    `source` is the power source's description of itself, `problem` the reason for a missing number,
    or "".
    """

    def __init__(self, recorder: Recorder, log: str, floor: int) -> None:
        """Prepare a window in `log`, whose segment's rows begin at the byte `floor`."""
        self.source = recorder.describe()
        self.problem = ""
        self._recorder, self._log, self._floor = recorder, log, floor
        self._offset = floor
        self._begin_s: Optional[float] = None
        self._ended = False
        self._total: Optional[Energy] = None
        self._rails: Dict[str, Energy] = {}

    def window(self) -> "Window":
        """Return a window inside this one, to be used with `with`; it shares the recorder."""
        return Window(self._recorder, self._log, self._floor)

    @property
    def joules(self) -> Optional[float]:
        """Energy of the source's total, or None.

        It is None when less than 95 % of the window was recorded, or the source has no total.
        """
        return self._of_total().joules

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self._of_total().seconds

    @property
    def coverage(self) -> float:
        """The share of the window between good readings, 0 to 1."""
        return self._of_total().coverage

    @property
    def worst_gap_s(self) -> float:
        """The longest time without a good reading."""
        return self._of_total().worst_gap_s

    @property
    def rails(self) -> Dict[str, Energy]:
        """Energy of each rail; they nest, so they do not add up to the total."""
        self._of_total()
        return dict(self._rails)

    @property
    def watts_mean(self) -> Dict[str, Optional[float]]:
        """Mean power of each rail in watts; None where too little was recorded."""
        return {rail: found.mean_w for rail, found in self.rails.items()}

    @property
    def watts_peak(self) -> Dict[str, Optional[float]]:
        """Highest reading of each rail in watts; None where there was none."""
        return {rail: found.peak_w for rail, found in self.rails.items()}

    @property
    def total(self) -> Energy:
        """Energy of the source's total with mean and peak power, coverage and worst gap."""
        return self._of_total()

    def _of_total(self) -> Energy:
        if self._total is None:
            raise SourceError("this window has not ended", "read it after the `with` block")
        return self._total

    def begin(self) -> None:
        """Take the reading at the first edge."""
        self._offset = max(
            self._floor,
            os.path.getsize(self._log) - MARGIN_ROWS * row_width(len(self.source["rails"])),
        )
        self._begin_s = self._recorder.sample()

    def end(self) -> None:
        """Take the reading at the last edge and integrate.

        Errors go to `problem`: the measured code must not suffer.
        """
        begin_s = self._begin_s or 0.0
        try:
            end_s = self._recorder.sample()
            self._recorder.settle()
        except SourceError as error:
            self._total = Energy(None, 0.0, 0.0, None, None, 0.0)
            self.problem = error.message
            return
        try:
            self._integrate(begin_s, end_s)
        except SourceError as error:
            self._total = Energy(None, end_s - begin_s, 0.0, None, None, end_s - begin_s)
            self.problem = error.message

    def _integrate(self, begin_s: float, end_s: float) -> None:
        rows = read_rows(self._log, self.source["rails"], self._offset)
        sampling, total = self.source["sampling"], self.source["total"]
        self._rails = {
            rail: energy(points(rows, [rail]), begin_s, end_s, sampling)
            for rail in self.source["rails"]
        }
        self._total = energy(points(rows, total or self.source["rails"]), begin_s, end_s, sampling)
        if not total:
            self._total = self._total._replace(joules=None, mean_w=None, peak_w=None)
            self.problem = "this source has no total; see its rails"
        elif self._total.joules is None:
            self.problem = "only %.1f %% of the window was recorded" % (
                100.0 * self._total.coverage
            )

    def __str__(self) -> str:
        total = self._of_total()
        origin = ", ".join(
            [self.source["scope"], self.source["name"]]
            + ([] if self.source["real"] else ["not measured"])
        )
        if total.joules is None:
            return f"no energy for these {total.seconds:.3f} s: {self.problem} ({origin})"
        return (
            f"{total.joules:.2f} J in {total.seconds:.3f} s: "
            f"mean {total.mean_w or 0.0:.2f} W, peak {total.peak_w or 0.0:.2f} W, "
            f"coverage {100.0 * total.coverage:.1f} % ({origin})"
        )


class Window:
    """A window inside a measured one."""

    def __init__(self, recorder: Recorder, log: str, floor: int) -> None:
        self._measurement = Measurement(recorder, log, floor)

    def __enter__(self) -> Measurement:
        self._measurement.begin()
        return self._measurement

    def __exit__(self, *exc: Any) -> None:
        self._measurement.end()
