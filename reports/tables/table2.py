"""Table 2 of the Early-Bird paper: accuracy, energy and FLOPs of every method at every ratio."""

from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.sensor import ALIASED
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.accounting import TABLE_UNIT_FLOPS, Cost
from joulebird.reports.runs.grid import Grid, GridCell, build_grid
from joulebird.reports.runs.labels import is_early_bird, ratio_label
from joulebird.reports.runs.names import BASELINES
from joulebird.reports.runs.records import LOADED, FinishedRun, Paths, load
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.notes import loaded, table2_notes
from joulebird.reports.tables.table import (
    Cell,
    Column,
    Row,
    Table,
    digits,
    mean_and_spread,
    spread_of,
    unit_for,
    with_rules,
    worded,
)

FLOPS = ("exact", "paper")
OF_CELLS = ("estimated", LOADED, ALIASED)  # words of single cells: in no title or heading


class Units:
    """The units of one table: joules and FLOPs a unit, and their names."""

    def __init__(self, grid: Grid, flops: str, published: bool) -> None:
        cells = list(grid.cells.values())
        joules = [cell.joules for cell in cells if cell.joules]
        self.energy, self.energy_name = (1e3, "kJ") if published else unit_for(joules, "J")
        self.paper = all(cell.paper_flops is not None for cell in cells)
        self.rounded = flops == "paper"
        if self.rounded and not self.paper:
            raise HarnessError(
                "the paper's FLOPs are for 50 000 images an epoch (CIFAR)",
                "leave --flops paper out for other data sets",
            )
        own = unit_for([cell.flops for cell in cells], "FLOP")
        self.flops, self.flops_name = (TABLE_UNIT_FLOPS, "x0.05P") if self.paper else own

    def flops_of(self, cell: GridCell) -> float:
        """Return a cell's FLOPs in the table's unit, rounded like the paper's if asked for."""
        return (cell.paper_flops if self.rounded and cell.paper_flops else cell.flops) / self.flops


def table2(
    paths: Paths,
    energy: str = "measured",
    accuracy: str = "best",
    net: bool = False,
    flops: str = "exact",
    published: bool = False,
    rail: str | None = None,
) -> Table:
    """Return Table 2 of all finished runs in some folders.

    `energy`: "measured" (each run's whole recording) or "per-epoch" (mean recorded epoch of each
    structure x epochs trained); `net`: less the idle power; `accuracy`: "best" epoch (the paper's
    way) or "last"; `flops`: "exact", or "paper" (rounded as the paper does); `published`: the
    paper's own cells below ours; `rail`: one rail instead of the source's total.

    Raises HarnessError for a mixture of boards, sources, power modes or software, and for no runs.
    """
    if flops not in FLOPS:
        raise HarnessError(f"unknown FLOPs: {flops!r}", f"use {' or '.join(FLOPS)}")
    grid = build_grid(load(paths), energy, net, accuracy, rail)
    units = Units(grid, flops, published)
    words = [word for word in grid.words if word not in OF_CELLS]
    of_rail = f" of {rail}" if rail else ""
    facts = {
        "table": 2,
        "energy_mode": energy,
        "net": net,
        "accuracy_rule": accuracy,
        "words": words,
        "scope": grid.scope,
        "units": {"accuracy": "percent", "energy": "J", "flops": "FLOP"},
    }
    return Table(
        "Table 2. Retraining accuracy, energy and FLOPs" + "".join(f" [{word}]" for word in words),
        _columns(grid.ratios, units, f"{'Net energy' if net else 'Energy'}{of_rail}", words),
        with_rules(_block(grid, setting, units, published) for setting in grid.settings),
        tuple(table2_notes(grid, units, energy, net, accuracy, published, rail)),
        facts,
    )


def _columns(
    ratios: list[float], units: Units, energy: str, words: list[str]
) -> tuple[Column, ...]:
    unit = ", ".join([units.energy_name, *words])
    cost = f"{energy} ({unit}) / FLOPs ({units.flops_name})"
    names = [ratio_label(ratio) for ratio in ratios]
    return (
        Column("Setting", number=False),
        Column("Method", number=False),
        *(Column(name, "Retrain acc. (%)") for name in names),
        *(Column(name, cost) for name in names),
    )


def _block(grid: Grid, setting: str, units: Units, published: bool) -> list[Row]:
    """Return the rows of one setting."""
    rows: list[Row] = []
    for method in grid.methods_of(setting):
        cells = [grid.cell(setting, method, ratio) for ratio in grid.ratios]
        rows.append(
            (
                Cell("" if rows else setting, setting),
                _name(method, cells),
                *(_accuracy(cell) if cell else Cell("–") for cell in cells),
                *(_cost(cell, units) if cell else Cell("–") for cell in cells),
            )
        )
        if published and _in_paper(setting, method, grid.ratios):
            rows.append(_published(setting, method, grid.ratios, units))
    rows += improvement_rows(grid, setting)
    if published and _in_paper(setting, "SNIP", grid.ratios):
        rows.append(_published_improvement(setting, grid.ratios))
    return rows


def _name(name: str, cells: list[GridCell | None]) -> Cell:
    """Return the name of a row, marked where an energy is estimated."""
    estimated = any(cell and "estimated" in cell.words for cell in cells)
    return Cell(name + (", estimated" if estimated else ""), name)


def _in_paper(setting: str, method: str, ratios: list[float]) -> bool:
    return any((setting, method, ratio) in published_data.table2() for ratio in ratios)


def _accuracy(cell: GridCell) -> Cell:
    text, data = mean_and_spread(cell.accuracies)
    return Cell(worded(text, cell.marks), data)


