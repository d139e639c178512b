"""Windows of a log by its own evidence: marks in a column, a found load, events of a wall clock."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Attempt
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.importers.reading import Reading
from joulebird.reports.logs.parts import Given
from joulebird.reports.logs.trace import PowerTrace

_BUCKETS = 20_000
_LEAST = 3  # buckets of idle on either side, and of load
_SHORT = 0.01  # of all buckets: a shorter stretch is no level of its own
_SPREAD, _BETWEEN, _UNLIKE = 1 / 3, 0.1, 0.2  # of the step; of the buckets; of the step
_CLEAR = "give the window: --from S --to S, --mark COLUMN=VALUE, or --events FILE"
# hours ahead of UTC that are in use
_ZONES = (*range(-12, 15), -9.5, -3.5, -2.5, 3.5, 4.5, 5.5, 5.75, 6.5, 8.75, 9.5, 10.5, 12.75)


class Found(NamedTuple):
    """The windows of a load and of the idle beside it, and the evidence in words."""

    load: list[Given]
    idle: list[Given]
    why: str


def marked(trace: PowerTrace, wanted: str) -> Found:
    """Return the windows of COLUMN=VALUE in a foreign log: each to the first row of another value.

    Raises HarnessError for an unknown column or value.
    """
    known = trace.reading.stretches if trace.reading else {}
    for name, stretches in known.items():
        if wanted.startswith(name + "="):
            value = wanted[len(name) + 1 :]
            found: list[Given] = [(s.begin_s, s.end_s, None) for s in stretches if s.label == value]
            if found:
                return Found(found, [], f"{wanted}, parts: {len(found)}")
            values = ", ".join(list(dict.fromkeys(s.label for s in stretches))[:8])
            raise HarnessError(
                f"{trace.name}: column {name!r} never holds {value!r}", f"it holds: {values}"
            )
    columns = ", ".join(map(repr, known)) or "none of its columns holds values that stay"
    raise HarnessError(f"{trace.name}: no marks by {wanted!r}", f"columns of marks: {columns}")


def find_load(trace: PowerTrace, rail: str | None = None) -> Found:
    """Return the one load between two stretches of idle, from the last idle row to the next one.

    Raises HarnessError for a log without two clear levels in the order idle, load, idle.
    """
    parts = trace.envelope(max(1, min(_BUCKETS, trace.samples)), rail)
    good = np.isfinite(parts[0].mean_w)
    t_s, watts = parts[0].t_s[good], parts[0].mean_w[good]
    if len(parts) > 1 or len(watts) < 3 * _LEAST:
        raise _unclear(trace, "it has too few rows, or times that go back")
    middle = _between_levels(watts)
    runs = _runs(watts > middle)
    if [high for high, _, _ in runs] != [False, True, False]:
        loads = [f"{t_s[a]:.6g} to {t_s[b - 1]:.6g} s" for high, a, b in runs if high]
        seen = f"{len(loads)} stretches above {middle:.3g} W ({', '.join(loads[:4])})"
        raise _unclear(trace, f"{seen}, not one between two of idle")
    before, load, after = (watts[a:b] for _, a, b in runs)
    low, high = float(np.mean(np.concatenate([before, after]))), float(np.mean(load))
    step = high - low
    spread = max(float(part.std()) for part in (before, load, after))
    share = float(np.mean((watts > low + step / 4) & (watts < high - step / 4)))
    unlike = abs(float(before.mean() - after.mean()))
    if spread > _SPREAD * step or share > _BETWEEN or unlike > _UNLIKE * step:
        raise _unclear(
            trace,
            f"{before.mean():.3g}, {high:.3g} and {after.mean():.3g} W scatter by {spread:.3g} W, "
            f"and {100 * share:.0f} % of the rows lie between them",
        )
    first = float(t_s[runs[0][2] - 1])
    last = min(float(t_s[runs[2][1]]) + parts[0].bucket_s, trace.span_s[1])
    why = (
        f"load found from {first:.6g} to {last:.6g} s: {high:.4g} W, idle {before.mean():.4g} W "
        f"before and {after.mean():.4g} W after, {100 * share:.1f} % of the rows between"
    )
    return Found([(first, last, None)], [(None, first, None), (last, None, None)], why)


def _unclear(trace: PowerTrace, seen: str) -> HarnessError:
    return HarnessError(f"{trace.name}: no load stands out: {seen}", _CLEAR)


def _between_levels(watts: np.ndarray) -> float:
    """Return the power halfway between the means of the rows below and above it."""
    middle = float(np.quantile(watts, 0.02) + np.quantile(watts, 0.98)) / 2
    for _ in range(50):
        above = watts > middle
        if above.any() and not above.all():
            middle = float(watts[above].mean() + watts[~above].mean()) / 2
    return middle


def _runs(high: np.ndarray) -> list[tuple[bool, int, int]]:
    """Return the runs (high, begin, end) of flags; short ones belong to the run before."""
    edges = [0, *(np.flatnonzero(np.diff(high)) + 1).tolist(), len(high)]
    least = max(_LEAST, math.ceil(_SHORT * len(high)))
    runs: list[tuple[bool, int, int]] = []
    for begin, end in itertools.pairwise(edges):
        flag = bool(high[begin])
        if runs and (end - begin < least or runs[-1][0] == flag):
            runs[-1] = (runs[-1][0], runs[-1][1], end)
        else:
            runs.append((flag, begin, end))
    return runs


def idle_of(trace: PowerTrace, windows: Sequence[Given], rail: str | None) -> tuple[float, float]:
    """Return the mean power of idle windows and its uncertainty (one half of 95 %), in watts.

    Raises HarnessError for an idle that was not recorded.
    """
    parts = [trace.energy(begin, end, rail, boot) for begin, end, boot in windows]
    whole = total_energy(parts)
    if whole.watts is None or whole.own_u_joules is None:
        raise HarnessError(
            f"{trace.name}: its idle has no power: {whole.void_reason}",
            "choose an idle that was recorded: --idle-mark COLUMN=VALUE",
        )
    apart = [abs(part.watts - whole.watts) for part in parts if part.watts is not None]
    return whole.watts, math.hypot(whole.own_u_joules / whole.seconds, max(apart))


def net(energy: Energy, idle: tuple[float, float]) -> Energy:
    """Return an energy less that of an idle power; the word "net" stays with it."""
    return energy.minus_idle(*idle).worded("net")


def on_wall_clock(
    trace: PowerTrace, reading: Reading, tries: Iterable[Attempt], zone_h: float | None
) -> Found:
    """Return the useful windows of a stage in the stamps of a foreign log.

    Stamps without a zone are local times: `zone_h` are the hours ahead of UTC, else the only zone
    in which the log holds all windows. Raises HarnessError where none or several do.
    """
    firsts = ((one.useful, one.first.get("wall_s", math.nan), one.first["t_s"]) for one in tries)
    shifts = ((useful, float(wall_s) - float(at_s)) for useful, wall_s, at_s in firsts)
    wall = [(one.begin_s + s, one.end_s + s) for one, s in shifts if one and math.isfinite(s)]
    known = not reading.zone.startswith("not stated")
    zones: Sequence[float] = [0.0] if known else _ZONES if zone_h is None else [zone_h]
    begin, end = trace.span_s
    fitting = [
        hours
        for hours in zones
        if all(begin <= a + 3600 * hours and b + 3600 * hours <= end for a, b in wall)
    ]
    if len(fitting) != 1 or not wall:
        lines = " or ".join(f"--zone {hours:+g}" for hours in fitting[:4])
        raise HarnessError(
            f"{trace.name}: the times of the events lie in it in {len(fitting)} time zones"
            if wall
            else f"{trace.name}: the events have no times of a wall clock",
            f"say in which one it was stamped, in hours ahead of UTC: {lines or '--zone 0'}",
        )
    shift_s = 3600 * fitting[0]
    stamps = "" if known else f" (its stamps read as UTC{fitting[0]:+g} h)"
    why = f"events by the wall clock{stamps}; how far its clock differs is not in the uncertainty"
    return Found([(a + shift_s, b + shift_s, None) for a, b in wall], [], why)
