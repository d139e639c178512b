"""Everything that was recorded of some runs, on one axis of time: stretches of power, stages as bands, long pauses cut short."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import Stage

PAUSE_SHARE = 0.02  # pauses longer than this share of the recorded time are drawn this long


class Band(NamedTuple):
    """A stage's window on the axis, in seconds from its left end."""

    name: str
    begin_s: float
    end_s: float


class Stretch(NamedTuple):
    """Power of one window on the axis: seconds from its left end, and lowest, mean and highest watts of each bucket."""

    t_s: np.ndarray
    low_w: np.ndarray
    mean_w: np.ndarray
    high_w: np.ndarray


class Timeline(NamedTuple):
    """Stretches of power and bands of stages in the order of the clock, marks (seconds, word), cuts and the length in seconds."""

    stretches: list[Stretch]
    bands: list[Band]
    marks: list[tuple[float, str]]
    cuts: list[float]
    length_s: float


def timeline(stages: Iterable[Stage], buckets: int = 2000, rail: str | None = None) -> Timeline:
    """The recorded windows of some stages, by wall-clock time; raises HarnessError when nothing was recorded."""
    windows = sorted(
        (
            (wall_time(stage.trace, a.useful), i, stage, a.useful)
            for i, stage in enumerate(stages)
            if stage.measured
            for a in stage.attempts
            if a.useful
        ),
        key=lambda entry: entry[:2],
    )
    if not windows:
        raise HarnessError(
            "no power was recorded in these runs",
            "run them with a power source; `joulebird sources` lists what is here",
        )
    total = sum(window.end_s - window.begin_s for *_, window in windows)
    pause = max(PAUSE_SHARE * total, 1e-3)
    line = Timeline([], [], [], [], 0.0)
    at_s, before = 0.0, None
    for wall_s, _, stage, window in windows:
        gap = 0.0 if before is None else max(wall_s - before, 0.0)
        if gap > pause:
            line.cuts.append(at_s + pause / 2)
        at_s += min(gap, pause)
        length = window.end_s - window.begin_s
        line.bands.append(Band(stage.record.name, at_s, at_s + length))
        share = max(int(buckets * length / max(total, 1e-9)), 20)
        line.stretches.extend(_stretches(stage, window, at_s, share, rail))
        line.marks.extend(
            (at_s + e["t_s"] - window.begin_s, e["event"])
            for e in stage.events
            if e["event"] in ("throttle", "mode_change")
            and window.begin_s <= e["t_s"] <= window.end_s
        )
        at_s, before = at_s + length, wall_s + length
    return line._replace(length_s=at_s)


def wall_time(trace: PowerTrace, window: Window) -> float:
    """Seconds since 1970 at which a window began, by the clock anchor of its boot's first segment."""
    for clock in trace.clocks:
        if window.boot_id in (None, clock.get("boot_id")) and "wall_s" in clock:
            return clock["wall_s"] + window.begin_s - clock.get("monotonic_s", 0.0)
    return window.begin_s


def _stretches(
    stage: Stage, window: Window, at_s: float, buckets: int, rail: str | None
) -> list[Stretch]:
    """Envelopes of the window, cut where nothing was read for longer than the allowed gap."""
    whole = stage.trace
    trace = whole.between(window.begin_s, window.end_s, window.boot_id)
    found = []
    for envelope in trace.envelope(buckets, rail) if trace.samples else []:
        t_s = at_s + envelope.t_s + envelope.bucket_s / 2 - window.begin_s
        read = np.flatnonzero(np.isfinite(envelope.mean_w))
        for part in np.split(
            read,
            np.flatnonzero(np.diff(t_s[read]) > max(whole.allowed_gap_s, 1.5 * envelope.bucket_s))
            + 1,
        ):
            found.append(
                Stretch(
                    t_s[part], envelope.min_w[part], envelope.mean_w[part], envelope.max_w[part]
                )
            )
    return found
