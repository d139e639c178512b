"""Read the rows of a foreign table: by a map of the user's, as a known tool's, or by evidence."""

from dataclasses import replace
from typing import Any

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import Head
from joulebird.reports.logs.blocks import InMemory
from joulebird.reports.logs.importers.cells import MAX_S, MAX_W, refuse_beyond
from joulebird.reports.logs.importers.infer import SAME, ambiguous, divides, infer, refuse_groups
from joulebird.reports.logs.importers.origins import known
from joulebird.reports.logs.importers.reading import RULES, Reading, Rows, parse_map
from joulebird.reports.logs.importers.sheet import Sheet, no_sample
from joulebird.reports.logs.importers.streams import (
    Stream,
    rail_values,
    stream,
    stretches,
    times_of,
    together,
)
from joulebird.reports.logs.pieces import in_range

NW_PER_W = 1_000_000_000
_SHORTEST_S = 2e-6
_SHOWN = 5  # lines that are named
_MOST_REPEATED = 20  # of these rows, one may repeat a time


def read_table(
    sheet: Sheet, mapping: str | None, step_s: float | None, reading: Reading | None = None
) -> tuple[InMemory, Reading]:
    """Return the rows of a sheet, in nanowatts, and the reading that made them.

    Raises HarnessError for a sheet that cannot be read in one way, absent columns, and times and
    powers beyond the limits of a log.
    """
    if mapping is not None:
        reading = parse_map(sheet, mapping)
    elif reading is None:
        sheet, reading = known(sheet, step_s) or (sheet, infer(sheet))
    reading = replace(reading, step_s=step_s or reading.step_s)
    seconds, zone = _seconds(sheet, reading)
    dated = np.isfinite(seconds)
    lost = sorted([*sheet.lost, *(sheet.lines[i] for i in np.flatnonzero(~dated))])
    rows, seconds = [sheet.rows[i] for i in np.flatnonzero(dated)], seconds[dated]
    if not rows:
        raise no_sample(sheet.path, lost)
    lines = np.array(sheet.lines, dtype=np.int64)[dated]
    sheet = sheet._replace(rows=rows, lines=lines.tolist())
    refuse_beyond(sheet.path, sheet.lines, seconds, MAX_S, "s")
    streams = _streams(sheet, reading, seconds)
    repeated, back = _order(sheet, reading, streams)
    for one in streams if mapping is None and reading.step_s is None else ():
        refuse_groups(sheet, reading, one.times_s)
    counts = Rows(len(rows) - repeated, len(lost), repeated, back, tuple(lost[:_SHOWN]))
    used = {i for c in (reading.time, *reading.columns) if c for i in c.indices} | {*reading.by}
    free = (i for i in range(sheet.width) if i not in used)
    marks = ((sheet.name(i), stretches(sheet, i, seconds)) for i in free)
    labels = {name: found for name, found in marks if found}
    reading = replace(reading, zone=zone or reading.zone, rows=counts, stretches=labels)
    return _segment(sheet, reading, streams, lost, seconds), reading


def _seconds(sheet: Sheet, reading: Reading) -> tuple[np.ndarray, str]:
    """Return the time of each row and its zone; from the given interval where one is given."""
    if reading.time is None and reading.step_s is None:
        raise HarnessError(
            f"{sheet.path}: the rows of this log ({reading.origin}) have no times",
            "state the interval at which it was recorded: --interval 1s; or map a time (t=COL)",
        )
    times = times_of(sheet, reading.time) if reading.time else None
    if reading.step_s is None and times is not None:
        return times.seconds, times.zone
    labels = [" ".join(row[i] for i in reading.by) for row in sheet.rows]
    counts: dict[str, int] = {}
    places = np.searchsorted(sorted([*sheet.lost, *sheet.lines]), sheet.lines)
    if len(set(labels)) > 1:
        for i, label in enumerate(labels):
            places[i] = counts[label] = counts.get(label, -1) + 1
    seconds = places * float(reading.step_s or 1.0)
    if times is not None and np.isfinite(times.seconds).any() and len(seconds):
        span = float(np.nanmax(times.seconds) - np.nanmin(times.seconds))
        if abs(span - float(seconds[-1])) > 1.5 + SAME * span:
            fitting = float(reading.step_s or 1.0) * span / max(float(seconds[-1]), 1e-9)
            raise HarnessError(
                f"{sheet.path}: --interval {reading.step_s:g}s makes {seconds[-1]:.6g} s, but its "
                f"times span {span:.6g} s",
                f"give the interval at which it was recorded: about {fitting:.4g}s",
            )
        seconds = seconds + float(np.nanmin(times.seconds))
    return seconds, times.zone if times else "counted rows"


