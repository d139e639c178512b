"""The parts of a power log in memory: the facts its source states, and its samples by boot.

The segments of one boot share one clock and are sorted: a restarted recorder may repeat its last
reading. Where times go back within a segment, or the boot is unknown, the rows were moved, doubled
or stamped by a clock that was set back. Such pieces stay apart, and no energy crosses them.
"""

import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import COUNTER, rule_of
from joulebird.harness.core.powerlog import Head
from joulebird.harness.core.sensor import Accuracy as Accuracy
from joulebird.harness.core.sensor import accuracy as accuracy
from joulebird.harness.core.sensor import lowest_w
from joulebird.harness.core.sensor import words_of as source_words
from joulebird.reports.logs import sampling
from joulebird.reports.logs.blocks import Block, Inside, Samples, Sorted, Stored, together
from joulebird.reports.logs.integrate import HALO, Integral, Integrator, Tally
from joulebird.reports.logs.periods import NO_PERIODS, Periods, periods_of
from joulebird.reports.logs.sampling import Flags, Series
from joulebird.reports.logs.sidecar import Sidecar


def words_of(source: dict[str, Any]) -> tuple[str, ...]:
    """Return the words beside the numbers of a source, those of an exported log included.

    >>> words_of({"name": "simulated", "words": ["simulated", "estimated"]})
    ('simulated', 'estimated')
    """
    return tuple(dict.fromkeys((*source_words(source), *(source.get("words") or ()))))


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


# Of a block: `Tally`, then times, powers and starts of the last readings, as plain values.
Known = list[Any]


def known_of(tally: Tally, carry: Series) -> Known:
    """Return the integral of a block with all gaps bridged, and the last readings."""
    return [*tally, *(column.tolist() for column in (carry.t_us, carry.power, carry.starts))]


def parts_of(known: Known, gap_us: int) -> tuple[Tally, Series]:
    """Return the integral of a block, and the last readings with the longest gap to bridge."""
    *plain, sums, t_us, power, starts = known
    tally = Tally._make([*plain, sums and sampling.Sums(*sums)])
    times, read = np.array(t_us, np.int64), np.ones(len(t_us), bool)
    powers, flags = np.array(power, np.int64), np.array(starts, bool)
    return tally, Series(times, powers, read, flags, np.full(len(t_us), gap_us))


class Piece:
    """Samples in the order of one clock, in blocks that are read when they are needed."""

    def __init__(
        self,
        boot_id: str,
        stored: Stored,
        blocks: Sequence[Block],
        known: dict[str, list[Known | None]],
    ) -> None:
        self.boot_id = boot_id
        self.stored = stored
        self.blocks = blocks
        self.known = known  # by sum of rails, block by block
        self._begins = [block.begin_us for block in blocks]
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
        begin, end = bisect_left(self._ends, begin_us), bisect_right(self._begins, end_us)
        blocks = list(self.blocks[begin:end])
        known = {rails: of_rails[begin:end] for rails, of_rails in self.known.items()}
        for j in {0, len(blocks) - 1} if blocks else ():
            block = blocks[j]
            if block.begin_us < begin_us or block.end_us > end_us:
                t_us = self.stored.read(block).t_us
                first = int(np.searchsorted(t_us, begin_us, "left"))
                last = int(np.searchsorted(t_us, end_us, "right"))
                if first == last:
                    return None
                edges = int(t_us[first]), int(t_us[last - 1])
                blocks[j] = Block(*block[:3], block.first + first, last - first, *edges)
                for of_rails in known.values():
                    of_rails[j] = None
        return Piece(self.boot_id, self.stored, blocks, known) if blocks else None

    def last_before(self, limit_us: float) -> int:
        """Return the time of the last row before a time, in microseconds; 0 without one."""
        early = self.between(-math.inf, math.nextafter(limit_us, -math.inf))
        return early.end_us if early else 0

    def integral(
        self, rails: str, columns: list[int], whole: Integrator, per_segment: bool
    ) -> Integral:
        """Integrate the sum of some rails over the window of an integrator.

        `per_segment`: a segment's stated gap counts, if it has one.
        """
        begin_us, end_us = whole.window
        first = self._before(columns, begin_us)
        known = self.known.get(rails, [])
        for j in range(first, len(self.blocks)):
            if j > first and known and self._ends[j] < end_us:
                gap_us = per_segment * self.stored.gap_us(self.blocks[j].segment)
                if self._skipped(whole, known[j - 1], known[j], gap_us):
                    continue
            series = self._part(j, columns, begin_us, end_us)
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
        j = max(bisect_right(self._begins, begin_us) - 1, 0)
        while j:
            part = self._part(j, columns, begin_us, begin_us)
            if part.read[part.t_us <= begin_us].any():
                break
            j -= 1
        return j

    def _part(self, j: int, columns: list[int], begin_us: int, end_us: int) -> Series:
        """Return the part of a block that a window needs, or all of it."""
        block = self.blocks[j]
        part = self.stored.narrowed(block, begin_us, end_us)
        series = self.stored.read(part).series(columns)
        if part is not block:
            early = series.read[series.t_us <= begin_us].any() or block.begin_us > begin_us
            late = series.read[series.t_us >= end_us].any() or block.end_us < end_us
            if not early or not late:
                return self.stored.read(block).series(columns)
        return series

    def _skipped(
        self, whole: Integrator, before: Known | None, known: Known | None, gap_us: int
    ) -> bool:
        """Add the known integral of a block to a window that goes on behind it, if it holds."""
        if known is None or before is None:
            return False
        last = parts_of(before, 0)[1].t_us
        if len(last) < 2 * HALO or last[0] < max(whole.window[0], self.begin_us):
            return False
        tally, carry = parts_of(known, gap_us)
        longest = max(tally.longest_us, int(np.diff(last).max()))
        bridged = whole.rule == COUNTER or longest <= (gap_us or whole.allowed_us)
        if bridged:
            whole.skip(tally, carry)
        return bridged


