"""Write numbers as people read them: three or four digits, a unit that fits the table."""

import math
import statistics
from collections.abc import Iterable
from typing import Any

_PREFIX = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"))


def unit_for(values: Iterable[float], unit: str) -> tuple[float, str]:
    """Return one unit for many values, with its factor.

    The largest prefix that leaves the smallest (non-zero) value at one or more.

    >>> unit_for([9120.0, 745.0], "J"), unit_for([6.3e6, 48e3], "J"), unit_for([], "J")
    ((1.0, 'J'), (1000.0, 'kJ'), (1.0, 'J'))
    """
    smallest = min((abs(value) for value in values if value), default=1.0)
    for factor, prefix in _PREFIX:
        if smallest >= factor:
            return factor, prefix + unit
    return _PREFIX[-1][0], _PREFIX[-1][1] + unit


def digits(value: float, count: int = 4) -> str:
    """Write `count` significant digits, without an exponent.

    >>> digits(6322.4), digits(256.38), digits(0.0123456), digits(75.42, 3), digits(0)
    ('6322', '256.4', '0.01235', '75.4', '0')
    """
    if not value or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = max(count - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{places}f}"


def si(value: float, unit: str) -> str:
    """Write a value with its own prefix.

    >>> si(9120, "J"), si(0.0764, "W")
    ('9.12 kJ', '76.4 mW')
    """
    factor, name = unit_for([value], unit)
    return f"{digits(value / factor, 3)} {name}"


def worded(text: str, words: Iterable[str]) -> str:
    """Write an energy's number with its words.

    >>> worded("12.3 J", ("simulated", "estimated")), worded("12.3 J", ())
    ('12.3 J (estimated, simulated)', '12.3 J')
    """
    named = ", ".join(sorted(words))
    return f"{text} ({named})" if named else text


def spread_of(values: list[float]) -> float | None:
    """Return the standard deviation of a sample; None for a single value.

    >>> spread_of([1.0]), spread_of([1.0, 3.0])
    (None, 1.4142135623730951)
    """
    return statistics.stdev(values) if len(values) > 1 else None


def mean_and_spread(values: list[float]) -> tuple[str, dict[str, Any]]:
    """Write accuracies in percent as "mean±spread"; also return the exact values.

    >>> mean_and_spread([90.0, 92.0])[0], mean_and_spread([90.0])[0]
    ('91.00±1.41', '90.00')
    """
    mean, spread = statistics.fmean(values), spread_of(values)
    text = f"{mean:.2f}" + ("" if spread is None else f"±{spread:.2f}")
    return text, {"percent": mean, "spread": spread, "seeds": values}
