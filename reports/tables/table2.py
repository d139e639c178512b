"""Table 2 of the Early-Bird paper from finished runs: accuracy, energy and FLOPs of every method at every pruning ratio."""

import os
from collections.abc import Iterable

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.accounting import TABLE_UNIT_FLOPS, Cost
from joulebird.reports.runs.grid import Grid, GridCell, build_grid
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.runs.records import Run, load
from joulebird.reports.runs.scope import on_board
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.improvement import improvement_rows
from joulebird.reports.tables.notes import table2_notes
from joulebird.reports.tables.table import Cell, Column, Table
from joulebird.reports.tables.units import digits, spread_of, unit_for

FLOPS = ("exact", "paper")


class Units:
    """The units of one table: joules and FLOPs a unit, and their names."""

    def __init__(self, grid: Grid, flops: str, published: bool) -> None:
        cells = list(grid.cells.values())
        self.energy, self.energy_name = (
            (1e3, "kJ")
            if published
            else unit_for([cell.joules for cell in cells if cell.joules], "J")
        )
        self.paper = all(cell.paper_flops is not None for cell in cells)
        if flops == "paper" and not self.paper:
            raise HarnessError(
                "the paper's FLOPs are for 50 000 images an epoch (CIFAR)",
                "leave --flops paper out for other data sets",
            )
        self.rounded = flops == "paper"
        self.flops, self.flops_name = (
            (TABLE_UNIT_FLOPS, "x0.05P")
            if self.paper
            else unit_for([cell.flops for cell in cells], "FLOP")
        )

    def flops_of(self, cell: GridCell) -> float:
        """A cell's FLOPs in the table's unit, rounded as the paper does where that is asked for."""
        return (cell.paper_flops if self.rounded and cell.paper_flops else cell.flops) / self.flops


def table2(
    paths: Iterable[str] | str,
    energy: str = "measured",
    accuracy: str = "best",
    net: bool = False,
    flops: str = "exact",
    published: bool = False,
    rail: str | None = None,
    board: str | None = None,
) -> Table:
    """Table 2 of all finished runs in some folders.

    `energy`: "measured" (each run's whole recording) or "per-epoch" (mean recorded epoch of each structure x epochs trained);
    `net`: less the idle power; `accuracy`: "best" epoch (the paper's way) or "last"; `flops`: "exact", or "paper" (rounded as the
    paper does); `published`: the paper's own cells below ours; `rail`: one rail instead of the source's total; `board`: only runs
    whose stages were all measured on this board.
    Raises HarnessError when the runs cannot stand in one table (boards, sources, scopes or power modes mixed), or there are none.
    """
    if flops not in FLOPS:
        raise HarnessError(f"unknown FLOPs: {flops!r}", f"use {' or '.join(FLOPS)}")
    runs = load(paths)
    grid = build_grid(runs if board is None else on_board(runs, board), energy, net, accuracy, rail)
    units = Units(grid, flops, published)
    ratios = grid.ratios
    rows: list = []
    for setting in grid.settings:
        rows += [None] if rows else []
        rows += _block(grid, setting, ratios, units, published)
    words = sorted(
        {word for cell in grid.cells.values() for word in cell.words if word != "estimated"}
    )
    title = "Table 2. Retraining accuracy, energy and FLOPs" + "".join(
        f" [{word}]" for word in words
    )
    facts = {
        "table": 2,
        "energy_mode": energy,
        "net": net,
        "accuracy_rule": accuracy,
        "words": words,
        "scope": grid.scope,
        "units": {"accuracy": "percent", "energy": "J", "flops": "FLOP"},
    }
    notes = table2_notes(grid, units, energy, net, accuracy, published)
    return Table(title, _columns(ratios, units, net, words), tuple(rows), tuple(notes), facts)


def _columns(ratios: list[float], units: Units, net: bool, words: list[str]) -> tuple[Column, ...]:
    beside = "".join(f", {word}" for word in words)
    cost = f"{'Net energy' if net else 'Energy'} ({units.energy_name}{beside}) / FLOPs ({units.flops_name})"
    names = [ratio_label(ratio) for ratio in ratios]
    return (
        Column("Setting", number=False),
        Column("Method", number=False),
        *(Column(name, "Retrain acc. (%)") for name in names),
        *(Column(name, cost) for name in names),
    )


