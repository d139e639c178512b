"""The rows of a power log, block by block: from its file, or from arrays in memory.

The last used blocks stay in memory, and so does a short log; the others are read again.
"""

import io
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import allowed_gap_s
from joulebird.harness.core.powerlog import T_WIDTH, Head, row_width
from joulebird.reports.logs.powerlog import decode_lines, line_at, read_chunks
from joulebird.reports.logs.sampling import Flags, Integers, Series

BLOCK_ROWS = 32768
ROWS_IN_MEMORY = 65536
MARGIN = 64  # rows read on both sides of a window, to find a reading among failed ones
Inside = Callable[[Head, np.ndarray, Flags], Flags]


class Samples(NamedTuple):
    """Samples in the order of one clock.

    Microseconds, (n, rails) powers, which of them were read, where a recorder (re)started, and the
    longest gap before each that its segment states (microseconds; 0: none).
    """

    t_us: Integers
    power: np.ndarray
    read: Flags
    starts: Flags
    gap_us: Integers

    def cut(self, index: Any) -> "Samples":
        """Return the samples at an index: a slice, or an array of positions or flags."""
        return Samples(*(column[index] for column in self))

    def series(self, columns: Sequence[int]) -> Series:
        """Return the sum of some rails; a sample counts when all of them were read."""
        power = self.power[:, columns].sum(axis=1, dtype=np.int64)
        read = np.asarray(self.read[:, columns].all(axis=1))
        return Series(self.t_us, power, read, self.starts, self.gap_us)


def together(parts: Sequence[Samples]) -> Samples:
    """Return samples one after another."""
    if len(parts) == 1:
        return parts[0]
    return Samples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Block(NamedTuple):
    """Rows of one segment that follow each other.

    The segment's number, the place and the size of its lines (bytes, or rows in memory), the rows
    left out at its begin and those of it, and the times of its first and last row in microseconds.
    """

    segment: int
    at: int
    size: int
    first: int
    rows: int
    begin_us: int
    end_us: int


class Stored(ABC):
    """The rows of a log, and the facts that `blocks` finds while it reads them.

    The heads of its segments, failed reads by status, the number of damaged lines, the first of
    them, and the times beside all (microseconds, by segment with rows).
    """

    def __init__(self, inside: Inside) -> None:
        self.heads: dict[int, Head] = {}
        self.failures: Counter[str] = Counter()
        self.damaged = 0
        self.lines: tuple[int, ...] = ()
        self.torn: dict[int, list[int]] = {}
        self.rails: tuple[str, ...] = ()
        self.short = False  # at most one block, so that nothing is gained by its integral
        self._begins: dict[int, int] = {}
        self._inside = inside
        self._kept: dict[tuple[int, ...], Samples] = {}

    def state(self) -> list[Any]:
        """Return all that `blocks` found, as plain values."""
        heads = [[number, *head, self._begins[number]] for number, head in self.heads.items()]
        return [heads, self.failures, self.damaged, self.lines, list(self.torn.items())]

    def restore(self, state: list[Any]) -> None:
        """Take all that `blocks` found from plain values."""
        heads, failures, self.damaged, lines, torn = state
        self.heads = {n: Head(source, clock, tuple(rails)) for n, source, clock, rails, _ in heads}
        self._begins = {number: begin for number, *_, begin in heads}
        self.failures, self.lines, self.torn = Counter(failures), tuple(lines), dict(torn)

    @abstractmethod
    def blocks(self) -> Iterator[tuple[Block, Samples]]:
        """Read all rows once: every block, with its rows, and its samples of different times."""

    @abstractmethod
    def _rows(self, block: Block) -> tuple[Integers, np.ndarray, Flags]:
        """Return times, powers and which were read of all rows in the lines of a block."""

    def read(self, block: Block) -> Samples:
        """Return the samples of a block, with all rails of the log."""
        samples = self._kept.get(block[:3])
        if samples is None:
            samples = self._keep(block, self._samples(block, *self._rows(block)))
        own = self.heads[block.segment].rails
        if own != self.rails:
            columns = [self.rails.index(rail) for rail in own]
            power = np.zeros((len(samples.t_us), len(self.rails)), samples.power.dtype)
            read = np.zeros(power.shape, bool)
            power[:, columns], read[:, columns] = samples.power, samples.read
            samples = samples._replace(power=power, read=read)
        return samples.cut(slice(block.first, block.first + block.rows))

    def narrowed(self, block: Block, begin_us: int, end_us: int) -> Block:
        """Return the part of a block from before one time to behind another, or all of it."""
        return block

    def gap_us(self, segment: int) -> int:
        """Return the longest gap to bridge by a segment's own mean period; 0 where it has none."""
        source = self.heads[segment].source
        stated = (source.get("recorder") or {}).get("mean_period_s")
        return round(1e6 * allowed_gap_s(source)) if stated else 0

    def _keep(self, block: Block, samples: Samples) -> Samples:
        """Keep samples in memory, and give up the oldest others for them."""
        self._kept[block[:3]] = samples
        rows = sum(len(kept.t_us) for kept in self._kept.values())
        while rows > ROWS_IN_MEMORY and len(self._kept) > 1:
            rows -= len(self._kept.pop(next(iter(self._kept))).t_us)
        return samples

    def _samples(
        self,
        block: Block,
        t_us: Integers,
        power: np.ndarray,
        read: Flags,
        count: Counter[str] | None = None,
    ) -> Samples:
        """Return the samples of rows: one of each time, none beyond its sensor's range."""
        head = self.heads[block.segment]
        inside = self._inside(head, power, read)
        if count is not None and inside is not read:
            count["RANGE"] += int(np.count_nonzero(read & ~inside))
        starts = np.zeros(len(t_us), bool)
        starts[:1] = block.at == self._begins[block.segment]
        gap_us = np.broadcast_to(np.int64(self.gap_us(block.segment)), len(t_us))
        samples = Samples(t_us, power, inside, starts, gap_us)
        new = t_us[1:] != t_us[:-1]
        return samples if new.all() else samples.cut(np.append(True, new))


