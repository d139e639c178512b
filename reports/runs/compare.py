"""Is the difference between two sets of runs real? Energy ratio and accuracy difference, cell by cell, with their uncertainty."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.runs.grid import GridCell, build_grid
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.runs.records import load
from joulebird.reports.tables.table import Cell, Column, Table
from joulebird.reports.tables.units import digits, unit_for, worded

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


@dataclass(frozen=True)
class Difference:
    """A value of A against B and its uncertainty at about 95 %: `real` when "no difference" lies outside; None values: not known."""

    value: float | None
    u: float | None
    none: float

    @property
    def real(self) -> bool | None:
        """Whether there is a difference; None when it cannot be told."""
        return (
            None if self.value is None or self.u is None else abs(self.value - self.none) > self.u
        )

    @property
    def verdict(self) -> str:
        """In words."""
        return {None: "not known", True: "real", False: "not significant"}[self.real]


def compare(
    a: Iterable[str] | str, b: Iterable[str] | str, energy: str = "measured", accuracy: str = "best"
) -> Table:
    """Compare the runs in folders A with those in B: cells of the same setting, method and ratio, or the only cell of each.

    Raises HarnessError when the scopes differ or there is nothing to compare. `facts["worst_energy_ratio"]` is the largest
    A / B that is real.
    """
    grids = [build_grid(load(paths), energy, accuracy=accuracy) for paths in (a, b)]
    for key in ("scope", "rails"):
        named = {grid.scope[key] for grid in grids if grid.scope}
        if len(named) > 1:
            raise HarnessError(
                f"A and B were measured with different {key}: {' and '.join(sorted(named))}",
                "compare runs of one scope",
            )
    one, two = (grid.cells for grid in grids)
    pairs = [(key, one[key], two[key]) for key in one if key in two]
    if not pairs and len(one) == len(two) == 1:
        pairs = [(next(iter(one)), next(iter(one.values())), next(iter(two.values())))]
    if not pairs:
        raise HarnessError(
            "A and B have no cell in common", f"A has {_listed(one)}; B has {_listed(two)}"
        )
    factor, unit = unit_for(
        [cell.joules for _, *cells in pairs for cell in cells if cell.joules], "J"
    )
    rows = tuple(_row(key, first, second, factor) for key, first, second in pairs)
    words = sorted({word for _, *cells in pairs for cell in cells for word in cell.words})
    title = "A against B" + "".join(f" [{word}]" for word in words)
    columns = (
        Column("Setting", number=False),
        Column("Method", number=False),
        Column("p"),
        Column("A", f"Energy ({unit})"),
        Column("B", f"Energy ({unit})"),
        Column("A / B", f"Energy ({unit})"),
        Column("difference", f"Energy ({unit})", False),
        Column("A", "Accuracy (%)"),
        Column("B", "Accuracy (%)"),
        Column("A - B", "Accuracy (%)"),
        Column("difference", "Accuracy (%)", False),
    )
    real = [
        ratio.value
        for ratio in (energy_difference(x, y) for _, x, y in pairs)
        if ratio.real and ratio.value
    ]
    return Table(
        title,
        columns,
        rows,
        tuple(_notes(pairs, one, two, energy)),
        {"worst_energy_ratio": max(real, default=None)},
    )


def energy_difference(a: GridCell, b: GridCell) -> Difference:
    """Energy of A over B. What one sensor shares cancels; with several runs each, their spread is in the uncertainty (Welch)."""
    ours, theirs = ([e for e in cell.energies if not e.void] for cell in (a, b))
    if not ours or not theirs:
        return Difference(None, None, 1.0)
    measured = _mean_energy(ours).ratio(_mean_energy(theirs))
    spread = measured.value * welch(
        [e.joules for e in ours], [e.joules for e in theirs], relative=True
    )
    return Difference(measured.value, math.hypot(measured.u, spread), 1.0)


def accuracy_difference(a: GridCell, b: GridCell) -> Difference:
    """Accuracy of A less B in percent points; without at least two runs each, nothing is known about its uncertainty."""
    value = statistics.fmean(a.accuracies) - statistics.fmean(b.accuracies)
    known = len(a.accuracies) > 1 and len(b.accuracies) > 1
    return Difference(value, welch(a.accuracies, b.accuracies) if known else None, 0.0)


def welch(a: list[float], b: list[float], relative: bool = False) -> float:
    """Half the 95 % interval of a difference of means (of logarithms, if `relative`), 0 without repeats; Welch's unequal variances.

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
    """Student's 97.5 % quantile for at least so many degrees of freedom (the table's next smaller entry, so never too small).

    >>> t975(4.0), t975(11.3), t975(1e6)
    (2.776, 2.228, 2.0)
    """
    return _T975[max((entry for entry in _T975 if entry <= freedom + 1e-9), default=1)]


def _mean_energy(energies: list[Energy]) -> Energy:
    return total_energy(energies).scaled(1.0 / len(energies))


def _row(key: tuple, a: GridCell, b: GridCell, factor: float) -> tuple[Cell, ...]:
    ratio, points = energy_difference(a, b), accuracy_difference(a, b)
    energies = [
        Cell(
            "void" if cell.joules is None else worded(digits(cell.joules / factor), cell.words),
            {"energy_j": cell.joules, "words": list(cell.words)},
        )
        for cell in (a, b)
    ]
    words = sorted({*a.words, *b.words})
    accuracies = [
        Cell(
            f"{statistics.fmean(cell.accuracies):.2f}",
            {"percent": statistics.fmean(cell.accuracies)},
        )
        for cell in (a, b)
    ]
    return (
        Cell(key[0], key[0]),
        Cell(key[1], key[1]),
        Cell(ratio_label(key[2])[2:], key[2]),
        *energies,
        _shown(ratio, "{:.3f}", words),
        Cell(ratio.verdict, ratio.real),
        *accuracies,
        _shown(points, "{:+.2f}"),
        Cell(points.verdict, points.real),
    )


def _shown(difference: Difference, form: str, words: Iterable[str] = ()) -> Cell:
    if difference.value is None:
        return Cell("void")
    u = "" if difference.u is None else f"±{form.format(difference.u).lstrip('+')}"
    return Cell(
        worded(form.format(difference.value) + u, words),
        {"value": difference.value, "u": difference.u},
    )


def _notes(pairs: list, one: dict, two: dict, energy: str) -> list[str]:
    counts = sorted({len(cell.runs) for _, *cells in pairs for cell in cells})
    notes = [
        f"Energies are {energy}; ± is about 95 %: a gain and offset that one sensor shares are left out, "
        "sampling and the spread between runs are in."
    ]
    if counts[0] == 1:
        notes.append(
            'One run in some cells: the spread between runs is not known there, so "real" speaks of these runs only.'
        )
    for name, cells, other in (("A", one, two), ("B", two, one)):
        alone = {key: cell for key, cell in cells.items() if key not in other}
        if alone and len(pairs) + len(alone) > 1 and not (len(one) == len(two) == 1):
            notes.append(f"Only in {name}: {_listed(alone)}.")
    return notes


def _listed(cells: dict) -> str:
    return ", ".join(f"{setting} {method} {ratio_label(ratio)}" for setting, method, ratio in cells)
