"""The recount of the paper's FLOPs as a table: every published cell beside ours."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.flops import paper_gflops
from joulebird.reports.runs.labels import percent, ratio_label
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.published import MARK
from joulebird.reports.tables.table import Cell, Column, Row, Table, with_rules

EPOCHS, EPOCHS_IMAGENET = 160, 90
# Table 3's unit: PFLOP of ImageNet's images through one GFLOP, forward and backward
P_PER_GFLOP_EPOCH = 3 * 1_281_167 / 1e6
TOLERANCE = 0.006
SFP_CUT = 0.418  # the FLOPs cut that the SFP paper gives for ResNet18
# The ticket epochs in the file names of the authors' README; none for ResNet50 at 50 %.
IMAGENET_N = {
    ("ResNet18/ImageNet", 0.1): 11,
    ("ResNet18/ImageNet", 0.3): 11,
    ("ResNet50/ImageNet", 0.3): 10,
    ("ResNet50/ImageNet", 0.7): 8,
}
# One equation for two unknowns: x is quoted at the full-precision row's N.
SOLVED = ("EB Train (LF)", "EB Train (LL)")
CLOSED, MASK = "closed form", "mask-dependent"
LITERATURE, UNEXPLAINED = "from the literature", "not explained"
Ticket = tuple[int, float]  # the epoch N, and the forward GFLOP x of the pruned network
STATES = (CLOSED, MASK, LITERATURE, UNEXPLAINED)


@dataclass(frozen=True)
class Recount:
    """Our count of one published cell (both in the table's unit), and how far it is explained.

    `x_gflop` is the forward GFLOP of the pruned network, counted or implied, `n` the ticket's epoch
    that the cell implies. `alone`: x is from this very cell. `predicted` is None where only a
    doubtful cell itself could give x.
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
        """Return (ours - published) / published; None without a count.

        It is None too where x solves the cell, so that nothing can be left over.
        """
        if self.predicted is None or self.method in SOLVED:
            return None
        return self.predicted / self.published - 1.0


def recount_table2() -> list[Recount]:
    """Return every FLOPs cell of Table 2, in the order of the published file (unit 0.05 P)."""
    return [_checked(_cell2(*key)) for key in published_data.table2()]


def _cell2(setting: str, method: str, ratio: float) -> Recount:
    key = setting, method, ratio
    published = published_data.table2()[key]["flops_0p05p"]
    dense = _forward(setting)
    if method in ("LT (one-shot)", "SNIP"):
        return Recount(*key, published, (480 if method == "SNIP" else 960) * dense, CLOSED, dense)
    if method in ("ThiNet", "NS"):
        alone = method == "NS"
        x = round(published / 480 - dense, 2) if alone else _forward(setting, ratio)
        status = MASK if alone else CLOSED
        return Recount(*key, published, 480 * (dense + x), status, dense, x, alone=alone)
    n, x = _ticket_of(setting, ratio, dense)
    epochs = EPOCHS if method == "EB Train (re-init)" else EPOCHS - n
    alone = method in SOLVED
    if alone:
        x = (published / 3 - n * dense) / epochs
    return Recount(*key, published, 3 * (n * dense + epochs * x), MASK, dense, x, n, alone)


def _forward(setting: str, pruned: float | None = None) -> float:
    """Return the forward GFLOP of the dense network, or of the one with a share pruned evenly."""
    counts = published_data.network_flops()[setting]
    return paper_gflops(counts["dense"] if pruned is None else counts["uniform"][str(pruned)])


def _ticket_of(setting: str, ratio: float, dense: float) -> Ticket:
    """Return the ticket of a setting.

    Its N is that of the energies where that explains the FLOPs too, else the best of the FLOPs.
    """
    table = published_data.table2()
    reinit, inherit, lt = (
        table[setting, method, ratio]
        for method in ("EB Train (re-init)", "EB Train", "LT (one-shot)")
    )
    dense_kj = lt["energy_kj"] / (2 * EPOCHS)
    n = round(energy_ticket(dense_kj, reinit["energy_kj"], inherit["energy_kj"])[0])
    pair = reinit["flops_0p05p"], inherit["flops_0p05p"]
    if pair[1] >= pair[0]:  # impossible for one ticket: only the re-init cell is used
        return n, round((pair[0] / 3 - n * dense) / EPOCHS, 2)
    best, miss = ticket(dense, *pair, [n])
    return best if miss <= TOLERANCE else ticket(dense, *pair, range(1, EPOCHS // 2))[0]


def ticket(
    dense: float, reinit: float, inherit: float, epochs: Iterable[int]
) -> tuple[Ticket, float]:
    """Return the ticket that explains a pair of EB cells best, and its largest relative error.

    N is one of `epochs`, x has two decimals.

    >>> ticket(0.63, 288, 253, range(1, 81))[0]
    (23, 0.51)
    """

    def miss(guess: Ticket) -> float:
        n, x = guess
        return max(
            abs(3 * (n * dense + EPOCHS * x) / reinit - 1),
            abs(3 * (n * dense + (EPOCHS - n) * x) / inherit - 1),
        )

    widths = range(1, round(100 * dense) + 1)
    best = min(((n, k / 100) for n in epochs for k in widths), key=miss)
    return best, miss(best)


def energy_ticket(dense: float, reinit: float, inherit: float) -> tuple[float, float]:
    """Return N and the pruned network's energy an epoch from a pair of EB energies.

    `dense` is the dense network's energy an epoch. The paper's energies are energies an epoch times
    epochs: re-init = N e_d + 160 e_p, inherit = N e_d + (160 - N) e_p.

    >>> [round(value, 2) for value in energy_ticket(746.2 / 320, 290.4, 256.4)]
    [22.97, 1.48]
    """
    step = reinit - inherit  # = N e_p, so that e_d N^2 - reinit N + 160 step = 0
    n = (reinit - math.sqrt(reinit * reinit - 4 * dense * EPOCHS * step)) / (2 * dense)
    return n, step / n


def recount_table3() -> list[Recount]:
    """Return every FLOPs cell of Table 3, in the order of the published file (unit P)."""
    return [_cell3(row) for row in published_data.rows("published_table3")]


def _cell3(row: dict[str, str]) -> Recount:
    setting, method, published = row["setting"], row["method"], float(row["total_training_flops_p"])
    ratio = float(row["pruning_ratio"]) if row["pruning_ratio"] else None
    n = IMAGENET_N.get((setting, ratio or 0.0))
    unit, dense = P_PER_GFLOP_EPOCH, _forward(setting)
    x: float | None
    if method in ("Unpruned", "ThiNet", "SFP", "NS"):
        dense, x, status = _baseline3(method, dense, ratio, published)
        count, n = EPOCHS_IMAGENET * (dense + (x or 0.0)) * unit, None
    elif n is None:
        why = "one equation for the unknowns N and x, and no N is published"
        return Recount(setting, method, ratio, published, None, UNEXPLAINED, dense, why=why)
    else:
        x = round((published / unit - n * dense) / (EPOCHS_IMAGENET - n), 2)
        count, status = (n * dense + (EPOCHS_IMAGENET - n) * x) * unit, MASK
    alone = status == MASK
    return _checked(Recount(setting, method, ratio, published, count, status, dense, x, n, alone))


def _baseline3(
    method: str, dense: float, ratio: float | None, published: float
) -> tuple[float, float | None, str]:
    """Return the dense and the pruned GFLOP of a baseline of Table 3, and the status."""
    if method == "Unpruned":
        return dense, None, CLOSED
    if method == "ThiNet":
        v1 = "ResNet50-v1/ImageNet"
        return _forward(v1), _forward(v1, ratio), CLOSED
    if method == "SFP":
        return dense, dense * (1 - SFP_CUT), LITERATURE
    return dense, round(published / P_PER_GFLOP_EPOCH / EPOCHS_IMAGENET - dense, 2), MASK


def _checked(cell: Recount) -> Recount:
    """Return the recount with its final status.

    Not explained are a count off by more than 0.6 %, an impossible network, and a doubtful cell
    whose x is only its own.
    """
    table = "3" if cell.setting.endswith("ImageNet") else "2"
    doubt = published_data.doubt(table, cell.setting, cell.method, cell.ratio, "flops")
    why = doubt.why if doubt else ""
    unexplained = replace(cell, predicted=None, status=UNEXPLAINED, x_gflop=None, n=None, why=why)
    x, dense = cell.x_gflop, cell.dense_gflop
    if x is not None and not 0 < x <= dense:
        impossible = f"implies a pruned network of {x:.2f} GFLOP, where the dense one has {dense:g}"
        return replace(unexplained, why=why or impossible)
    if cell.predicted is not None and abs(cell.predicted / cell.published - 1) > TOLERANCE:
        if doubt is None:
            raise HarnessError(
                f"{cell.setting} {cell.method} {cell.ratio}: published {cell.published:g}, "
                f"counted {cell.predicted:g}, and no reason is known",
                "add the cell to reports/published/doubtful.csv",
            )
        return replace(cell, status=UNEXPLAINED, why=why)
    return unexplained if doubt and cell.alone else replace(cell, why=why)


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
    settings = groupby(cells, key=lambda cell: cell.setting)
    rows = with_rules([_row(cell, not i) for i, cell in enumerate(block)] for _, block in settings)
    return Table(
        f"FLOPs of the paper's Table {number}, recounted", columns, rows, tuple(_notes(cells))
    )


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
    explained = (cell.residual for cell in cells if cell.status != UNEXPLAINED)
    worst = max(abs(residual) for residual in explained if residual is not None)
    reasons: dict[str, list[str]] = {}
    for cell in (cell for cell in cells if cell.why):
        ratio = ratio_label(cell.ratio) if cell.ratio else ""
        place = f"{cell.setting} {cell.method} {ratio} {cell.published:g}"
        reasons.setdefault(cell.why, []).append(place)
    return [
        f"{len(cells)} cells: {', '.join(counts)}; the worst explained one is off by "
        f"{100 * worst:.2f} %.",
        "recount = 3 x sum over epochs of the forward GFLOPs of one image, as the authors' tool "
        "prints them (two decimals).",
        "mask-dependent: the mask decides; x and N are implied by the published cell (LF and LL at "
        "their full-precision row's N: x solves the cell, and no residual is left).",
        *(f"{MARK} {'; '.join(places)}: {why}." for why, places in reasons.items()),
    ]
