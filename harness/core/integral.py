"""Integrate sampled power: the rules, in plain Python and exact integers, as the board needs them.

`reports/logs/integrate.py` is the same in numpy, for long logs; a property test holds them equal.
Snapshots are joined by trapezoids. An average, and the mean power of a counter, hold since the
sample before. Windows are cut exactly. A failed reading is a missed one. A longer interval than
allowed between two readings is a hole: it adds neither energy nor coverage. A counter bridges every
interval inside the window, but none in which its recorder was restarted, and no long one across the
window's edge.
"""

from fractions import Fraction
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

MIN_COVERAGE = 0.95  # below it there is no number, and never a smaller one
LEAST_GAP_S = 1.0  # gaps up to this are always integrated across
GAP_PERIODS = 5  # and so are gaps of up to this many mean periods
TRAPEZOIDS, STEPS, COUNTER = "trapezoids", "steps", "counter"


def rule_of(sampling: str) -> str:
    """Return how a source with this `sampling` is integrated; an unknown one by trapezoids.

    >>> rule_of("average"), rule_of("simulated")
    ('steps', 'trapezoids')
    """
    return {"average": STEPS, "counter": COUNTER}.get(sampling, TRAPEZOIDS)


def allowed_gap_s(source: Dict[str, Any], median_s: float = 0.0) -> float:
    """Return the longest gap that is integrated across: five mean periods, and at least 1 s.

    `median_s` is the median period of the whole log, for a log that states no mean period.

    >>> allowed_gap_s({"recorder": {"mean_period_s": 2.0}}, 7.0), allowed_gap_s({}, 7.0)
    (10.0, 35.0)
    """
    stated = (source.get("recorder") or {}).get("mean_period_s")
    return max(GAP_PERIODS * (stated or median_s), LEAST_GAP_S)


class Sample(NamedTuple):
    """A reading: microseconds, power in any integer unit, or None for a failed one.

    `start` marks the first reading of a recorder.
    """

    t_us: int
    power: Optional[int]
    start: bool = False


class Integral(NamedTuple):
    """The exact integral in power units x microseconds, the covered time, the longest gap."""

    total: Fraction
    covered_us: int
    worst_gap_us: int


def in_order(samples: Iterable[Sample]) -> List[Sample]:
    """Return the samples of one clock sorted by time, and of several at one time the first.

    >>> in_order([Sample(5, 1), Sample(3, 2), Sample(5, 3)])
    [Sample(t_us=3, power=2, start=False), Sample(t_us=5, power=1, start=False)]
    """
    first: Dict[int, Sample] = {}
    for sample in samples:
        first.setdefault(sample.t_us, sample)
    return [first[t_us] for t_us in sorted(first)]


def integrate(
    samples: List[Sample], begin_us: int, end_us: int, rule: str, allowed_us: int
) -> Integral:
    """Integrate samples `in_order` over begin_us..end_us."""
    good = only_read(samples)
    twice = covered_us = 0
    cut = Fraction(0)
    for before, after in zip(good, good[1:]):
        low, high = max(before.t_us, begin_us), min(after.t_us, end_us)
        p0, p1, length = before.power, after.power, after.t_us - before.t_us
        if low >= high or p0 is None or p1 is None:
            continue
        inside, counted = length == high - low, rule == COUNTER
        if (length > allowed_us and not (counted and inside)) or (counted and after.start):
            continue
        covered_us += high - low
        if rule != TRAPEZOIDS:
            twice += 2 * p1 * (high - low)
        elif inside:
            twice += (p0 + p1) * length
        else:
            level = 2 * p0 * length + (p1 - p0) * (low + high - 2 * before.t_us)
            cut += Fraction(level * (high - low), length)
    return Integral(
        (twice + cut) / 2,
        covered_us,
        _worst_gap([sample.t_us for sample in good], begin_us, end_us),
    )


def only_read(samples: List[Sample]) -> List[Sample]:
    """Return the samples that were read; one behind a failed start is a start."""
    good, start = [], False
    for sample in samples:
        start = start or sample.start
        if sample.power is not None:
            good.append(sample._replace(start=start))
            start = False
    return good


def _worst_gap(times: List[int], begin_us: int, end_us: int) -> int:
    """Return the longest time in the window, or across its edge, between two readings."""
    if not times:
        return end_us - begin_us
    gaps = [b - a for a, b in zip(times, times[1:]) if b > begin_us and a < end_us]
    return max([0, times[0] - begin_us, end_us - times[-1]] + gaps)
