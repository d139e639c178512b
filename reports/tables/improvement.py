"""Compare each variant of EB Train with the strongest baseline, named cell by cell."""

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.grid import Grid, GridCell
from joulebird.reports.runs.labels import BASELINES, is_early_bird
from joulebird.reports.tables.table import Cell, Row


def improvement_rows(grid: Grid, setting: str) -> list[Row]:
    """Return one row for each EB Train variant.

    It has the accuracy difference and the ratios of energy and FLOPs, each against its strongest
    baseline. The paper's own row takes its numbers from different variants; here a row is one
    method.
    """
    methods = grid.methods_of(setting)
    baselines = [method for method in methods if method in BASELINES]
    variants = [method for method in methods if is_early_bird(method) and baselines]
    return [_row(grid, setting, variant, baselines) for variant in variants]


def _row(grid: Grid, setting: str, variant: str, baselines: list[str]) -> Row:
    accuracies, costs = [], []
    estimated = False
    for ratio in grid.ratios:
        own = grid.cell(setting, variant, ratio)
        cells = {name: grid.cell(setting, name, ratio) for name in baselines}
        others = {name: cell for name, cell in cells.items() if cell is not None}
        compared = own is not None and bool(others)
        accuracies.append(_accuracy(own, others) if own and compared else Cell("–"))
        costs.append(_costs(own, others) if own and compared else Cell("–"))
        estimated = estimated or bool(own and "estimated" in own.words)
    name = f"{variant} Improv."
    shown = name + (", estimated" if estimated else "")
    return (Cell("", setting), Cell(shown, name), *accuracies, *costs)


def _accuracy(own: GridCell, others: dict[str, GridCell]) -> Cell:
    best = max(others, key=lambda name: others[name].accuracy)
    difference = own.accuracy - others[best].accuracy
    return Cell(f"{difference:+.2f} ({best})", {"percent_points": difference, "baseline": best})


def _costs(own: GridCell, others: dict[str, GridCell]) -> Cell:
    """Return the ratios of energy and of FLOPs, each against its own strongest baseline.

    A void baseline may be the strongest, so that there is no ratio of energies beside one. A
    baseline of which some seeds are void is marked.
    """
    fewest = min(others, key=lambda name: others[name].flops)
    flops = others[fewest].flops / own.flops if own.flops else None
    joules = {name: cell.joules for name, cell in others.items() if cell.joules is not None}
    void = [name for name in others if name not in joules]
    data = {
        "flops_ratio": flops,
        "flops_baseline": fewest,
        "energy_ratio": None,
        "energy_baseline": None,
        "u_energy_ratio": None,
        "energy_void": void,
    }
    text = "void" if not own.joules or not joules else f"void (no {', '.join(void)})"
    if own.joules and not void:
        least = min(joules, key=lambda name: joules[name])
        ratio = joules[least] / own.joules
        u = _u_ratio(others[least].energies, own.energies)
        data.update(energy_ratio=ratio, energy_baseline=least, u_energy_ratio=u)
        text = f"{ratio:.1f}× ({', '.join(filter(None, (least, others[least].partial)))})"
    return Cell(f"{text} / " + ("–" if flops is None else f"{flops:.1f}× ({fewest})"), data)


def _u_ratio(theirs: list[Energy], ours: list[Energy]) -> float | None:
    """Return the uncertainty of a ratio of two single runs; None for more seeds.

    With more seeds, their spread is the better measure.
    """
    if len(theirs) != 1 or len(ours) != 1:
        return None
    try:
        return theirs[0].ratio(ours[0]).u
    except HarnessError:
        return None
