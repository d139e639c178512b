"""Power over time, with the stages as bands."""

from typing import Any

from joulebird.reports.figures.canvas import RED, Output, colour, new_figure, save
from joulebird.reports.runs.records import Paths, load, unique_stages
from joulebird.reports.runs.scope import one_scope
from joulebird.reports.runs.timeline import Timeline, timeline


def power(
    paths: Paths,
    output: Output,
    rail: str | None = None,
    form: str | None = None,
    buckets: int = 2000,
) -> None:
    """Draw power over time: the mean as a line, lowest to highest of each bucket as a shade.

    `output` is a file name, or an open binary file with `form` (".svg", ...). Raises HarnessError
    for an unknown form, mixed scopes, or when nothing was recorded.
    """
    stages = unique_stages(load(paths))
    scope = one_scope(stages)
    words = sorted({word for stage in stages for word in stage.words})
    line = timeline(stages, buckets, rail)
    supply = f"{rail or scope['rails']} ({scope['scope']})"
    title = f"Power over time: {supply} on {scope['board']} by {scope['source']}"
    figure = new_figure(title, words)
    _draw(figure.axes[0], line)
    save(figure, output, form)


def _unit(length_s: float) -> tuple[float, str]:
    """Return the unit of a time axis: seconds, and its name."""
    if length_s > 7200:
        return 3600.0, "h"
    return (60.0, "min") if length_s > 300 else (1.0, "s")


def _draw(axes: Any, line: Timeline) -> None:
    """Draw a timeline into axes."""
    factor, unit = _unit(line.length_s)
    names = list(dict.fromkeys(band.name for band in line.bands))
    colours = {name: colour(i) for i, name in enumerate(names)}
    for name, begin_s, end_s in line.bands:
        axes.axvspan(begin_s / factor, end_s / factor, color=colours[name], alpha=0.25, linewidth=0)
    for part in line.stretches:
        t = part.t_s / factor
        axes.fill_between(t, part.low_w, part.high_w, color="0.45", alpha=0.5, linewidth=0)
        axes.plot(t, part.mean_w, color="black", linewidth=0.7)
    for cut_s in line.cuts:
        axes.axvline(cut_s / factor, color="0.4", linestyle=":", linewidth=0.8)
    for mark_s, event in line.marks:
        _mark(axes, mark_s / factor, event)
    axes.set_xlim(0, max(line.length_s, 1e-6) / factor)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"time ({unit})" + ("; dotted: a pause, cut short" if line.cuts else ""))
    axes.set_ylabel("power (W)")
    _legend(axes, colours)


def _mark(axes: Any, at: float, event: str) -> None:
    """Draw a health event as a line with its name."""
    axes.axvline(at, color=RED, linewidth=0.8)
    style = {"fontsize": 7, "color": RED, "rotation": 90, "va": "top"}
    axes.annotate(event, (at, 1.0), xycoords=("data", "axes fraction"), **style)


def _legend(axes: Any, colours: dict[str, str]) -> None:
    """Name the stages beside the axes."""
    handles = [
        axes.fill_between([], [], color=colours[name], alpha=0.4, label=name)
        for name in list(colours)[:12]
    ]
    sizes = {"fontsize": 8, "title_fontsize": 8}
    place = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    axes.legend(handles=handles, title="stage", **place, **sizes)
