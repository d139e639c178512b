"""Draw power over time: the stages of some runs in the order of the clock, pauses cut short."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window
from joulebird.reports.figures.figure import RED, Output, colour, new_figure, save
from joulebird.reports.logs.trace import Envelope, PowerTrace
from joulebird.reports.runs.records import (
    MARKS,
    FinishedStage,
    Paths,
    load,
    one_scope,
    unique_stages,
)

PAUSE_SHARE = 0.02  # pauses longer than this share of the recorded time are drawn this long


class Band(NamedTuple):
    """A stage's window on the axis, in seconds from its left end."""

    name: str
    begin_s: float
    end_s: float


class Timeline(NamedTuple):
    """Stretches and bands in the order of the clock, marks (seconds, event), cuts, the length.

    A stretch is power on the axis: its times are seconds from the axis' left end.
    """

    stretches: list[Envelope]
    bands: list[Band]
    marks: list[tuple[float, str]]
    cuts: list[float]
    length_s: float


def timeline(
    stages: Iterable[FinishedStage], buckets: int = 2000, rail: str | None = None
) -> Timeline:
    """Return the recorded windows of some stages by wall-clock time.

    Raises HarnessError when nothing was recorded.
    """
    recorded = [
        (wall_time(stage.trace, window), i, stage, window)
        for i, stage in enumerate(stages)
        if stage.measured
        for window in stage.useful
    ]
    if not recorded:
        raise HarnessError(
            "no power was recorded in these runs",
            "run them with a power source; `joulebird sources` lists the sources of this machine",
        )
    total = max(sum(window.seconds for *_, window in recorded), 1e-9)
    pause = max(PAUSE_SHARE * total, 1e-3)
    line = Timeline([], [], [], [], 0.0)
    at_s, end_s = 0.0, None
    for wall_s, _, stage, window in sorted(recorded, key=lambda part: part[:2]):
        gap = 0.0 if end_s is None else max(wall_s - end_s, 0.0)
        if gap > pause:
            line.cuts.append(at_s + pause / 2)
        at_s += min(gap, pause)
        share = max(int(buckets * window.seconds / total), 20)
        line.bands.append(Band(stage.record.name, at_s, at_s + window.seconds))
        line.stretches.extend(_stretches(stage.trace, window, at_s, share, rail))
        line.marks.extend(_marks(stage, window, at_s))
        at_s, end_s = at_s + window.seconds, wall_s + window.seconds
    return line._replace(length_s=at_s)


def wall_time(trace: PowerTrace, window: Window) -> float:
    """Return the time since 1970 at which a window began, by the first clock line of its boot."""
    for clock in trace.clocks:
        if window.boot_id in (None, clock.get("boot_id")) and "wall_s" in clock:
            return float(clock["wall_s"] + window.begin_s - clock.get("monotonic_s", 0.0))
    return window.begin_s


def _marks(stage: FinishedStage, window: Window, at_s: float) -> list[tuple[float, str]]:
    """Return the health events of the window, in seconds of the axis."""
    return [
        (at_s + event["t_s"] - window.begin_s, event["event"])
        for event in stage.events
        if event["event"] in MARKS and window.begin_s <= event["t_s"] <= window.end_s
    ]


def _stretches(
    whole: PowerTrace, window: Window, at_s: float, buckets: int, rail: str | None
) -> list[Envelope]:
    """Return envelopes of the window, cut at every gap longer than the allowed one."""
    trace = whole.between(window.begin_s, window.end_s, window.boot_id)
    stretches = []
    for envelope in trace.envelope(buckets, rail) if trace.samples else []:
        t_s = at_s + envelope.t_s + envelope.bucket_s / 2 - window.begin_s
        read = np.flatnonzero(np.isfinite(envelope.mean_w))
        longest_s = max(whole.allowed_gap_s, 1.5 * envelope.bucket_s)
        gaps = np.flatnonzero(np.diff(t_s[read]) > longest_s) + 1
        low, mean, high = envelope[1:4]
        stretches += [
            Envelope(t_s[part], low[part], mean[part], high[part], envelope.bucket_s)
            for part in np.split(read, gaps)
        ]
    return stretches


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
    return (3600.0, "h") if length_s > 7200 else (60.0, "min") if length_s > 300 else (1.0, "s")


def _draw(axes: Any, line: Timeline) -> None:
    """Draw a timeline into axes."""
    factor, unit = _unit(line.length_s)
    names = dict.fromkeys(band.name for band in line.bands)
    colours = {name: colour(i) for i, name in enumerate(names)}
    for name, begin_s, end_s in line.bands:
        axes.axvspan(begin_s / factor, end_s / factor, color=colours[name], alpha=0.25, linewidth=0)
    for part in line.stretches:
        t = part.t_s / factor
        axes.fill_between(t, part.min_w, part.max_w, color="0.45", alpha=0.5, linewidth=0)
        axes.plot(t, part.mean_w, color="black", linewidth=0.7)
    for cut_s in line.cuts:
        axes.axvline(cut_s / factor, color="0.4", linestyle=":", linewidth=0.8)
    for mark_s, event in line.marks:
        _mark(axes, mark_s / factor, event)
    label = f"time ({unit})" + ("; dotted: a pause, cut short" if line.cuts else "")
    axes.set(xlim=(0, max(line.length_s, 1e-6) / factor), xlabel=label, ylabel="power (W)")
    axes.set_ylim(bottom=0)
    _legend(axes, colours)


def _mark(axes: Any, at: float, event: str) -> None:
    """Draw a health event as a line with its name."""
    axes.axvline(at, color=RED, linewidth=0.8)
    place = ("data", "axes fraction")
    axes.annotate(event, (at, 1.0), xycoords=place, fontsize=7, color=RED, rotation=90, va="top")


def _legend(axes: Any, colours: dict[str, str]) -> None:
    """Name the stages beside the axes."""
    handles = [
        axes.fill_between([], [], color=colours[name], alpha=0.4, label=name)
        for name in list(colours)[:12]
    ]
    style = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "fontsize": 8, "title_fontsize": 8}
    axes.legend(handles=handles, title="stage", **style)