def _cost(cell: GridCell, units: Units) -> Cell:
    """Return the cell of energy and FLOPs."""
    spread = spread_of(cell.known)
    text = "void" if cell.joules is None else digits(cell.joules / units.energy)
    if spread is not None:
        text += f"±{digits(spread / units.energy, 2)}"
    text = worded(text, filter(None, [cell.partial, *loaded(cell.words)]))
    facts = zip(cell.runs, cell.energies, cell.costs, strict=True)
    data = {
        "energy_j": cell.joules,
        "energy_spread_j": spread,
        "energy_seeds": len(cell.known),
        "flops": cell.flops if cell.counted else None,
        "paper_flops": cell.paper_flops if cell.counted else None,
        "runs": [_run_facts(run, energy, cost) for run, energy, cost in facts],
    }
    flops = digits(units.flops_of(cell), 3) if cell.counted else "void"
    return Cell(f"{text} / {flops}", data)


def _run_facts(run: FinishedRun, energy: Energy, cost: Cost) -> dict[str, Any]:
    counted = all(stage.counted for stage in run.stages)
    return {
        "id": run.id,
        **run.ticket,
        **energy.as_dict(),
        "net_j": cost.net and cost.net.joules,
        "evaluation_j": cost.evaluation.joules,
        "repeated_j": cost.repeated.joules,
        "flops": cost.flops if counted else None,
        "epochs": cost.epochs if counted else None,
    }


def _published(setting: str, method: str, ratios: list[float], units: Units) -> Row:
    """Return the paper's row for this method, doubtful cells marked."""
    pairs = [_published_cells(setting, method, ratio, units) for ratio in ratios]
    accuracies, costs = zip(*pairs, strict=True)
    return (Cell("", setting), Cell("  published", f"{method}, published"), *accuracies, *costs)


def _published_cells(setting: str, method: str, ratio: float, units: Units) -> tuple[Cell, Cell]:
    """Return the paper's accuracy, and its energy and FLOPs."""
    numbers = published_data.table2().get((setting, method, ratio))
    if numbers is None:
        return Cell("–"), Cell("–")
    percent, joules = numbers["retrain_acc"], 1e3 * numbers["energy_kj"]
    flops, place = numbers["flops_0p05p"], ("2", setting, method, ratio)
    doubt, flops_doubt = (published_data.mark(*place, name) for name in ("energy", "flops"))
    text = f"{digits(joules / units.energy)}{doubt} / {flops:g}{flops_doubt}"
    data = {"published_energy_j": joules, "published_flops": flops * TABLE_UNIT_FLOPS}
    return Cell(f"{percent:.2f}", {"published_percent": percent}), Cell(text, data)


def _published_improvement(setting: str, ratios: list[float]) -> Row:
    """Return the paper's own row, doubtful cells marked.

    It mixes variants: accuracy of EB Train, energy of LL, FLOPs of either.
    """
    name = "EB Train Improv."
    rows = {
        float(row["pruning_ratio"]): row
        for row in published_data.rows("published_table2_improv")
        if row["setting"] == setting
    }

    def text(ratio: float, column: str, unit: str = "") -> str:
        if ratio not in rows:
            return "–"
        doubted = published_data.mark("2", setting, name, ratio, column.removesuffix("_x"))
        return rows[ratio][column] + unit + doubted

    accuracies = [Cell(text(ratio, "acc_improv")) for ratio in ratios]
    costs = [
        Cell(f"{text(ratio, 'energy_improv_x', '×')} / {text(ratio, 'flops_improv_x', '×')}")
        for ratio in ratios
    ]
    label = f"{name}, published"
    return (Cell("", setting), Cell(label, label), *accuracies, *costs)


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
    own = [grid.cell(setting, variant, ratio) for ratio in grid.ratios]
    columns = (
        {name: grid.cell(setting, name, ratio) for name in baselines} for ratio in grid.ratios
    )
    others = [{name: cell for name, cell in column.items() if cell} for column in columns]
    pairs = list(zip(own, others, strict=True))
    accuracies = (_better(cell, cells) if cell and cells else Cell("–") for cell, cells in pairs)
    costs = (_costs(cell, cells) if cell and cells else Cell("–") for cell, cells in pairs)
    return (Cell("", setting), _name(f"{variant} Improv.", own), *accuracies, *costs)


def _better(own: GridCell, others: dict[str, GridCell]) -> Cell:
    best = max(others, key=lambda name: others[name].accuracy)
    difference = own.accuracy - others[best].accuracy
    marks = {*own.marks, *others[best].marks}
    data = {"percent_points": difference, "baseline": best}
    return Cell(worded(f"{difference:+.2f} ({best})", marks), data)


def _costs(own: GridCell, others: dict[str, GridCell]) -> Cell:
    """Return the ratios of energy and of FLOPs, each against its own strongest baseline.

    A void baseline may be the strongest, so that there is no ratio of energies beside one. A
    baseline of which some seeds are void is marked.
    """
    fewest = min(others, key=lambda name: others[name].flops)
    counted = own.counted and all(cell.counted for cell in others.values())
    flops = others[fewest].flops / own.flops if own.flops and counted else None
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
        words = loaded({*own.words, *others[least].words})
        if "estimated" in others[least].words and "estimated" not in own.words:
            words.append("estimated")  # the row's name says it of its own energies
        named = filter(None, (least, others[least].partial, *words))
        text = f"{ratio:.1f}× ({', '.join(named)})"
    return Cell(f"{text} / " + ("–" if flops is None else f"{flops:.1f}× ({fewest})"), data)


def _u_ratio(theirs: list[Energy], ours: list[Energy]) -> float | None:
    """Return the uncertainty of a ratio of two single runs; None for more seeds.

    With more seeds, their spread is the better measure.
    """
    try:
        return theirs[0].ratio(ours[0]).u if len(theirs) == len(ours) == 1 else None
    except HarnessError:
        return None
