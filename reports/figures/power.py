"""Draw power over time: of finished runs with their stages, or of any log with its marks."""

import os
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window
from joulebird.reports.figures.figure import RED, Output, new_figure, save, settings, stamp
from joulebird.reports.logs.opening import is_log
from joulebird.reports.logs.parts import UNMARKED, Part, energy_of, marks_of, split, windows_in
from joulebird.reports.logs.rows import Faults, faults, span
from joulebird.reports.logs.trace import Envelope, PowerTrace
from joulebird.reports.runs.records import (
    MARKS,
    FinishedStage,
    Paths,
    load,
    one_scope,
    unique_stages,
)
from joulebird.reports.tables.table import unit_for

# Tol's bright scheme without its grey (Technical Note SRON/EPS/TN/09-002): distinct for all eyes
PAINTS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377")
STYLES = tuple((paint, hatch) for hatch in ("", "////") for paint in PAINTS)
OTHERS = ("#bbbbbb", "..")
STRIP = (1.0, 0.04)  # above the axes: from, height, in their height
FINEST = 2000  # places on the axis that a fault or a hole is drawn at
LONGEST = 200  # characters of the rails in a title
APART = 6  # pixels between two names of bands
PAUSE_SHARE = 0.02  # pauses longer than this share of the recorded time are drawn this long
BUCKETS = 600  # over the whole axis: few enough that each holds several readings
FEWEST = 3  # buckets of a window, however short
Loaded = Callable[[str], tuple[PowerTrace, list[str]]]


class Band(NamedTuple):
    """A named part of the axis in seconds from its left end; `void` is a part without an energy."""

    name: str
    begin_s: float
    end_s: float
    void: bool = False


class Shown(NamedTuple):
    """A window of a log to draw: when it began, its log; bands and events in the log's clock."""

    wall_s: float
    window: Window
    trace: Callable[[], PowerTrace]
    bands: list[Band]
    events: list[tuple[float, str]]


class Timeline(NamedTuple):
    """Stretches and bands in the order of the clock, marks (seconds, event), cuts, the length.

    A stretch is power on the axis: its times are seconds from the axis' left end, and so are those
    of the faults.
    """

    stretches: list[Envelope]
    bands: list[Band]
    marks: list[tuple[float, str]]
    cuts: list[float]
    faults: Faults
    length_s: float


def of_stages(stages: Iterable[FinishedStage], rail: str | None = None) -> list[Shown]:
    """Return the recorded windows of some stages, each one band."""
    return [
        Shown(
            wall_time(stage.trace, window),
            window,
            lambda stage=stage: stage.trace,  # type: ignore[misc]  # of a default, mypy infers none
            [
                Band(
                    # low precision is imitated, so that its energy is an estimate
                    stage.record.name + "".join(f" ({word})" for word in stage.estimated),
                    *window[:2],
                    stage.energy(window, rail).void,
                )
            ],
            [(event["t_s"], event["event"]) for event in stage.events if event["event"] in MARKS],
        )
        for stage in stages
        if stage.measured
        for window in stage.useful
    ]


def of_log(trace: PowerTrace, marks: list[Part], rail: str | None = None) -> list[Shown]:
    """Return the windows of a log, one a boot; the bands are its marks, or a void whole."""
    shown = []
    for window in windows_in(trace, [(None, None, None)]):
        bands = [
            Band(*part[:3], energy_of(trace, part, rail).void)
            for part in split(trace, [window], "mark", marks or [Part("whole", *window[:2])])
        ]
        kept = [band for band in bands if band.void or (marks and band.name != UNMARKED)]
        shown.append(Shown(wall_time(trace, window), window, lambda: trace, kept, []))
    return shown


def wall_time(trace: PowerTrace, window: Window) -> float:
    """Return the time since 1970 at which a window began, by the first clock line of its boot."""
    for clock in trace.clocks:
        if window.boot_id in (None, clock.get("boot_id")) and "wall_s" in clock:
            return float(clock["wall_s"] + window.begin_s - clock.get("monotonic_s", 0.0))
    return window.begin_s


