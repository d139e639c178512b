"""Put the recorded power of some runs on one axis of time: stages as bands, pauses cut short."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import FinishedStage

PAUSE_SHARE = 0.02  # pauses longer than this share of the recorded time are drawn this long
MARKS = ("throttle", "mode_change")


class Band(NamedTuple):
    """A stage's window on the axis, in seconds from its left end."""

    name: str
    begin_s: float
    end_s: float


class Stretch(NamedTuple):
    """Power on the axis: seconds from its left end, and min, mean and max watts of each bucket."""

    t_s: np.ndarray
    low_w: np.ndarray
    mean_w: np.ndarray
    high_w: np.ndarray


class Timeline(NamedTuple):
    """Stretches and bands in the order of the clock, marks (seconds, event), cuts, the length."""

    stretches: list[Stretch]
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
) -> list[Stretch]:
    """Return envelopes of the window, cut at every gap longer than the allowed one."""
    trace = whole.between(window.begin_s, window.end_s, window.boot_id)
    stretches = []
    for envelope in trace.envelope(buckets, rail) if trace.samples else []:
        t_s = at_s + envelope.t_s + envelope.bucket_s / 2 - window.begin_s
        read = np.flatnonzero(np.isfinite(envelope.mean_w))
        longest_s = max(whole.allowed_gap_s, 1.5 * envelope.bucket_s)
        gaps = np.flatnonzero(np.diff(t_s[read]) > longest_s) + 1
        curves = (t_s, envelope.min_w, envelope.mean_w, envelope.max_w)
        for part in np.split(read, gaps):
            stretches.append(Stretch(*(curve[part] for curve in curves)))
    return stretches
