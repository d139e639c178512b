"""Energy of a short window of the recorder's own log, on the board."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from joulebird.harness.core.integral import (
    LEAST_GAP_S,
    MIN_COVERAGE,
    Sample,
    allowed_gap_s,
    in_order,
    integrate,
    rule_of,
)
from joulebird.harness.core.powerlog import Row

MICRO = 1e6


class Energy(NamedTuple):
    """Energy of a rail, or of a sum of rails, over a window.

    `joules` and `mean_w` are None when less than 95 % of the window was recorded; otherwise the
    holes count with the mean of the rest. `peak_w` is the highest reading inside, None without one.
    """

    joules: Optional[float]
    seconds: float
    coverage: float
    mean_w: Optional[float]
    peak_w: Optional[float]
    worst_gap_s: float


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
) -> Energy:
    """Integrate milliwatts over begin_s..end_s; gaps up to `allowed_s` are integrated across.

    >>> energy([Sample(0, 1000), Sample(1000000, 3000)], 0.5, 1.0, "snapshot").joules
    1.25
    """
    begin_us, end_us = round(begin_s * MICRO), round(end_s * MICRO)
    rule, allowed_us = rule_of(sampling), round(allowed_s * MICRO)
    total, covered_us, worst_gap_us = integrate(series, begin_us, end_us, rule, allowed_us)
    seconds, covered_s = (end_us - begin_us) / MICRO, covered_us / MICRO
    joules, mean_w = joules_of(float(total / 10**9), covered_s, seconds)
    inside = [mw for t_us, mw, _ in series if mw is not None and begin_us <= t_us <= end_us]
    return Energy(
        joules,
        seconds,
        min(covered_s / seconds, 1.0) if seconds > 0 else 1.0,
        mean_w,
        max(inside) / 1e3 if inside else None,
        worst_gap_us / MICRO,
    )


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
        gap_s = allowed_gap_s(source)
        return energy(samples(rows, rails), begin_s, end_s, source["sampling"], gap_s)

    total = over(source["total"] or source["rails"])
    if not source["total"]:
        total = total._replace(joules=None, mean_w=None, peak_w=None)
    return total, {rail: over([rail]) for rail in source["rails"]}
