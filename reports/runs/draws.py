"""Find the tickets that were drawn at given epochs, with the accuracies of their retraining."""

from collections.abc import Iterable
from typing import NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.runs.grid import seeds_of
from joulebird.reports.runs.names import DATASETS, MODELS
from joulebird.reports.runs.records import FULL, FinishedRun

FINAL = "final"


class Draw(NamedTuple):
    """The place of a run: its setting as the paper names it, ratio, precision, epoch of the draw.

    `lr` is the initial learning rate, `precision` that of the search.
    """

    model: str
    dataset: str
    schedule: str
    lr: float
    ratio: float
    precision: str
    epoch: int | str


def drawn(runs: Iterable[FinishedRun], accuracy: str = "best") -> dict[Draw, list[float]]:
    """Return the retraining accuracies in percent of all tickets that were drawn at given epochs.

    A ticket of the last epoch is "final". Network slimming, which prunes after the whole training,
    gives the final column where no such ticket was drawn. Raises HarnessError for no such run, and
    for runs of one cell that differ in more than their seeds.
    """
    tickets: dict[Draw, list[FinishedRun]] = {}
    final: dict[Draw, list[FinishedRun]] = {}
    for run in runs:
        if run.spec["method"] == "eb-train" and run.options.get("draw_at"):
            tickets.setdefault(draw_of(run, run.options["draw_at"]), []).append(run)
        elif run.spec["method"] == "network-slimming":
            final.setdefault(draw_of(run, FINAL), []).append(run)
    if not tickets:
        raise HarnessError(
            "no ticket was drawn at a given epoch in these runs",
            'run eb-train with "draw_at": 10 (20, 40, ...) in its options',
        )
    lines = {draw[:-1] for draw in tickets}
    cells = {draw: seeds for draw, seeds in final.items() if draw[:-1] in lines} | tickets
    return {draw: percents(seeds, accuracy) for draw, seeds in cells.items()}


def percents(runs: Iterable[FinishedRun], accuracy: str = "best") -> list[float]:
    """Return the accuracies of the seeds of one cell; raises HarnessError as `seeds_of` does."""
    return [100.0 * run.record.accuracy[accuracy] for run in seeds_of(runs)]


def draw_of(run: FinishedRun, epoch: int | str) -> Draw:
    """Return the place of a run whose ticket was drawn at an epoch."""
    spec, options = run.spec, run.options
    searched = options.get("search_milestones")
    milestones = (spec.get("milestones") or ()) if searched is None else searched
    return Draw(
        model=MODELS.get(spec["model"], spec["model"]),
        dataset=DATASETS.get(spec["dataset"], spec["dataset"]),
        schedule="-".join(map(str, milestones)),
        lr=float(options.get("search_lr") or spec.get("lr", 0.1)),
        ratio=float(spec["prune_ratio"]),
        precision=options.get("search_precision", FULL),
        epoch=FINAL if epoch == spec.get("epochs") else epoch,
    )
