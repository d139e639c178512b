"""Draw power over time: of finished runs with their stages, or of any log with its marks."""

import os
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from joulebird.reports.figures.figure import RED, Output, new_figure, save, settings, stamp
from joulebird.reports.figures.timeline import BUCKETS, Band, Timeline, of_log, of_stages, timeline
from joulebird.reports.logs.opening import is_log
from joulebird.reports.logs.parts import marks_of
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import MARKS, Paths, load, one_scope, unique_stages
from joulebird.reports.tables.table import unit_for

# Tol's bright scheme without its grey (Technical Note SRON/EPS/TN/09-002): distinct for all eyes
PAINTS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
STYLES = tuple((paint, hatch) for hatch in ("", "////") for paint in PAINTS)
OTHERS = ("#bbbbbb", "..")
STRIP = (1.0, 0.04)  # above the axes: from, height, in their height
FINEST = 2000  # places on the axis that a fault or a hole is drawn at
APART = 6  # pixels between two names of bands
Loaded = Callable[[str], tuple[PowerTrace, list[str]]]


def power(
    paths: Paths,
    output: Output,
    rail: str | None = None,
    form: str | None = None,
    buckets: int = BUCKETS,
    load_log: Loaded | None = None,
) -> None:
    """Draw power over time: the mean as a line, lowest to highest of each bucket as a shade.

    `paths` are folders of runs, or power logs: a panel each, which `load_log` reads (trace, further
    words). `output` is a file name, or an open binary file with `form` (".svg", ...). Raises
    HarnessError for an unknown form, mixed scopes, or when nothing was recorded.
    """
    save(drawn(paths, rail, buckets, load_log), output, form)


def drawn(
    paths: Paths,
    rail: str | None = None,
    buckets: int = BUCKETS,
    load_log: Loaded | None = None,
) -> Any:
    """Return the figure of `power`."""
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    logs = [str(path) for path in given if is_log(str(path))]
    panels = (
        [_of_log(path, load_log, buckets, rail) for path in logs]
        if logs and len(logs) == len(given)
        else [_of_runs(given, buckets, rail)]
    )
    figure = new_figure("", rows=len(panels))
    with settings():
        for axes, (title, words, line) in zip(figure.axes, panels, strict=True):
            _draw(axes, line, "".join([title, *(f" [{word}]" for word in words)]))
            stamp(axes, words)
        figure.draw_without_rendering()
        for axes, (_, _, line) in zip(figure.axes, panels, strict=True):
            _name_bands(axes, line)
    return figure


def _of_runs(paths: Paths, buckets: int, rail: str | None) -> tuple[str, list[str], Timeline]:
    """Return title, words and timeline of finished runs."""
    stages = unique_stages(load(paths))
    scope = one_scope(stages)
    line = timeline(of_stages(stages, rail), buckets, rail)
    supply = f"{rail or scope['rails']} ({scope['scope']})"
    title = f"Power over time: {supply} on {scope['board']} by {scope['source']}"
    return title, sorted({word for stage in stages for word in stage.words}), line


def _of_log(
    path: str, load_log: Loaded | None, buckets: int, rail: str | None
) -> tuple[str, list[str], Timeline]:
    """Return title, words and timeline of a log."""
    trace, more = load_log(path) if load_log else (PowerTrace.load(path), [])
    line = timeline(of_log(trace, marks_of(trace, path), rail), buckets, rail)
    supply = rail or "+".join(trace.total)
    title = f"Power over time: {os.path.basename(path)}: {supply} ({trace.scope})"
    return f"{title} by {trace.source.get('name')}", [*dict.fromkeys((*trace.words, *more))], line


def _draw(axes: Any, line: Timeline, title: str) -> None:
    """Draw a timeline into axes, but for the names of its bands."""
    factor, unit = _unit(line.length_s)
    most_w = max((float(part.max_w.max()) for part in line.stretches), default=1.0)
    watts, power_unit = unit_for([most_w], "W") if 0 < most_w < 1 else (1.0, "W")
    _bands(axes, line, factor)
    columns = [_joined(line, index) for index in range(4)]
    t, (low, mean, high) = columns[0] / factor, (column / watts for column in columns[1:])
    style = {"color": "0.45", "alpha": 0.5, "linewidth": 0}
    axes.fill_between(t, low, high, label="lowest to highest", **style)
    axes.plot(t, mean, color="black", linewidth=0.7, label="mean")
    _faults(axes, line, factor)
    axes.set(xlabel=f"time ({unit})", ylabel=f"power ({power_unit})")
    axes.set_xlim(0, max(line.length_s, 1e-6) / factor)
    axes.set_ylim(bottom=min(0.0, *axes.get_ylim()) if np.nanmin(low, initial=0) < 0 else 0)
    axes.set_title(textwrap.fill(title, 110), fontsize=10, pad=24 if line.bands else 6)
    style = {"loc": "upper left", "bbox_to_anchor": (1.005, 1.0), "fontsize": 8}
    axes.legend(borderaxespad=0.2, **style)


def _unit(length_s: float) -> tuple[float, str]:
    """Return the unit of a time axis: seconds, and its name."""
    return (3600.0, "h") if length_s > 7200 else (60.0, "min") if length_s > 300 else (1.0, "s")


