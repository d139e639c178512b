"""How much better each variant of EB Train is than the strongest baseline, cell by cell, with the baseline named."""

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.grid import Grid, GridCell
from joulebird.reports.runs.labels import BASELINES, is_early_bird
from joulebird.reports.tables.table import Cell


def improvement_rows(grid: Grid, setting: str, ratios: list[float]) -> list[tuple[Cell, ...]]:
    """One row for each EB Train variant: accuracy difference, ratios of energy and FLOPs, each against its strongest baseline.

    The paper's own row takes accuracy, energy and FLOPs from different variants; here a row is one method.
    """
    variants = [method for method in grid.methods_of(setting) if is_early_bird(method)]
    baselines = [method for method in grid.methods_of(setting) if method in BASELINES]
    if not baselines:
        return []
    return [_row(grid, setting, variant, baselines, ratios) for variant in variants]


def _row(
    grid: Grid, setting: str, variant: str, baselines: list[str], ratios: list[float]
) -> tuple[Cell, ...]:
    accuracies, costs = [], []
    for ratio in ratios:
        own = grid.cell(setting, variant, ratio)
        found = {name: grid.cell(setting, name, ratio) for name in baselines}
        others = {name: cell for name, cell in found.items() if cell is not None}
        if own is None or not others:
            accuracies, costs = [*accuracies, Cell("–")], [*costs, Cell("–")]
            continue
        accuracies.append(_accuracy(own, others))
        costs.append(_costs(own, others))
    estimated = any(
        cell and "estimated" in cell.words
        for cell in (grid.cell(setting, variant, ratio) for ratio in ratios)
    )
    name = Cell(f"{variant} Improv." + (", estimated" if estimated else ""), f"{variant} Improv.")
    return (Cell("", setting), name, *accuracies, *costs)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _accuracy(own: GridCell, others: dict[str, GridCell]) -> Cell:
    best = max(others, key=lambda name: _mean(others[name].accuracies))
    difference = _mean(own.accuracies) - _mean(others[best].accuracies)
    return Cell(f"{difference:+.2f} ({best})", {"percent_points": difference, "baseline": best})


def _costs(own: GridCell, others: dict[str, GridCell]) -> Cell:
    """Ratios of energy and of FLOPs, each against its own strongest baseline.

    No ratio of energies while a baseline's is void: it may be the strongest. A baseline of which some seeds are void is marked.
    """
    fewest = min(others, key=lambda name: others[name].flops)
    flops = others[fewest].flops / own.flops if own.flops else None
    void = [name for name, cell in others.items() if cell.joules is None]
    data = {
        "flops_ratio": flops,
        "flops_baseline": fewest,
        "energy_ratio": None,
        "energy_baseline": None,
        "u_energy_ratio": None,
        "energy_void": void,
    }
    text = "void" if not own.joules or len(void) == len(others) else f"void (no {', '.join(void)})"
    if own.joules and not void:
        least = min(others, key=lambda name: others[name].joules)
        ratio = others[least].joules / own.joules
        data.update(
            energy_ratio=ratio,
            energy_baseline=least,
            u_energy_ratio=_u_ratio(others[least].energies, own.energies),
        )
        text = f"{ratio:.1f}× ({', '.join(filter(None, (least, others[least].partial)))})"
    return Cell(f"{text} / " + ("–" if flops is None else f"{flops:.1f}× ({fewest})"), data)


def _u_ratio(one: list[Energy], two: list[Energy]) -> float | None:
    """Uncertainty of a ratio of two single runs (with more seeds, their spread says more)."""
    if len(one) != 1 or len(two) != 1:
        return None
    try:
        return one[0].ratio(two[0]).u
    except HarnessError:
        return None
