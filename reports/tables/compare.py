"""Compare two sets of runs: energy ratio and accuracy difference, cell by cell."""

from collections.abc import Iterable
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.difference import Difference, accuracy_difference, energy_difference
from joulebird.reports.runs.grid import CellKey, Grid, GridCell, build_grid
from joulebird.reports.runs.labels import percent, ratio_label
from joulebird.reports.runs.records import Paths, load
from joulebird.reports.tables.table import Cell, Column, Row, Table
from joulebird.reports.tables.units import digits, unit_for, worded

Pair = tuple[CellKey, GridCell, GridCell]  # a cell of A and its counterpart of B


def compare(a: Paths, b: Paths, energy: str = "measured", accuracy: str = "best") -> Table:
    """Compare the runs in folders A with those in B.

    Cells of the same setting, method and ratio are pairs, or the only cell of each. The fact
    "worst_energy_ratio" is the largest real A / B. Raises HarnessError when the scopes differ or
    there is nothing to compare.
    """
    grids = [build_grid(load(paths), energy, accuracy=accuracy) for paths in (a, b)]
    _require_one_scope(grids)
    ours, theirs = (grid.cells for grid in grids)
    pairs = _pairs(ours, theirs)
    joules = [cell.joules for _, *cells in pairs for cell in cells if cell.joules]
    factor, unit = unit_for(joules, "J")
    words = sorted({word for _, *cells in pairs for cell in cells for word in cell.words})
    ratios = [energy_difference(cell, other) for _, cell, other in pairs]
    real = [ratio.value for ratio in ratios if ratio.real and ratio.value]
    return Table(
        "A against B" + "".join(f" [{word}]" for word in words),
        _columns(unit),
        tuple(_row(*pair, factor) for pair in pairs),
        tuple(_notes(pairs, ours, theirs, energy)),
        {"worst_energy_ratio": max(real, default=None)},
    )


def _require_one_scope(grids: list[Grid]) -> None:
    for key in ("scope", "rails"):
        named = {grid.scope[key] for grid in grids if grid.scope}
        if len(named) > 1:
            raise HarnessError(
                f"A and B were measured with different {key}: {' and '.join(sorted(named))}",
                "compare runs of one scope",
            )


def _pairs(ours: dict[CellKey, GridCell], theirs: dict[CellKey, GridCell]) -> list[Pair]:
    pairs = [(key, ours[key], theirs[key]) for key in ours if key in theirs]
    if not pairs and len(ours) == len(theirs) == 1:
        pairs = [(*cell, other) for cell, other in zip(ours.items(), theirs.values(), strict=True)]
    if not pairs:
        raise HarnessError(
            "A and B have no cell in common", f"A has {_listed(ours)}; B has {_listed(theirs)}"
        )
    return pairs


def _columns(unit: str) -> tuple[Column, ...]:
    energy, accuracy = f"Energy ({unit})", "Accuracy (%)"
    return (
        Column("Setting", number=False),
        Column("Method", number=False),
        Column("p"),
        Column("A", energy),
        Column("B", energy),
        Column("A / B", energy),
        Column("difference", energy, False),
        Column("A", accuracy),
        Column("B", accuracy),
        Column("A - B", accuracy),
        Column("difference", accuracy, False),
    )


def _row(key: CellKey, a: GridCell, b: GridCell, factor: float) -> Row:
    setting, method, ratio = key
    energy, accuracy = energy_difference(a, b), accuracy_difference(a, b)
    return (
        Cell(setting, setting),
        Cell(method, method),
        Cell(percent(ratio), ratio),
        _energy(a, factor),
        _energy(b, factor),
        _shown(energy, ".3f", {*a.words, *b.words}),
        Cell(energy.verdict, energy.real),
        _accuracy(a),
        _accuracy(b),
        _shown(accuracy, "+.2f"),
        Cell(accuracy.verdict, accuracy.real),
    )


def _energy(cell: GridCell, factor: float) -> Cell:
    data = {"energy_j": cell.joules, "words": list(cell.words)}
    if cell.joules is None:
        return Cell("void", data)
    return Cell(worded(digits(cell.joules / factor), cell.words), data)


def _accuracy(cell: GridCell) -> Cell:
    return Cell(f"{cell.accuracy:.2f}", {"percent": cell.accuracy})


def _shown(difference: Difference, form: str, words: Iterable[str] = ()) -> Cell:
    if difference.value is None:
        return Cell("void")
    u = "" if difference.u is None else f"±{difference.u:{form.lstrip('+')}}"
    data = {"value": difference.value, "u": difference.u}
    return Cell(worded(f"{difference.value:{form}}{u}", words), data)


def _notes(
    pairs: list[Pair], ours: dict[CellKey, Any], theirs: dict[CellKey, Any], energy: str
) -> list[str]:
    notes = [
        f"Energies are {energy}; ± is about 95 %: a gain and offset that one sensor shares are "
        "left out, sampling and the spread between runs are in."
    ]
    if any(len(cell.runs) == 1 for _, *cells in pairs for cell in cells):
        notes.append(
            'One run in some cells: the spread between runs is not known there, so "real" speaks '
            "of these runs only."
        )
    if len(ours) == len(theirs) == 1:
        return notes
    for name, cells, other in (("A", ours, theirs), ("B", theirs, ours)):
        alone = [key for key in cells if key not in other]
        if alone:
            notes.append(f"Only in {name}: {_listed(alone)}.")
    return notes


def _listed(keys: Iterable[CellKey]) -> str:
    return ", ".join(f"{setting} {method} {ratio_label(ratio)}" for setting, method, ratio in keys)