def _block(
    grid: Grid, setting: str, ratios: list[float], units: Units, published: bool
) -> list[tuple[Cell, ...]]:
    rows = []
    for method in grid.methods_of(setting):
        cells = [grid.cell(setting, method, ratio) for ratio in ratios]
        estimated = any(cell and "estimated" in cell.words for cell in cells)
        name = Cell(method + (", estimated" if estimated else ""), method)
        rows.append(
            (
                Cell("" if rows else setting, setting),
                name,
                *map(_accuracy, cells),
                *(_cost(cell, units) for cell in cells),
            )
        )
        if published and any(
            (setting, method, ratio) in published_data.table2() for ratio in ratios
        ):
            rows.append(_published(setting, method, ratios, units))
    rows += improvement_rows(grid, setting, ratios)
    in_paper = published and any(
        (setting, "SNIP", ratio) in published_data.table2() for ratio in ratios
    )
    return rows + ([_published_improvement(setting, ratios)] if in_paper else [])


def _published_improvement(setting: str, ratios: list[float]) -> tuple[Cell, ...]:
    """The paper's own row, which mixes variants (accuracy of EB Train, energy of LL, FLOPs of either); doubtful cells marked."""
    known = {
        float(row["pruning_ratio"]): row
        for row in published_data.rows("published_table2_improv")
        if row["setting"] == setting
    }

    def text(ratio: float, column: str, name: str, unit: str = "") -> str:
        mark = "†" if published_data.doubt("2", setting, "EB Train Improv.", ratio, name) else ""
        return known[ratio][column] + unit + mark if ratio in known else "–"

    accuracies = [Cell(text(ratio, "acc_improv", "acc_improv")) for ratio in ratios]
    costs = [
        Cell(
            f"{text(ratio, 'energy_improv_x', 'energy_improv', '×')} / {text(ratio, 'flops_improv_x', 'flops_improv', '×')}"
        )
        for ratio in ratios
    ]
    return (
        Cell("", setting),
        Cell("EB Train Improv., published", "EB Train Improv., published"),
        *accuracies,
        *costs,
    )


def _accuracy(cell: GridCell | None) -> Cell:
    if cell is None:
        return Cell("–")
    values = cell.accuracies
    spread = spread_of(values)
    mean = sum(values) / len(values)
    return Cell(
        f"{mean:.2f}" + ("" if spread is None else f"±{spread:.2f}"),
        {"percent": mean, "spread": spread, "seeds": values},
    )


def _cost(cell: GridCell | None, units: Units) -> Cell:
    if cell is None:
        return Cell("–")
    known = cell.known
    spread = spread_of(known)
    text = "void" if not known else digits(sum(known) / len(known) / units.energy)
    if spread is not None:
        text += f"±{digits(spread / units.energy, 2)}"
    text += f" ({cell.partial})" if cell.partial else ""
    data = {
        "energy_j": cell.joules,
        "energy_spread_j": spread,
        "energy_seeds": len(known),
        "flops": cell.flops,
        "paper_flops": cell.paper_flops,
        "runs": [
            _run_facts(run, e, c)
            for run, e, c in zip(cell.runs, cell.energies, cell.costs, strict=True)
        ],
    }
    return Cell(f"{text} / {digits(units.flops_of(cell), 3)}", data)


def _run_facts(run: Run, energy: Energy, cost: Cost) -> dict:
    net = None if cost.net is None else cost.net.joules
    return {
        "id": run.id,
        **run.ticket,
        **energy.as_dict(),
        "net_j": net,
        "evaluation_j": cost.evaluation.joules,
        "repeated_j": cost.repeated.joules,
        "flops": cost.flops,
        "epochs": cost.epochs,
    }


def _published(setting: str, method: str, ratios: list[float], units: Units) -> tuple[Cell, ...]:
    """The paper's row for this method, doubtful cells marked."""
    accuracies, costs = [], []
    for ratio in ratios:
        row = published_data.table2().get((setting, method, ratio))
        if row is None:
            accuracies, costs = [*accuracies, Cell("–")], [*costs, Cell("–")]
            continue
        marks = [
            "†" if published_data.doubt("2", setting, method, ratio, column) else ""
            for column in ("energy", "flops")
        ]
        accuracies.append(
            Cell(f"{row['retrain_acc']:.2f}", {"published_percent": row["retrain_acc"]})
        )
        costs.append(
            Cell(
                f"{digits(1e3 * row['energy_kj'] / units.energy)}{marks[0]} / {row['flops_0p05p']:g}{marks[1]}",
                {
                    "published_energy_j": 1e3 * row["energy_kj"],
                    "published_flops": row["flops_0p05p"] * TABLE_UNIT_FLOPS,
                },
            )
        )
    return (Cell("", setting), Cell("  published", f"{method}, published"), *accuracies, *costs)


def cell_of(paths: Iterable[str | os.PathLike], method: str, ratio: float, **options) -> GridCell:
    """One cell of the table, for programs; raises HarnessError when there is none."""
    grid = build_grid(load(paths), **options)
    for setting in grid.settings:
        cell = grid.cell(setting, method, ratio)
        if cell:
            return cell
    raise HarnessError(
        f"no run of {method} at {ratio_label(ratio)}", f"there are: {', '.join(grid.methods)}"
    )
