"""A recorded power trace: load a log, integrate windows of it, condense it for drawing."""

import io
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window
from joulebird.harness.core.integral import allowed_gap_s, rule_of
from joulebird.harness.core.powerlog import MAGIC
from joulebird.harness.core.registry import nearest
from joulebird.harness.core.sensor import ALIASED, uncertain
from joulebird.reports.logs.blocks import BLOCK_ROWS, OnDisk
from joulebird.reports.logs.energy import Energy, no_energy, total_energy
from joulebird.reports.logs.importers.csvlog import NW_PER_W
from joulebird.reports.logs.importers.formats import read_foreign
from joulebird.reports.logs.importers.reading import Reading
from joulebird.reports.logs.integrate import Integrator
from joulebird.reports.logs.opening import open_log
from joulebird.reports.logs.periods import Periods
from joulebird.reports.logs.pieces import Piece, accuracy, assemble, in_range, sensor_of, words_of
from joulebird.reports.logs.powerlog import edited
from joulebird.reports.logs.sidecar import Sidecar


class Envelope(NamedTuple):
    """Power in buckets of time: begin of each in seconds, min, mean and max in watts.

    NaN stands in buckets without a reading.
    """

    t_s: np.ndarray
    min_w: np.ndarray
    mean_w: np.ndarray
    max_w: np.ndarray
    bucket_s: float


def envelope(piece: Piece, columns: list[int], buckets: int, per_watt: int) -> Envelope:
    """Return min, mean and max of a piece, whose powers are in 1/`per_watt` W, by bucket."""
    width = max((piece.end_us - piece.begin_us) / buckets, 1.0)
    low, high = np.full(buckets, np.inf), np.full(buckets, -np.inf)
    total, count = np.zeros(buckets), np.zeros(buckets)
    for part in piece.parts():
        series = part.series(columns)
        since = series.t_us[series.read] - piece.begin_us
        index = np.minimum((since / width).astype(np.int64), buckets - 1)
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        filled, power = index[starts], series.power[series.read] / per_watt
        if len(power):
            low[filled] = np.minimum(low[filled], np.minimum.reduceat(power, starts))
            high[filled] = np.maximum(high[filled], np.maximum.reduceat(power, starts))
            total[filled] += np.add.reduceat(power, starts)
            count[filled] += np.diff(np.append(starts, len(power)))
    none = count == 0
    low[none] = high[none] = np.nan
    mean = np.divide(total, count, out=np.full(buckets, np.nan), where=~none)
    times = (piece.begin_us + width * np.arange(buckets)) / 1e6
    return Envelope(times, low, mean, high, width / 1e6)


MW_PER_W = 1000
_BACK = "the times of the log go back"


class _Query(NamedTuple):
    """A rail with its columns, the longest bridged gap, and the error of the window's edges.

    `per_segment`: a segment that states its period has a longest gap of its own.
    """

    rail: str
    columns: list[int]
    allowed_us: int
    u_edge_s: float
    per_segment: bool


