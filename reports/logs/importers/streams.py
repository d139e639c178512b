"""Turn the columns of a sheet into seconds and watts, one stream a rail, and lay them together."""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import GAP_PERIODS, LEAST_GAP_S
from joulebird.reports.logs.importers import cells
from joulebird.reports.logs.importers.reading import REMEDY, Column, Rail, Stretch
from joulebird.reports.logs.importers.sheet import Sheet, is_number

_SENTINELS = (65535, 65534, 32767, 32768, 2147483647, 4294967295)
_FAILED = (-1, -99, -999, -9999, -32768)
_GLITCH_W, _GLITCH_TIMES = 2000.0, 100.0
_MOST_STRETCHES = 1000


class Times(NamedTuple):
    """Seconds of each row (NaN: none), the zone or unit in words, and whether they are stamps."""

    seconds: np.ndarray
    zone: str
    numeric: bool


class Stream(NamedTuple):
    """One rail: its name, times in seconds, watts, which were read, and the line of each row.

    `wild` readings count as failed: they are 100 times the usual power, and above 2 kW.
    """

    name: str
    times_s: np.ndarray
    watts: np.ndarray
    read: np.ndarray
    lines: np.ndarray
    wild: int = 0


def marks_of(sheet: Sheet, indices: Sequence[int]) -> str:
    """Return the decimal marks of some columns; raises HarnessError where they are ambiguous."""
    own = [text for index in indices for text in sheet.column(index)]
    found = [text for text in own if "," in text]
    grouped = [] if found else cells.grouped(own)
    numeric: list[int] = []
    if own and (found or grouped):  # else each column would look at all others
        numeric = [i for i in range(sheet.width) if is_number(sheet.rows[0][i])]
    if found:
        marks = _marks(sheet, indices) or _marks(sheet, numeric)
    else:
        others = [i for i in numeric if i not in indices]
        commas = [i for i in others if any("," in row[i] for row in sheet.rows)]
        found = grouped if commas else []
        marks = _marks(sheet, commas) if found else "."
        marks = "" if len(marks) > 1 else marks
    if not marks:
        raise HarnessError(
            f"{sheet.path}: the mark in {found[0]!r} may divide decimals or thousands",
            "write the numbers with a point for the decimals, and without any other mark",
        )
    return marks


def _marks(sheet: Sheet, indices: Iterable[int]) -> str:
    every = (text.strip() for index in indices for text in sheet.column(index))
    digits = (re.match(r"[-+]?[\d.,' \u00a0]*\d(?![\d:/-])", text) for text in every)
    texts = [re.sub("[' \u00a0]", "", match.group()) for match in digits if match]
    return cells.decimal_marks(texts)


def times_of(sheet: Sheet, column: Column) -> Times:
    """Return the times of a column; raises HarnessError for dates that are ambiguous."""
    texts = sheet.column(column.indices[0])
    if len(column.indices) == 1:
        values, own = cells.numbers(texts, "t", marks_of(sheet, column.indices))
        if np.isfinite(values).sum() * 2 >= max(len(values), 1):
            factor = column.factor if column.unit else _epoch_factor(values)
            since = np.nanmedian(values) * factor > 1e8
            zone = "UTC since 1970" if since else column.unit or "s"
            return Times(values * np.where(np.isnan(own), factor, own), zone, True)
    for index in column.indices[1:]:
        milli = "milli" in sheet.name(index).lower()
        texts = [
            f"{text}.{more.zfill(3)}" if milli else f"{text} {more}"
            for text, more in zip(texts, sheet.column(index), strict=True)
        ]
    try:
        return Times(*cells.instants(texts), False)
    except ValueError as error:
        raise HarnessError(f"{sheet.path}: the times of {column.name!r}: {error}", REMEDY) from None


def _epoch_factor(values: np.ndarray) -> float:
    """Return seconds per unit of numbers that can only count since 1970; else 1."""
    size = float(np.nanmedian(np.abs(values)))
    return 1e-9 if size > 1e17 else 1e-6 if size > 1e14 else 1e-3 if size > 1e11 else 1.0


def quantity(sheet: Sheet, column: Column) -> np.ndarray:
    """Return a column in watts, joules, volts or amperes; NaN where it holds no number."""
    if column.fixed is not None:
        return np.full(len(sheet.rows), column.fixed)
    kind = "j" if column.key == "dj" else column.key
    texts = sheet.column(column.indices[0])
    values, own = cells.numbers(texts, kind, marks_of(sheet, column.indices))
    whole = values[np.isfinite(values)]
    if len(whole) > 2:
        usual = 5 * float(np.median(np.abs(whole)))
        values[np.isin(values, _SENTINELS) & (np.abs(values) > usual)] = np.nan
        below = np.unique(values[values < 0])
        if len(below) == 1 and below[0] in _FAILED:  # no other is below zero
            values[values < 0] = np.nan
    with np.errstate(over="ignore"):
        return values * np.where(np.isnan(own), column.factor, own)


def rail_values(sheet: Sheet, rail: Rail) -> np.ndarray:
    """Return a rail in watts, or in joules for a column of energy."""
    product = np.ones(len(sheet.rows))
    with np.errstate(over="ignore", invalid="ignore"):
        for column in rail.columns:
            product = product * quantity(sheet, column)
    return product


