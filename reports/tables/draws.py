"""Tickets drawn at given epochs: Tables 1 and 4 of the Early-Bird paper, and its Figures 1 and 2."""

import itertools
import os
import statistics
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.power import COLOURS, new_figure, save
from joulebird.reports.runs.labels import DATASETS, MODELS, ratio_label
from joulebird.reports.runs.records import Run, load
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.table import Cell, Column, Table
from joulebird.reports.tables.units import spread_of

FINAL = "final"


class Draw(NamedTuple):
    """Where a run stands: model and data set as the paper names them, schedule, initial rate, ratio, search precision, epoch drawn at."""

    model: str
    dataset: str
    schedule: str
    lr: float
    ratio: float
    precision: str
    epoch: int | str


def drawn(runs: Iterable[Run], accuracy: str = "best") -> dict[Draw, list[float]]:
    """Retraining accuracies in percent of all tickets that were drawn at a given epoch; a ticket of the last epoch is "final".

    Network slimming, which prunes after the whole training, gives the final column where no such ticket was drawn. Raises HarnessError
    when there is no such run.
    """
    found: dict[Draw, list[Run]] = {}
    final: dict[Draw, list[Run]] = {}
    for run in runs:
        if run.spec["method"] == "eb-train" and run.options.get("draw_at"):
            found.setdefault(_draw(run, run.options["draw_at"]), []).append(run)
        elif run.spec["method"] == "network-slimming":
            final.setdefault(_draw(run, FINAL), []).append(run)
    if not found:
        raise HarnessError(
            "no ticket was drawn at a given epoch in these runs",
            'run eb-train with "draw_at": 10 (20, 40, ...) in its options',
        )
    lines = {draw[:-1] for draw in found}
    cells = {**{draw: of for draw, of in final.items() if draw[:-1] in lines}, **found}
    return {draw: _accuracies(of, accuracy) for draw, of in cells.items()}


def _accuracies(runs: list[Run], accuracy: str) -> list[float]:
    """Percents of the seeds of one cell; raises HarnessError for two runs with one seed."""
    seeds: dict[int, Run] = {}
    for run in runs:
        twin = seeds.setdefault(run.spec.get("seed", 0), run)
        if twin is not run:
            raise HarnessError(
                f"two runs for one cell: {twin.id} and {run.id}",
                "they differ in what the table does not show: give one of them",
            )
    return [100.0 * run.record.accuracy[accuracy] for run in runs]


def _draw(run: Run, epoch: int | str) -> Draw:
    spec, options = run.spec, run.options
    epoch = FINAL if epoch == spec.get("epochs") else epoch
    milestones = options.get("search_milestones")
    milestones = spec.get("milestones") or () if milestones is None else milestones
    lr = float(options.get("search_lr") or spec.get("lr", 0.1))
    return Draw(
        MODELS.get(spec["model"], spec["model"]),
        DATASETS.get(spec["dataset"], spec["dataset"]),
        "-".join(map(str, milestones)),
        lr,
        float(spec["prune_ratio"]),
        options.get("search_precision", "fp32"),
        epoch,
    )


class Kind(NamedTuple):
    """What sets Table 1 and Table 4 apart: by what their rows are named, and what else the paper kept the same in all of them."""

    number: int
    heading: str
    name: Callable[[Draw], str]
    rest: Callable[[Draw], tuple[str, ...]]
    published_name: Callable[[dict[str, str]], str]
    published_rest: tuple[str, ...]


def _schedule_name(schedule: str) -> str:
    return f"[{schedule.replace('-', ', ')}]"


TABLE1 = Kind(
    1,
    "LR schedule",
    lambda draw: _schedule_name(draw.schedule),
    lambda draw: (f"lr {draw.lr:g}", draw.precision),
    lambda row: _schedule_name(row["lr_schedule"]),
    ("lr 0.1", "fp32"),
)
TABLE4 = Kind(
    4,
    "Initial LR",
    lambda draw: f"{draw.lr:g}",
    lambda draw: (_schedule_name(draw.schedule), draw.precision),
    lambda row: f"{float(row['lr_initial']):g}",
    ("[80, 120]", "fp32"),
)


def table1(paths: Iterable[str] | str, accuracy: str = "best", published: bool = False) -> Table:
    """Table 1: retraining accuracy of tickets drawn at given epochs, by the search's learning-rate schedule."""
    return _table(paths, accuracy, published, TABLE1)


def table4(paths: Iterable[str] | str, accuracy: str = "best", published: bool = False) -> Table:
    """Table 4: retraining accuracy of tickets drawn at given epochs, by the initial learning rate."""
    return _table(paths, accuracy, published, TABLE4)


