"""Figures of the Early-Bird paper: accuracy by the draw's epoch (1, 2), masks (3), cost (5)."""

import statistics
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.figure import ACROSS, RED, Output, colour, finish, new_figure
from joulebird.reports.runs.draws import FINAL, draw_of, drawn, percents
from joulebird.reports.runs.grid import GridCell, build_grid, marks_of
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.runs.records import (
    FULL,
    SOFTWARE,
    FinishedRun,
    FinishedStage,
    Paths,
    load,
    one_scope,
    unique_stages,
)
from joulebird.reports.tables.table import unit_for

Line = tuple[Any, ...]  # the fields of a Draw, without the epoch
ACCURACY = "retraining accuracy (%)"


def figure1(
    paths: Paths, output: Output, form: str | None = None, low_precision: bool = False
) -> None:
    """Draw retraining accuracy against the epoch of the draw, a line for each setting and ratio.

    The unpruned network of a setting, where there is one, is a dotted line, the ticket of the last
    epoch a dashed one.
    """
    runs = load(paths)
    one_scope(unique_stages(runs), SOFTWARE)
    lines: dict[Line, dict[int | str, float]] = {}
    for draw, accuracies in drawn(runs).items():
        if (draw.precision != FULL) == low_precision:
            lines.setdefault(draw[:-1], {})[draw.epoch] = statistics.fmean(accuracies)
    if not lines:
        raise HarnessError(
            f"no ticket was drawn with a search in {'low' if low_precision else 'full'} precision",
            "figure 1 is for full, figure 2 for low precision",
        )
    title = "Accuracy of retrained tickets, by the epoch they were drawn at"
    title += " (8-bit search)" if low_precision else ""
    axes = new_figure(title, marks_of(runs)).axes[0]
    for i, line in enumerate(sorted(lines)):
        _draw_tickets(axes, line, lines[line], colour(i))
    for setting, accuracies in sorted(_dense(runs, {line[:4] for line in lines}).items()):
        label = f"{setting[0]}/{setting[1]} dense"
        mean = statistics.fmean(accuracies)
        axes.axhline(mean, color="black", linestyle=":", label=label, **ACROSS)
    label = "epoch at which the ticket was drawn (dashed: after the whole training)"
    finish(axes, output, form, xlabel=label, ylabel=ACCURACY)


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
    dense: dict[Line, list[FinishedRun]] = {}
    for run in (run for run in runs if run.spec["method"] == "dense"):
        dense.setdefault(draw_of(run, FINAL)[:4], []).append(run)
    return {setting: percents(dense[setting]) for setting in settings & dense.keys()}


def figure3(paths: Paths, output: Output, form: str | None = None) -> None:
    """Draw the distance between the masks of consecutive epochs of a search, and epsilon.

    The paper's Figure 3 draws the distances of all pairs of epochs; its criterion uses only these.
    """
    runs = [run for run in load(paths) if run.spec["method"] == "eb-train"]
    one_scope(unique_stages(runs), SOFTWARE)
    stages = {stage: (run, _mask_distances(stage)) for run in runs for stage in run.stages}
    searches = [(run, distances) for run, distances in stages.values() if distances]
    if not searches:
        raise HarnessError(
            "no mask distances in these runs", "they are recorded by eb-train while it searches"
        )
    axes = new_figure("Distance between the masks of consecutive epochs", marks_of(runs)).axes[0]
    for i, (run, distances) in enumerate(searches):
        spec, epochs = run.spec, range(1, len(distances) + 1)
        ratio, seed = ratio_label(spec["prune_ratio"]), spec.get("seed", 0)
        label = f"{spec['model']}/{spec['dataset']} {ratio} s{seed}"
        axes.plot(epochs, distances, marker=".", color=colour(i), label=label)
    for epsilon in sorted({run.options.get("epsilon", 0.1) for run, _ in searches}):
        axes.axhline(epsilon, color=RED, linestyle="--", label=f"epsilon {epsilon:g}", **ACROSS)
    axes.set_ylim(bottom=0)
    labels = {"xlabel": "epoch of the search", "ylabel": "mask distance (share of channels)"}
    finish(axes, output, form, **labels)


def _mask_distances(stage: FinishedStage) -> list[float]:
    return [
        event["mask_distance"]
        for event in stage.events
        if event["event"] == "metric" and "mask_distance" in event
    ]


def figure5(
    paths: Paths,
    output: Output,
    form: str | None = None,
    energy: str = "measured",
    net: bool = False,
    rail: str | None = None,
) -> None:
    """Draw accuracy against training FLOPs, and beside it against energy.

    A point is a method at a ratio, a line a method.
    """
    grid = build_grid(load(paths), energy, net, rail=rail)
    words = (*grid.words, *marks_of(grid.runs))
    left, right = new_figure("Accuracy against the cost of training", words, panels=2).axes
    cells = dict(sorted(grid.cells.items()))
    flops, flops_unit = unit_for([cell.flops for cell in cells.values()], "FLOP")
    joules, joules_unit = unit_for([cell.joules for cell in cells.values() if cell.joules], "J")
    for i, (setting, method) in enumerate(dict.fromkeys(key[:2] for key in cells)):
        label = method if len(grid.settings) == 1 else f"{setting} {method}"
        style = {"marker": "o", "color": colour(i), "label": label}
        row = [cell for key, cell in cells.items() if key[:2] == (setting, method)]
        _draw_line(left, [(cell.flops / flops, cell) for cell in row if cell.counted], style)
        _draw_line(right, [(cell.joules / joules, cell) for cell in row if cell.joules], style)
    of_rail = f" of {rail}" if rail else ""
    units = ", ".join([joules_unit, *grid.words])
    right.set_xlabel(f"{'net energy' if net else 'energy'}{of_rail} ({units})")
    finish(left, output, form, xlabel=f"training FLOPs ({flops_unit})", ylabel=ACCURACY)


def _draw_line(axes: Any, points: list[tuple[float, GridCell]], style: dict[str, Any]) -> None:
    axes.plot([cost for cost, _ in points], [cell.accuracy for _, cell in points], **style)
