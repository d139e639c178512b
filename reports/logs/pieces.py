"""The parts of a power log in memory: the facts its source states, and its samples by boot.

The segments of one boot share one clock and are sorted: a restarted recorder may repeat its last
reading. Where times go back within a segment, or the boot is unknown, the rows were moved, doubled
or stamped by a clock that was set back. Such pieces stay apart, and no energy crosses them.
"""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import COUNTER, rule_of
from joulebird.harness.core.powerlog import Head
from joulebird.harness.core.sensor import Accuracy as Accuracy
from joulebird.harness.core.sensor import accuracy as accuracy
from joulebird.harness.core.sensor import lowest_w
from joulebird.harness.core.sensor import words_of as words_of
from joulebird.reports.logs.blocks import Block, Inside, Samples, Sorted, Stored, together
from joulebird.reports.logs.integrate import HALO, Integral, Integrator, Tally
from joulebird.reports.logs.periods import Periods
from joulebird.reports.logs.sampling import Flags, Series


def sensor_of(source: dict[str, Any], rail: str) -> str:
    """Return a name for the sensor behind a rail: errors of equal names are shared."""
    keys = ("name", "sensor", "serial", "board", "path", "paths")
    return json.dumps([{key: source[key] for key in keys if key in source}, rail], sort_keys=True)


INA3221_FULL_SCALE_MV = 163.8  # across the shunt


def range_of(source: dict[str, Any], rail: str) -> float | None:
    """Return the largest power in watts that a reading of a rail can mean; None if unknown.

    An ina3221 of an older log states its shunt and supply: it reads up to 163.8 mV across a shunt
    (TI SBOS576, p. 3).

    >>> range_of({"range_w": {"VDD_IN": 90}}, "VDD_IN"), range_of({"range_w": 50}, "DC")
    (90.0, 50.0)
    >>> chip = {"channels": {"VDD_IN": {"shunt_mohm": 20, "volts": 19.12}}, "name": "ina3221"}
    >>> round(range_of(chip, "VDD_IN"), 1)
    156.6
    """
    stated = source.get("range_w")
    limit = stated.get(rail) if isinstance(stated, dict) else stated
    channel = (source.get("channels") or {}).get(rail) or {}
    volts, mohm = channel.get("volts"), channel.get("shunt_mohm")
    if limit is None and source.get("name") == "ina3221" and volts and mohm:
        limit = INA3221_FULL_SCALE_MV / mohm * volts
    return None if limit is None else float(limit)


def in_range(per_watt: int) -> Inside:
    """Return a test of readings: one beyond its sensor's range counts as failed.

    Powers are in 1/`per_watt` W.
    """

    def inside(head: Head, power: np.ndarray, read: Flags) -> Flags:
        for column, rail in enumerate(head.rails):
            high, of_rail = range_of(head.source, rail), power[:, column]
            if high is None:
                continue
            low = lowest_w(head.source, rail, high) * per_watt
            if of_rail.max(initial=0) > high * per_watt or of_rail.min(initial=0) < low:
                beyond = (of_rail > high * per_watt) | (of_rail < low)
                read = read & ~(beyond[:, None] & (np.arange(len(head.rails)) == column))
        return read

    return inside


class Known(NamedTuple):
    """The integral of a block of a piece, all bridged, and the last readings (`Integrator`)."""

    tally: Tally
    carry: Series


