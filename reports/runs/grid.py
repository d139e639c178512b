"""Put finished runs into the grid of Table 2: settings x methods x pruning ratios, with costs."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.accounting import TABLE_UNIT_FLOPS, Accounting, Cost
from joulebird.reports.runs.conditions import differences
from joulebird.reports.runs.labels import (
    method_key,
    method_labels,
    order_of,
    setting_key,
    setting_labels,
)
from joulebird.reports.runs.records import FinishedRun, one_scope, unique_stages

ACCURACY = ("best", "last")
DENSE = "Dense"
CIFAR_IMAGES = frozenset([50000])
CellKey = tuple[str, str, float]  # setting label, method label, ratio


@dataclass
class GridCell:
    """All seeds of one method at one ratio in one setting, with the cost of each."""

    runs: list[FinishedRun]
    costs: list[Cost]
    net: bool
    rule: str

    @property
    def accuracies(self) -> list[float]:
        """Return the test accuracy of each seed in percent."""
        return [100.0 * run.record.accuracy[self.rule] for run in self.runs]

    @property
    def accuracy(self) -> float:
        """Return the mean test accuracy in percent."""
        return statistics.fmean(self.accuracies)

    @property
    def energies(self) -> list[Energy]:
        """Return the energy of each seed, void ones too; net of idle when asked for."""
        missing = Energy("", 1.0, 0.0, Fraction(0), reason="no idle power was recorded")
        return [(cost.net or missing) if self.net else cost.useful for cost in self.costs]

    @property
    def joules(self) -> float | None:
        """Return the mean energy over the seeds that have one; None when all are void.

        `partial` must stand beside it.
        """
        known = self.known
        return math.fsum(known) / len(known) if known else None

    @property
    def known(self) -> list[float]:
        """Return the energies of the seeds that have one, in joules."""
        return [energy.joules for energy in self.energies if energy.joules is not None]

    @property
    def partial(self) -> str:
        """Return "1 of 2" when only some seeds have an energy, else an empty text."""
        known, seeds = len(self.known), len(self.runs)
        return f"{known} of {seeds}" if 0 < known < seeds else ""

    @property
    def flops(self) -> float:
        """Return the mean training FLOPs over the seeds, exact count."""
        return statistics.fmean(cost.flops for cost in self.costs)

    @property
    def counted(self) -> bool:
        """Return whether the FLOPs of every seed can be believed."""
        return all(stage.counted for run in self.runs for stage in run.stages)

    @property
    def paper_flops(self) -> float | None:
        """Return the mean training FLOPs as the paper rounds them.

        None where its unit (50 000 images) does not fit.
        """
        if any(cost.images != CIFAR_IMAGES for cost in self.costs):
            return None
        return statistics.fmean(cost.paper_gflop for cost in self.costs) * TABLE_UNIT_FLOPS

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words that go with the energy."""
        return words_of_all(self.energies)

    @property
    def marks(self) -> list[str]:
        """Return the words that go with the accuracy."""
        return marks_of(self.runs)


def marks_of(runs: list[FinishedRun]) -> list[str]:
    """Return the words that go with the accuracies of some runs, each once."""
    return sorted({mark for run in runs for mark in run.marks})


def words_of_all(energies: list[Energy]) -> tuple[str, ...]:
    """Return the words of some energies, each once, in alphabetical order."""
    return tuple(sorted({word for energy in energies for word in energy.words}))


@dataclass
class Grid:
    """The cells, the identity that all stages share, and the runs.

    `drawn` counts the runs that belong to Tables 1 and 4 and were left out.
    """

    cells: dict[CellKey, GridCell]
    scope: dict[str, str]
    runs: list[FinishedRun]
    drawn: int

    @property
    def settings(self) -> list[str]:
        """Return the labels of the settings, in order."""
        return list(dict.fromkeys(setting for setting, _, _ in self.cells))

    @property
    def ratios(self) -> list[float]:
        """Return the pruning ratios in order; 0 alone for dense networks alone."""
        return sorted({ratio for _, method, ratio in self.cells if method != DENSE}) or [0.0]

    def cell(self, setting: str, method: str, ratio: float) -> GridCell | None:
        """Return a cell; a dense network, which has no ratio, is the same in every column."""
        return self.cells.get((setting, method, 0.0 if method == DENSE else ratio))

    def methods_of(self, setting: str) -> list[str]:
        """Return the rows of a setting, in the paper's order."""
        rows = {method for place, method, _ in self.cells if place == setting}
        return sorted(rows, key=order_of)

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words of all energies."""
        return words_of_all([energy for cell in self.cells.values() for energy in cell.energies])


def build_grid(
    runs: list[FinishedRun],
    energy: str = "measured",
    net: bool = False,
    accuracy: str = "best",
    rail: str | None = None,
) -> Grid:
    """Sort runs into the grid and cost them.

    Tickets drawn at given epochs are left out when there are other pruned networks: they are
    experiments of their own. Raises HarnessError for mixed scopes, two runs or several precisions
    in one cell, or an unknown accuracy rule.
    """
    if accuracy not in ACCURACY:
        raise HarnessError(
            f"unknown accuracy rule: {accuracy!r}", f"use {' (the paper) or '.join(ACCURACY)}"
        )
    kept = without_drawn(runs)
    scope = one_scope(unique_stages(kept))
    methods, settings = method_labels(kept), setting_labels(kept)
    accounting = Accounting(unique_stages(kept), energy, rail)
    rows: dict[CellKey, list[FinishedRun]] = {}
    for run in sorted(kept, key=lambda run: (run.spec.get("seed", 0), run.id)):
        method = methods[method_key(run)]
        ratio = 0.0 if method == DENSE else float(run.spec["prune_ratio"])
        rows.setdefault((settings[setting_key(run)], method, ratio), []).append(run)
    seeds = {key: seeds_of(row) for key, row in rows.items()}
    cells = {
        key: GridCell(of_cell, [accounting.run(run) for run in of_cell], net, accuracy)
        for key, of_cell in seeds.items()
    }
    return Grid(cells, scope, kept, len(runs) - len(kept))


def seeds_of(runs: Iterable[FinishedRun]) -> list[FinishedRun]:
    """Return the runs of one cell, each seed once: one dense training serves every ratio.

    Raises HarnessError for two trainings with one seed, and for runs that differ in more than their
    seeds: in an option, the setting or the precision of a training.
    """
    seeds: dict[int, FinishedRun] = {}
    for run in runs:
        twin, first = seeds.setdefault(run.spec.get("seed", 0), run), next(iter(seeds.values()))
        again = twin is not run and (run.spec["method"] != "dense" or twin.stages != run.stages)
        if again or (method_key(first), setting_key(first)) != (method_key(run), setting_key(run)):
            raise HarnessError(
                f"two runs for one cell: {(twin if again else first).id} and {run.id}",
                "they differ in something that the table does not show: give one of them",
            )
        precisions = differences(
            [{**run.precisions, **first.precisions}, {**first.precisions, **run.precisions}]
        )
        if precisions:
            raise HarnessError(
                f"{first.id} and {run.id} mix precisions in one cell: {', '.join(precisions)}",
                "give only the runs of one precision",
            )
    return list(seeds.values())


def without_drawn(runs: list[FinishedRun]) -> list[FinishedRun]:
    """Return the runs without tickets drawn at given epochs, unless no other run prunes."""
    others = [run for run in runs if not run.options.get("draw_at")]
    return others if any(run.spec["method"] != "dense" for run in others) else runs
