"""Recount the FLOPs cells of the paper's Tables 2 and 3 from the networks themselves, and say how far each cell is explained.

The formula is fitted (early-bird notes: it hits Table 3 to six digits): with F = the forward GFLOPs of one image as the
authors' tool prints them (two decimals), a cell is 3 x the sum of F over the epochs trained; N is the epoch a ticket is
named after, x the printed F of the pruned network.

    LT 960 Fd    SNIP 480 Fd    NS, ThiNet 480 (Fd + x)    EB 3 (N Fd + (160 - N) x)    EB (re-init) 3 (N Fd + 160 x)
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.flops import paper_gflops
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.table import Cell, Column, Table

EPOCHS, EPOCHS_IMAGENET = 160, 90
P_PER_GFLOP_EPOCH = (
    3 * 1_281_167 / 1e6
)  # Table 3's unit: PFLOP of ImageNet's images through one GFLOP, forward and backward
TOLERANCE = 0.006
# The ticket epochs in the file names of the authors' README; none for ResNet50 at 50 %.
IMAGENET_N = {
    ("ResNet18/ImageNet", 0.1): 11,
    ("ResNet18/ImageNet", 0.3): 11,
    ("ResNet50/ImageNet", 0.3): 10,
    ("ResNet50/ImageNet", 0.7): 8,
}
SOLVED = (
    "EB Train (LF)",
    "EB Train (LL)",
)  # one equation for two unknowns: x is quoted at the full-precision row's N
CLOSED, MASK, LITERATURE, UNEXPLAINED = (
    "closed form",
    "mask-dependent",
    "from the literature",
    "not explained",
)


@dataclass(frozen=True)
class Recount:
    """Our count of one published cell (`predicted` and `published` in the table's unit), and how far it is explained.

    `x_gflop` is the forward GFLOP of the pruned network, counted or implied, `n` the ticket's epoch that the cell implies. `alone`: x is
    from this very cell. `predicted` is None where only a doubtful cell itself could give x.
    """

    setting: str
    method: str
    ratio: float | None
    published: float
    predicted: float | None
    status: str
    dense_gflop: float
    x_gflop: float | None = None
    n: int | None = None
    alone: bool = False
    why: str = ""

    @property
    def residual(self) -> float | None:
        """(ours - published) / published; None without a count, and where x solves the cell, so that nothing can be left over."""
        return (
            None
            if self.predicted is None or self.method in SOLVED
            else self.predicted / self.published - 1.0
        )


def recount_table2() -> list[Recount]:
    """Every FLOPs cell of Table 2, in the order of the published file (unit 0.05 P)."""
    return [_cell2(key) for key in published_data.table2()]


def _cell2(key: tuple[str, str, float]) -> Recount:
    setting, method, ratio = key
    published, dense = (
        published_data.table2()[key]["flops_0p05p"],
        paper_gflops(published_data.network_flops()[setting]["dense"]),
    )
    if method in ("LT (one-shot)", "SNIP"):
        return _checked(
            Recount(*key, published, (960 if method != "SNIP" else 480) * dense, CLOSED, dense)
        )
    if method == "ThiNet":
        x = paper_gflops(published_data.network_flops()[setting]["uniform"][str(ratio)])
        return _checked(Recount(*key, published, 480 * (dense + x), CLOSED, dense, x))
    if method == "NS":
        x = round(published / 480 - dense, 2)
        return _checked(Recount(*key, published, 480 * (dense + x), MASK, dense, x, alone=True))
    n, x = _ticket_of(setting, ratio, dense)
    if method == "EB Train (re-init)":
        return _checked(Recount(*key, published, 3 * (n * dense + EPOCHS * x), MASK, dense, x, n))
    if method in SOLVED:
        x = (published / 3 - n * dense) / (EPOCHS - n)
    return _checked(
        Recount(
            *key,
            published,
            3 * (n * dense + (EPOCHS - n) * x),
            MASK,
            dense,
            x,
            n,
            alone=method in SOLVED,
        )
    )


def _ticket_of(setting: str, ratio: float, dense: float) -> tuple[int, float]:
    """N and x of a setting's ticket: with the N of the energies where that explains the FLOPs too, else the best of the FLOPs alone."""
    rows = published_data.table2()
    reinit, inherit, lt = (
        rows[setting, method, ratio]
        for method in ("EB Train (re-init)", "EB Train", "LT (one-shot)")
    )
    n = round(
        energy_ticket(lt["energy_kj"] / (2 * EPOCHS), reinit["energy_kj"], inherit["energy_kj"])[0]
    )
    pair = reinit["flops_0p05p"], inherit["flops_0p05p"]
    if pair[1] >= pair[0]:  # impossible for one ticket: only the re-init cell is used
        return n, round((pair[0] / 3 - n * dense) / EPOCHS, 2)
    x, miss = ticket(dense, *pair, [n])[1:]
    return (n, x) if miss <= TOLERANCE else ticket(dense, *pair, range(1, EPOCHS // 2))[:2]


def ticket(
    dense: float, reinit: float, inherit: float, epochs: Iterable[int]
) -> tuple[int, float, float]:
    """The epoch N (one of `epochs`) and the width x (two decimals) that explain a pair of EB cells best, and by how much they miss.

    >>> ticket(0.63, 288, 253, range(1, 81))[:2]
    (23, 0.51)
    """

    def miss(pair: tuple[int, float]) -> float:
        n, x = pair
        return max(
            abs(3 * (n * dense + EPOCHS * x) / reinit - 1),
            abs(3 * (n * dense + (EPOCHS - n) * x) / inherit - 1),
        )

    best = min(((n, k / 100) for n in epochs for k in range(1, round(100 * dense) + 1)), key=miss)
    return (*best, miss(best))


def energy_ticket(dense: float, reinit: float, inherit: float) -> tuple[float, float]:
    """N and the pruned network's energy an epoch from a pair of EB energies, with `dense` the dense network's energy an epoch.

    The paper's energies are per-epoch energies times epochs: re-init = N e_d + 160 e_p, inherit = N e_d + (160 - N) e_p.

    >>> [round(value, 2) for value in energy_ticket(746.2 / 320, 290.4, 256.4)]
    [22.97, 1.48]
    """
    step = reinit - inherit  # = N e_p, so that e_d N^2 - reinit N + 160 step = 0
    n = (reinit - math.sqrt(reinit * reinit - 4 * dense * EPOCHS * step)) / (2 * dense)
    return n, step / n


def recount_table3() -> list[Recount]:
    """Every FLOPs cell of Table 3, in the order of the published file (unit P)."""
    return [_cell3(row) for row in published_data.rows("published_table3")]


def _cell3(row: dict[str, str]) -> Recount:
    setting, method, published = row["setting"], row["method"], float(row["total_training_flops_p"])
    ratio = float(row["pruning_ratio"]) if row["pruning_ratio"] else None
    key, unit, networks = (
        (setting, method, ratio),
        P_PER_GFLOP_EPOCH,
        published_data.network_flops(),
    )
    dense = paper_gflops(networks[setting]["dense"])
    if method == "Unpruned":
        return _checked(Recount(*key, published, EPOCHS_IMAGENET * dense * unit, CLOSED, dense))
    if method == "ThiNet":
        v1 = networks["ResNet50-v1/ImageNet"]
        dense, x = paper_gflops(v1["dense"]), paper_gflops(v1["uniform"][str(ratio)])
        return _checked(
            Recount(*key, published, EPOCHS_IMAGENET * (dense + x) * unit, CLOSED, dense, x)
        )
    if method == "SFP":
        x = dense * (1 - 0.418)  # the FLOPs cut that the SFP paper gives for ResNet18
        return _checked(
            Recount(*key, published, EPOCHS_IMAGENET * (dense + x) * unit, LITERATURE, dense, x)
        )
    if method == "NS":
        x = round(published / unit / EPOCHS_IMAGENET - dense, 2)
        return _checked(
            Recount(
                *key, published, EPOCHS_IMAGENET * (dense + x) * unit, MASK, dense, x, alone=True
            )
        )
    n = IMAGENET_N.get((setting, ratio))
    if n is None:
        return Recount(
            *key,
            published,
            None,
            UNEXPLAINED,
            dense,
            why="one equation for the unknowns N and x, and no N is published",
        )
    x = round((published / unit - n * dense) / (EPOCHS_IMAGENET - n), 2)
    return _checked(
        Recount(
            *key,
            published,
            (n * dense + (EPOCHS_IMAGENET - n) * x) * unit,
            MASK,
            dense,
            x,
            n,
            alone=True,
        )
    )


def _checked(cell: Recount) -> Recount:
    """The recount with its final status: not explained is what misses by more than 0.6 %, what implies a network that cannot be, and a
    doubtful cell whose x is only its own.
    """
    table = "3" if cell.setting.endswith("ImageNet") else "2"
    doubt = published_data.doubt(table, cell.setting, cell.method, cell.ratio, "flops")
    why = doubt.why if doubt else ""
    if cell.x_gflop is not None and not 0 < cell.x_gflop <= cell.dense_gflop:
        why = (
            why
            or f"implies a pruned network of {cell.x_gflop:.2f} GFLOP, where the dense one has {cell.dense_gflop:g}"
        )
        return replace(cell, predicted=None, status=UNEXPLAINED, x_gflop=None, n=None, why=why)
    if abs(cell.predicted / cell.published - 1) > TOLERANCE:
        if doubt is None:
            raise HarnessError(
                f"{cell.setting} {cell.method} {cell.ratio}: published {cell.published:g}, counted {cell.predicted:g}, "
                "and no reason is known",
                "add the cell to reports/published/doubtful.csv",
            )
        return replace(cell, status=UNEXPLAINED, why=why)
    if doubt and cell.alone:
        return replace(cell, predicted=None, status=UNEXPLAINED, x_gflop=None, n=None, why=why)
    return replace(cell, why=why)


def table(number: int) -> Table:
    """The recount of Table 2 or 3 as a table: every published FLOPs cell beside ours, its residual and status."""
    cells = {2: recount_table2, 3: recount_table3}.get(number)
    if cells is None:
        raise HarnessError(f"Table {number} of the paper has no FLOPs", "recount 2 or 3")
    unit = "x0.05P" if number == 2 else "P"
    columns = (
        Column("setting", number=False),
        Column("method", number=False),
        Column("p"),
        Column("published", f"FLOPs ({unit})"),
        Column("recount", f"FLOPs ({unit})"),
        Column("residual"),
        Column("status", number=False),
        Column("x (GFLOP)", "implied"),
        Column("kept", "implied"),
        Column("N", "implied"),
    )
    rows, before = [], None
    for cell in cells():
        if before not in (None, cell.setting):
            rows.append(None)
        rows.append(_row(cell, repeat=before != cell.setting))
        before = cell.setting
    return Table(
        f"FLOPs of the paper's Table {number}, recounted",
        columns,
        tuple(rows),
        tuple(_notes(number, cells())),
    )


def _row(cell: Recount, repeat: bool) -> tuple[Cell, ...]:
    mark = "†" if cell.why else ""
    places = 2 if cell.setting.endswith("ImageNet") else 1
    data = {
        "published": cell.published,
        "predicted": cell.predicted,
        "residual": cell.residual,
        "status": cell.status,
        "dense_gflop": cell.dense_gflop,
        "implied_gflop": cell.x_gflop,
        "implied_n": cell.n,
        "why": cell.why,
    }
    kept = None if cell.x_gflop is None else cell.x_gflop / cell.dense_gflop
    return (
        Cell(cell.setting if repeat else "", cell.setting),
        Cell(cell.method, cell.method),
        Cell(ratio_label(cell.ratio)[2:] if cell.ratio is not None else "-", cell.ratio),
        Cell(f"{cell.published:g}{mark}", data),
        Cell("-" if cell.predicted is None else f"{cell.predicted:.{places}f}", cell.predicted),
        Cell("-" if cell.residual is None else f"{100 * cell.residual:+.2f} %", cell.residual),
        Cell(cell.status, cell.status),
        Cell("" if cell.x_gflop is None else f"{cell.x_gflop:.4f}".rstrip("0"), cell.x_gflop),
        Cell("" if kept is None else f"{kept:.3f}", kept),
        Cell("" if cell.n is None else str(cell.n), cell.n),
    )


def _notes(number: int, cells: list[Recount]) -> list[str]:
    count = {
        status: sum(cell.status == status for cell in cells)
        for status in (CLOSED, MASK, LITERATURE, UNEXPLAINED)
    }
    worst = max(
        abs(cell.residual)
        for cell in cells
        if cell.status != UNEXPLAINED and cell.residual is not None
    )
    notes = [
        f"{len(cells)} cells: "
        + ", ".join(f"{many} {status}" for status, many in count.items() if many)
        + f"; the worst explained one is off by {100 * worst:.2f} %.",
        "recount = 3 x sum over epochs of the forward GFLOPs of one image, as the authors' tool prints them (two decimals).",
        "mask-dependent: the mask decides; x and N are what the published cell implies (LF and LL at their full-precision row's N: "
        "x solves the cell, and no residual is left).",
    ]
    reasons: dict[str, list[str]] = {}
    for cell in cells:
        if cell.why:
            where = f"{cell.setting} {cell.method} {ratio_label(cell.ratio) if cell.ratio else ''} {cell.published:g}"
            reasons.setdefault(cell.why, []).append(where)
    return notes + [f"† {'; '.join(where)}: {why}." for why, where in reasons.items()]
