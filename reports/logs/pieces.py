"""The parts of a power log in memory: the facts its source states, and its samples by boot.

The segments of one boot share one clock and are sorted: a restarted recorder may repeat its last
reading. Where times go back within a segment, or the boot is unknown, the rows were moved, doubled
or stamped by a clock that was set back. Such pieces stay apart, and no energy crosses them.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import allowed_gap_s
from joulebird.harness.core.sensor import Accuracy as Accuracy
from joulebird.harness.core.sensor import accuracy as accuracy
from joulebird.harness.core.sensor import lowest_w
from joulebird.harness.core.sensor import words_of as source_words
from joulebird.reports.logs.integrate import Series
from joulebird.reports.logs.powerlog import Segment


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


def within_range(segment: Segment, per_watt: int) -> Segment:
    """Return a segment whose readings beyond their sensor's range count as failed: `RANGE`.

    Their numbers stay. Powers are in 1/`per_watt` W.
    """
    read, failures = segment.read, Counter(segment.failures)
    for column, rail in enumerate(segment.rails):
        high, power = range_of(segment.source, rail), segment.power[:, column]
        if high is None:
            continue
        low = lowest_w(segment.source, rail, high) * per_watt
        if power.max(initial=0) > high * per_watt or power.min(initial=0) < low:
            beyond = read[:, column] & ((power > high * per_watt) | (power < low))
            read = read & ~(beyond[:, None] & (np.arange(len(segment.rails)) == column))
            failures["RANGE"] += int(beyond.sum())
    return segment._replace(read=read, failures=dict(failures))


class Piece(NamedTuple):
    """Samples in the order of one clock.

    Microseconds, (n, rails) powers, which of them were read, where a recorder (re)started, and the
    longest gap before each that its segment states (microseconds; 0: none).
    """

    boot_id: str
    t_us: np.ndarray
    power: np.ndarray
    read: np.ndarray
    starts: np.ndarray
    gap_us: np.ndarray

    def cut(self, index: Any) -> "Piece":
        """Return the samples at an index: a slice, or an array of positions or flags."""
        return Piece(self.boot_id, *(column[index] for column in self[1:]))

    def between(self, begin_s: float, end_s: float) -> "Piece":
        """Return the samples between two times, both included."""
        first = int(np.searchsorted(self.t_us, begin_s * 1e6, "left"))
        return self.cut(slice(first, int(np.searchsorted(self.t_us, end_s * 1e6, "right"))))

    def around(self, columns: list[int], begin_us: int, end_us: int) -> "Piece":
        """Return the samples between two times, and on both sides up to the nearest read ones."""
        last = len(self.t_us)
        first = max(int(np.searchsorted(self.t_us, begin_us, "right")) - 1, 0)
        end = min(int(np.searchsorted(self.t_us, end_us, "left")) + 1, last)
        while first > 0 and not self.read[first, columns].all():
            first -= 1
        while end < last and not self.read[end - 1, columns].all():
            end += 1
        return self.cut(slice(first, end))

    def series(self, columns: list[int]) -> Series:
        """Return the sum of some rails; a sample counts when all of them were read."""
        power = self.power[:, columns].sum(axis=1, dtype=np.int64)
        read = np.asarray(self.read[:, columns].all(axis=1))
        return Series(self.t_us, power, read, self.starts, self.gap_us)


def assemble(name: str, segments: Iterable[Segment]) -> dict[str, Any]:
    """Put segments together by boot: the fields of a trace that come from its file alone.

    Raises HarnessError for no row or mixed sources.
    """
    segments = list(segments)
    filled = [segment for segment in segments if len(segment.t_us)]
    damaged = sum(segment.damaged for segment in segments)
    if not filled:
        raise HarnessError(
            f"{name}: the log holds no sample"
            + (f" ({damaged} damaged lines{_first(segments)})" if damaged else ""),
            "record again; `joulebird sources` lists the sources of this machine",
        )
    _require_one_source(name, filled)
    rails = tuple(dict.fromkeys(rail for segment in filled for rail in segment.rails))
    by_boot: dict[str, list[Segment]] = {}
    for segment in filled:
        by_boot.setdefault(str(segment.clock.get("boot_id", "")), []).append(segment)
    parts = [_in_order(boot, of_boot, rails) for boot, of_boot in by_boot.items()]
    failures = (Counter(segment.failures) for segment in segments)
    return {
        "source": _source(filled),
        "rails": rails,
        "pieces": tuple(piece for pieces, _ in parts for piece in pieces),
        "damaged": damaged,
        "lines": tuple(line for segment in segments for line in segment.lines)[:5],
        "torn": {
            boot: np.concatenate([segment.torn_us for segment in of_boot])
            for boot, of_boot in by_boot.items()
        },
        "duplicates": sum(duplicates for _, duplicates in parts),
        "steps_back": sum(len(pieces) - 1 for pieces, _ in parts),
        "failures": dict(sum(failures, Counter())),
        "clocks": tuple(segment.clock for segment in filled),
    }


def _first(segments: list[Segment]) -> str:
    lines = [str(line) for segment in segments for line in segment.lines]
    return f": line {', '.join(lines[:5])}" if lines else ""


def _require_one_source(name: str, segments: list[Segment]) -> None:
    for key in ("name", "sensor", "sampling", "scope", "total"):
        stated = {json.dumps(segment.source.get(key)) for segment in segments}
        if len(stated - {"null", '""'} if key == "sensor" else stated) > 1:
            raise HarnessError(
                f"{name}: the log mixes power sources (different {key})",
                "integrate each segment as a log of its own, or rerun the stage with one source",
            )


def _source(segments: list[Segment]) -> dict[str, Any]:
    """Return the last source, with the longest mean period if every segment states one."""
    recorders = [segment.source.get("recorder") or {} for segment in segments]
    periods = [recorder.get("mean_period_s") or 0.0 for recorder in recorders]
    if min(periods) == max(periods):
        return segments[-1].source
    recorder = {**recorders[-1], "mean_period_s": max(periods) if all(periods) else None}
    return {**segments[-1].source, "recorder": recorder}


def _in_order(
    boot: str, segments: list[Segment], rails: tuple[str, ...]
) -> tuple[list[Piece], int]:
    """Return the pieces of one boot, and the number of repeated times that were left out."""
    whole = _joined(boot, segments, rails)
    if (np.diff(whole.t_us) > 0).all():
        return [whole], 0
    if boot and all((np.diff(segment.t_us) >= 0).all() for segment in segments):
        whole = whole.cut(np.argsort(whole.t_us, kind="stable"))
    new = np.diff(whole.t_us, prepend=whole.t_us[0] - 1) != 0
    whole = whole.cut(new)
    edges = [0, *(np.flatnonzero(np.diff(whole.t_us) < 0) + 1).tolist(), len(whole.t_us)]
    pieces = [whole.cut(slice(a, b)) for a, b in zip(edges, edges[1:], strict=False)]
    return pieces, int((~new).sum())


def _joined(boot: str, segments: list[Segment], rails: tuple[str, ...]) -> Piece:
    """Return the rows of some segments one after another, with all rails."""
    first = segments[0]
    rows = sum(len(segment.t_us) for segment in segments)
    starts = np.zeros(rows, dtype=bool)
    gap_us = np.repeat([_stated_gap_us(s) for s in segments], [len(s.t_us) for s in segments])
    if len(segments) == 1 and first.rails == rails:
        starts[0] = True
        return Piece(boot, first.t_us, first.power, first.read, starts, gap_us)
    t_us = np.concatenate([segment.t_us for segment in segments])
    power = np.zeros((rows, len(rails)), dtype=first.power.dtype)
    read = np.zeros(power.shape, dtype=bool)
    at = 0
    for segment in segments:
        to = at + len(segment.t_us)
        columns = [rails.index(rail) for rail in segment.rails]
        power[at:to, columns], read[at:to, columns] = segment.power, segment.read
        starts[at], at = True, to
    return Piece(boot, t_us, power, read, starts, gap_us)


def _stated_gap_us(segment: Segment) -> int:
    """Return the longest gap to integrate across by the segment's own mean period; 0 without."""
    stated = (segment.source.get("recorder") or {}).get("mean_period_s")
    return round(1e6 * allowed_gap_s(segment.source)) if stated else 0