class _Boot:
    """The order of the rows of one boot, while they are read.

    Where the times go back, a new piece begins.
    """

    def __init__(self, boot_id: str, stored: Stored) -> None:
        self.boot_id = boot_id
        self.stored = stored
        self.pieces: list[list[Block]] = []
        self.known: list[dict[str, list[Known | None]]] = []
        self.periods = NO_PERIODS
        self.duplicates = 0
        self.unsorted = False  # within a segment
        self._last_us: int | None = None
        self._segment = -1
        self._integrators: dict[str, Integrator] = {}

    def add(self, block: Block, samples: Samples, sums: dict[str, Series], rule: str) -> None:
        """Add the next rows in the file, and the sums of rails to integrate over whole blocks."""
        t_us = samples.t_us
        first = int(t_us[0] == self._last_us)
        steps = np.diff(t_us, prepend=t_us[:1] if self._last_us is None else self._last_us)
        back = np.flatnonzero(steps < 0).tolist()
        if back and (back[-1] or self._segment == block.segment):
            self.unsorted = True
        self._segment = block.segment
        self.duplicates += block.rows - len(t_us) + first
        self.periods += periods_of(steps[steps > 0])
        begins = sorted({first, *back})
        for begin, end in zip(begins, [*begins[1:], len(t_us)], strict=True):
            if begin == end:
                continue
            if begin in back or not self.pieces:
                self.pieces.append([])
                self.known.append({})
                self._integrators = {}
            edges = int(t_us[begin]), int(t_us[end - 1])
            self.pieces[-1].append(Block(*block[:3], begin, end - begin, *edges))
            for rails, series in sums.items():
                before: list[Known | None] = [None] * (len(self.pieces[-1]) - 1)
                whole = self._integrators.setdefault(rails, Integrator(rule))
                tally = whole.add(series.cut(slice(begin, end)))
                self.known[-1].setdefault(rails, before).append(known_of(tally, whole.carry))
            self._last_us = edges[1]

    def state(self) -> list[Any]:
        """Return all that was found, as plain values."""
        periods = [self.periods.us.tolist(), self.periods.counts.tolist()]
        return [self.boot_id, self.pieces, self.known, periods, self.duplicates, self.unsorted]

    def restore(self, state: list[Any]) -> None:
        """Take all that was found from plain values."""
        _, pieces, self.known, periods, self.duplicates, self.unsorted = state
        self.pieces = [[Block(*block) for block in blocks] for blocks in pieces]
        self.periods = Periods(*np.array(periods, np.int64))

    def finish(self) -> list[Piece]:
        """Return the pieces. Segments of a known boot that overlap are put in order, in memory."""
        pieces = [
            Piece(self.boot_id, self.stored, blocks, known)
            for blocks, known in zip(self.pieces, self.known, strict=True)
        ]
        if len(pieces) == 1 or not self.boot_id or self.unsorted:
            return pieces
        whole = together([part for piece in pieces for part in piece.parts()])
        whole = whole.cut(np.argsort(whole.t_us, kind="stable"))
        new = np.diff(whole.t_us, prepend=whole.t_us[0] - 1) != 0
        again = _Boot(self.boot_id, Sorted(whole.cut(new)))
        for block, samples in again.stored.blocks():
            again.add(block, samples, {}, "")
        self.duplicates += int((~new).sum())
        self.periods, self.pieces = again.periods, again.pieces
        return [Piece(self.boot_id, again.stored, again.pieces[0], {})]


