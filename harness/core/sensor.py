"""Read the facts of a power source that go with each of its numbers: accuracy and words."""

import math
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from joulebird.harness.core.integral import STEPS, TRAPEZOIDS, rule_of

UNSTATED = "sensor accuracy not stated"
ALIASED = "aliased?"
K95 = 1.96


class Accuracy(NamedTuple):
    """Largest errors of a sensor: `gain` (share of the reading), `offset_w`, `quantum_w` (watts).

    `stated` is False when the source states none.
    """

    gain: float = 0.0
    offset_w: float = 0.0
    quantum_w: float = 0.0
    stated: bool = False


UNKNOWN = Accuracy()


def words_of(source: Dict[str, Any]) -> Tuple[str, ...]:
    """Return the words beside the numbers of an unmeasured source: "simulated" or "replayed".

    >>> words_of({"name": "simulated", "real": False}), words_of({"name": "ina3221", "real": True})
    (('simulated',), ())
    """
    if "simulated" in (source.get("name"), source.get("sampling")) or source.get("simulated"):
        return ("simulated",)
    return ("replayed",) if source.get("real") is False else ()


def of_rail(value: Any, rail: str) -> Optional[float]:
    """Return a number that is stated for all rails or by rail."""
    return value.get(rail) if isinstance(value, dict) else value


def lowest_w(source: Dict[str, Any], rail: str, highest_w: float) -> float:
    """Return the lowest reading in watts that a sensor can mean.

    It is twice the offset below zero (which drifts with temperature), at most 1 % of the range.
    """
    stated = source.get("accuracy")
    offset_mw = of_rail(stated.get("offset_mw"), rail) if isinstance(stated, dict) else None
    least = 0.01 * highest_w
    return -(min(least, 2e-3 * offset_mw) if offset_mw else least)


def accuracy(source: Dict[str, Any], rails: Iterable[str]) -> Accuracy:
    """Return the accuracy of the sum of some rails.

    The source's `accuracy` has gain, offset_mw and quantum_mw: numbers, or numbers by rail.

    >>> accuracy({"accuracy": {"gain": 0.01, "offset_mw": {"VDD_IN": 76}}}, ["VDD_IN"]).offset_w
    0.076
    """
    stated = source.get("accuracy")
    if not isinstance(stated, dict):
        return UNKNOWN
    limits, rails = stated, list(rails)

    def known(key: str) -> List[float]:
        by_rail = [of_rail(limits.get(key), rail) for rail in rails]
        return [float(value) for value in by_rail if value is not None]

    return Accuracy(
        gain=max(known("gain"), default=0.0),
        offset_w=sum(known("offset_mw")) / 1e3,
        quantum_w=math.sqrt(sum(step**2 for step in known("quantum_mw"))) / 1e3,
        stated=bool(known("gain") or known("offset_mw")),
    )


class Sums(NamedTuple):
    """Sums over readings that reports/logs/sampling.py defines; `step` is the least change."""

    jumps: float = 0.0
    gaps: float = 0.0
    white: float = 0.0
    line: float = 0.0
    ends: float = 0.0
    cut: float = 0.0
    moves: float = 0.0
    squares: float = 0.0
    intervals: float = 0.0
    even: float = 0.0
    flat: float = 0.0
    runs: float = 0.0
    step: float = math.inf


def merged(blocks: Iterable[Sums]) -> Sums:
    """Return the sums over some blocks together."""
    columns = list(zip(*blocks))
    totals = [math.fsum(column) for column in columns[:-1]]
    return Sums._make([*totals, min(columns[-1])]) if columns else Sums()


def expanded(sigma: float, *limits: float, known: float = 0.0) -> float:
    """Return the half-width at 95 % of a normal error and some rectangular ones together.

    `known` is an error that is known but not corrected.

    >>> expanded(1.0), round(expanded(0.0, 1.0), 2), round(expanded(0.0, 1.0, 1.0), 2)
    (1.96, 0.95, 1.54)
    """
    squares = [limit * limit / 3.0 for limit in limits]
    whole = sigma * sigma + sum(squares)
    share = sum(square * square for square in squares) / (whole * whole or 1.0)
    half = (K95 - 0.315 * share * share) * math.sqrt(whole)
    return max(half, abs(known) + 0.9 * half)


