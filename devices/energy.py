"""Energy of a short window of the recorder's own log, on the board."""

import math
from bisect import bisect_left, bisect_right
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from joulebird.harness.core.integral import (
    COUNTER,
    LEAST_GAP_S,
    MIN_COVERAGE,
    TRAPEZOIDS,
    Sample,
    allowed_gap_s,
    in_order,
    integrate,
    only_read,
    rule_of,
)
from joulebird.harness.core.powerlog import Row
from joulebird.harness.core.sensor import UNKNOWN, Accuracy, accuracy

MICRO = 1e6
STEP_W = 1e-3  # of a log's numbers


class Energy(NamedTuple):
    """Energy of a rail, or of a sum of rails, over a window.

    `joules` and `mean_w` are None when less than 95 % of the window was recorded; otherwise the
    holes count with the mean of the rest. `peak_w` is the highest reading inside, None without one.
    `u_joules` is the uncertainty in joules at about 95 %, of two parts: `u_sensor_j` (gain and
    offset; None where the source states none) and `u_sampling_j` (sampling, quantisation, holes).
    """

    joules: Optional[float]
    seconds: float
    coverage: float
    mean_w: Optional[float]
    peak_w: Optional[float]
    worst_gap_s: float
    u_joules: Optional[float] = None
    u_sensor_j: Optional[float] = None
    u_sampling_j: Optional[float] = None


def samples(rows: Iterable[Row], rails: Sequence[str]) -> List[Sample]:
    """Return the milliwatts of some rails together; None where one of them could not be read.

    >>> samples([Row(0.0, {"A": 1.0, "B": 2.0}, "ok"), Row(1.0, {"A": 1.0}, "EIO")], ["A", "B"])
    [Sample(t_us=0, power=3000, start=False), Sample(t_us=1000000, power=None, start=False)]
    """
    return in_order(
        Sample(round(row.t_s * MICRO), _milliwatts(row, rails), row.start) for row in rows
    )


def _milliwatts(row: Row, rails: Sequence[str]) -> Optional[int]:
    whole = all(rail in row.watts for rail in rails)
    return sum(round(row.watts[rail] * 1e3) for rail in rails) if whole else None


def energy(
    series: List[Sample],
    begin_s: float,
    end_s: float,
    sampling: str,
    allowed_s: float = LEAST_GAP_S,
    sensor: Accuracy = UNKNOWN,
) -> Energy:
    """Integrate milliwatts over begin_s..end_s; gaps up to `allowed_s` are integrated across.

    `sensor` bounds the errors of the readings.

    >>> energy([Sample(0, 1000), Sample(1000000, 3000)], 0.5, 1.0, "snapshot").joules
    1.25
    """
    begin_us, end_us = round(begin_s * MICRO), round(end_s * MICRO)
    rule, allowed_us = rule_of(sampling), round(allowed_s * MICRO)
    total, covered_us, worst_gap_us = integrate(series, begin_us, end_us, rule, allowed_us)
    seconds, covered_s = (end_us - begin_us) / MICRO, covered_us / MICRO
    measured_j = float(total / 10**9)
    joules, mean_w = joules_of(measured_j, covered_s, seconds)
    part = around(series, begin_us, end_us)
    read = [mw for _, mw, _ in part if mw is not None]
    inside = [mw for t_us, mw, _ in part if mw is not None and begin_us <= t_us <= end_us]
    found = Energy(
        joules,
        seconds,
        min(covered_s / seconds, 1.0) if seconds > 0 else 1.0,
        mean_w,
        max(inside) / 1e3 if inside else None,
        worst_gap_us / MICRO,
    )
    if joules is None or mean_w is None:
        return found
    levels = 1 + sum(a != b for a, b in zip(inside, inside[1:]))
    low_w, peak_w = (pick(inside or read, default=0) / 1e3 for pick in (min, max))
    quantum_j = max(sensor.quantum_w, STEP_W) / math.sqrt(12 * levels) * seconds
    unseen_j = sampling_error(part, begin_us, end_us, rule, allowed_us) / 1e9
    holes_j = max(seconds - covered_s, 0.0) * max(peak_w - mean_w, mean_w - low_w, 0.0)
    sensor_j = math.hypot(abs(measured_j) * sensor.gain, seconds * sensor.offset_w)
    sampling_j = math.hypot(2.0 * math.hypot(unseen_j, quantum_j), holes_j)
    return found._replace(
        u_joules=math.hypot(sensor_j, sampling_j),
        u_sensor_j=sensor_j if sensor.stated else None,
        u_sampling_j=sampling_j,
    )