class OnDisk(Stored):
    """The rows of a log of our own format, in an open seekable file."""

    def __init__(self, path: str, file: IO[bytes], inside: Inside, block_rows: int) -> None:
        super().__init__(inside)
        self.path = path
        self._file = file
        self._block_rows = block_rows
        self._whole = False
        self.short = file.seek(0, io.SEEK_END) < row_width(1) * block_rows

    def blocks(self) -> Iterator[tuple[Block, Samples]]:
        """Read all rows once. Raises HarnessError for a damaged header and a newer format."""
        places: list[int] = []
        waiting: Counter[int] = Counter()  # damaged lines that no row follows yet
        last_us: dict[int, int] = {}
        count = 0
        for chunk in read_chunks(self.path, self._file, self._block_rows):
            number, rows = chunk.segment, chunk.rows
            self.heads[number] = chunk.head
            self._begins.setdefault(number, chunk.at)
            self.failures.update(rows.words)
            places += chunk.places[: 5 - len(places)]
            self.damaged += len(chunk.torn)
            waiting[number] += len(chunk.torn)
            if not len(rows.t_us):
                continue
            beside = [n for n in chunk.torn if n < len(rows.t_us)]
            before = waiting[number] - len(chunk.torn)
            torn = self.torn.setdefault(number, [])
            torn += [int(rows.t_us[0])] * before + rows.t_us[beside].tolist()
            waiting[number] -= before + len(beside)
            last_us[number] = int(rows.t_us[-1])
            block = Block(number, chunk.at, chunk.size, 0, len(rows.t_us), 0, 0)
            samples = self._samples(block, *rows[:3], count=self.failures)
            count += 1
            yield block, self._keep(block, samples)
        for number, us in last_us.items():
            self.torn[number] += [us] * waiting[number]
        self.lines = tuple(line_at(self._file, place) for place in places)
        self._whole = count == len(self._kept)

    def release(self) -> None:
        """Close the file if all of its rows are in memory."""
        if self._whole:
            self._file.close()

    def narrowed(self, block: Block, begin_us: int, end_us: int) -> Block:
        """Return the part of a block from before one time to behind another, or all of it.

        Found by bisection where every line is a row.
        """
        width = row_width(len(self.heads[block.segment].rails))
        if block.rows * width != block.size or block[:3] in self._kept:
            return block

        def time_of(row: int) -> int:
            self._file.seek(block.at + row * width)
            return int(self._file.read(T_WIDTH))

        rows = range(block.rows)
        first = max(bisect_right(rows, begin_us, key=time_of) - MARGIN, 0)
        last = min(bisect_left(rows, end_us, key=time_of) + MARGIN, block.rows)
        return Block(
            block[0], block.at + first * width, (last - first) * width, 0, last - first, 0, 0
        )

    def _rows(self, block: Block) -> tuple[Integers, np.ndarray, Flags]:
        """Read a block again. Raises HarnessError where its lines have changed."""
        self._file.seek(block.at)
        text = self._file.read(block.size)
        rows = decode_lines(text, len(self.heads[block.segment].rails), final=True)[0]
        if len(rows.t_us) < block.first + block.rows:
            raise HarnessError(
                f"{self.path}: the log changed while it was read", "read it again once it is whole"
            )
        return rows[:3]


class InMemory(Stored):
    """The rows of one segment in memory; the reader of a foreign log states its faults."""

    def __init__(
        self, head: Head, t_us: Integers, power: np.ndarray, read: Flags, inside: Inside
    ) -> None:
        super().__init__(inside)
        self._all = t_us, power, read
        self.short = len(t_us) <= BLOCK_ROWS
        self.heads, self._begins = {0: head}, {0: 0}

    def blocks(self) -> Iterator[tuple[Block, Samples]]:
        """Read all rows once."""
        for at in range(0, len(self._all[0]), BLOCK_ROWS):
            rows = len(self._all[0][at : at + BLOCK_ROWS])
            block = Block(0, at, rows, 0, rows, 0, 0)
            yield block, self._samples(block, *self._rows(block), count=self.failures)

    def _rows(self, block: Block) -> tuple[Integers, np.ndarray, Flags]:
        part = slice(block.at, block.at + block.size)
        t_us, power, read = self._all
        return t_us[part], power[part], read[part]


class Sorted(Stored):
    """Samples in memory, with all rails of a log."""

    def __init__(self, samples: Samples) -> None:
        super().__init__(lambda head, power, read: read)
        self._all = samples

    def blocks(self) -> Iterator[tuple[Block, Samples]]:
        """Return the samples as blocks of one segment."""
        for at in range(0, len(self._all.t_us), BLOCK_ROWS):
            samples = self._all.cut(slice(at, at + BLOCK_ROWS))
            yield Block(0, at, len(samples.t_us), 0, len(samples.t_us), 0, 0), samples

    def _rows(self, block: Block) -> tuple[Integers, np.ndarray, Flags]:
        raise NotImplementedError  # `read` cuts the samples themselves

    def read(self, block: Block) -> Samples:
        """Return the samples of a block."""
        return self._all.cut(slice(block.at + block.first, block.at + block.first + block.rows))