def lag_of(source: Dict[str, Any]) -> Optional[float]:
    """Return the averaging window of a source's chips in seconds; None for exact means."""
    sampling, chips = source.get("sampling"), source.get("chips")
    if sampling == "counter" or (sampling == "average" and not chips):
        return None
    lags = (chip.get("averaging_window_s") or 0.0 for chip in chips or ())
    return max(lags, default=0.0) if sampling == "average" else 0.0


class Uncertain(NamedTuple):
    """Joules: sigma of sampling, known error of the lag, sigma of a fixed grid; why, or ""."""

    random_j: float
    lag_j: float
    grid_j: float
    doubt: str


def uncertain(
    sums: Sums,
    source: Dict[str, Any],
    window: Tuple[float, float, float],
    stated_w: float,
    per_watt: int,
) -> Uncertain:
    """Return the uncertainty of a window by its sums, in 1/`per_watt` W and microseconds.

    `window` has seconds, and mean and range in watts.
    """
    seconds, mean_w, spread_w = window
    lag_s, rule, known = lag_of(source), rule_of(source.get("sampling", "")), 0.0
    period_s = 1e-12 * (sums.squares + sums.cut) / (seconds or 1.0)
    if lag_s is None:
        square = sums.cut * sums.moves / (3.0 * (sums.intervals or 1.0)) + sums.gaps * (
            rule == STEPS
        )
    else:
        square = max(sums.jumps, sums.white - sums.jumps)
        square *= period_s / (period_s + lag_s or 1.0)
        if rule == TRAPEZOIDS:
            square += (sums.line / 6.0) ** 2
        else:
            known = (sums.line - 1e6 * lag_s * sums.ends) / (per_watt * 1e6)
    unseen_j = math.sqrt(square) / (per_watt * 1e6)
    step_w = stated_w or max(min(sums.step, 0.01 * per_watt * abs(mean_w)), 1.0) / per_watt
    rounded_s2 = 1e-12 * (sums.flat**2 / (sums.runs or 1.0) + sums.squares) / 12.0
    random_j = math.hypot(unseen_j, step_w * math.sqrt(rounded_s2))
    if lag_s is None or lag_s >= period_s or sums.intervals < 10 or 2 * sums.even < sums.intervals:
        return Uncertain(random_j, known, 0.0, "")
    moved_w = math.sqrt(12.0 * sums.jumps / sums.squares) / per_watt
    least_w = spread_w * math.sqrt(max(0.02, 3.0 / sums.intervals))
    if moved_w > max(0.05 * abs(mean_w), 2.0 * stated_w, least_w):
        grid_w, why = spread_w**2 / moved_w / math.sqrt(4.0 * sums.intervals), "the power moves"
    elif not spread_w and period_s >= 0.0999 and stated_w < 0.005 * abs(mean_w):
        grid_w, why = abs(mean_w) / math.sqrt(12.0), "no reading differs, as in step"
    else:
        return Uncertain(random_j, known, 0.0, "")
    return Uncertain(
        random_j, known, grid_w * seconds, f"{why} on a fixed grid of {period_s:.2g} s"
    )


def parts_text(u_sensor_j: Optional[float], u_sampling_j: Optional[float]) -> str:
    """Return the parts of an energy's uncertainty in words; None for the sensor's is unknown.

    >>> parts_text(1.52, 0.25), parts_text(None, 0.25)
    ('sensor 1.5 J, sampling 0.25 J', 'sampling 0.25 J, sensor accuracy not stated')
    """
    sampling = f"sampling {u_sampling_j or 0.0:.2g} J"
    return (
        f"{sampling}, {UNSTATED}"
        if u_sensor_j is None
        else f"sensor {u_sensor_j:.2g} J, {sampling}"
    )
