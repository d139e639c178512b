"""Lay power over time out on one axis: windows in the order of the clock, pauses cut short."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window
from joulebird.reports.logs.parts import UNMARKED, Part, energy_of, split, windows_in
from joulebird.reports.logs.rows import faults, span
from joulebird.reports.logs.trace import Envelope, PowerTrace
from joulebird.reports.runs.records import MARKS, FinishedStage

PAUSE_SHARE = 0.02  # pauses longer than this share of the recorded time are drawn this long
BUCKETS = 600  # over the whole axis: few enough that each holds several readings
FEWEST = 3  # buckets of a window, however short


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
    of holes (begin, end), failed reads and damaged lines.
    """

    stretches: list[Envelope]
    bands: list[Band]
    marks: list[tuple[float, str]]
    cuts: list[float]
    holes: list[tuple[float, float]]
    failed: list[float]
    damaged: list[float]
    length_s: float


def of_stages(stages: Iterable[FinishedStage], rail: str | None = None) -> list[Shown]:
    """Return the recorded windows of some stages, each one band."""
    return [
        Shown(
            wall_time(stage.trace, window),
            window,
            lambda stage=stage: stage.trace,  # type: ignore[misc]
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
    line = Timeline([], [], [], [], [], [], [], 0.0)
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
    line.holes.extend(holes)
    line.stretches.extend(_stretches(trace, part.window, shift_s, buckets, rail, holes))
    for name, low_s, high_s, void in part.bands:
        line.bands.append(Band(name, low_s + shift_s, high_s + shift_s, void))
    line.marks.extend((t_s + shift_s, name) for t_s, name in part.events if begin_s <= t_s <= end_s)
    for onto, times in ((line.failed, found.failed), (line.damaged, found.damaged)):
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