def _scanned(stored: Stored, every_rail: bool) -> dict[str, _Boot]:
    """Read a log once; return the order of its rows by boot."""
    boots: dict[str, _Boot] = {}
    for block, samples in stored.blocks():
        head = stored.heads[block.segment]
        boot_id = str(head.clock.get("boot_id") or "")
        boot = boots.setdefault(boot_id, _Boot(boot_id, stored))
        sums = {} if stored.short else _sums(head, samples, every_rail)
        boot.add(block, samples, sums, rule_of(head.source.get("sampling", "")))
    return boots


def _again(stored: Stored, sidecar: Sidecar, every_rail: bool) -> dict[str, _Boot]:
    """Return the order of the rows as `_scanned` found it, from the sidecar if it has it."""
    facts = sidecar.load()
    if facts is None:
        boots = _scanned(stored, every_rail)
        sidecar.store(lambda: [stored.state(), [boot.state() for boot in boots.values()]])
        return boots
    of_log, of_boots = facts
    stored.restore(of_log)
    found = [_Boot(state[0], stored) for state in of_boots]
    for boot, state in zip(found, of_boots, strict=True):
        boot.restore(state)
    return {boot.boot_id: boot for boot in found}


def assemble(
    name: str, stored: Stored, sidecar: Sidecar | None = None, every_rail: bool = False
) -> dict[str, Any]:
    """Read a log once: the fields of a trace that come from its file alone.

    The energy of the total is known afterwards, block by block; with `every_rail` that of each rail
    too. Raises HarnessError for no row or mixed sources.
    """
    boots = _again(stored, sidecar, every_rail) if sidecar else _scanned(stored, every_rail)
    filled = {number: stored.heads[number] for number in stored.torn}
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
        torn[str(head.clock.get("boot_id") or "")] += stored.torn.get(number, [])
    return {
        "source": _source(heads),
        "rails": stored.rails,
        "pieces": tuple(piece for of_boot in pieces for piece in of_boot),
        "periods": sum((boot.periods for boot in boots.values()), NO_PERIODS),
        "damaged": stored.damaged,
        "lines": stored.lines,
        "torn": {boot_id: np.array(times, np.int64) for boot_id, times in torn.items()},
        "duplicates": sum(boot.duplicates for boot in boots.values()),
        "steps_back": sum(len(of_boot) - 1 for of_boot in pieces),
        "failures": dict(stored.failures),
        "clocks": tuple(head.clock for head in heads),
    }


def _sums(head: Head, samples: Samples, every_rail: bool) -> dict[str, Series]:
    """Return the sums of rails of a segment that has them: its total's, and its rails'.

    They are integrated over every gap, whatever gap the segment states.
    """
    total = tuple(head.source.get("total") or head.rails[: len(head.rails) == 1])
    bridged = samples._replace(gap_us=np.zeros_like(samples.t_us))
    wanted = {
        "+".join(rails): rails for rails in (total, *((rail,) for rail in head.rails if every_rail))
    }
    return {
        name: bridged.series([head.rails.index(rail) for rail in rails])
        for name, rails in wanted.items()
        if rails and set(rails) <= set(head.rails)
    }


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
