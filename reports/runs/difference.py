"""The difference of two cells of a grid, with its uncertainty at about 95 %."""

import math
import statistics
from dataclasses import dataclass

from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.runs.grid import GridCell

# 97.5 % quantiles of Student's t by degrees of freedom (the last holds for more)
_T975 = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    8: 2.306,
    9: 2.262,
    10: 2.228,
    12: 2.179,
    15: 2.131,
    20: 2.086,
    30: 2.042,
    60: 2.000,
}
VERDICTS = {None: "not known", True: "real", False: "not significant"}


@dataclass(frozen=True)
class Difference:
    """A value of A against B and its uncertainty; `none` is the value of "no difference".

    `real` is True when the interval excludes `none`; None if a value is unknown.
    """

    value: float | None
    u: float | None
    none: float

    @property
    def real(self) -> bool | None:
        """Return whether there is a difference; None if unknown."""
        if self.value is None or self.u is None:
            return None
        return abs(self.value - self.none) > self.u

    @property
    def verdict(self) -> str:
        """Return `real` in words."""
        return VERDICTS[self.real]


def energy_difference(a: GridCell, b: GridCell) -> Difference:
    """Return the energy of A over B.

    Errors shared by one sensor cancel; with several runs each, their spread is in the uncertainty
    (Welch).
    """
    ours, theirs = ([e for e in cell.energies if not e.void] for cell in (a, b))
    if not ours or not theirs:
        return Difference(None, None, 1.0)
    measured = _mean_energy(ours).ratio(_mean_energy(theirs))
    spread = measured.value * welch(a.known, b.known, relative=True)
    return Difference(measured.value, math.hypot(measured.u, spread), 1.0)


def accuracy_difference(a: GridCell, b: GridCell) -> Difference:
    """Return the accuracy of A less B in percent points.

    Its uncertainty is unknown without at least two runs each.
    """
    known = len(a.accuracies) > 1 and len(b.accuracies) > 1
    u = welch(a.accuracies, b.accuracies) if known else None
    return Difference(a.accuracy - b.accuracy, u, 0.0)


def welch(a: list[float], b: list[float], relative: bool = False) -> float:
    """Return half the 95 % interval of a difference of means by Welch's unequal variances.

    With `relative`, it is that of the logarithms. It is 0 without repeats.

    >>> round(welch([10.0, 11.0, 12.0], [20.0, 21.0, 22.0]), 3)
    2.267
    """
    parts = [
        (statistics.variance(x) / (statistics.fmean(x) ** 2 if relative else 1.0) / len(x), len(x))
        for x in (a, b)
        if len(x) > 1
    ]
    total = math.fsum(part for part, _ in parts)
    if not total:
        return 0.0
    freedom = total**2 / math.fsum(part**2 / (n - 1) for part, n in parts)
    return t975(freedom) * math.sqrt(total)


def t975(freedom: float) -> float:
    """Return Student's 97.5 % quantile for at least `freedom` degrees of freedom.

    The entry of the next smaller degree is never too small.

    >>> t975(4.0), t975(11.3), t975(1e6)
    (2.776, 2.228, 2.0)
    """
    return _T975[max((entry for entry in _T975 if entry <= freedom + 1e-9), default=1)]


def _mean_energy(energies: list[Energy]) -> Energy:
    return total_energy(energies).scaled(1.0 / len(energies))