class Piece:
    """Samples in the order of one clock, in blocks that are read when they are needed."""

    def __init__(self, boot_id: str, stored: Stored, blocks: Sequence[Block]) -> None:
        self.boot_id = boot_id
        self.stored = stored
        self.blocks = blocks
        self.known: list[Known | None] = []  # of the total, block by block
        self._ends = [block.end_us for block in blocks]

    @property
    def begin_us(self) -> int:
        """Return the time of the first row, in microseconds."""
        return self.blocks[0].begin_us

    @property
    def end_us(self) -> int:
        """Return the time of the last row, in microseconds."""
        return self.blocks[-1].end_us

    @property
    def rows(self) -> int:
        """Return the number of rows, read or failed."""
        return sum(block.rows for block in self.blocks)

    def parts(self) -> Iterator[Samples]:
        """Read all samples, block by block."""
        return map(self.stored.read, self.blocks)

    def samples(self) -> Samples:
        """Read all samples at once: meant for a short piece."""
        return together(list(self.parts()))

    def between(self, begin_us: float, end_us: float) -> "Piece | None":
        """Return the samples between two times, both included; None without any."""
        trimmed, known = [], []
        for j in range(bisect_left(self._ends, begin_us), len(self.blocks)):
            block, whole = self.blocks[j], self.known[j] if self.known else None
            if block.begin_us > end_us:
                break
            if block.begin_us < begin_us or block.end_us > end_us:
                t_us, whole = self.stored.read(block).t_us, None
                first = int(np.searchsorted(t_us, begin_us, "left"))
                last = int(np.searchsorted(t_us, end_us, "right"))
                if first == last:
                    continue
                edges = int(t_us[first]), int(t_us[last - 1])
                block = Block(*block[:3], block.first + first, last - first, *edges)
            trimmed.append(block)
            known.append(whole)
        piece = Piece(self.boot_id, self.stored, trimmed)
        piece.known = known
        return piece if trimmed else None

    def last_before(self, limit_us: float) -> int:
        """Return the time of the last row before a time, in microseconds; 0 without one."""
        early = self.between(-math.inf, math.nextafter(limit_us, -math.inf))
        return early.end_us if early else 0

    def integral(
        self, columns: list[int], whole: Integrator, per_segment: bool, total: bool
    ) -> Integral:
        """Integrate the sum of some rails over the window of an integrator.

        `per_segment`: a segment's stated gap counts, if it has one. `total`: they are the log's
        total, of which blocks are `known`.
        """
        begin_us, end_us = whole.window
        first = self._before(columns, begin_us)
        for j in range(first, len(self.blocks)):
            block = self.blocks[j]
            gap_us = per_segment * self.stored.gap_us(block.segment)
            known = self._known(j, whole, gap_us) if total and j > first else None
            if known is not None:
                whole.skip(known.tally, known.carry._replace(gap_us=known.carry.gap_us + gap_us))
                continue
            series = self.stored.read(block).series(columns)
            if not per_segment:
                series = series._replace(gap_us=np.zeros_like(series.t_us))
            if j == first:
                read = np.flatnonzero(series.read & (series.t_us <= begin_us))
                series = series.cut(slice(read[-1] if len(read) else 0, None))
            read = np.flatnonzero(series.read & (series.t_us >= end_us))
            whole.add(series.cut(slice(read[0] + 1)) if len(read) else series)
            if len(read):
                break
        return whole.result()

    def _before(self, columns: list[int], begin_us: int) -> int:
        """Return the block with the last reading at or before a time, or the first block."""
        j = max(bisect_right([block.begin_us for block in self.blocks], begin_us) - 1, 0)
        while j:
            part = self.stored.read(self.blocks[j])
            if part.read[part.t_us <= begin_us][:, columns].all(axis=1).any():
                break
            j -= 1
        return j

    def _known(self, j: int, whole: Integrator, gap_us: int) -> Known | None:
        """Return the known integral of a block if it holds in a window that goes on behind it."""
        before, known = self.known[j - 1 : j + 1] or (None, None)
        if known is None or before is None or len(before.carry.t_us) < 2 * HALO:
            return None
        longest = max(known.tally.longest_us, int(np.diff(before.carry.t_us).max()))
        bridged = whole.rule == COUNTER or longest <= (gap_us or whole.allowed_us)
        first_us = max(whole.window[0], self.begin_us)
        inside = first_us <= int(before.carry.t_us[0]) and self._ends[j] < whole.window[1]
        return known if bridged and inside else None


class _Boot:
    """The order of the rows of one boot, while they are read.

    Where the times go back, a new piece begins.
    """

    def __init__(self, boot_id: str, stored: Stored) -> None:
        self.boot_id = boot_id
        self.stored = stored
        self.pieces: list[list[Block]] = []
        self.known: list[list[Known]] = []
        self.periods = Periods()
        self.duplicates = 0
        self.unsorted = False  # within a segment
        self._last_us: int | None = None
        self._segment = -1
        self._integrator = Integrator("")

    def add(self, block: Block, samples: Samples, total: Series, rule: str) -> None:
        """Add the next rows in the file, and the sum of the rails of the total."""
        t_us = samples.t_us
        first = int(t_us[0] == self._last_us)
        steps = np.diff(t_us)
        back = [first] * (self._last_us is not None and bool(t_us[0] < self._last_us))
        if back and self._segment == block.segment:
            self.unsorted = True
        self._segment = block.segment
        if len(steps) and steps.min() < 0:
            self.unsorted = True
            back += (np.flatnonzero(steps < 0) + 1).tolist()
        self.duplicates += block.rows - len(t_us) + first
        begins = sorted({first, *back})
        for begin, end in zip(begins, [*begins[1:], len(t_us)], strict=True):
            if begin == end:
                continue
            if begin in back or not self.pieces:
                self.pieces.append([])
                self.known.append([])
                self._integrator = Integrator(rule)
            elif self._last_us is not None:
                self.periods.add(t_us[begin : begin + 1] - self._last_us)
            self.periods.add(steps[begin : end - 1])
            edges = int(t_us[begin]), int(t_us[end - 1])
            self.pieces[-1].append(Block(*block[:3], begin, end - begin, *edges))
            tally = self._integrator.add(total.cut(slice(begin, end)))
            self.known[-1].append(Known(tally, self._integrator.carry))
            self._last_us = edges[1]

    def finish(self) -> list[Piece]:
        """Return the pieces. Segments of a known boot that overlap are put in order, in memory."""
        pieces = [Piece(self.boot_id, self.stored, blocks) for blocks in self.pieces]
        if len(pieces) == 1 or not self.boot_id or self.unsorted:
            for piece, known in zip(pieces, self.known, strict=True):
                piece.known = [*known]
            return pieces
        whole = together([part for piece in pieces for part in piece.parts()])
        whole = whole.cut(np.argsort(whole.t_us, kind="stable"))
        new = np.diff(whole.t_us, prepend=whole.t_us[0] - 1) != 0
        again = _Boot(self.boot_id, Sorted(whole.cut(new)))
        for block, samples in again.stored.blocks():
            again.add(block, samples, samples.series([0]), "")
        self.duplicates += int((~new).sum())
        self.periods, self.pieces = again.periods, again.pieces
        return [Piece(self.boot_id, again.stored, again.pieces[0])]


