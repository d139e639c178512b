"""A recorded power trace: load a log, integrate windows of it, condense it for drawing."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import ReportError
from joulebird.harness.core.powerlog import MAGIC
from joulebird.reports.logs.assemble import Piece, assemble
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.integrate import Series, integrate, rule_of
from joulebird.reports.logs.powerlog import Segment, read_segments
from joulebird.reports.logs.sources import accuracy, sensor_of, words_of

MW_PER_W = 1000
_BACK = "the times of the log go back"


class Envelope(NamedTuple):
    """Power in buckets of time: begin of each in seconds, its min, mean and max in watts (NaN where nothing was read)."""

    t_s: np.ndarray
    min_w: np.ndarray
    mean_w: np.ndarray
    max_w: np.ndarray
    bucket_s: float


@dataclass(frozen=True)
class PowerTrace:
    """A power log in memory. Powers are integers of 1/`per_watt` W, so that sums are exact.

    Counted are `damaged` lines, `duplicates` (the same time twice), `steps_back` of the clock, and failed reads
    (`failures`: word -> how many).
    """

    name: str
    source: dict
    rails: tuple[str, ...]
    total: tuple[str, ...]
    pieces: tuple[Piece, ...]
    per_watt: int = MW_PER_W
    damaged: int = 0
    duplicates: int = 0
    steps_back: int = 0
    failures: dict = field(default_factory=dict)
    clocks: tuple[dict, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str, columns: str | None = None, block_rows: int = 65536) -> "PowerTrace":
        """Load `power.csv`, or a foreign log (see joulebird.reports.logs.importers.formats; `columns` as "t=COL,w=COL"); raises ReportError with a remedy."""
        path = str(path)
        try:
            with open(path, "rb") as file:
                ours = file.read(len(MAGIC)) == MAGIC
        except OSError as error:
            raise ReportError(
                f"{path}: cannot be read ({error.strerror})",
                "check the name and the permissions of the file",
            ) from None
        if not ours or columns:
            from joulebird.reports.logs.importers.formats import import_log

            return import_log(path, columns)
        return cls.of(path, read_segments(path, block_rows))

    @classmethod
    def of(
        cls,
        name: str,
        segments: Iterable[Segment],
        per_watt: int = MW_PER_W,
        notes: tuple[str, ...] = (),
    ) -> "PowerTrace":
        """The trace of some segments whose powers are in 1/`per_watt` W; raises ReportError when they hold no row or mix sources."""
        got = assemble(name, segments)
        total = tuple(got.source.get("total") or (got.rails if len(got.rails) == 1 else ()))
        return cls(
            name,
            got.source,
            got.rails,
            total,
            got.pieces,
            per_watt,
            got.damaged,
            got.duplicates,
            got.steps_back,
            got.failures,
            got.clocks,
            notes,
        )

    @property
    def samples(self) -> int:
        """Rows with a time, read or failed."""
        return sum(len(piece.t_us) for piece in self.pieces)

    @property
    def span_s(self) -> tuple[float, float]:
        """Time of the first and of the last row, in seconds of the log's clock."""
        return self.pieces[0].t_us[0] / 1e6, self.pieces[-1].t_us[-1] / 1e6

    @property
    def boots(self) -> tuple[str, ...]:
        """The boots (clock domains) in the log, in order."""
        return tuple(dict.fromkeys(piece.boot_id for piece in self.pieces))

    @cached_property
    def period_s(self) -> float:
        """Median time between rows, in seconds; 0 when there is at most one."""
        steps = [np.diff(piece.t_us) for piece in self.pieces if len(piece.t_us) > 1]
        return float(np.median(np.concatenate(steps))) / 1e6 if steps else 0.0

    @property
    def allowed_gap_s(self) -> float:
        """The longest time between two samples that is integrated across: five median periods, at least 1 s."""
        return max(5 * self.period_s, 1.0)

    @property
    def words(self) -> tuple[str, ...]:
        """Words that must stand beside every number of this log."""
        return words_of(self.source)

    @property
    def scope(self) -> str:
        """What the total covers: module, board, dc, wall, ...; "unknown" when the log does not say."""
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
        """Energy between two times of the log's clock (None: from its begin, to its end) on a rail (None: the source's total).

        `boot_id` tells which boot's clock is meant, `max_gap_s` what may be integrated across, `u_edge_s` how far the
        window's edges may be off. Void where the times of the log go back, and where there is but one row and no window.
        Raises ReportError for an unknown rail, a window that ends before it begins, or a log of several boots without `boot_id`.
        """
        columns, name = self._columns(rail)
        pieces = [piece for piece in self.pieces if boot_id in (None, piece.boot_id)]
        if start_s is None and stop_s is None and pieces:
            return self._whole(pieces, columns, name, max_gap_s, u_edge_s)
        if boot_id is None and len(self.boots) > 1:
            raise ReportError(
                f"{self.name}: the log spans {len(self.boots)} boots, each with its own clock",
                f"say which: {', '.join(self.boots)}",
            )
        begin, end = self._window(pieces, start_s, stop_s)
        if begin == end and None in (start_s, stop_s):
            return self._nothing(name, 0, "the window spans no time")
        touched = [p for p in pieces if p.t_us[0] < end and p.t_us[-1] > begin] or pieces[:1]
        if not touched:
            return self._nothing(name, end - begin, "nothing was recorded in this boot")
        if len(touched) > 1:
            return self._nothing(name, end - begin, f"{_BACK} inside this window")
        return self._part(touched[0], begin, end, columns, name, max_gap_s, u_edge_s)

    def _whole(
        self,
        pieces: list[Piece],
        columns: list[int],
        name: str,
        max_gap_s: float | None,
        u_edge_s: float,
    ) -> Energy:
        """The energy of all that was recorded: every boot from its first row to its last."""
        parts = []
        for boot in dict.fromkeys(piece.boot_id for piece in pieces):
            own = [piece for piece in pieces if piece.boot_id == boot]
            begin, end = (
                min(int(piece.t_us[0]) for piece in own),
                max(int(piece.t_us[-1]) for piece in own),
            )
            if len(own) > 1:
                parts.append(
                    self._nothing(
                        name, end - begin, f"{_BACK}, so that some of it may be counted twice"
                    )
                )
            elif begin == end:
                parts.append(self._nothing(name, 0, "one row spans no time"))
            else:
                parts.append(self._part(own[0], begin, end, columns, name, max_gap_s, u_edge_s))
        return total_energy(parts)

    def _nothing(self, rail: str, window_us: int, reason: str) -> Energy:
        return Energy(
            rail,
            window_us / 1e6,
            0.0,
            Fraction(0),
            window_us / 1e6,
            words=self.words,
            reason=reason,
        )

    def between(self, begin_s: float, end_s: float, boot_id: str | None = None) -> "PowerTrace":
        """The samples between two times (of one boot's clock) as a trace of their own, possibly empty; counts of faults stay the log's."""
        pieces = []
        for piece in self.pieces:
            first, last = (
                int(np.searchsorted(piece.t_us, t_s * 1e6, side))
                for t_s, side in ((begin_s, "left"), (end_s, "right"))
            )
            if first < last and (boot_id is None or piece.boot_id in ("", boot_id)):
                pieces.append(Piece(piece.boot_id, *(values[first:last] for values in piece[1:])))
        return replace(self, pieces=tuple(pieces))

    def _window(
        self, pieces: list[Piece], start_s: float | None, stop_s: float | None
    ) -> tuple[int, int]:
        first, last = (pieces[0].t_us[0], pieces[-1].t_us[-1]) if pieces else (0, 0)
        begin = int(first) if start_s is None else round(start_s * 1e6)
        end = int(last) if stop_s is None else round(stop_s * 1e6)
        if end < begin:
            raise ReportError(
                f"the window ends ({end / 1e6:g} s) before it begins ({begin / 1e6:g} s)",
                f"{self.name} runs from {first / 1e6:g} s to {last / 1e6:g} s",
            )
        return begin, end

    def _columns(self, rail: str | None) -> tuple[list[int], str]:
        wanted = self.total if rail is None else (rail,)
        unknown = [name for name in wanted if name not in self.rails]
        if unknown or not wanted:
            what = (
                f"no rail named {unknown[0]}"
                if unknown
                else "its source names no rail as the total"
            )
            raise ReportError(
                f"{self.name}: {what}", f"choose a rail; it has: {', '.join(self.rails)}"
            )
        return [self.rails.index(name) for name in wanted], "+".join(wanted)

    def series(
        self,
        piece: Piece,
        columns: list[int],
        begin_us: int | None = None,
        end_us: int | None = None,
    ) -> Series:
        """The sum of some rails as one series; a sample counts when all of them were read.

        With times, only the part between them, and around it up to the nearest samples that were read.
        """
        first, last = 0, len(piece.t_us)
        if begin_us is not None and end_us is not None:
            first = max(int(np.searchsorted(piece.t_us, begin_us, "right")) - 1, 0)
            end = min(int(np.searchsorted(piece.t_us, end_us, "left")) + 1, last)
            while first > 0 and not piece.read[first, columns].all():
                first -= 1
            while end < last and not piece.read[end - 1, columns].all():
                end += 1
            last = end
        t_us, power, read, starts = (values[first:last] for values in piece[1:])
        return Series(
            t_us,
            power[:, columns].sum(axis=1, dtype=np.int64),
            read[:, columns].all(axis=1),
            starts,
        )

    def _part(
        self,
        piece: Piece,
        begin: int,
        end: int,
        columns: list[int],
        name: str,
        max_gap_s: float | None,
        u_edge_s: float,
    ) -> Energy:
        series = self.series(piece, columns, int(begin), int(end))
        allowed = round((self.allowed_gap_s if max_gap_s is None else max_gap_s) * 1e6)
        got = integrate(
            series, int(begin), int(end), rule_of(self.source.get("sampling", "")), allowed
        )
        seconds, per_j = (int(end) - int(begin)) / 1e6, self.per_watt * 1_000_000
        sensor = accuracy(self.source, name.split("+"))
        measured = got.total / per_j
        quantum = max(sensor.quantum_w, 1.0 / self.per_watt)
        random = math.hypot(
            (got.scatter + got.bias) / per_j,
            quantum / math.sqrt(12) * seconds / math.sqrt(got.levels),
            max(u_edge_s, self.u_clock_s(piece.boot_id)) * (got.high - got.low) / self.per_watt,
        )
        return Energy(
            name,
            seconds,
            got.covered_us / 1e6,
            measured,
            got.worst_gap_us / 1e6,
            got.samples,
            got.failed,
            low_w=got.low / self.per_watt,
            peak_w=got.high / self.per_watt,
            u_gain_j=abs(float(measured)) * sensor.gain,
            u_offset_j=seconds * sensor.offset_w,
            u_random_j=random,
            sensor=sensor_of(self.source, name),
            words=self.words,
        )

    def u_clock_s(self, boot_id: str = "") -> float:
        """How far the log's times may be off its boot's clock, in seconds: not 0 for a log that was moved here from another clock."""
        return max(
            (
                float(clock.get("u_s") or 0.0)
                for clock in self.clocks
                if str(clock.get("boot_id", "")) == boot_id
            ),
            default=0.0,
        )

    def envelope(self, buckets: int = 2000, rail: str | None = None) -> list[Envelope]:
        """Min, mean and max power in so many buckets of time, one envelope a clock piece; spikes survive, unlike in a thinned curve."""
        columns, _ = self._columns(rail)
        return [
            _envelope(self.series(piece, columns), buckets, self.per_watt) for piece in self.pieces
        ]

    def problems(self) -> list[str]:
        """What is wrong with the log, one plain line each; empty when nothing is."""
        found = [
            (self.damaged, "damaged lines skipped"),
            (self.duplicates, "rows with a repeated time skipped"),
            (self.steps_back, "times the clock was set back, or rows were moved or doubled"),
        ]
        failed = [f"{count} failed reads ({word})" for word, count in self.failures.items()]
        return [f"{count} {what}" for count, what in found if count] + failed


def _envelope(series: Series, buckets: int, per_watt: int) -> Envelope:
    first, last = int(series.t_us[0]), int(series.t_us[-1])
    width = max((last - first) / buckets, 1.0)
    index = np.minimum(((series.t_us[series.read] - first) / width).astype(np.int64), buckets - 1)
    power = series.power[series.read] / per_watt
    low, mean, high = (np.full(buckets, np.nan) for _ in range(3))
    if len(power):
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        filled, counts = index[starts], np.diff(np.append(starts, len(power)))
        low[filled], high[filled] = (
            np.minimum.reduceat(power, starts),
            np.maximum.reduceat(power, starts),
        )
        mean[filled] = np.add.reduceat(power, starts) / counts
    return Envelope((first + width * np.arange(buckets)) / 1e6, low, mean, high, width / 1e6)
