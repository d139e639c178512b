"""Energy of a short window of the recorder's own log, on the board: the rules of reports/logs/integrate.py in plain Python."""

import math
from typing import Iterable, List, NamedTuple, Optional, Tuple

from joulebird.devices.powerlog_read import Row

MIN_COVERAGE = 0.95  # below it there is no number, and never a smaller one
LEAST_GAP_S = 1.0  # shorter gaps than this are always integrated across


class Energy(NamedTuple):
    """Energy of a rail, or of a sum of rails, over a window.

    `joules` and `mean_w` are None when less than 95 % of the window was recorded; otherwise the holes count with the mean of the rest.
    `peak_w` is the highest reading inside, None without one.
    """

    joules: Optional[float]
    seconds: float
    coverage: float
    mean_w: Optional[float]
    peak_w: Optional[float]
    worst_gap_s: float


def points(rows: Iterable[Row], rails: Iterable[str]) -> List[Tuple[float, Optional[float]]]:
    """(seconds, watts of these rails together) by row; None where one of them could not be read.

    >>> points([Row(0.0, {"A": 1.0, "B": 2.0}, "ok"), Row(1.0, {"A": 1.0}, "EIO")], ["A", "B"])
    [(0.0, 3.0), (1.0, None)]
    """
    rails = list(rails)
    return [
        (
            row.t_s,
            sum(row.watts[rail] for rail in rails)
            if all(rail in row.watts for rail in rails)
            else None,
        )
        for row in rows
    ]


def allowed_gap_s(times: List[float]) -> float:
    """The longest gap that is integrated across: five median periods, at least one second.

    >>> allowed_gap_s([0.0, 0.05, 0.1]), allowed_gap_s([0.0, 1.0, 2.0])
    (1.0, 5.0)
    """
    steps = sorted(b - a for a, b in zip(times, times[1:]))
    return max(LEAST_GAP_S, 5.0 * steps[len(steps) // 2]) if steps else LEAST_GAP_S


def energy(
    series: List[Tuple[float, Optional[float]]], begin_s: float, end_s: float, sampling: str
) -> Energy:
    """Integrate over begin_s..end_s: trapezoids for a snapshot, steps for an average or a counter, cut exactly at both ends.

    An interval that is too long, or has a failed reading at an end, is a hole; a counter has counted on meanwhile.

    >>> energy([(0.0, 1.0), (1.0, 3.0), (2.0, 3.0)], 0.5, 2.0, "snapshot").joules
    4.25
    >>> energy([(0.0, 1.0), (1.0, 3.0), (2.0, None)], 0.0, 2.0, "snapshot").joules
    """
    allowed_s = allowed_gap_s([t_s for t_s, _ in series])
    if sampling == "counter":
        series = [(t_s, watts) for t_s, watts in series if watts is not None]
        allowed_s = float("inf")
    parts, covered, good = [], [], [t_s for t_s, watts in series if watts is not None]
    for (t0, w0), (t1, w1) in zip(series, series[1:]):
        low, high = max(t0, begin_s), min(t1, end_s)
        if w0 is None or w1 is None or high <= low or t1 - t0 > allowed_s:
            continue
        mean_w = (
            w0 + (w1 - w0) * (0.5 * (low + high) - t0) / (t1 - t0) if sampling == "snapshot" else w1
        )
        parts.append(mean_w * (high - low))
        covered.append(high - low)
    seconds, covered_s = end_s - begin_s, math.fsum(covered)
    coverage = min(1.0, covered_s / seconds) if seconds > 0.0 else 1.0
    edge_s = 1e-6  # a log keeps microseconds, so the reading at an edge may lie that much outside
    inside = [
        watts
        for t_s, watts in series
        if watts is not None and begin_s - edge_s <= t_s <= end_s + edge_s
    ]
    mean = math.fsum(parts) / covered_s if covered_s > 0.0 and coverage >= MIN_COVERAGE else None
    return Energy(
        None if mean is None else mean * seconds,
        seconds,
        coverage,
        mean,
        max(inside) if inside else None,
        _worst_gap(good, begin_s, end_s),
    )


def _worst_gap(times: List[float], begin_s: float, end_s: float) -> float:
    """The longest time in the window, or reaching over its edge, between two readings."""
    if not times:
        return end_s - begin_s
    gaps = [b - a for a, b in zip(times, times[1:]) if b > begin_s and a < end_s]
    return max([0.0, times[0] - begin_s, end_s - times[-1]] + gaps)