def around(series: List[Sample], begin_us: int, end_us: int) -> List[Sample]:
    """Return the samples of a window, and on both sides up to the nearest read ones."""
    times = [t_us for t_us, _, _ in series]
    first = max(bisect_right(times, begin_us) - 1, 0)
    last = min(bisect_left(times, end_us) + 1, len(series))
    while first > 0 and series[first].power is None:
        first -= 1
    while last < len(series) and series[last - 1].power is None:
        last += 1
    return series[first:last]


def sampling_error(
    series: List[Sample], begin_us: int, end_us: int, rule: str, allowed_us: int
) -> float:
    """Return one sigma of the error from the unknown power between samples, in mW x microseconds.

    `error` of reports/logs/sampling.py derives it; this is the sum of its two terms.
    """
    series = only_read(series)
    if rule == COUNTER:
        return _cut_error(series, begin_us, end_us, allowed_us)
    squares = line = 0.0
    left, ahead, t1, p1 = False, 0, 0, 0  # the interval before: bridged, covered time, its begin
    for (t2, p2, _), (t3, p3, _) in zip(series, series[1:] + series[-1:]):
        before, t0, p0, t1, p1 = ahead, t1, p1, t2, p2 or 0
        low, high = t2 if t2 > begin_us else begin_us, t3 if t3 < end_us else end_us
        right = p2 is not None and p3 is not None and 0 < t3 - t2 <= allowed_us
        ahead = high - low if right and high > low else 0
        half, p3 = (before + ahead) / 2.0, p3 or 0
        if half and left and right:
            moved = half * (p1 - p0 - (p3 - p0) * (t2 - t0) / (t3 - t0))
            squares += moved * moved / 1.5
            line += moved
        elif half:
            squares += (half * (p1 - (p0 if left else p3))) ** 2 / 2.0
        left = right
    return math.sqrt(squares) + (abs(line) / 6.0 if rule == TRAPEZOIDS else 0.0)


def _cut_error(series: List[Sample], begin_us: int, end_us: int, allowed_us: int) -> float:
    """Return the error of a counter, which knows the energy between readings: of the cut ones."""
    cut = (
        (min(t1, end_us) - max(t0, begin_us), t1 - t0, (p1 or 0) - (p0 or 0))
        for (t0, p0, _), (t1, p1, start) in zip(series, series[1:])
        if t1 - t0 <= allowed_us and not start
    )
    return math.sqrt(sum(float(us * step) ** 2 for us, whole, step in cut if 0 < us < whole))


def joules_of(
    measured_j: float, covered_s: float, seconds: float
) -> Tuple[Optional[float], Optional[float]]:
    """Return the energy of the whole window and the mean power, or None for both.

    The holes of a window count with the mean of the rest, unless they are more than 5 % of it.

    >>> joules_of(98.0, 9.8, 10.0), joules_of(90.0, 9.0, 10.0)
    ((100.0, 10.0), (None, None))
    """
    if seconds > 0 and covered_s / seconds < MIN_COVERAGE:
        return None, None
    mean_w = measured_j / covered_s if covered_s > 0 else 0.0
    return measured_j + mean_w * max(seconds - covered_s, 0.0), mean_w


def energies(
    source: Dict[str, Any], rows: Sequence[Row], begin_s: float, end_s: float
) -> Tuple[Energy, Dict[str, Energy]]:
    """Return the energy of a source's total over a window, and the energy of each rail.

    Without a total, the first one has neither joules nor watts.
    """

    def over(rails: Sequence[str]) -> Energy:
        limits = allowed_gap_s(source), accuracy(source, rails)
        return energy(samples(rows, rails), begin_s, end_s, source["sampling"], *limits)

    total = over(source["total"] or source["rails"])
    if not source["total"]:
        total = Energy(None, total.seconds, total.coverage, None, None, total.worst_gap_s)
    return total, {rail: over([rail]) for rail in source["rails"]}
