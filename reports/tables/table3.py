"""Table 3 of the Early-Bird paper: accuracy against the unpruned network, and training FLOPs."""

from joulebird.reports.runs.grid import Grid, GridCell, build_grid
from joulebird.reports.runs.labels import percent
from joulebird.reports.runs.records import Paths, load
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.notes import doubt_note, drawn_notes, warning_notes
from joulebird.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    digits,
    unit_for,
    with_rules,
    worded,
)


def table3(paths: Paths, accuracy: str = "best", published: bool = False) -> Table:
    """Return Table 3 of all finished runs in some folders.

    The dense network is the unpruned row that others are compared with.
    """
    grid = build_grid(load(paths), accuracy=accuracy)
    own = unit_for([cell.flops for cell in grid.cells.values()], "FLOP")
    factor, unit = (1e15, "P") if published else own
    columns = (
        Column("Setting", number=False),
        Column("Method", number=False),
        Column("Pruning ratio"),
        Column("Top-1 acc. (%)"),
        Column("Acc. improv. (%)"),
        Column(f"Total training FLOPs ({unit})"),
    )
    return Table(
        "Table 3. Accuracy and total training FLOPs",
        columns,
        with_rules(_block(grid, setting, factor, published) for setting in grid.settings),
        (*_notes(grid, accuracy, published), *warning_notes(grid.runs)),
        {"table": 3},
    )


def _notes(grid: Grid, accuracy: str, published: bool) -> list[str]:
    return [
        "Acc. improv.: accuracy less that of the unpruned network of the same setting (Dense); "
        "empty without one.",
        f"Accuracy of the {accuracy} epoch; FLOPs = 3 x forward FLOPs of an image (the authors' "
        "counter, exact) x images x epochs.",
        "Top-5 accuracy is not recorded.",
        *drawn_notes(grid),
        *(
            f"{doubt_note(doubt)}."
            for doubt in published_data.doubts()
            if published and doubt.table == "3" and doubt.setting in grid.settings
        ),
    ]


def _block(grid: Grid, setting: str, factor: float, published: bool) -> list[Row]:
    """Return the rows of one setting."""
    rows: list[Row] = []
    dense = grid.cell(setting, "Dense", 0.0)
    for method in grid.methods_of(setting):
        for ratio in sorted(key[2] for key in grid.cells if key[:2] == (setting, method)):
            shown = None if method == "Dense" else ratio
            name = "Unpruned" if method == "Dense" else method
            rows.append(
                (
                    Cell("" if rows else setting, setting),
                    Cell(name, method),
                    Cell("–" if shown is None else percent(ratio), shown),
                    *_numbers(grid.cells[setting, method, ratio], dense, factor),
                )
            )
            rows += _published(setting, name, shown) if published else []
    return rows


def _numbers(cell: GridCell, dense: GridCell | None, factor: float) -> list[Cell]:
    flops = cell.flops if cell.counted else None
    better = None if dense is None or cell is dense else cell.accuracy - dense.accuracy
    return [
        Cell(
            worded(f"{cell.accuracy:.2f}", cell.marks),
            {"percent": cell.accuracy, "seeds": cell.accuracies},
        ),
        Cell("–" if better is None else worded(f"{better:+.2f}", cell.marks), better),
        Cell(digits(cell.flops / factor, 6) if cell.counted else "void", {"flops": flops}),
    ]


def _published(setting: str, method: str, ratio: float | None) -> list[Row]:
    """Return the paper's row, if it has one."""
    place = (setting, method, "" if ratio is None else f"{ratio:g}")
    improved, flops = (
        published_data.mark("3", setting, method, ratio, column)
        for column in ("top1_improv", "flops")
    )
    return [
        (
            Cell(""),
            Cell("  published"),
            Cell(""),
            Cell(row["top1_acc"]),
            Cell((row["top1_improv"] or "–") + improved),
            Cell(row["total_training_flops_p"] + flops),
        )
        for row in published_data.rows("published_table3")
        if (row["setting"], row["method"], row["pruning_ratio"]) == place
    ]