def _joined(line: Timeline, index: int) -> np.ndarray:
    """Return a column of all stretches, with NaN between them; a single bucket becomes a line."""
    parts = []
    for part in line.stretches:
        column = np.repeat(part[index], 2) if len(part.t_s) == 1 else part[index]
        if index == 0 and len(part.t_s) == 1:
            column = column + part.bucket_s * np.array([-0.5, 0.5])
        parts += [column, [np.nan]]
    return np.concatenate(parts) if parts else np.zeros(0)


def _groups(names: Iterable[str]) -> dict[str, str]:
    """Return the entry of the legend for each name; a number at its end is left out of many names.

    >>> _groups(["dense", "score"])
    {'dense': 'dense', 'score': 'score'}
    >>> set(_groups(f"epoch {n}" for n in range(40)).values())
    {'epoch'}
    """
    groups = {name: name for name in names}
    if len(groups) > len(STYLES):
        groups = {name: re.sub(r"[\s_-]*\d+$", "", name) or name for name in groups}
    kept = dict.fromkeys(groups.values())
    if len(kept) > len(STYLES):
        first = set(list(kept)[: len(STYLES)])
        rest = f"{len(kept) - len(STYLES)} others"
        groups = {name: group if group in first else rest for name, group in groups.items()}
    return groups


def _bands(axes: Any, line: Timeline, factor: float) -> None:
    """Draw the bands: a strip above the axes and a shade in them, of one colour for each group."""
    groups = _groups(band.name for band in line.bands)
    styles = dict(zip(dict.fromkeys(groups.values()), (*STYLES, OTHERS), strict=False))
    across = axes.get_xaxis_transform()
    for group, (paint, hatch) in styles.items():
        spans = _spans((band for band in line.bands if groups[band.name] == group), factor)
        style = {"facecolor": paint, "hatch": hatch, "edgecolor": "white", "linewidth": 0.3}
        style["label"] = textwrap.shorten(group.lstrip("_"), 40, placeholder="...")
        axes.broken_barh(spans, STRIP, transform=across, clip_on=False, **style)
        axes.broken_barh(spans, (0, 1), transform=across, facecolor=paint, alpha=0.15, zorder=0)
    void = _spans((band for band in line.bands if band.void), factor)
    if void:
        style = {"facecolor": "none", "hatch": "xxxx", "edgecolor": "black", "linewidth": 0.5}
        name = f"void, without an energy ({len(void)})"
        axes.broken_barh(void, STRIP, transform=across, clip_on=False, label=name, **style)


def _spans(bands: Iterable[Band], factor: float) -> list[tuple[float, float]]:
    return [(band.begin_s / factor, (band.end_s - band.begin_s) / factor) for band in bands]


def _faults(axes: Any, line: Timeline, factor: float) -> None:
    """Draw holes, failed reads, damaged lines, events and cut pauses, each with its count."""
    across, finest_s = axes.get_xaxis_transform(), max(line.length_s, 1e-6) / FINEST
    longest = sorted(line.holes, key=lambda hole: hole[1] - hole[0])
    wide = {round(a / finest_s): (a / factor, max(b - a, finest_s) / factor) for a, b in longest}
    style = {"facecolor": "white", "hatch": "\\\\\\\\", "edgecolor": "0.4", "linewidth": 0.4}
    if wide:
        style["label"] = f"not recorded ({len(line.holes)})"
        axes.broken_barh([*wide.values()], (0, 1), transform=across, zorder=0.5, **style)
    style = {"linestyle": "none", "color": RED, "markersize": 6, "transform": across}
    points = {"failed reads": (line.failed, "|"), "damaged lines": (line.damaged, "x")}
    for name, (times, marker) in points.items():
        places = np.unique(np.round(np.array(times) / finest_s)) * finest_s / factor
        if times:
            label = f"{name} ({len(times)})"
            axes.plot(places, 0 * places + 0.02, marker=marker, label=label, **style)
    lines = [
        (name, [t_s for t_s, event in line.marks if event == name], RED, dash)
        for name, dash in zip(MARKS, ("-", "--"), strict=True)
    ]
    for name, times, paint, dash in [*lines, ("a pause, cut short", line.cuts, "0.4", ":")]:
        if times:
            style = {"color": paint, "linestyle": dash, "linewidth": 0.8, "transform": across}
            axes.vlines(np.array(times) / factor, 0, 1, label=f"{name} ({len(times)})", **style)


def _name_bands(axes: Any, line: Timeline) -> None:
    """Write the name of each band above it where it has room; of numbered ones, round numbers."""
    factor, _ = _unit(line.length_s)
    free = -np.inf
    style = {"ha": "center", "va": "bottom", "in_layout": False, "fontsize": 7}
    for name, begin_s, end_s, _ in sorted(line.bands, key=lambda band: band.begin_s):
        ends = [axes.transData.transform((time_s / factor, 0))[0] for time_s in (begin_s, end_s)]
        place = (begin_s + end_s) / 2 / factor, sum(STRIP)
        for label in dict.fromkeys([name, *re.findall(r"\d+$", name)]):
            text = axes.text(*place, label, transform=axes.get_xaxis_transform(), **style)
            box = text.get_window_extent()
            share = (box.width + APART) / max(ends[1] - ends[0], 1e-3)
            fits = share <= 1 or (label != name and int(label) % _step(share) == 0)
            if fits and box.x0 >= free and axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1:
                free = box.x1 + APART
                break
            text.remove()


def _step(least: float) -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten.

    >>> _step(0.3), _step(3.1), _step(42)
    (1.0, 5.0, 50.0)
    """
    sizes = (digit * 10.0**power for power in range(12) for digit in (1, 2, 5))
    return next(size for size in sizes if size >= least)