def timeline(shown: list[Shown], buckets: int = BUCKETS, rail: str | None = None) -> Timeline:
    """Return some windows by wall-clock time.

    Raises HarnessError when nothing was recorded.
    """
    if not shown:
        raise HarnessError(
            "no power was recorded in these runs",
            "run them with a power source; `joulebird sources` lists the sources of this machine",
        )
    total = max(sum(part.window.seconds for part in shown), 1e-9)
    pause = max(PAUSE_SHARE * total, 1e-3)
    line = Timeline([], [], [], [], Faults([], [], []), 0.0)
    at_s, end_s = 0.0, None
    for part in sorted(shown, key=lambda part: part.wall_s):
        window = part.window
        gap = 0.0 if end_s is None else max(part.wall_s - end_s, 0.0)
        if gap > pause:
            line.cuts.append(at_s + pause / 2)
        at_s += min(gap, pause)
        share = max(int(buckets * window.seconds / total), FEWEST)
        _place(line, part, part.trace(), at_s - window.begin_s, share, rail)
        at_s, end_s = at_s + window.seconds, part.wall_s + window.seconds
    return line._replace(length_s=at_s)


def _place(
    line: Timeline, part: Shown, trace: PowerTrace, shift_s: float, buckets: int, rail: str | None
) -> None:
    """Put a window on the axis, `shift_s` to the right of its own clock."""
    begin_s, end_s, boot, _ = part.window
    boot_id = str(boot) if boot in trace.boots else trace.boots[0]
    (first_s, last_s), found = span(trace, boot_id), faults(trace, boot_id, rail)
    ends = [(begin_s, first_s), *found.holes, (last_s, end_s)]
    cut = [(max(low, begin_s) + shift_s, min(high, end_s) + shift_s) for low, high in ends]
    holes = [hole for hole in cut if hole[0] < hole[1]]
    line.faults.holes.extend(holes)
    line.stretches.extend(_stretches(trace, part.window, shift_s, buckets, rail, holes))
    for name, low_s, high_s, void in part.bands:
        line.bands.append(Band(name, low_s + shift_s, high_s + shift_s, void))
    line.marks.extend((t_s + shift_s, name) for t_s, name in part.events if begin_s <= t_s <= end_s)
    for onto, times in zip(line.faults[1:], found[1:], strict=True):
        onto.extend(t_s + shift_s for t_s in times if begin_s <= t_s <= end_s)


def _stretches(
    whole: PowerTrace,
    window: Window,
    shift_s: float,
    buckets: int,
    rail: str | None,
    holes: list[tuple[float, float]],
) -> Iterator[Envelope]:
    """Yield envelopes of the window, cut at its holes."""
    trace = whole.between(window.begin_s, window.end_s, window.boot_id)
    middles = [(begin_s + end_s) / 2 for begin_s, end_s in holes]
    for envelope in trace.envelope(buckets, rail) if trace.samples else []:
        read = np.flatnonzero(np.isfinite(envelope.mean_w))
        t_s = envelope.t_s[read] + shift_s + envelope.bucket_s / 2
        columns = [t_s, *(column[read] for column in envelope[1:4])]
        cuts = np.unique(np.searchsorted(t_s, middles))
        for times, low, mean, high in zip(*(np.split(c, cuts) for c in columns), strict=True):
            if len(times):
                yield Envelope(times, low, mean, high, envelope.bucket_s)


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
    if len(supply) > LONGEST:  # a title of many lines leaves the axes no room
        supply = supply[:LONGEST] + "..."
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
    longest = sorted(line.faults.holes, key=lambda hole: hole[1] - hole[0])
    wide = {round(a / finest_s): (a / factor, max(b - a, finest_s) / factor) for a, b in longest}
    style = {"facecolor": "white", "hatch": "\\\\\\\\", "edgecolor": "0.4", "linewidth": 0.4}
    if wide:
        style["label"] = f"not recorded ({len(line.faults.holes)})"
        axes.broken_barh([*wide.values()], (0, 1), transform=across, zorder=0.5, **style)
    style = {"linestyle": "none", "color": RED, "markersize": 6, "transform": across}
    points = (
        ("failed reads", line.faults.failed, "|"),
        ("damaged lines", line.faults.damaged, "x"),
    )
    for name, times, marker in points:
        if times:
            places = np.unique(np.round(np.array(times) / finest_s)) * finest_s / factor
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
