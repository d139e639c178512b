"""Put finished runs into the grid of Table 2: settings x methods x pruning ratios, with what each cell cost and reached."""

import math
import statistics
from dataclasses import dataclass, field
from fractions import Fraction

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.accounting import TABLE_UNIT_FLOPS, Accounting, Cost
from joulebird.reports.runs.labels import (
    method_key,
    method_labels,
    order_of,
    setting_key,
    setting_labels,
)
from joulebird.reports.runs.records import Run, unique_stages
from joulebird.reports.runs.scope import one_scope

ACCURACY = ("best", "last")
CIFAR_IMAGES = frozenset([50000])


@dataclass
class GridCell:
    """All seeds of one method at one ratio in one setting, with the cost of each."""

    runs: list[Run] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    net: bool = False
    rule: str = "best"

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy of each seed in percent."""
        return [100.0 * run.record.accuracy[self.rule] for run in self.runs]

    @property
    def energies(self) -> list[Energy]:
        """Energy of each seed, void ones too; net of idle when asked for."""
        missing = Energy("", 1.0, 0.0, Fraction(0), reason="no idle power was recorded")
        return [(cost.net or missing) if self.net else cost.useful for cost in self.costs]

    @property
    def joules(self) -> float | None:
        """Mean energy over the seeds that have one (`partial` says so when others have none); None when all are void."""
        known = self.known
        return math.fsum(known) / len(known) if known else None

    @property
    def known(self) -> list[float]:
        """The energies of the seeds that have one, in joules."""
        return [energy.joules for energy in self.energies if energy.joules is not None]

    @property
    def partial(self) -> str:
        """ "1 of 2" when only so many seeds have an energy, which must stand beside their mean; empty when all or none have."""
        return (
            f"{len(self.known)} of {len(self.runs)}" if 0 < len(self.known) < len(self.runs) else ""
        )

    @property
    def flops(self) -> float:
        """Mean training FLOPs over the seeds, exact count."""
        return statistics.fmean(cost.flops for cost in self.costs)

    @property
    def paper_flops(self) -> float | None:
        """Mean training FLOPs as the paper rounds them; None where its unit (50 000 images) does not fit."""
        if any(cost.images != CIFAR_IMAGES for cost in self.costs):
            return None
        return statistics.fmean(cost.paper_gflop for cost in self.costs) * TABLE_UNIT_FLOPS

    @property
    def words(self) -> tuple[str, ...]:
        """Words that must stand beside the energy."""
        return tuple(sorted({word for energy in self.energies for word in energy.words}))


@dataclass
class Grid:
    """The cells by (setting label, method label, ratio), the labels in order, and the identity that all measured stages share.

    `drawn` counts the runs that were left out because they belong to Tables 1 and 4.
    """

    cells: dict[tuple[str, str, float], GridCell]
    settings: list[str]
    methods: list[str]
    ratios: list[float]
    scope: dict[str, str]
    runs: list[Run]
    drawn: int = 0

    def cell(self, setting: str, method: str, ratio: float) -> GridCell | None:
        """The cell; a dense network, which has no ratio, is the same in every column."""
        return self.cells.get((setting, method, ratio)) or (
            self.cells.get((setting, method, 0.0)) if method == "Dense" else None
        )

    def methods_of(self, setting: str) -> list[str]:
        """The rows of a setting, in the paper's order."""
        return [
            method
            for method in self.methods
            if any(key[:2] == (setting, method) for key in self.cells)
        ]

    def ratios_of(self, setting: str) -> list[float]:
        """The pruning ratios of a setting."""
        return (
            sorted({key[2] for key in self.cells if key[0] == setting and key[1] != "Dense"})
            or self.ratios
        )


def build_grid(
    runs: list[Run],
    energy: str = "measured",
    net: bool = False,
    accuracy: str = "best",
    rail: str | None = None,
) -> Grid:
    """Sort runs into the grid and cost them; raises HarnessError for mixed scopes, double runs, or an unknown accuracy rule.

    Tickets drawn at given epochs are left out when there are other pruned networks: they are experiments of their own.
    """
    if accuracy not in ACCURACY:
        raise HarnessError(
            f"unknown accuracy rule: {accuracy!r}", f"use {' (the paper) or '.join(ACCURACY)}"
        )
    given, runs = runs, without_drawn(runs)
    scope = one_scope(unique_stages(runs))
    methods, settings = method_labels(runs), setting_labels(runs)
    accounting = Accounting.over(unique_stages(runs), energy, rail)
    cells: dict[tuple[str, str, float], GridCell] = {}
    for run in sorted(runs, key=lambda run: (run.spec.get("seed", 0), run.id)):
        method = methods[method_key(run)]
        ratio = 0.0 if method == "Dense" else float(run.spec["prune_ratio"])
        cell = cells.setdefault(
            (settings[setting_key(run)], method, ratio), GridCell(net=net, rule=accuracy)
        )
        twin = next(
            (other for other in cell.runs if other.spec.get("seed") == run.spec.get("seed")), None
        )
        if method == "Dense" and twin:
            continue
        if twin:
            raise HarnessError(
                f"two runs for one cell: {twin.id} and {run.id}",
                "they differ in what the table does not show: give one of them",
            )
        cell.runs.append(run)
        cell.costs.append(accounting.run(run))
    ratios = sorted({ratio for _, method, ratio in cells if method != "Dense"}) or [0.0]
    return Grid(
        cells,
        list(dict.fromkeys(key[0] for key in cells)),
        sorted({key[1] for key in cells}, key=order_of),
        ratios,
        scope,
        runs,
        len(given) - len(runs),
    )


def without_drawn(runs: list[Run]) -> list[Run]:
    """The runs without those of tickets drawn at given epochs, unless there are no others that prune."""
    others = [run for run in runs if not run.options.get("draw_at")]
    return others if any(run.spec["method"] != "dense" for run in others) else runs
