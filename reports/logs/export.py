"""Export a trace: as a power log of format 1, or as columns with a row for each reading."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import GAP_PERIODS, LEAST_GAP_S
from joulebird.harness.core.powerlog import OK, format_header, format_row
from joulebird.reports.columns import Block
from joulebird.reports.logs.rows import Stretch, has_clock, stretches
from joulebird.reports.logs.trace import PowerTrace

MOST_ROUNDED = 1e-3  # of the largest energy, that rounding to milliwatts may change
BLOCK_ROWS = 65536
DAMAGED = b"damaged line\n"  # without a row's width: readers count and skip it


def write_log(trace: PowerTrace, path: str, words: Iterable[str] = ()) -> list[str]:
    """Write a trace as format 1, read it again, and return how rounding changed its energies.

    Source, words, clocks, starts, failed reads and damaged lines stay; powers are rounded to
    milliwatts, the unit of the format. Raises HarnessError where that changes an energy by more
    than 0.1 % of the largest one.
    """
    with open(path, "wb") as file:
        for part in stretches(trace):
            if part.start or not file.tell():
                file.write(format_header(_source(trace, part, words), _clock(trace, part)))
            file.writelines(_lines(trace, part))
    return _compared(trace, PowerTrace.load(path))


def _source(trace: PowerTrace, part: Stretch, words: Iterable[str]) -> dict[str, Any]:
    """Return the source of a segment: the trace's, with its words and how a foreign log was read.

    It states the mean period from which the segment's longest bridged gap follows.
    """
    gap_s = part.gap_us / 1e6
    recorder = {**(trace.source.get("recorder") or {})}
    stated_s = recorder.pop("mean_period_s", None)
    if part.gap_us:
        short_s = min(stated_s or gap_s, LEAST_GAP_S / GAP_PERIODS)
        recorder["mean_period_s"] = gap_s / GAP_PERIODS if gap_s > LEAST_GAP_S else short_s
    reading = trace.reading
    read_as = {"map": reading.as_map(), "zone": reading.zone} if reading else {}
    return {
        **trace.source,
        "rails": list(trace.rails),
        "total": list(trace.total),
        "words": list(dict.fromkeys((*trace.words, *words))),
        "exported": {**(trace.source.get("exported") or {}), **read_as},
        "recorder": recorder,
    }


def _clock(trace: PowerTrace, part: Stretch) -> dict[str, Any]:
    """Return the clock line that a segment began under; a log without one counts from 0."""
    known = [clock for clock in trace.clocks if str(clock.get("boot_id") or "") == part.boot_id]
    begin_s = part.t_us[0] / 1e6
    before = [clock for clock in known if clock.get("monotonic_s", 0.0) <= begin_s]
    zero = {"monotonic_s": 0.0, "wall_s": 0.0, "boot_id": part.boot_id}
    return {**zero, **(before[-1] if before else known[0] if known else {})}


def _lines(trace: PowerTrace, part: Stretch) -> Iterator[bytes]:
    """Yield the rows of a segment, with a damaged line in the place of each."""
    failed = next(iter(trace.failures)) if len(trace.failures) == 1 else "FAILED"
    middles = (part.t_us[1:] + part.t_us[:-1]) // 2
    places = np.searchsorted(
        middles, part.torn_us
    ).tolist()  # readers take the time of the next row
    rails, unit = trace.rails, trace.per_watt
    for begin in range(0, len(part.t_us), BLOCK_ROWS):
        rows = [column[begin : begin + BLOCK_ROWS].tolist() for column in part[1:4]]
        for at, (t_us, powers, read) in enumerate(zip(*rows, strict=True), begin):
            while places and places[0] <= at:
                del places[0]
                yield DAMAGED
            readings = zip(rails, powers, read, strict=True)
            watts = {rail: power / unit for rail, power, good in readings if good}
            yield format_row(t_us / 1e6, watts, rails, OK if all(read) else failed)
    yield from [DAMAGED] * len(places)


def _compared(trace: PowerTrace, again: PowerTrace) -> list[str]:
    """Return a line for each rail whose energy the rounding to milliwatts changed."""
    pairs = [(rail, trace.energy(rail=rail), again.energy(rail=rail)) for rail in trace.rails]
    most = max(abs(float(old.measured_j)) for _, old, _ in pairs)
    notes = []
    for rail, old, new in pairs:
        change = abs(float(new.measured_j - old.measured_j))
        text = f"{rail}: {float(new.measured_j):.9g} J for {float(old.measured_j):.9g} J"
        if change > MOST_ROUNDED * most or old.void != new.void:
            raise HarnessError(
                f"{trace.name}: milliwatts, the unit of a power.csv, are too coarse for it: {text}",
                "export it as columns: --form csv, or parquet",
            )
        notes += [f"rounded to milliwatts: {text}"] * bool(change)
    return notes


def columns(trace: PowerTrace, words: Iterable[str] = ()) -> Iterator[Block]:
    """Yield the rows of a trace in blocks: times in seconds, watts by rail, status and words.

    `wall_s` counts from 1970. Unread powers are None; a damaged line is a row with its neighbour's
    time.
    """
    named = " + ".join(dict.fromkeys((*trace.words, *words)))
    for part in stretches(trace):
        places = np.searchsorted(part.t_us, part.torn_us)
        t_us = np.insert(part.t_us, places, part.torn_us)
        torn = np.insert(np.zeros(len(part.t_us), bool), places, True)
        read = np.insert(part.read, places, False, axis=0)
        watts = np.insert(part.power, places, 0, axis=0) / trace.per_watt
        status = np.where(torn, "damaged", np.where(read.all(axis=1), OK, "failed"))
        clock = _clock(trace, part)
        offset_s = clock["wall_s"] - clock["monotonic_s"] if has_clock(trace) else None
        for begin in range(0, len(t_us), BLOCK_ROWS):
            rows = slice(begin, begin + BLOCK_ROWS)
            t_s = (t_us[rows] / 1e6).tolist()
            yield {
                "t_s": t_s,
                "wall_s": [None if offset_s is None else round(t + offset_s, 6) for t in t_s],
                "boot_id": [part.boot_id] * len(t_s),
                **{
                    f"{rail}_w": [w if good else None for w, good in zip(*both, strict=True)]
                    for rail, *both in zip(trace.rails, watts[rows].T, read[rows].T, strict=True)
                },
                "status": status[rows].tolist(),
                "words": [named] * len(t_s),
            }
