"""Figures of whole studies: mask distances while a ticket is searched (Figure 3), accuracy against FLOPs and energy (Figure 5)."""

import os
import statistics
from collections.abc import Iterable
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.figures.power import COLOURS, new_figure, save
from joulebird.reports.runs.grid import build_grid
from joulebird.reports.runs.labels import ratio_label
from joulebird.reports.runs.records import load
from joulebird.reports.tables.units import unit_for


def figure3(
    paths: Iterable[str] | str, output: str | os.PathLike | Any, form: str | None = None
) -> None:
    """The distance between the masks of consecutive epochs while tickets are searched, and epsilon: when a mask has settled.

    (The paper's Figure 3 draws the distances of all pairs of epochs; one line holds what its criterion looks at.)
    """
    runs = [run for run in load(paths) if run.spec["method"] == "eb-train"]
    lines = {}
    for run in runs:
        for stage in run.stages:
            distances = [
                event["mask_distance"]
                for event in stage.events
                if event["event"] == "metric" and "mask_distance" in event
            ]
            if distances:
                name = f"{run.spec['model']}/{run.spec['dataset']} {ratio_label(run.spec['prune_ratio'])} s{run.spec.get('seed', 0)}"
                lines[stage.id] = (name, distances, run.options.get("epsilon", 0.1))
    if not lines:
        raise HarnessError(
            "no mask distances in these runs", "they are recorded by eb-train while it searches"
        )
    figure = new_figure("Distance between the masks of consecutive epochs")
    axes = figure.axes[0]
    for i, (name, distances, _) in enumerate(lines.values()):
        axes.plot(
            range(1, len(distances) + 1),
            distances,
            marker=".",
            color=COLOURS[i % len(COLOURS)],
            label=name,
        )
    for epsilon in sorted({epsilon for *_, epsilon in lines.values()}):
        axes.axhline(
            epsilon, color="#cc3311", linestyle="--", linewidth=0.8, label=f"epsilon {epsilon:g}"
        )
    axes.set_xlabel("epoch of the search")
    axes.set_ylabel("mask distance (share of channels)")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    save(figure, output, form)


def figure5(
    paths: Iterable[str] | str,
    output: str | os.PathLike | Any,
    form: str | None = None,
    energy: str = "measured",
) -> None:
    """Accuracy against training FLOPs, and beside it against energy: a point for each method and ratio, a line for each method."""
    grid = build_grid(load(paths), energy)
    words = sorted({word for cell in grid.cells.values() for word in cell.words})
    figure = new_figure("", (), width=11.0)
    figure.clf()
    left, right = figure.subplots(1, 2, sharey=True)
    figure.suptitle(
        "Accuracy against the cost of training" + "".join(f" [{word}]" for word in words),
        fontsize=10,
    )
    cells = list(grid.cells.values())
    factors = (
        unit_for([cell.flops for cell in cells], "FLOP"),
        unit_for([cell.joules for cell in cells if cell.joules], "J"),
    )
    for i, (setting, method) in enumerate(sorted({key[:2] for key in grid.cells})):
        cells = [
            cell
            for key, cell in sorted(grid.cells.items(), key=lambda item: item[0][2])
            if key[:2] == (setting, method)
        ]
        label = method if len(grid.settings) == 1 else f"{setting} {method}"
        style = {"marker": "o", "color": COLOURS[i % len(COLOURS)], "label": label}
        left.plot(
            [cell.flops / factors[0][0] for cell in cells],
            [statistics.fmean(cell.accuracies) for cell in cells],
            **style,
        )
        known = [cell for cell in cells if cell.joules]
        right.plot(
            [cell.joules / factors[1][0] for cell in known],
            [statistics.fmean(cell.accuracies) for cell in known],
            **style,
        )
    left.set_ylabel("retraining accuracy (%)")
    left.set_xlabel(f"training FLOPs ({factors[0][1]})")
    right.set_xlabel(f"energy ({factors[1][1]}" + "".join(f", {word}" for word in words) + ")")
    left.legend(fontsize=8)
    for word in words:
        right.text(
            0.5,
            0.5,
            word,
            transform=right.transAxes,
            fontsize=36,
            color="0.5",
            alpha=0.25,
            ha="center",
            va="center",
            rotation=15,
        )
    save(figure, output, form)
