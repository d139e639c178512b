"""The recount of the paper's FLOPs as a table: every published cell beside ours."""

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.labels import percent, ratio_label
from joulebird.reports.tables.flops_cells import (
    STATES,
    UNEXPLAINED,
    Recount,
    recount_table2,
    recount_table3,
)
from joulebird.reports.tables.published import MARK
from joulebird.reports.tables.table import Cell, Column, Row, Table


def table(number: int) -> Table:
    """Return the recount of Table 2 or 3, with residuals and states."""
    counts = {2: recount_table2, 3: recount_table3}
    if number not in counts:
        raise HarnessError(f"Table {number} of the paper has no FLOPs", "recount 2 or 3")
    cells = counts[number]()
    flops = "FLOPs (x0.05P)" if number == 2 else "FLOPs (P)"
    columns = (
        Column("setting", number=False),
        Column("method", number=False),
        Column("p"),
        Column("published", flops),
        Column("recount", flops),
        Column("residual"),
        Column("status", number=False),
        Column("x (GFLOP)", "implied"),
        Column("kept", "implied"),
        Column("N", "implied"),
    )
    rows: list[Row | None] = []
    setting = ""
    for cell in cells:
        rows += [None] if rows and cell.setting != setting else []
        rows.append(_row(cell, cell.setting != setting))
        setting = cell.setting
    title = f"FLOPs of the paper's Table {number}, recounted"
    return Table(title, columns, tuple(rows), tuple(_notes(cells)))


def _row(cell: Recount, first: bool) -> Row:
    places = 2 if cell.setting.endswith("ImageNet") else 1
    x, n, count, residual = cell.x_gflop, cell.n, cell.predicted, cell.residual
    kept = None if x is None else x / cell.dense_gflop
    data = {
        "published": cell.published,
        "predicted": count,
        "residual": residual,
        "status": cell.status,
        "dense_gflop": cell.dense_gflop,
        "implied_gflop": x,
        "implied_n": n,
        "why": cell.why,
    }
    return (
        Cell(cell.setting if first else "", cell.setting),
        Cell(cell.method, cell.method),
        Cell("-" if cell.ratio is None else percent(cell.ratio), cell.ratio),
        Cell(f"{cell.published:g}{MARK if cell.why else ''}", data),
        Cell("-" if count is None else f"{count:.{places}f}", count),
        Cell("-" if residual is None else f"{100 * residual:+.2f} %", residual),
        Cell(cell.status, cell.status),
        Cell("" if x is None else f"{x:.4f}".rstrip("0"), x),
        Cell("" if kept is None else f"{kept:.3f}", kept),
        Cell("" if n is None else str(n), n),
    )


def _notes(cells: list[Recount]) -> list[str]:
    states = [cell.status for cell in cells]
    counts = [f"{states.count(state)} {state}" for state in STATES if state in states]
    explained = [cell.residual for cell in cells if cell.status != UNEXPLAINED]
    worst = max(abs(residual) for residual in explained if residual is not None)
    notes = [
        f"{len(cells)} cells: {', '.join(counts)}; the worst explained one is off by "
        f"{100 * worst:.2f} %.",
        "recount = 3 x sum over epochs of the forward GFLOPs of one image, as the authors' tool "
        "prints them (two decimals).",
        "mask-dependent: the mask decides; x and N are implied by the published cell (LF and LL at "
        "their full-precision row's N: x solves the cell, and no residual is left).",
    ]
    reasons: dict[str, list[str]] = {}
    for cell in cells:
        if cell.why:
            ratio = ratio_label(cell.ratio) if cell.ratio else ""
            place = f"{cell.setting} {cell.method} {ratio} {cell.published:g}"
            reasons.setdefault(cell.why, []).append(place)
    return notes + [f"{MARK} {'; '.join(places)}: {why}." for why, places in reasons.items()]