def stream(
    name: str, times_s: np.ndarray, values: np.ndarray, lines: np.ndarray, key: str, rule: str
) -> Stream:
    """Return the stream of a rail whose values are watts, or joules (keys j and dj)."""
    read, wild = np.isfinite(values), np.zeros(len(values), bool)
    watts = np.where(read, values, 0.0)
    if key in ("j", "dj") and len(times_s):
        watts, read = (_counted if key == "j" else _divided)(times_s, watts, read, lines)
    elif key == "w" and read.sum() > 2:
        usual = float(np.median(np.abs(watts[read])))
        limit = max(_GLITCH_W, _GLITCH_TIMES * usual)
        wild = read & (np.abs(watts) > limit) & (np.abs(watts) <= cells.MAX_W)
        wild &= wild.sum() * 20 <= len(wild) + 19
        read = read & ~wild
    if rule == "hold" and len(watts):
        watts, read = np.append(watts[:1], watts[:-1]), np.append(read[:1], read[:-1])
    return Stream(name, times_s, watts, read, lines, int(wild.sum()))


def _counted(
    times_s: np.ndarray, joules: np.ndarray, read: np.ndarray, _: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a counter's mean watts since its last reading; one that went back is failed."""
    watts, read = np.zeros(len(joules)), read.copy()
    known = np.flatnonzero(read)
    before, own, after = joules[known][:-2], joules[known][1:-1], joules[known][2:]
    torn = ((own < before) | (own > after)) & (after >= before)
    read[known[1:-1][torn]] = False
    known = np.flatnonzero(read)
    step, spent = np.diff(joules[known]), np.diff(np.rint(times_s[known] * 1e6)) / 1e6
    good = (step >= 0) & (spent > 0)
    watts[known[1:]] = np.divide(step, spent, out=np.zeros_like(step), where=good)
    read[known[1:]] = good
    return watts, read


def _divided(
    times_s: np.ndarray, joules: np.ndarray, read: np.ndarray, lines: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean watts of joules since the row before; unread where a row was lost."""
    spent = np.diff(times_s, prepend=times_s[0])
    watts = np.divide(joules, spent, out=np.zeros_like(joules), where=spent > 0)
    watts[:1] = watts[1:2].sum()
    if len(spent) < 2:
        return watts, read
    usual = float(np.quantile(spent[1:], 0.1))
    times = spent[1:] / usual if usual > 0 else spent[1:]
    regular = bool(np.mean(np.abs(times - np.rint(times)) < 0.1) > 0.9)
    gone = np.diff(lines, prepend=lines[0] - 1) > 1
    lost = (spent > 1.5 * usual) & (gone | regular)
    return watts, read & ~lost


def together(streams: Sequence[Stream], rule: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return common times, (n, rails) watts, and which were read.

    Streams of other times are carried to all times of the common span (of the whole, if a stream
    lacks more than 1 % of it) by the rule; the integral of each stays as it is.
    """
    first = streams[0]
    if all(np.array_equal(one.times_s, first.times_s) for one in streams):
        watts = np.stack([one.watts for one in streams], axis=1)
        return first.times_s, watts, np.stack([one.read for one in streams], axis=1)
    for one in streams:
        if (np.diff(one.times_s) < 0).any():
            line = int(one.lines[int(np.argmax(np.diff(one.times_s) < 0)) + 1])
            raise HarnessError(
                f"line {line}: the times of {one.name} go back",
                "sort the rows by time and leave doubled ones out",
            )
    begin = max(float(one.times_s[0]) for one in streams)
    end = min(float(one.times_s[-1]) for one in streams)
    every = np.unique(np.concatenate([one.times_s for one in streams]))
    if end - begin < 0.99 * (every[-1] - every[0]):  # one ended early: its hole is to be seen
        begin, end = float(every[0]), float(every[-1])
    every = every[(every >= begin) & (every <= end)]
    pairs = [_carried(one, every, rule) for one in streams]
    watts, read = (np.stack(table, axis=1) for table in zip(*pairs, strict=True))
    return every, watts, read


def _carried(one: Stream, times_s: np.ndarray, rule: str) -> tuple[np.ndarray, np.ndarray]:
    own, watts = one.times_s[one.read], one.watts[one.read]
    if len(own) < 2:
        return np.zeros(len(times_s)), np.zeros(len(times_s), bool)
    after = np.clip(np.searchsorted(own, times_s, "left"), 0, len(own) - 1)
    before = np.clip(np.searchsorted(own, times_s, "right") - 1, 0, len(own) - 1)
    allowed = max(GAP_PERIODS * float(np.median(np.diff(own))), LEAST_GAP_S)
    near = (own[after] - own[before] <= allowed) | (rule == "counter")
    values = np.interp(times_s, own, watts) if rule == "line" else watts[after]
    return values, near & (times_s >= own[0]) & (times_s <= own[-1])


def stretches(sheet: Sheet, index: int, times_s: np.ndarray) -> tuple[Stretch, ...]:
    """Return the stretches of one label in a column; () for one that seldom keeps its value."""
    labels = sheet.column(index)
    firsts = [0, *(row for row in range(1, len(labels)) if labels[row] != labels[row - 1])]
    if len(firsts) > min(_MOST_STRETCHES, len(labels) / 2):
        return ()
    edges = [*times_s[firsts].tolist(), float(times_s[-1])]
    pairs = zip(firsts, itertools.pairwise(edges), strict=True)
    return tuple(Stretch(labels[first], begin, end) for first, (begin, end) in pairs)


def joules_of(times_s: np.ndarray, watts: np.ndarray, rule: str = "line") -> float:
    """Return a quick integral of the rows with both numbers, for comparing readings."""
    good = np.isfinite(times_s) & np.isfinite(watts)
    spent, power = np.diff(times_s[good]), watts[good]
    level = (power[1:] + power[:-1]) / 2 if rule == "line" else power[:-1]
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(np.sum(level * spent))
    return total if math.isfinite(total) else 0.0
