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
from joulebird.harness.core.sensor import (
    UNKNOWN,
    Accuracy,
    Sums,
    accuracy,
    expanded,
    merged,
    uncertain,
)

MICRO = 1e6


class Energy(NamedTuple):
    """Energy of a rail, or of a sum of rails, over a window.

    `joules` and `mean_w` are None when less than 95 % of the window was recorded; otherwise the
    holes count with the mean of the rest. `peak_w` is the highest reading inside, None without one.
    `u_joules` is the uncertainty in joules at about 95 %, of two parts: `u_sensor_j` (gain and
    offset; None where the source states none) and `u_sampling_j` (sampling, quantisation, holes).
    `doubt` is the reason for the word "aliased?", or "".
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
    doubt: str = ""


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
    source: Dict[str, Any],
    allowed_s: float = LEAST_GAP_S,
    sensor: Accuracy = UNKNOWN,
) -> Energy:
    """Integrate milliwatts over begin_s..end_s; gaps up to `allowed_s` are integrated across.

    Of `source` counts how it samples. `sensor` bounds the errors of the readings.

    >>> energy([Sample(0, 1000), Sample(1000000, 3000)], 0.5, 1.0, {}).joules
    1.25
    """
    begin_us, end_us = round(begin_s * MICRO), round(end_s * MICRO)
    rule, allowed_us = rule_of(source.get("sampling", "")), round(allowed_s * MICRO)
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
    low_w, peak_w = (pick(inside or read, default=0) / 1e3 for pick in (min, max))
    sums = sums_of(part, begin_us, end_us, rule, allowed_us)
    window = seconds, mean_w, peak_w - low_w
    own = uncertain(sums, source, window, sensor.quantum_w, 1000)
    sigma_j = math.hypot(own.random_j, own.grid_j)
    holes_j = max(seconds - covered_s, 0.0) * max(peak_w - mean_w, mean_w - low_w, 0.0)
    limits = abs(measured_j) * sensor.gain, seconds * sensor.offset_w
    return found._replace(
        u_joules=expanded(sigma_j, holes_j, *limits, known=own.lag_j),
        u_sensor_j=expanded(0.0, *limits) if sensor.stated else None,
        u_sampling_j=expanded(sigma_j, holes_j, known=own.lag_j),
        doubt=own.doubt,
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


class Span(NamedTuple):
    """Two readings: microseconds between them, those of the window, bridged or not, the change."""

    length: float = 1.0
    used: float = 0.0
    good: bool = False
    step: int = 0


def sums_of(series: List[Sample], begin_us: int, end_us: int, rule: str, allowed_us: int) -> Sums:
    """Return the sums of reports/logs/sampling.py, in milliwatts and microseconds."""
    read, counted = only_read(series), rule == COUNTER
    spans = [Span(), Span()]
    for (t0, p0, _), (t1, p1, start) in zip(read, read[1:]):
        used, length = min(t1, end_us) - max(t0, begin_us), t1 - t0
        short = length <= allowed_us or (counted and used == length)
        good = short and not (counted and start)
        spans.append(Span(length, max(used, 0) if good else 0, good, (p1 or 0) - (p0 or 0)))
    spans.append(Span())
    return merged(_terms(*four, rule) for four in zip(spans, spans[1:], spans[2:], spans[3:]))


def _terms(first: Span, before: Span, span: Span, after: Span, rule: str) -> Sums:
    """Return the terms of a span and of the reading at its begin."""
    length, used, _, step = span
    beside = [other for other in (before, after) if span.good and other.good]
    bends = (abs(step - other.step * length / other.length) for other in beside)
    jump = (used * min(bends, default=abs(step))) ** 2 / 12.0
    lonely = length > 3.0 * min((other.length for other in beside), default=length)
    white, even, line = 0.0, False, 0.0 if rule == TRAPEZOIDS else used * step / 2.0
    if before in beside:
        near, weight = _off_line(before, span), (before.used + used) / 2.0
        even = used > 0 and abs(length - before.length) <= 0.1 * before.length
        line = weight * near if rule == TRAPEZOIDS else line
        if first.good and after.good:
            far = _off_line(_both(first, before), _both(span, after))
            white = weight**2 * (7.0 / 6.0 * near**2 - far**2 / 2.0)
    moved, least = (step**2, abs(step) or math.inf) if used else (0, math.inf)
    ends, cut = used * step / length, used * (length - used)
    flat = 0.0 if step else used
    run = flat > 0 and not (before.used and before.step == 0)
    inside, square = used > 0, used**2
    return Sums(
        jump, jump * lonely, white, line, ends, cut, moved, square, inside, even, flat, run, least
    )


def _both(one: Span, other: Span) -> Span:
    return Span(one.length + other.length, step=one.step + other.step)


def _off_line(before: Span, after: Span) -> float:
    return before.step - (before.step + after.step) * before.length / (before.length + after.length)


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
        return energy(samples(rows, rails), begin_s, end_s, source, *limits)

    total = over(source["total"] or source["rails"])
    if not source["total"]:
        total = Energy(None, total.seconds, total.coverage, None, None, total.worst_gap_s)
    return total, {rail: over([rail]) for rail in source["rails"]}