def _streams(sheet: Sheet, reading: Reading, seconds: np.ndarray) -> list[Stream]:
    """Return a stream for each rail, or for each rail of each device."""
    lines = np.array(sheet.lines, dtype=np.int64)
    groups = {"": np.arange(len(sheet.rows))}
    if reading.by:
        labels = np.array([" ".join(row[i] for i in reading.by).strip() for row in sheet.rows])
        groups = {str(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    found = []
    for rail in reading.rails:
        values = rail_values(sheet, rail)
        key = rail.columns[0].key if len(rail.columns) == 1 else "w"
        limit = MAX_W if key == "w" else MAX_W * MAX_S
        shown = np.where(np.isnan(values), 0.0, values)
        refuse_beyond(sheet.path, sheet.lines, shown, limit, "W" if key == "w" else "J")
        for label, at in groups.items():
            name = label if label and len(reading.rails) == 1 else f"{label} {rail.name}".strip()
            own = stream(name, seconds[at], values[at], lines[at], key, reading.rule)
            if dict(reading.facts).get("from_zero") and len(at) and own.times_s[0] > 0:
                own = own._replace(
                    times_s=np.append(0.0, own.times_s),
                    watts=np.append(own.watts[:1], own.watts),
                    read=np.append(True, own.read),
                    lines=np.append(own.lines[:1], own.lines),
                )
                first = float(values[at][0]) / own.times_s[1]
                own.watts[:2] = first if np.isfinite(first) else own.watts[1]
            refuse_beyond(sheet.path, own.lines.tolist(), own.watts, MAX_W, "W")
            found.append(own)
    return found


def _order(sheet: Sheet, reading: Reading, streams: list[Stream]) -> tuple[int, int]:
    """Return how many rows repeat a time, and how many are out of order.

    Raises HarnessError where too many rows repeat a time: the times are too coarse, or several
    devices are mixed.
    """
    streams = streams[: len(streams) // len(reading.rails)]
    steps = [np.diff(np.rint(one.times_s * 1e6)) for one in streams]
    repeated = sum(int((step == 0).sum()) for step in steps)
    rows = sum(len(one.times_s) for one in streams)
    if repeated * _MOST_REPEATED > rows:
        seconds = streams[0].times_s
        maps = [
            f"{reading.as_map()},by={sheet.name(i)}"
            for i in range(sheet.width)
            if not reading.by and divides(sheet, i, seconds)
        ]
        problem = f"{repeated} of {rows} rows repeat a time"
        if maps:
            raise ambiguous(sheet, problem + ": several devices?", maps)
        raise HarnessError(
            f"{sheet.path}: {problem}: its times are coarser than its rows",
            "state the interval between its rows: --interval 100ms, or by=COL of --map",
        )
    return repeated, sum(int((step < 0).sum()) for step in steps)


def _segment(
    sheet: Sheet, reading: Reading, streams: list[Stream], lost: list[int], seconds: np.ndarray
) -> InMemory:
    """Return the one segment of a log; its boot is unknown."""
    rule = "mean" if reading.rule == "hold" else reading.rule
    times_s, watts, read = together(streams, rule)
    names = [one.name for one in streams]
    steps = np.abs(np.diff(times_s))
    if (steps > 0).sum() > 1 and float(np.median(steps[steps > 0])) < _SHORTEST_S:
        raise HarnessError(
            f"{sheet.path}: its rows would be less than {_SHORTEST_S:g} s apart",
            f"state the unit of its times: --map '{reading.as_map()}'",
        )
    t_us = np.rint(times_s * 1e6).astype(np.int64)
    power = np.rint(np.where(read, watts, 0.0) * NW_PER_W).astype(np.int64)
    wild = max(one.wild for one in streams)
    failures = {"unread": int((~read).any(axis=1).sum()) - wild, "100 times the usual": wild}
    total = names if reading.total == ("*",) else [n for n in reading.total if n in names]
    facts: dict[str, Any] = {
        "name": reading.origin,
        "sampling": RULES[reading.rule],
        "scope": "unknown",
        **{key: value for key, value in reading.facts if key != "from_zero"},
        "words": _words(sheet, reading),
        "total": total,
        "rails": names,
        "real": True,
    }
    if reading.rule == "hold" and len(times_s) > 1:
        facts["recorder"] = {"mean_period_s": float(np.max(np.diff(times_s)))}
    places = np.clip(np.searchsorted(sheet.lines, lost), 0, len(sheet.lines) - 1)
    stamps = max(
        _missing(np.unique(t_us)), np.rint(seconds[places] * 1e6).astype(np.int64), key=len
    )
    stamps = np.sort(np.append(stamps, t_us[~read.any(axis=1)]))
    stored = InMemory(
        Head(facts, {"boot_id": ""}, tuple(names)), t_us, power, read, in_range(NW_PER_W)
    )
    stored.failures.update({status: count for status, count in failures.items() if count > 0})
    stored.damaged, stored.lines = len(lost), tuple(lost[:_SHOWN])
    stored.torn = {0: stamps.tolist()} if len(t_us) else {}
    return stored


def _missing(t_us: np.ndarray) -> np.ndarray:
    """Return a time for each row that a regular log left out."""
    steps = np.diff(t_us)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0 or float(np.mean(np.abs(steps - usual) < usual / 5)) < 0.8:
        return t_us[:0]
    counts = np.maximum(np.rint(steps / usual).astype(np.int64) - 1, 0)
    return np.repeat(t_us[:-1] + 1, np.minimum(counts, len(t_us)))


def _words(sheet: Sheet, reading: Reading) -> list[str]:
    """Return the words of the origin, and those in the column `words` of an exported log."""
    columns = [i for i in range(sheet.width) if sheet.name(i) == "words"]
    cells = sorted({row[i] for i in columns for row in sheet.rows})
    return [*dict(reading.facts).get("words", ()), *filter(None, " + ".join(cells).split(" + "))]
