"""Figures of the Early-Bird paper.

Accuracy by the epoch of a ticket's draw (1, 2), mask distances of a search (3), and accuracy
against the cost of training (5).
"""

import statistics
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.power import RED, Output, colour, new_figure, save
from joulebird.reports.runs.grid import GridCell, build_grid
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.runs.records import FinishedRun, FinishedStage, Paths, load
from joulebird.reports.tables.draws import FINAL, draw_of, drawn
from joulebird.reports.tables.table import unit_for

Line = tuple[Any, ...]  # the fields of a Draw, without the epoch
ACROSS = {"linewidth": 0.8}


def figure1(
    paths: Paths, output: Output, form: str | None = None, low_precision: bool = False
) -> None:
    """Draw retraining accuracy against the epoch of the draw, a line for each setting and ratio.

    The unpruned network of a setting, where there is one, is a dotted line, the ticket of the last
    epoch a dashed one.
    """
    runs = load(paths)
    lines: dict[Line, dict[int | str, float]] = {}
    for draw, percents in drawn(runs).items():
        if (draw.precision != "fp32") == low_precision:
            lines.setdefault(draw[:-1], {})[draw.epoch] = statistics.fmean(percents)
    if not lines:
        raise HarnessError(
            f"no ticket was drawn with a search in {'low' if low_precision else 'full'} precision",
            "figure 1 is for full, figure 2 for low precision",
        )
    title = "Accuracy of retrained tickets, by the epoch they were drawn at"
    figure = new_figure(title + (" (8-bit search)" if low_precision else ""))
    axes = figure.axes[0]
    for i, line in enumerate(sorted(lines)):
        _draw_tickets(axes, line, lines[line], colour(i))
    for setting, percents in sorted(_dense(runs, {line[:4] for line in lines}).items()):
        label = f"{setting[0]}/{setting[1]} dense"
        axes.axhline(
            statistics.fmean(percents), color="black", linestyle=":", label=label, **ACROSS
        )
    axes.set_xlabel("epoch at which the ticket was drawn (dashed: after the whole training)")
    axes.set_ylabel("retraining accuracy (%)")
    axes.legend(fontsize=8)
    save(figure, output, form)


def figure2(paths: Paths, output: Output, form: str | None = None) -> None:
    """Draw Figure 1 for tickets that were searched in low precision."""
    figure1(paths, output, form, low_precision=True)


def _draw_tickets(axes: Any, line: Line, accuracies: dict[int | str, float], paint: str) -> None:
    """Draw the accuracies of one setting and ratio, and that of its final ticket across."""
    model, dataset, schedule, lr, ratio, _ = line
    label = f"{model}/{dataset} {ratio_label(ratio)} [{schedule}], lr {lr:g}"
    epochs = sorted(epoch for epoch in accuracies if isinstance(epoch, int))
    axes.plot(epochs, [accuracies[epoch] for epoch in epochs], marker="o", color=paint, label=label)
    if FINAL in accuracies:
        axes.axhline(accuracies[FINAL], color=paint, linestyle="--", **ACROSS)


def _dense(runs: list[FinishedRun], settings: set[Line]) -> dict[Line, list[float]]:
    """Return the accuracies of the unpruned networks of some settings, in percent.

    A setting is a model, data set, schedule and initial rate.
    """
    accuracies: dict[Line, list[float]] = {}
    for run in runs:
        setting = draw_of(run, FINAL)[:4]
        if run.spec["method"] == "dense" and setting in settings:
            accuracies.setdefault(setting, []).append(100.0 * run.record.accuracy["best"])
    return accuracies


def figure3(paths: Paths, output: Output, form: str | None = None) -> None:
    """Draw the distance between the masks of consecutive epochs of a search, and epsilon.

    The paper's Figure 3 draws the distances of all pairs of epochs; its criterion uses only these.
    """
    runs = [run for run in load(paths) if run.spec["method"] == "eb-train"]
    stages = {stage.id: (run, _mask_distances(stage)) for run in runs for stage in run.stages}
    searches = [(run, distances) for run, distances in stages.values() if distances]
    if not searches:
        raise HarnessError(
            "no mask distances in these runs", "they are recorded by eb-train while it searches"
        )
    figure = new_figure("Distance between the masks of consecutive epochs")
    axes = figure.axes[0]
    for i, (run, distances) in enumerate(searches):
        spec, epochs = run.spec, range(1, len(distances) + 1)
        setting = f"{spec['model']}/{spec['dataset']} {ratio_label(spec['prune_ratio'])}"
        style = {"marker": ".", "color": colour(i), "label": f"{setting} s{spec.get('seed', 0)}"}
        axes.plot(epochs, distances, **style)
    for epsilon in sorted({run.options.get("epsilon", 0.1) for run, _ in searches}):
        axes.axhline(epsilon, color=RED, linestyle="--", label=f"epsilon {epsilon:g}", **ACROSS)
    axes.set_xlabel("epoch of the search")
    axes.set_ylabel("mask distance (share of channels)")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    save(figure, output, form)


def _mask_distances(stage: FinishedStage) -> list[float]:
    metrics = (event for event in stage.events if event["event"] == "metric")
    return [metric["mask_distance"] for metric in metrics if "mask_distance" in metric]


def figure5(
    paths: Paths, output: Output, form: str | None = None, energy: str = "measured"
) -> None:
    """Draw accuracy against training FLOPs, and beside it against energy.

    A point is a method at a ratio, a line a method.
    """
    grid = build_grid(load(paths), energy)
    figure = new_figure("Accuracy against the cost of training", grid.words, panels=2, width=11.0)
    left, right = figure.axes
    cells = list(grid.cells.values())
    flops, flops_unit = unit_for([cell.flops for cell in cells], "FLOP")
    joules, joules_unit = unit_for([cell.joules for cell in cells if cell.joules], "J")
    for i, (setting, method) in enumerate(sorted({key[:2] for key in grid.cells})):
        label = method if len(grid.settings) == 1 else f"{setting} {method}"
        style = {"marker": "o", "color": colour(i), "label": label}
        keys = sorted(key for key in grid.cells if key[:2] == (setting, method))
        row = [grid.cells[key] for key in keys]
        _draw_line(left, [(cell.flops / flops, cell) for cell in row], style)
        _draw_line(right, [(cell.joules / joules, cell) for cell in row if cell.joules], style)
    left.set_ylabel("retraining accuracy (%)")
    left.set_xlabel(f"training FLOPs ({flops_unit})")
    right.set_xlabel(f"energy ({', '.join([joules_unit, *grid.words])})")
    left.legend(fontsize=8)
    save(figure, output, form)


def _draw_line(axes: Any, points: list[tuple[float, GridCell]], style: dict[str, Any]) -> None:
    axes.plot([cost for cost, _ in points], [cell.accuracy for _, cell in points], **style)
