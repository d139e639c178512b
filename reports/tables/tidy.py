"""Tidy rows of finished runs: a cell of Table 2 for each seed, a stage, an epoch.

Each row has the facts that all numbers of one table share (board, scope, source, ...), its labels,
and an energy with its uncertainty, coverage and words. A void energy has no joules, and a reason.
"""

from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.energy import Energy, no_energy
from joulebird.reports.runs.accounting import Accounting, Cost, IdlePowers
from joulebird.reports.runs.grid import build_grid
from joulebird.reports.runs.records import FinishedRun, FinishedStage, one_scope, unique_stages

TidyRow = dict[str, Any]


def cells(
    runs: list[FinishedRun], energy: str = "measured", net: bool = False, rail: str | None = None
) -> list[TidyRow]:
    """Return a row for each seed of each cell of Table 2: accuracies, FLOPs, energy."""
    grid = build_grid(runs, energy, net, rail=rail)
    return [
        {
            **_scope(grid.scope),
            "setting": setting,
            "method": method,
            "prune_ratio": ratio,
            "seed": run.spec.get("seed"),
            "run": run.id,
            "accuracy_best": run.record.accuracy.get("best"),
            "accuracy_last": run.record.accuracy.get("last"),
            "accuracy_words": run.marks,
            **_costs(cost),
            **_counted(spent, spent, energy, net),
        }
        for (setting, method, ratio), cell in grid.cells.items()
        for run, cost, spent in zip(cell.runs, cell.costs, cell.energies, strict=True)
    ]


def stages(
    runs: list[FinishedRun], energy: str = "measured", net: bool = False, rail: str | None = None
) -> list[TidyRow]:
    """Return a row for each stage, once however many runs share it: its work, FLOPs, energy."""
    found = unique_stages(runs)
    scope, accounting = _scope(one_scope(found)), Accounting(found, energy, rail)
    return [
        {
            **scope,
            **_labels(stage),
            "runs": [run.id for run in runs if stage in run.stages],
            "attempts": stage.record.attempts,
            **{key: stage.work.get(key) for key in ("structure", "macs", "precision")},
            **_costs(cost),
            **_counted(cost.useful, cost.net, energy, net),
        }
        for stage, cost in zip(found, map(accounting.stage, found), strict=True)
    ]


def epochs(
    runs: list[FinishedRun], energy: str = "measured", net: bool = False, rail: str | None = None
) -> list[TidyRow]:
    """Return a row for each epoch that counts: its events' facts and its recorded energy.

    Raises HarnessError for energies per epoch, which are no epoch's own.
    """
    if energy != "measured":
        raise HarnessError("an epoch has no energy but the measured one", "leave --energy out")
    found, idle = unique_stages(runs), IdlePowers(rail)
    scope = _scope(one_scope(found))
    return [
        {
            **scope,
            **_labels(stage),
            "epoch": event["epoch"],
            **{key: event.get(key) for key in ("loss", "test_accuracy", "images")},
            **{key: getattr(window, key) for key in ("boot_id", "begin_s", "end_s")},
            **_counted(
                stage.energy(window, rail), idle.net(stage, window) if net else None, energy, net
            ),
        }
        for stage in found
        for event, window in stage.epochs
    ]


ROWS = {"cell": cells, "stage": stages, "epoch": epochs}


def _scope(facts: dict[str, str]) -> TidyRow:
    """Return the facts that all rows share, named as columns are."""
    return {key.replace(" ", "_").lower(): value for key, value in facts.items()}


def _labels(stage: FinishedStage) -> TidyRow:
    return {"stage": stage.id, "name": stage.record.name, "spoilt": stage.spoilt}


def _costs(cost: Cost) -> TidyRow:
    return {
        "epochs": cost.epochs,
        "flops": cost.flops,
        "evaluation_joules": cost.evaluation.joules,
        "repeated_joules": cost.repeated.joules,
    }


def _counted(gross: Energy, netted: Energy | None, energy: str, net: bool) -> TidyRow:
    """Return the energy asked for with the way in which it was counted; void without an idle."""
    missing = no_energy(gross.rail, gross.seconds, "no idle power was recorded")
    spent = (netted or missing).worded(*gross.words) if net else gross
    return {"energy": energy, "net": net, **spent.as_dict()}