@dataclass(frozen=True)
class PowerTrace:
    """A power log, read block by block. Powers are integers of 1/`per_watt` W: sums are exact.

    It counts `damaged` lines (the first: `lines`; the times beside them by boot: `torn`),
    `duplicates` (repeated times), `steps_back` of the clock, and failed reads (`failures`: status
    -> count). `reading` is how a foreign log was read.
    """

    name: str
    source: dict[str, Any]
    rails: tuple[str, ...]
    total: tuple[str, ...]
    pieces: tuple[Piece, ...]
    periods: Periods
    per_watt: int = MW_PER_W
    damaged: int = 0
    duplicates: int = 0
    steps_back: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    clocks: tuple[dict[str, Any], ...] = ()
    lines: tuple[int, ...] = ()
    torn: dict[str, np.ndarray] = field(default_factory=dict)
    reading: Reading | None = None

    @classmethod
    def load(
        cls,
        path: str,
        columns: str | None = None,
        block_rows: int = BLOCK_ROWS,
        interval_s: float | None = None,
        every_rail: bool = False,
    ) -> "PowerTrace":
        """Load `power.csv`, or a foreign log (see joulebird.reports.logs.importers.formats).

        `columns` maps a foreign CSV: "t=COL[ms],w=COL[mW]", `interval_s` is the time between rows
        that have none. `every_rail` integrates each rail while the log is read, for windows of all
        of them. Raises HarnessError for an unusable or ambiguous log.
        """
        path = str(path)
        file = open_log(path)
        begin = file.read(65536)
        if not begin.startswith(MAGIC) or edited(begin):
            with file:
                foreign = read_foreign(path, begin + file.read(), columns, interval_s)
            if not isinstance(foreign, bytes):
                rows, reading = foreign
                return cls._of(path, assemble(path, rows), per_watt=NW_PER_W, reading=reading)
            file = io.BytesIO(foreign)
        elif columns:
            raise HarnessError(
                f"{path}: a log of joulebird names its own columns",
                "leave --map out; choose a rail with --rail",
            )
        sidecar = Sidecar(path, file, [block_rows, every_rail])
        stored = OnDisk(path, file, in_range(MW_PER_W), block_rows)
        trace = cls._of(path, assemble(path, stored, sidecar, every_rail))
        stored.release()
        return trace

    @classmethod
    def _of(cls, name: str, log: dict[str, Any], **facts: Any) -> "PowerTrace":
        total = log["source"].get("total") or (log["rails"] if len(log["rails"]) == 1 else ())
        return cls(name=name, total=tuple(total), **facts, **log)

    @property
    def samples(self) -> int:
        """Return the number of rows with a time, read or failed."""
        return sum(piece.rows for piece in self.pieces)

    @property
    def span_s(self) -> tuple[float, float]:
        """Return the times of the first and the last row, in seconds of the log's clock."""
        return self.pieces[0].begin_us / 1e6, self.pieces[-1].end_us / 1e6

    @property
    def boots(self) -> tuple[str, ...]:
        """Return the boots (clock domains) in the log, in order."""
        return tuple(dict.fromkeys(piece.boot_id for piece in self.pieces))

    @cached_property
    def period_s(self) -> float:
        """Return the median time between rows of the file, in seconds; 0 with at most one row."""
        return self.periods.median_us() / 1e6

    @property
    def allowed_gap_s(self) -> float:
        """Return the longest time between two samples that is integrated across."""
        return allowed_gap_s(self.source, self.period_s)

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words that go with every number of this log."""
        return words_of(self.source)

    @property
    def scope(self) -> str:
        """Return the scope of the total: module, board, dc, wall, ...; "unknown" if not stated."""
        return str(self.source.get("scope", "unknown"))

    def energy(
        self,
        start_s: float | None = None,
        stop_s: float | None = None,
        rail: str | None = None,
        boot_id: str | None = None,
        max_gap_s: float | None = None,
        u_edge_s: float = 0.0,
    ) -> Energy:
        """Return the energy between two times of the log's clock (None: its begin, its end).

        `rail` None is the source's total, `boot_id` selects a boot's clock, `max_gap_s` is the
        longest gap to integrate across, `u_edge_s` the error of the window's edges. The energy is
        void where the log's times go back, and for a window that spans no time. Raises HarnessError
        for an unknown rail, a negative window, or a log of several boots without `boot_id`.
        """
        gap_s = self.allowed_gap_s if max_gap_s is None else max_gap_s
        query = _Query(*self._columns(rail), round(gap_s * 1e6), u_edge_s, max_gap_s is None)
        pieces = [piece for piece in self.pieces if boot_id in (None, piece.boot_id)]
        if start_s is None and stop_s is None and pieces:
            boots = dict.fromkeys(piece.boot_id for piece in pieces)
            return total_energy(self._of_boot(boot, query) for boot in boots)
        if boot_id is None and len(self.boots) > 1:
            raise HarnessError(
                f"{self.name}: the log spans {len(self.boots)} boots, each with its own clock",
                f"say which: {', '.join(self.boots)}",
            )
        begin, end = self._window(pieces, start_s, stop_s)
        if begin == end:
            return self._nothing(query, 0, "the window spans no time")
        touched = [p for p in pieces if p.begin_us < end and p.end_us > begin] or pieces[:1]
        if not touched:
            return self._nothing(query, end - begin, "nothing was recorded in this boot")
        if len(touched) > 1:
            return self._nothing(query, end - begin, f"{_BACK} inside this window")
        return self._integrated(touched[0], begin, end, query)

    def over(self, window: Window, rail: str | None = None) -> Energy:
        """Return the energy of a window of a stage; a log without boots is of any clock."""
        boot_id = None if self.boots == ("",) else window.boot_id
        return self.energy(window.begin_s, window.end_s, rail, boot_id)

    def _columns(self, rail: str | None) -> tuple[str, list[int]]:
        wanted = self.total if rail is None else (rail,)
        unknown = [name for name in wanted if name not in self.rails]
        if unknown:
            hint = nearest(unknown[0], self.rails)
            raise HarnessError(f"{self.name} has no rail named {unknown[0]}", hint)
        if not wanted:
            known = self.reading.as_map() if self.reading else ""
            which = f", or which make the total: --map '{known},total=A+B'" if known else ""
            raise HarnessError(
                f"{self.name}: its source names no rail as the total",
                f"choose a rail (--rail); it has: {', '.join(self.rails)}" + which,
            )
        return "+".join(wanted), [self.rails.index(name) for name in wanted]

    def _of_boot(self, boot_id: str, query: _Query) -> Energy:
        """Return the energy of one boot, from its first row to its last."""
        pieces = [piece for piece in self.pieces if piece.boot_id == boot_id]
        begin = min(piece.begin_us for piece in pieces)
        end = max(piece.end_us for piece in pieces)
        if len(pieces) > 1:
            reason = f"{_BACK}, so that some of it may be counted twice"
            return self._nothing(query, end - begin, reason)
        if begin == end:
            return self._nothing(query, 0, "one row spans no time")
        whole = self._integrated(pieces[0], begin, end, query)
        return replace(whole, damaged=len(self.torn.get(boot_id, ())))

    def _nothing(self, query: _Query, window_us: int, reason: str) -> Energy:
        return no_energy(query.rail, window_us / 1e6, reason).worded(*self.words)

    def _window(
        self, pieces: list[Piece], start_s: float | None, stop_s: float | None
    ) -> tuple[int, int]:
        first, last = (pieces[0].begin_us, pieces[-1].end_us) if pieces else (0, 0)
        begin = first if start_s is None else round(start_s * 1e6)
        end = last if stop_s is None else round(stop_s * 1e6)
        if end < begin:
            raise HarnessError(
                f"the window ends ({end / 1e6:g} s) before it begins ({begin / 1e6:g} s)",
                f"{self.name} runs from {first / 1e6:g} s to {last / 1e6:g} s",
            )
        return begin, end

    def _integrated(self, piece: Piece, begin: int, end: int, query: _Query) -> Energy:
        """Return the energy of a window (microseconds) of one piece, with its uncertainty."""
        rule = rule_of(self.source.get("sampling", ""))
        whole = Integrator(rule, begin, end, query.allowed_us)
        part = piece.integral(query.rail, query.columns, whole, query.per_segment)
        seconds, per_j = (end - begin) / 1e6, self.per_watt * 1_000_000
        sensor, measured = accuracy(self.source, query.rail.split("+")), part.total / per_j
        u_edge_s = max(query.u_edge_s, self.u_clock_s(piece.boot_id))
        torn = self.torn.get(piece.boot_id, np.zeros(0, np.int64))
        spread_w = (part.high - part.low) / self.per_watt
        mean_w = float(measured) / (part.covered_us / 1e6) if part.covered_us else 0.0
        own = uncertain(
            part.sums, self.source, (seconds, mean_w, spread_w), sensor.quantum_w, self.per_watt
        )
        return Energy(
            query.rail,
            seconds,
            part.covered_us / 1e6,
            measured,
            part.worst_gap_us / 1e6,
            part.samples,
            part.failed,
            low_w=part.low / self.per_watt,
            peak_w=part.high / self.per_watt,
            u_gain_j=abs(float(measured)) * sensor.gain,
            u_offset_j=seconds * sensor.offset_w,
            u_random_j=math.hypot(own.random_j, u_edge_s * spread_w),
            u_lag_j=own.lag_j,
            u_grid_j=own.grid_j,
            doubt=own.doubt,
            sensor=sensor_of(self.source, query.rail),
            stated=sensor.stated,
            words=(*self.words, ALIASED) if own.doubt else self.words,
            damaged=int(((torn > begin) & (torn < end)).sum()),
        )

    def u_clock_s(self, boot_id: str = "") -> float:
        """Return the largest error of the log's times against its boot's clock, in seconds.

        It is not 0 for a log that was moved here from another clock.
        """
        of_boot = (clock for clock in self.clocks if str(clock.get("boot_id") or "") == boot_id)
        return max((float(clock.get("u_s") or 0.0) for clock in of_boot), default=0.0)

    def between(self, begin_s: float, end_s: float, boot_id: str | None = None) -> "PowerTrace":
        """Return the samples between two times (of one boot's clock) as a trace, possibly empty.

        Counts of faults stay the whole log's.
        """
        pieces = [
            piece.between(begin_s * 1e6, end_s * 1e6)
            for piece in self.pieces
            if boot_id is None or piece.boot_id in ("", boot_id)
        ]
        return replace(self, pieces=tuple(filter(None, pieces)))

    def envelope(self, buckets: int = 2000, rail: str | None = None) -> list[Envelope]:
        """Return min, mean and max power by bucket of time, one envelope a piece."""
        _, columns = self._columns(rail)
        return [envelope(piece, columns, buckets, self.per_watt) for piece in self.pieces]

    def to_frame(self) -> Any:
        """Return all samples as a pandas frame: `t_s`, watts by rail (NaN: not read), `boot_id`.

        Raises HarnessError without pandas.
        """
        try:
            import pandas  # takes long: imported for frames alone
        except ImportError:
            raise HarnessError("a frame needs pandas", "pip install pandas") from None
        frames = []
        for piece in self.pieces:
            samples = piece.samples()
            watts = np.where(samples.read, samples.power / self.per_watt, np.nan)
            frame = pandas.DataFrame(watts, columns=list(self.rails))
            frame.insert(0, "t_s", samples.t_us / 1e6)
            frames.append(frame.assign(boot_id=piece.boot_id))
        return pandas.concat(frames, ignore_index=True)

    def problems(self) -> list[str]:
        """Return the faults of the log, one plain line each."""
        first = f" (first: line {', '.join(map(str, self.lines))})" if self.lines else ""
        counts = (
            (self.damaged, f"damaged lines skipped{first}"),
            (self.duplicates, "rows with a repeated time skipped"),
            (self.steps_back, "times the clock was set back, or rows were moved or doubled"),
        )
        failed = [f"{count} failed reads ({status})" for status, count in self.failures.items()]
        return [f"{count} {fault}" for count, fault in counts if count] + failed