def assemble(name: str, stored: Stored) -> dict[str, Any]:
    """Read a log once: the fields of a trace that come from its file alone.

    Raises HarnessError for no row or mixed sources.
    """
    boots: dict[str, _Boot] = {}
    filled: dict[int, Head] = {}
    for block, samples in stored.blocks():
        head = stored.heads[block.segment]
        filled[block.segment] = head
        boot_id = str(head.clock.get("boot_id", ""))
        boot = boots.setdefault(boot_id, _Boot(boot_id, stored))
        boot.add(block, samples, _of_total(head, samples), rule_of(head.source.get("sampling", "")))
    if not filled:
        damaged = stored.damaged
        first = f": line {', '.join(map(str, stored.lines))}" if stored.lines else ""
        raise HarnessError(
            f"{name}: the log holds no sample"
            + (f" ({damaged} damaged lines{first})" * bool(damaged)),
            "record again; `joulebird sources` lists the sources of this machine",
        )
    heads = list(filled.values())
    _require_one_source(name, heads)
    stored.rails = tuple(dict.fromkeys(rail for head in heads for rail in head.rails))
    pieces = [boot.finish() for boot in boots.values()]
    torn: dict[str, list[int]] = {boot_id: [] for boot_id in boots}
    for number, head in filled.items():
        torn[str(head.clock.get("boot_id", ""))] += stored.torn.get(number, [])
    return {
        "source": _source(heads),
        "rails": stored.rails,
        "pieces": tuple(piece for of_boot in pieces for piece in of_boot),
        "periods": sum((boot.periods for boot in boots.values()), Periods()),
        "damaged": stored.damaged,
        "lines": stored.lines,
        "torn": {boot_id: np.array(times, np.int64) for boot_id, times in torn.items()},
        "duplicates": sum(boot.duplicates for boot in boots.values()),
        "steps_back": sum(len(of_boot) - 1 for of_boot in pieces),
        "failures": dict(stored.failures),
        "clocks": tuple(head.clock for head in heads),
    }


def _of_total(head: Head, samples: Samples) -> Series:
    """Return the total of some samples of a segment; unread where it has not all of its rails."""
    named = head.source.get("total") or (head.rails if len(head.rails) == 1 else ())
    total = samples.series([head.rails.index(rail) for rail in named if rail in head.rails])
    whole = set(named) <= set(head.rails)
    return total if whole else total._replace(read=np.zeros(len(total.read), bool))


def _require_one_source(name: str, segments: list[Head]) -> None:
    for key in ("name", "sensor", "sampling", "scope", "total"):
        stated = {json.dumps(segment.source.get(key)) for segment in segments}
        if len(stated - {"null", '""'} if key == "sensor" else stated) > 1:
            raise HarnessError(
                f"{name}: the log mixes power sources (different {key})",
                "integrate each segment as a log of its own, or rerun the stage with one source",
            )


def _source(segments: list[Head]) -> dict[str, Any]:
    """Return the last source, with the longest mean period if every segment states one."""
    recorders = [segment.source.get("recorder") or {} for segment in segments]
    periods = [recorder.get("mean_period_s") or 0.0 for recorder in recorders]
    if min(periods) == max(periods):
        return segments[-1].source
    recorder = {**recorders[-1], "mean_period_s": max(periods) if all(periods) else None}
    return {**segments[-1].source, "recorder": recorder}
