"""Two tables of finished runs: every run, and every stage once."""

from joulebird.reports.logs.energy import Energy
from joulebird.reports.runs.accounting import Accounting, Cost, stage_energy
from joulebird.reports.runs.records import FinishedRun, FinishedStage, unique_stages
from joulebird.reports.tables.table import Cell, Column, Row, Table, si, worded


def runs_table(runs: list[FinishedRun], energy: str = "measured") -> Table:
    """Return every run: accuracy, energy, time, coverage, repeated work."""
    accounting = Accounting(unique_stages(runs), energy)
    columns = (
        Column("Run", number=False),
        Column("best", "Accuracy (%)"),
        Column("last", "Accuracy (%)"),
        Column("energy"),
        Column("± (95 %), sensor and sampling only"),
        Column("evaluation"),
        Column("repeated"),
        Column("time"),
        Column("mean power"),
        Column("coverage"),
    )
    return Table(
        "Every run, shared stages counted in full",
        columns,
        tuple(_run_row(run, accounting.run(run)) for run in runs),
    )


def _run_row(run: FinishedRun, cost: Cost) -> Row:
    useful, seconds, accuracy = cost.useful, cost.useful.seconds, run.record.accuracy
    spent = f"{seconds:.1f} s" if seconds < 1000 else f"{seconds / 3600:.2f} h"
    watts = "void" if useful.watts is None else worded(f"{useful.watts:.2f} W", useful.words)
    return (
        Cell(run.id, run.id),
        *(Cell(worded(f"{100 * accuracy[rule]:.2f}", run.marks)) for rule in ("best", "last")),
        _joules(useful, useful.joules),
        _joules(useful, useful.u_joules),
        _joules(cost.evaluation, cost.evaluation.joules),
        _joules(cost.repeated, cost.repeated.joules),
        Cell(spent, seconds),
        Cell(watts, useful.watts),
        Cell(f"{100 * useful.coverage:.2f} %", useful.coverage),
    )


def stages_table(runs: list[FinishedRun]) -> Table:
    """Return every stage once: its training, its energy, and the number of its runs."""
    stages = unique_stages(runs)
    columns = (
        Column("Stage", number=False),
        Column("name", number=False),
        Column("epochs"),
        Column("MAC an image"),
        Column("energy"),
        Column("time (s)"),
        Column("attempts"),
        Column("used by"),
    )
    users = [sum(stage in run.stages for run in runs) for stage in stages]
    return Table("Every stage once", columns, tuple(map(_stage_row, stages, users)))


def _stage_row(stage: FinishedStage, users: int) -> Row:
    useful, macs = stage_energy(stage), stage.work.get("macs")
    return (
        Cell(stage.id),
        Cell(stage.record.name),
        Cell(str(stage.work.get("epochs", "–"))),
        Cell(si(macs, "") if macs else "–"),
        _joules(useful, useful.joules),
        Cell(f"{stage.record.seconds:.1f}"),
        Cell(str(stage.record.attempts)),
        Cell(f"{users} runs" if users > 1 else "1 run"),
    )


def _joules(energy: Energy, value: float | None) -> Cell:
    """Return a number of an energy with its words."""
    if not value:
        return Cell("void" if value is None else "0", value)
    return Cell(worded(si(value, "J"), energy.words), value)
