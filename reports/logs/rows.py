"""The rows of a trace in bulk, for pictures and exports: all that looks into its pieces."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.integral import COUNTER, rule_of
from joulebird.reports.logs.importers.cells import UNITS
from joulebird.reports.logs.sampling import Flags, Integers
from joulebird.reports.logs.trace import PowerTrace


class Stretch(NamedTuple):
    """Consecutive rows of one recorder, in the order of one clock.

    Microseconds, (n, rails) powers in 1/`per_watt` W, which of them were read, the times beside
    damaged lines, and the longest time to integrate across that is stated (microseconds; 0: none).
    `start` is whether a recorder began here, `follows` whether times go on from the stretch before.
    """

    boot_id: str
    t_us: Integers
    power: Integers
    read: Flags
    torn_us: Integers
    gap_us: int
    start: bool
    follows: bool


def stretches(trace: PowerTrace) -> Iterator[Stretch]:
    """Yield the rows of a trace, boot after boot; each damaged line belongs to one stretch."""
    torn = {
        boot: np.minimum(np.sort(trace.torn.get(boot, [])), round(1e6 * span(trace, boot)[1]))
        for boot in trace.boots
    }
    for piece in trace.pieces:
        follows = False
        for rows in piece.parts():
            edges = [0, *(np.flatnonzero(rows.starts[1:]) + 1).tolist(), len(rows.t_us)]
            for begin, end in zip(edges, edges[1:], strict=False):
                t_us, waiting = rows.t_us[begin:end], torn[piece.boot_id]
                taken = int(np.searchsorted(waiting, t_us[-1], "right"))
                torn[piece.boot_id] = waiting[taken:]
                yield Stretch(
                    piece.boot_id,
                    t_us,
                    rows.power[begin:end],
                    rows.read[begin:end],
                    waiting[:taken].astype(np.int64),
                    int(rows.gap_us[begin]),
                    bool(rows.starts[begin]),
                    follows,
                )
                follows = True


def span(trace: PowerTrace, boot_id: str) -> tuple[float, float]:
    """Return the first and the last time of one boot, in seconds of its clock."""
    pieces = [piece for piece in trace.pieces if piece.boot_id == boot_id]
    first, last = min(piece.begin_us for piece in pieces), max(piece.end_us for piece in pieces)
    return first / 1e6, last / 1e6


def has_clock(trace: PowerTrace) -> bool:
    """Return whether the times of a log are, or can be moved to, those of a clock on the wall.

    An exported log states the zone by which its original was read.
    """
    exported = trace.source.get("exported") or {}
    zone = trace.reading.zone if trace.reading else exported.get("zone", "UTC")
    return zone not in ("", "counted rows", *UNITS["t"])


class Faults(NamedTuple):
    """Holes (begin, end), failed reads and damaged lines of a boot, in seconds of its clock."""

    holes: list[tuple[float, float]]
    failed: list[float]
    damaged: list[float]


def faults(trace: PowerTrace, boot_id: str, rail: str | None = None) -> Faults:
    """Return the intervals that are not integrated, and the times of failed reads and torn lines.

    `rail` None is the total. A counter bridges every interval but those between two starts.
    """
    columns = [trace.rails.index(name) for name in (trace.total if rail is None else (rail,))]
    counted = rule_of(trace.source.get("sampling", "")) == COUNTER
    found, last = Faults([], [], []), np.zeros(0, np.int64)
    for part in stretches(trace):
        if part.boot_id != boot_id:
            continue
        good = np.asarray(part.read[:, columns].all(axis=1))
        before = last if part.follows else last[:0]
        times = np.concatenate([before, part.t_us[good]])
        wide = np.diff(times) > (part.gap_us or round(1e6 * trace.allowed_gap_s))
        if counted:
            wide[:] = np.arange(len(wide)) < len(before)
        for at in np.flatnonzero(wide):
            found.holes.append((times[at] / 1e6, times[at + 1] / 1e6))
        found.failed.extend((part.t_us[~good] / 1e6).tolist())
        found.damaged.extend((part.torn_us / 1e6).tolist())
        last = times[-1:]
    return found
