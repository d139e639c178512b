"""Table 3 of the Early-Bird paper: accuracy against the unpruned network, and total training FLOPs."""

import statistics
from collections.abc import Iterable

from joulebird.reports.runs.grid import Grid, GridCell, build_grid
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.runs.records import load
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.notes import drawn_notes, warning_notes
from joulebird.reports.tables.table import Cell, Column, Table
from joulebird.reports.tables.units import digits, unit_for


def table3(paths: Iterable[str] | str, accuracy: str = "best", published: bool = False) -> Table:
    """Table 3 of all finished runs in some folders: the dense network is the unpruned row that others are compared with."""
    grid = build_grid(load(paths), accuracy=accuracy)
    factor, unit = (
        (1e15, "P") if published else unit_for([cell.flops for cell in grid.cells.values()], "FLOP")
    )
    columns = (
        Column("Setting", number=False),
        Column("Method", number=False),
        Column("Pruning ratio"),
        Column("Top-1 acc. (%)"),
        Column("Acc. improv. (%)"),
        Column("Total training FLOPs (" + unit + ")"),
    )
    rows: list = []
    for setting in grid.settings:
        rows += [None] if rows else []
        rows += _block(grid, setting, factor, published)
    notes = [
        "Acc. improv.: accuracy less that of the unpruned network of the same setting (Dense); empty without one.",
        f"Accuracy of the {accuracy} epoch; FLOPs = 3 x forward FLOPs of an image (the authors' counter, exact) x images x epochs.",
        "Top-5 accuracy is not recorded.",
        *drawn_notes(grid),
    ]
    doubts = [
        d
        for d in published_data.doubts()
        if published and d.table == "3" and d.setting in grid.settings
    ]
    notes += [
        f"† published {d.setting} {d.method} {ratio_label(d.ratio or 0)} {d.published}: {d.why}."
        for d in doubts
    ]
    return Table(
        "Table 3. Accuracy and total training FLOPs",
        columns,
        tuple(rows),
        tuple(notes + warning_notes(grid.runs)),
        {"table": 3},
    )


def _block(grid: Grid, setting: str, factor: float, published: bool) -> list[tuple[Cell, ...]]:
    rows = []
    dense = next((cell for key, cell in grid.cells.items() if key[:2] == (setting, "Dense")), None)
    for method in grid.methods_of(setting):
        for ratio in sorted(key[2] for key in grid.cells if key[:2] == (setting, method)):
            shown = None if method == "Dense" else ratio
            name = "Unpruned" if method == "Dense" else method
            cell = Cell("–" if shown is None else ratio_label(ratio)[2:], shown)
            rows.append(
                (
                    Cell("" if rows else setting, setting),
                    Cell(name, method),
                    cell,
                    *_numbers(grid.cells[setting, method, ratio], dense, factor),
                )
            )
            rows += _published(setting, name, shown) if published else []
    return rows


def _numbers(cell: GridCell, dense: GridCell | None, factor: float) -> list[Cell]:
    mean = statistics.fmean(cell.accuracies)
    better = None if dense is None or cell is dense else mean - statistics.fmean(dense.accuracies)
    return [
        Cell(f"{mean:.2f}", {"percent": mean, "seeds": cell.accuracies}),
        Cell("–" if better is None else f"{better:+.2f}", better),
        Cell(digits(cell.flops / factor, 6), {"flops": cell.flops}),
    ]


def _published(setting: str, method: str, ratio: float | None) -> list[tuple[Cell, ...]]:
    text = "" if ratio is None else f"{ratio:g}"
    for row in published_data.rows("published_table3"):
        if (row["setting"], row["method"], row["pruning_ratio"]) == (setting, method, text):
            marks = [
                "†" if published_data.doubt("3", setting, method, ratio, column) else ""
                for column in ("top1_improv", "flops")
            ]
            return [
                (
                    Cell(""),
                    Cell("  published"),
                    Cell(""),
                    Cell(row["top1_acc"]),
                    Cell((row["top1_improv"] or "–") + marks[0]),
                    Cell(row["total_training_flops_p"] + marks[1]),
                )
            ]
    return []
