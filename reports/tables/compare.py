"""Compare two sets of runs: energy ratio and accuracy difference, cell by cell."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.sensor import UNSTATED
from joulebird.reports.logs.energy import total_energy
from joulebird.reports.runs.conditions import differences
from joulebird.reports.runs.grid import CellKey, Grid, GridCell, build_grid
from joulebird.reports.runs.labels import percent, ratio_label
from joulebird.reports.runs.records import FinishedRun, Paths, load
from joulebird.reports.tables.notes import WORDS, spoilt_notes
from joulebird.reports.tables.table import Cell, Column, Row, Table, digits, unit_for, worded

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
BESIDES = "A and B differ in more than their methods, so that a difference may come from it: "
NOT_OF_CELLS = ("format", "seed", "device", "options", "prune_ratio")  # fields of a spec
VERDICTS = {None: "not known", True: "real", False: "not significant"}
Pair = tuple[CellKey, GridCell, GridCell]  # a cell of A and its counterpart of B


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


def energy_difference(a: GridCell, b: GridCell) -> Difference:
    """Return the energy of A over B.

    Errors shared by one sensor cancel; with several runs each, their spread is in the uncertainty
    (Welch).
    """
    ours, theirs = ([e for e in cell.energies if not e.void] for cell in (a, b))
    if not ours or not theirs:
        return Difference(None, None, 1.0)
    mean, other = (total_energy(known).scaled(1.0 / len(known)) for known in (ours, theirs))
    measured = mean.ratio(other)
    spread = measured.value * welch(a.known, b.known, relative=True)
    return Difference(measured.value, math.hypot(measured.u, spread), 1.0)


def accuracy_difference(a: GridCell, b: GridCell) -> Difference:
    """Return the accuracy of A less B in percent points.

    Its uncertainty is unknown without at least two runs each.
    """
    repeated = min(len(a.accuracies), len(b.accuracies)) > 1
    u = welch(a.accuracies, b.accuracies) if repeated else None
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


def compare(
    a: Paths,
    b: Paths,
    energy: str = "measured",
    accuracy: str = "best",
    net: bool = False,
    rail: str | None = None,
) -> Table:
    """Compare the runs in folders A with those in B; with `net`, less the idle power.

    `rail` is one rail instead of the source's total. Cells of the same setting, method and ratio
    are pairs, or the only cell of each. The fact "worst_energy_ratio" is the largest real A / B.
    Raises HarnessError when the scopes differ or there is nothing to compare.
    """
    grids = [build_grid(load(paths), energy, net, accuracy, rail) for paths in (a, b)]
    others = _others(grids)
    ours, theirs = (grid.cells for grid in grids)
    pairs = _pairs(ours, theirs)
    compared = [cell for _, *cells in pairs for cell in cells]
    factor, unit = unit_for([cell.joules for cell in compared if cell.joules], "J")
    words = sorted({word for cell in compared for word in cell.words})
    ratios = (energy_difference(cell, other) for _, cell, other in pairs)
    real = [ratio.value for ratio in ratios if ratio.real and ratio.value]
    idle = ", less the idle power" if net else ""
    of_rail = f", of the rail {rail}" if rail else ""
    return Table(
        "A against B" + "".join(f" [{word}]" for word in words),
        (
            Column("Setting", number=False),
            Column("Method", number=False),
            Column("p"),
            *(Column(title, f"Energy ({unit})") for title in ("A", "B", "A / B")),
            Column("difference", f"Energy ({unit})", False),
            *(Column(title, "Accuracy (%)") for title in ("A", "B", "A - B")),
            Column("difference", "Accuracy (%)", False),
        ),
        tuple(_row(*pair, factor) for pair in pairs),
        (
            *_notes(pairs, ours, theirs, energy + idle + of_rail),
            *others,
            *_unlike(pairs),
            *(WORDS[word] for word in words),
            *spoilt_notes([run for cell in compared for run in cell.runs]),
        ),
        {"worst_energy_ratio": max(real, default=None)},
    )


def _others(grids: list[Grid]) -> list[str]:
    """Return the note about all else in which A and B differ.

    Raises HarnessError for another scope, and for a measured side beside a simulated one.
    """
    ours, theirs = (grid.scope for grid in grids)
    differ = []
    for key in (key for key in ours if key in theirs and ours[key] != theirs[key]):
        named = [scope[key] or "not stated" for scope in (ours, theirs)]
        if key in ("scope", "rails", "kind"):
            raise HarnessError(
                f"A and B were measured with different {key}: {' and '.join(sorted(named))}",
                "compare runs of one scope and kind",
            )
        differ.append(f"{key} {' / '.join(named)}")
    return [f"{BESIDES}{'; '.join(differ)}."] if differ else []


def _unlike(pairs: list[Pair]) -> list[str]:
    """Return a note for each set of facts in which the two cells of some pairs differ."""
    cells: dict[str, list[CellKey]] = {}
    for key, a, b in pairs:
        facts = differences([_facts(cell.runs[0]) for cell in (a, b)])
        if facts:
            cells.setdefault("; ".join(facts), []).append(key)
    return [f"{BESIDES}{facts} ({_listed(keys)})." for facts, keys in cells.items()]


def _facts(run: FinishedRun) -> dict[str, Any]:
    """Return the facts that the runs of a cell share: method, setting, options and precisions."""
    spec = {name: value for name, value in run.spec.items() if name not in NOT_OF_CELLS}
    ratio = None if run.spec["method"] == "dense" else run.spec["prune_ratio"]
    precisions = {f"precision of {name}": value for name, value in run.precisions.items()}
    return {**spec, **run.options, **precisions, "ratio": ratio}


def _pairs(ours: dict[CellKey, GridCell], theirs: dict[CellKey, GridCell]) -> list[Pair]:
    pairs = [(key, ours[key], theirs[key]) for key in ours if key in theirs]
    if not pairs and len(ours) == len(theirs) == 1:
        pairs = [(*cell, other) for cell, other in zip(ours.items(), theirs.values(), strict=True)]
    if not pairs:
        raise HarnessError(
            "A and B have no cell in common", f"A has {_listed(ours)}; B has {_listed(theirs)}"
        )
    return pairs


def _row(key: CellKey, a: GridCell, b: GridCell, factor: float) -> Row:
    setting, method, ratio = key
    energy, accuracy = energy_difference(a, b), accuracy_difference(a, b)
    return (
        Cell(setting, setting),
        Cell(method, method),
        Cell(percent(ratio), ratio),
        _energy(a, factor),
        _energy(b, factor),
        *_shown(energy, ".3f", {*a.words, *b.words}),
        *(
            Cell(worded(f"{cell.accuracy:.2f}", cell.marks), {"percent": cell.accuracy})
            for cell in (a, b)
        ),
        *_shown(accuracy, "+.2f", {*a.marks, *b.marks}),
    )


def _energy(cell: GridCell, factor: float) -> Cell:
    text = cell.joules is not None and worded(digits(cell.joules / factor), cell.words)
    return Cell(text or "void", {"energy_j": cell.joules, "words": list(cell.words)})


def _shown(difference: Difference, form: str, words: Iterable[str] = ()) -> tuple[Cell, Cell]:
    """Return the cells of a difference and of its verdict."""
    verdict = Cell(VERDICTS[difference.real], difference.real)
    if difference.value is None:
        return Cell("void"), verdict
    u = "" if difference.u is None else f"±{difference.u:{form.lstrip('+')}}"
    data = {"value": difference.value, "u": difference.u}
    return Cell(worded(f"{difference.value:{form}}{u}", words), data), verdict


def _notes(
    pairs: list[Pair], ours: dict[CellKey, Any], theirs: dict[CellKey, Any], energy: str
) -> list[str]:
    compared = [cell for _, *cells in pairs for cell in cells]
    unstated = any(not (e.stated or e.void) for cell in compared for e in cell.energies)
    single = any(len(cell.runs) == 1 for cell in compared)
    only = {"A": [key for key in ours if key not in theirs]}
    only["B"] = [key for key in theirs if key not in ours]
    alone = [f"Only in {name}: {_listed(keys)}." for name, keys in only.items() if keys]
    return [
        f"Energies are {energy}; ± is about 95 %: a gain and offset that one sensor shares are "
        "left out, sampling and the spread between runs are in.",
        *[f"{UNSTATED.capitalize()}, and not in ±."] * unstated,
        *[
            "One run in some cells: ± is of sensor and sampling only there, so "
            '"real" speaks of these runs only.'
        ]
        * single,
        *([] if len(ours) == len(theirs) == 1 else alone),
    ]


def _listed(keys: Iterable[CellKey]) -> str:
    return ", ".join(f"{setting} {method} {ratio_label(ratio)}" for setting, method, ratio in keys)
