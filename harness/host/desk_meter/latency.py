"""Find the lag of a meter by laying its readings over a reference that is on time.

The reference is the board's own VDD_IN log, or the known edges of a coded load (`joulebird run
--signature`). A reading of an averaging meter is compared with the mean of the reference over the
time since the reading before it.
"""

import bisect
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.trace import PowerTrace

SPAN_S, STEP_S = 3.0, 0.01  # lags looked at: from -SPAN_S / 10 to SPAN_S
MOST = 2000  # readings compared at most
LEAST = 20
LEAST_LIKENESS = 0.5  # squared correlation below which nothing is claimed


class Curve:
    """A power curve, constant from each instant to the next, with its integral."""

    def __init__(self, times_s: Sequence[float], watts: Sequence[float]) -> None:
        self.times_s, self.watts = list(times_s), list(watts)
        steps = zip(self.watts, self.times_s, self.times_s[1:])
        self._joules = list(
            accumulate((watts * (end - begin) for watts, begin, end in steps), initial=0.0)
        )

    def mean(self, begin_s: float, end_s: float) -> float:
        """Return the mean over a stretch of time."""
        return (self._at(end_s) - self._at(begin_s)) / (end_s - begin_s)

    def _at(self, t_s: float) -> float:
        index = min(max(bisect.bisect_right(self.times_s, t_s) - 1, 0), len(self.times_s) - 1)
        return self._joules[index] + self.watts[index] * (t_s - self.times_s[index])


def latency_s(board_log: Path, meter_log: Path) -> float | None:
    """Return the lag of the meter's log behind the board's; None where the power varies too little.

    Only logs on one clock can be compared (the meter's, moved to the board's). Readings of both
    totals are used.
    """
    try:
        board, meter = (PowerTrace.load(str(path)) for path in (board_log, meter_log))
    except (HarnessError, OSError):
        return None
    reference, readings = _series(board), _series(meter)
    if len(reference[0]) < LEAST or len(readings[0]) < LEAST:
        return None
    return lag(Curve(*reference), *readings)


def lag(reference: Curve, times_s: Sequence[float], watts: Sequence[float]) -> float | None:
    """Return the lag of readings behind a reference curve; None when no shift makes them alike.

    >>> times = [0.1 * k for k in range(400)]
    >>> code = Curve([0.0, 5.0, 8.0, 13.0, 15.0, 22.0], [5.0, 11.0, 5.0, 11.0, 5.0, 11.0])
    >>> round(lag(code, times, [code.mean(t - 0.8, t - 0.7) if t > 1 else 5.0 for t in times]), 2)
    0.7
    """
    step = max(1, len(times_s) // MOST)
    pairs = [
        (times_s[index - 1], times_s[index], watts[index]) for index in range(1, len(times_s), step)
    ]
    first, last = reference.times_s[0] + SPAN_S, reference.times_s[-1] - SPAN_S / 10
    pairs = [pair for pair in pairs if first <= pair[0] and pair[1] <= last and pair[1] > pair[0]]
    if len(pairs) < LEAST:
        return None
    shifts = [
        STEP_S * index for index in range(round(-SPAN_S / 10 / STEP_S), round(SPAN_S / STEP_S))
    ]
    coarse = max(shifts[::10], key=lambda shift: _likeness(reference, pairs, shift))
    near = [shift for shift in shifts if abs(shift - coarse) <= 10 * STEP_S]
    best = max(near, key=lambda shift: _likeness(reference, pairs, shift))
    return best if _likeness(reference, pairs, best) >= LEAST_LIKENESS else None


def _likeness(
    reference: Curve, pairs: Sequence[tuple[float, float, float]], shift_s: float
) -> float:
    """Return the squared correlation of readings with the reference `shift_s` before them."""
    known = [reference.mean(begin_s - shift_s, end_s - shift_s) for begin_s, end_s, _ in pairs]
    read = [watts for _, _, watts in pairs]
    mean_known, mean_read = sum(known) / len(known), sum(read) / len(read)
    both = sum((a - mean_known) * (b - mean_read) for a, b in zip(known, read))
    spread = sum((a - mean_known) ** 2 for a in known) * sum((b - mean_read) ** 2 for b in read)
    return both * abs(both) / spread if spread > 0 else 0.0


def readings(path: Path, begin_s: float, end_s: float) -> tuple[list[float], list[float]]:
    """Return times and total watts of a log between two times, without failed readings."""
    return _series(PowerTrace.load(str(path)).between(begin_s, end_s))


def _series(trace: PowerTrace) -> tuple[list[float], list[float]]:
    """Return times and total watts of a log's last boot, without failed readings."""
    piece = trace.pieces[-1].samples() if trace.pieces else None
    if piece is None:
        return [], []
    columns = [trace.rails.index(rail) for rail in trace.total]
    whole = piece.read[:, columns].all(axis=1)
    watts = piece.power[:, columns].sum(axis=1) / trace.per_watt
    return [float(t) / 1e6 for t in piece.t_us[whole]], [float(value) for value in watts[whole]]
