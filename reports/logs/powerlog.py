"""Read `power.csv` in bulk: whole segments as arrays, eight digits at a time (exact integers)."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joulebird.harness.core import powerlog
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import OK, RAIL_WIDTH, STATUS_WIDTH, T_WIDTH, Head, row_width
from joulebird.reports.logs.integrate import Flags, Integers

Block = npt.NDArray[np.uint8]
_NEWLINE, _COMMA, _SPACE, _MINUS, _ZERO = b"\n, -0"
_OK = np.frombuffer(OK.rjust(STATUS_WIDTH).encode(), dtype=np.uint8)


class Rows(NamedTuple):
    """Consecutive rows.

    Times in microseconds, (n, rails) milliwatts, which of them were read, which rows failed, and
    the status words of those.
    """

    t_us: Integers
    mw: Integers
    read: Flags
    failed: Flags
    words: tuple[str, ...]


def decode_integers(field: Block) -> tuple[Integers, Flags, Flags]:
    """Decode right-aligned integers: (values, present, valid) of an (n, width) array of bytes.

    A blank field is valid and not present.

    >>> decode_integers(np.frombuffer(b"  -12   3x", dtype=np.uint8).reshape(2, 5))[0].tolist()
    [-12, 0]
    """
    digit = field - np.uint8(_ZERO)
    is_digit, space, width = digit < 10, field == _SPACE, field.shape[1]
    values = np.zeros(len(field), dtype=np.int64)
    for column in range(width):
        values = np.where(is_digit[:, column], values * 10 + digit[:, column], values)
    leading = np.where(space.all(axis=1), width, np.argmin(space, axis=1))
    present = leading < width
    first = field[np.arange(len(field)), np.minimum(leading, width - 1)]
    negative, digits = present & (first == _MINUS), is_digit.sum(axis=1)
    valid = (leading + negative + digits == width) & (~negative | (digits > 0))
    signed = np.where(negative, -values, values)
    return np.where(present & valid, signed, 0), present & valid, valid


def decode_rows(block: Block, rails: int) -> tuple[Rows, Flags]:
    """Decode an (n, row width) array of bytes: (Rows, which of them have the format's layout)."""
    t_us, good, _ = decode_integers(block[:, :T_WIDTH])
    mw = np.zeros((len(block), rails), dtype=np.int64)
    read = np.zeros(mw.shape, dtype=bool)
    at = T_WIDTH
    for rail in range(rails):
        mw[:, rail], read[:, rail], valid = decode_integers(block[:, at + 1 : at + 1 + RAIL_WIDTH])
        good &= valid & (block[:, at] == _COMMA)
        at += 1 + RAIL_WIDTH
    status = block[:, at + 1 : at + 1 + STATUS_WIDTH]
    good &= (block[:, at] == _COMMA) & (block[:, -1] == _NEWLINE)
    good &= ((status >= _SPACE) & (status < 127)).all(axis=1)
    failed = (status != _OK).any(axis=1)
    words = tuple(bytes(row).decode("ascii").strip() for row in status[failed & good])
    return Rows(t_us, mw, read, failed, words), good


Words = npt.NDArray[np.uint64]
_ONES, _LOW, _HIGH = (np.uint64(int(byte * 8, 16)) for byte in ("01", "0f", "f0"))
_OK_WORD = np.frombuffer(OK.rjust(8).encode(), dtype="<u8")[0]


def eight_digits(word: Words) -> Integers:
    """Return the numbers in eight bytes each, where blanks count as zeros: three multiplications.

    >>> eight_digits(np.frombuffer(b"    1234", dtype="<u8")).tolist()
    [1234]
    """
    word = word & _LOW
    word = ((word * np.uint64(2561)) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    word = ((word * np.uint64(6553601)) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return np.asarray((word * np.uint64(42949672960001)) >> np.uint64(32), np.int64)


def right_aligned(word: Words) -> Flags:
    """Return whether eight bytes are blanks followed by digits, or either alone.

    >>> words = np.frombuffer(b"    1234  12 4  12345678     -12", dtype="<u8")
    >>> right_aligned(words).tolist()
    [True, False, True, False]
    """
    digit = (word >> np.uint64(4)) & _ONES  # 0x3d is a digit, 0x20 a blank
    low = word & _LOW
    wrong = (word & _HIGH) ^ (np.uint64(0x2020202020202020) | (digit << np.uint64(4)))
    wrong |= (low + np.uint64(0x0606060606060606)) & np.uint64(0x1010101010101010)
    wrong |= low & ~(digit * np.uint64(15))
    wrong |= (digit << np.uint64(8)) & ~digit  # a digit, and a blank behind it
    return np.asarray(wrong == 0)


def decode_block(block: Block, rails: int) -> tuple[Rows, Flags]:
    """Decode an (n, row width) array of bytes: (Rows, which of them have the format's layout)."""
    high, low = _word(block, 0), _word(block, 8)
    good = right_aligned(high) & right_aligned(low) & _digit(block, T_WIDTH - 1)
    good &= ~_digit(block, 7) | _digit(block, 8)
    t_us = eight_digits(high) * 100_000_000 + eight_digits(low)
    mw = np.zeros((len(block), rails), dtype=np.int64)
    at = T_WIDTH
    for rail in range(rails):
        word, first = _word(block, at + 2), block[:, at + 1]
        good &= (block[:, at] == _COMMA) & right_aligned(word) & _digit(block, at + RAIL_WIDTH)
        good &= (first == 32) | (_digit(block, at + 1) & (first < 58) & _digit(block, at + 2))
        mw[:, rail] = eight_digits(word) + 100_000_000 * (first & 15).astype(np.int64)
        at += 1 + RAIL_WIDTH
    blank = (block[:, at + 1 : at + 1 + STATUS_WIDTH - 8] == 32).all(axis=1)
    good &= (block[:, at] == _COMMA) & blank & (_word(block, at + 1 + STATUS_WIDTH - 8) == _OK_WORD)
    good &= block[:, -1] == _NEWLINE
    read, failed = np.ones((len(block), rails), bool), np.zeros(len(block), bool)
    rest = np.flatnonzero(~good)
    slow, good[rest] = decode_rows(block[rest], rails)
    t_us[rest], mw[rest], read[rest], failed[rest], words = slow
    return Rows(t_us, mw, read, failed, words), good


def _word(block: Block, at: int) -> Words:
    return np.ascontiguousarray(block[:, at : at + 8]).view("<u8")[:, 0]


def _digit(block: Block, at: int) -> Flags:
    return np.asarray((block[:, at] & 0xF0) == 0x30)


def read_rows(
    data: Block, rails: int, block_rows: int = 65536
) -> Iterator[tuple[Rows, int | None]]:
    """Walk over the bytes of one segment's rows: (Rows, where a damaged line follows them or None).

    A line without the format's width or layout is damaged and skipped.
    """
    width, at, step = row_width(rails), 0, block_rows
    while at < len(data):
        count = min((len(data) - at) // width, step)
        block = data[at : at + count * width].reshape(count, width)
        (t_us, mw, read, failed, words), good = decode_block(block, rails)
        kept = count if good.all() else int(np.argmin(good))
        damaged = kept < count or count == 0
        at += kept * width
        step = min(step * 4, block_rows)
        bad = at if damaged else None
        if damaged:
            at, step = _next_line(data, at), min(64, block_rows)
        words = words[: int(failed[:kept].sum())]
        yield Rows(t_us[:kept], mw[:kept], read[:kept], failed[:kept], words), bad


def _next_line(data: Block, at: int) -> int:
    """Return where the line after the one at `at` begins."""
    while at < len(data):
        ends = np.flatnonzero(data[at : at + 4096] == _NEWLINE)
        if len(ends):
            return at + int(ends[0]) + 1
        at += 4096
    return len(data)


class Segment(NamedTuple):
    """One unbroken stretch of a log.

    Its source and clock, times in microseconds, (n, rails) powers, which of them were read, the
    failed rows by status, the number of damaged lines, the first of them, and the times beside all.
    """

    source: dict[str, Any]
    clock: dict[str, Any]
    rails: tuple[str, ...]
    t_us: Integers
    power: npt.NDArray[np.integer[Any]]
    read: Flags
    failures: dict[str, int]
    damaged: int
    lines: tuple[int, ...] = ()
    torn_us: Integers = np.zeros(0, np.int64)


def read_segments(path: str, block_rows: int = 65536) -> Iterator[Segment]:
    """Read all segments of a log; raises HarnessError for an empty, damaged or newer file."""
    # never closed by hand: arrays look into the map while a segment is read
    yield from read_data(path, powerlog.map_log(path, HarnessError), block_rows)


def read_data(path: str, data: Any, block_rows: int = 65536) -> Iterator[Segment]:
    """Read all segments in the bytes of a log, as `read_segments`."""
    text = np.frombuffer(data, np.uint8)
    for head, begin, end in powerlog.segments(path, data, HarnessError):
        segment, places = _filled(head, text[begin:end], block_rows)
        lines = (1 + int((text[: begin + at] == _NEWLINE).sum()) for at in places[:5])
        yield segment._replace(lines=tuple(lines))


def edited(head: bytes) -> bool:
    """Return whether the beginning of a log of ours lost the widths of its rows to an editor."""
    _, mark, rows = head.partition(b"\nt_us,")
    names, *body = rows.split(b"\n")
    row = next((line for line in body if line.strip()), b"")
    count, width = names.count(b","), row_width(max(names.count(b","), 1)) - 1
    return bool(mark) and (
        b"\r" in names or (row.count(b",") == count + 1 != 1 and len(row) != width)
    )


def widened(lines: list[str]) -> bytes:
    """Give the rows of an edited copy (blanks, blank lines, line ends) their width back.

    Those that cannot have it stay damaged.
    """
    widths: tuple[int, ...] = ()
    fixed = []
    for line in filter(None, map(str.strip, lines)):
        cells = [cell.strip() for cell in line.split(",")]
        if cells[0] == "t_us":
            widths = (T_WIDTH, *[RAIL_WIDTH] * (len(cells) - 2), STATUS_WIDTH)
        elif not line.startswith("#") and len(cells) == len(widths):
            line = ",".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        fixed.append(line)
    return ("\n".join(fixed) + "\n").encode()


def first_source(path: str) -> dict[str, Any] | None:
    """Return the source of a log's first segment that has rows; None without any."""
    data = powerlog.map_log(path, HarnessError)
    segments = powerlog.segments(path, data, HarnessError)
    return next((head.source for head, begin, end in segments if begin < end), None)


def _filled(head: Head, text: Block, block_rows: int) -> tuple[Segment, list[int]]:
    """Return the segment whose rows are in `text`, in arrays of their final size.

    The second value is where its damaged lines begin.
    """
    rails = len(head.rails)
    room = len(text) // powerlog.row_width(rails)
    t_us = np.empty(room, np.int64)
    power = np.empty((room, rails), np.int32)  # a reading has nine digits
    read = np.empty((room, rails), bool)
    failures: Counter[str] = Counter()
    at = 0
    torn, places = [], []
    for rows, bad in read_rows(text, rails, block_rows):
        to = at + len(rows.t_us)
        t_us[at:to], power[at:to], read[at:to] = rows.t_us, rows.mw, rows.read
        at = to
        if bad is not None:
            torn.append(at)
            places.append(bad)
        failures.update(rows.words)
    beside = t_us[np.minimum(torn, at - 1)] if torn and at else t_us[:0]
    segment = Segment(*head, t_us[:at], power[:at], read[:at], failures, len(torn), (), beside)
    return segment, places