def _table(paths: Any, accuracy: str, published: bool, kind: Kind) -> Table:
    """A line for each model, name, ratio and rest; of the rest, what is not the same in all lines is said behind the name."""
    cells = drawn(load(paths), accuracy)
    epochs = sorted({draw.epoch for draw in cells}, key=_order)
    datasets = sorted({draw.dataset for draw in cells}, key=lambda name: (-len(name), name))
    lines: dict[tuple, dict[tuple, list[float]]] = {}
    for draw, values in cells.items():
        lines.setdefault((draw.model, kind.name(draw), draw.ratio, kind.rest(draw)), {})[
            draw.dataset, draw.epoch
        ] = values
    varying = [len(set(values)) > 1 for values in zip(*(line[-1] for line in lines), strict=True)]
    columns = (
        Column("Model", number=False),
        Column(kind.heading, number=False),
        Column("p"),
        *(
            Column(str(epoch), f"Retrain acc. (%), {dataset}")
            for dataset in datasets
            for epoch in epochs
        ),
    )
    rows = []
    for model, name, ratio, rest in sorted(lines):
        found = lines[model, name, ratio, rest]
        said = ", ".join([name, *itertools.compress(rest, varying)])
        rows.append(
            (
                Cell(model),
                Cell(said),
                Cell(ratio_label(ratio)[2:], ratio),
                *(_shown(found.get((dataset, epoch))) for dataset in datasets for epoch in epochs),
            )
        )
        if published and rest == kind.published_rest:
            rows += _published(kind, (model, name, ratio), datasets, epochs)
    notes = [
        f"Columns: the epoch after which the ticket was drawn; {accuracy} epoch of retraining; final: drawn after the whole training."
    ]
    title = f"Table {kind.number}. Retraining accuracy of tickets drawn at different epochs"
    return Table(title, columns, tuple(rows), tuple(notes), {"table": kind.number})


def _published(
    kind: Kind, line: tuple, datasets: list[str], epochs: list
) -> list[tuple[Cell, ...]]:
    """The paper's row for a line of ours, if it has one; cells that were lost in its text stay empty."""
    known = {
        (row["dataset"], row["draw_epoch"]): row["retrain_acc"]
        for row in published_data.rows(f"published_table{kind.number}")
        if (row["model"], kind.published_name(row), float(row["pruning_ratio"])) == line
    }
    if not known:
        return []
    texts = [known.get((dataset, str(epoch))) or "–" for dataset in datasets for epoch in epochs]
    return [(Cell(""), Cell("  published"), Cell(""), *(Cell(text) for text in texts))]


def _shown(values: list[float] | None) -> Cell:
    if not values:
        return Cell("–")
    mean, spread = statistics.fmean(values), spread_of(values)
    return Cell(
        f"{mean:.2f}" + ("" if spread is None else f"±{spread:.2f}"),
        {"percent": mean, "spread": spread, "seeds": values},
    )


def _order(epoch: int | str) -> tuple[bool, int]:
    return isinstance(epoch, str), 0 if isinstance(epoch, str) else epoch


def figure1(
    paths: Iterable[str] | str,
    output: str | os.PathLike | Any,
    form: str | None = None,
    low_precision: bool = False,
) -> None:
    """Figure 1: retraining accuracy against the epoch at which the ticket was drawn, a line for each setting and ratio.

    The unpruned network of a setting, where there is one, is a dotted line, the ticket of the last epoch a dashed one.
    """
    runs = load(paths)
    cells = {
        draw: values
        for draw, values in drawn(runs).items()
        if (draw.precision != "fp32") == low_precision
    }
    if not cells:
        raise HarnessError(
            f"no ticket was drawn with a search in {'low' if low_precision else 'full'} precision",
            "figure 1 is for full, figure 2 for low precision",
        )
    figure = new_figure(
        "Accuracy of retrained tickets, by the epoch they were drawn at"
        + (" (8-bit search)" if low_precision else "")
    )
    axes = figure.axes[0]
    lines: dict[tuple, dict] = {}
    for draw, values in cells.items():
        lines.setdefault(draw[:-1], {})[draw.epoch] = statistics.fmean(values)
    names = {
        line: f"{line[0]}/{line[1]} {ratio_label(line[4])} [{line[2]}], lr {line[3]:g}"
        for line in lines
    }
    for i, line in enumerate(sorted(lines)):
        points = sorted((epoch, value) for epoch, value in lines[line].items() if epoch != FINAL)
        colour = COLOURS[i % len(COLOURS)]
        axes.plot(
            [epoch for epoch, _ in points],
            [value for _, value in points],
            marker="o",
            color=colour,
            label=names[line],
        )
        if FINAL in lines[line]:
            axes.axhline(lines[line][FINAL], color=colour, linestyle="--", linewidth=0.8)
    for setting, values in sorted(_dense(runs, {line[:4] for line in lines}).items()):
        axes.axhline(
            statistics.fmean(values),
            color="black",
            linestyle=":",
            linewidth=0.8,
            label=f"{setting[0]}/{setting[1]} dense",
        )
    axes.set_xlabel("epoch at which the ticket was drawn (dashed: after the whole training)")
    axes.set_ylabel("retraining accuracy (%)")
    axes.legend(fontsize=8)
    save(figure, output, form)


def _dense(runs: list[Run], settings: set[tuple]) -> dict[tuple, list[float]]:
    """Accuracies of the unpruned networks of some settings (model, data set, schedule, rate), in percent."""
    found: dict[tuple, list[float]] = {}
    for run in runs:
        setting = tuple(_draw(run, FINAL))[:4]
        if run.spec["method"] == "dense" and setting in settings:
            found.setdefault(setting, []).append(100.0 * run.record.accuracy["best"])
    return found


def figure2(
    paths: Iterable[str] | str, output: str | os.PathLike | Any, form: str | None = None
) -> None:
    """Figure 2: as Figure 1, for tickets that were searched in low precision."""
    figure1(paths, output, form, low_precision=True)
