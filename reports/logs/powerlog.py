"""Read `power.csv` in blocks of lines, whatever its length: eight digits at a time, exact integers.

One buffer is read into again and again, so memory does not grow with the log.
"""

from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from joulebird.harness.core import powerlog
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import (
    MAGIC,
    OK,
    RAIL_WIDTH,
    STATUS_WIDTH,
    T_WIDTH,
    Head,
    row_width,
)
from joulebird.reports.logs.sampling import Flags, Integers

Block = npt.NDArray[np.uint8]
_NEWLINE, _COMMA, _SPACE, _MINUS, _ZERO = b"\n, -0"
_OK = np.frombuffer(OK.rjust(STATUS_WIDTH).encode(), dtype=np.uint8)


class Rows(NamedTuple):
    """Consecutive rows.

    Times in microseconds, (n, rails) milliwatts, which of them were read, which rows failed, and
    the status words of those.
    """

    t_us: Integers
    mw: npt.NDArray[np.integer[Any]]
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
    rank = np.select([field == _SPACE, field == _MINUS, digit < 10], [0, 1, 2], 3)
    blank, minus = (rank == 0).all(axis=1), (rank == 1).sum(axis=1)
    in_order = (rank[:, 1:] >= rank[:, :-1]).all(axis=1) & (minus < 2)
    present = in_order & (rank[:, -1] == 2)  # blanks, a minus, digits
    places = 10 ** np.arange(field.shape[1], dtype=np.int64)[::-1]
    values = np.where(rank == 2, digit, 0) @ places
    return np.where(present, np.where(minus, -values, values), 0), present, present | blank


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
_ONES, _LOW, _HIGH, _TENS, _BLANKS = (
    np.uint64(int(byte * 8, 16)) for byte in ("01", "0f", "e0", "10", "20")
)
_LAST = np.uint64(1 << 56)
_TAIL = ("," + OK.rjust(STATUS_WIDTH) + "\n").encode()
_TAIL_WORDS = np.frombuffer(_TAIL[:8] + _TAIL[-8:], "<u8")
_SEPARATOR = np.frombuffer(b", ", "<u2")[0]
STRIP_WORDS = 10240  # decoded at a time: they stay in a core's caches


def decode_block(block: Block, rails: int) -> tuple[Rows, Flags]:
    """Decode an (n, row width) array of bytes: (Rows, which of them have the format's layout)."""
    count = len(block)
    t_us, good = np.empty(count, np.int64), np.empty(count, bool)
    mw = np.empty((rails, count), np.int32)  # a reading has nine digits
    strip = max(STRIP_WORDS // (2 + rails), 1)
    for begin in range(0, count, strip):
        part = slice(begin, begin + strip)
        values, good[part] = _decode_strip(block[part], rails)
        t_us[part] = values[0] * np.uint64(100_000_000) + values[1]
        mw[:, part] = values[2:]
    if good.all():
        none = np.broadcast_to(np.False_, count)
        return Rows(t_us, mw.T, np.broadcast_to(np.True_, (count, rails)), none, ()), good
    read, failed = np.ones((count, rails), bool), np.zeros(count, bool)
    rest = np.flatnonzero(~good)
    slow, good[rest] = decode_rows(block[rest], rails)
    t_us[rest], mw.T[rest], read[rest], failed[rest], words = slow
    return Rows(t_us, mw.T, read, failed, words), good


def _decode_strip(block: Block, rails: int) -> tuple[Words, Flags]:
    """Return the numbers in the words of rows that were read well, and which rows are such.

    Two words a time, and one a rail, whose first byte is blank. A word holds blanks and then
    digits: in no byte a high bit, a low nibble above nine, or of a blank, and no blank behind a
    digit. Three multiplications turn eight digits into their number.
    """
    places = (0, 8, *(T_WIDTH + 2 + rail * (1 + RAIL_WIDTH) for rail in range(rails)))
    word = np.empty((len(places), len(block)), np.uint64)
    for row, at in zip(word, places, strict=True):
        row[:] = _view(block, at, "<u8")
    word ^= _BLANKS
    low = word & _LOW
    digit = word >> np.uint64(4)
    digit &= _ONES
    blank = digit ^ _ONES
    other = digit * np.uint64(9)
    np.subtract(low, other, out=other)
    other += _LOW
    other &= _TENS
    word &= _HIGH
    word |= other
    np.left_shift(digit, np.uint64(8), out=other)
    other &= blank
    word |= other
    word[1:] |= blank[1:] & _LAST
    word[1] |= (digit[0] >> np.uint64(56)) & blank[1]
    wrong = np.bitwise_or.reduce(word, axis=0)
    wrong |= _view(block, block.shape[1] - len(_TAIL), "<u8") ^ _TAIL_WORDS[0]
    wrong |= _view(block, block.shape[1] - 8, "<u8") ^ _TAIL_WORDS[1]
    for at in places[2:]:
        wrong |= _view(block, at - 2, "<u2") ^ _SEPARATOR
    for factor, shift, mask in _STEPS:
        low *= factor
        low >>= shift
        low &= mask
    return low, wrong == 0


_STEPS = tuple(
    (np.uint64(factor), np.uint64(shift), np.uint64(mask))
    for factor, shift, mask in (
        (2561, 8, 0x00FF00FF00FF00FF),
        (6553601, 16, 0x0000FFFF0000FFFF),
        (42949672960001, 32, 0x00000000FFFFFFFF),
    )
)


def _view(block: Block, at: int, kind: str) -> np.ndarray:
    """Return the integer at one place of every row."""
    return block[:, at : at + np.dtype(kind).itemsize].view(kind)[:, 0]


class Chunk(NamedTuple):
    """Consecutive lines of one segment: where they are, and their rows.

    The segment's number and head, the bytes from `at`, the rows, and for every damaged line the
    rows before it and its place.
    """

    segment: int
    head: Head
    at: int
    size: int
    rows: Rows
    torn: list[int]
    places: list[int]


def read_chunks(path: str, file: IO[bytes], block_rows: int = 65536) -> Iterator[Chunk]:
    """Read all segments of a seekable log, `block_rows` lines at a time.

    A line without the format's width or layout is damaged and skipped. Raises HarnessError for an
    empty file, a damaged header and a newer format.
    """
    at, number = 0, 0
    more: bool | None = True
    while more:
        head, at, more = _head(path, file, at)
        while head is not None:
            chunk, more = _chunk(file, number, head, at, block_rows)
            if chunk.size:
                yield chunk
            at += chunk.size
            if more is not None:
                break
        number += 1


def _head(path: str, file: IO[bytes], at: int) -> tuple[Head | None, int, bool]:
    """Return the head of the segment at a place, where its rows begin, and whether more follows."""
    size = powerlog.LONGEST_HEAD
    while True:
        text = _bytes(file, at, size)
        if not text:
            hint = "record again: a log has at least its header lines"
            raise HarnessError(f"the power log {path} is empty", hint)
        following = text.find(b"\n" + MAGIC)
        end = len(text) if following < 0 else following + 1
        try:
            head, begin = powerlog.head(text, 0, end)
        except HarnessError as problem:
            line = line_at(file, at)
            raise HarnessError(f"{path} line {line}: {problem.message}", problem.hint) from None
        if head is not None or following >= 0 or len(text) < size:
            return head, at + begin, following >= 0
        size *= 16


def _bytes(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def line_at(file: IO[bytes], at: int) -> int:
    """Return the number of the line that begins at a place."""
    pieces = (_bytes(file, k, min(at - k, 1 << 20)) for k in range(0, at, 1 << 20))
    return 1 + sum(text.count(b"\n") for text in pieces)


def _chunk(
    file: IO[bytes], number: int, head: Head, at: int, block_rows: int
) -> tuple[Chunk, bool | None]:
    """Return the lines at a place, and whether another segment follows (None: not yet known)."""
    rails = len(head.rails)
    size = row_width(rails) * block_rows
    text = _bytes(file, at, size)
    rows, used, torn, more = decode_lines(text, rails, final=len(text) < size)
    if more is None and not used:  # a line longer than all that was read
        used, more = _long_line(file, at, size)
        torn = [(0, 0)]
    places = [at + place for _, place in torn]
    return Chunk(number, head, at, used, rows, [before for before, _ in torn], places), more


def _long_line(file: IO[bytes], at: int, size: int) -> tuple[int, bool | None]:
    """Return the length of a line, and False where the file ends in it."""
    used = 0
    file.seek(at)
    for text in iter(lambda: file.read(size), b""):
        end = text.find(b"\n")
        if end >= 0:
            return used + end + 1, None
        used += len(text)
    return used, False


def decode_lines(
    text: bytes, rails: int, final: bool
) -> tuple[Rows, int, list[tuple[int, int]], bool | None]:
    """Decode lines up to the next segment, or to the last whole line of those that go on.

    Return the rows, the bytes used, for every damaged line (rows before it, place), and whether a
    segment follows: None where the lines may go on, False at the end of the file. `final` says that
    the file ends with the text.
    """
    width, at, step, before = row_width(rails), 0, len(text), 0
    parts, torn = [], []
    more: bool | None = False if final else None
    while at < len(text):
        count = min((len(text) - at) // width, step)
        if not count and not final:
            break
        lines, begin = text, at
        if not count and len(text) - at == width - 1:  # only its newline is missing
            lines, begin, count = text[at:] + b"\n", 0, 1
        block = np.frombuffer(lines, np.uint8, count * width, begin).reshape(count, width)
        (t_us, mw, read, failed, words), good = decode_block(block, rails)
        kept = len(good) if good.all() else int(np.argmin(good))
        words = words[: int(failed[:kept].sum())]
        parts.append(Rows(t_us[:kept], mw[:kept], read[:kept], failed[:kept], words))
        at, before, step = min(at + kept * width, len(text)), before + kept, step * 4
        if kept and kept == len(good):
            continue
        if text.startswith(MAGIC, at):
            more = True
            break
        following = text.find(b"\n", at) + 1
        if not following and not final:
            break
        torn.append((before, at))
        at, step = following or len(text), 64
    return _joined(parts, rails), at, torn, more


def _joined(parts: list[Rows], rails: int) -> Rows:
    """Return rows one after another."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return decode_block(np.zeros((0, row_width(rails)), np.uint8), rails)[0]
    t_us, mw, read, failed = (np.concatenate(column) for column in list(zip(*parts))[:4])
    return Rows(t_us, mw, read, failed, tuple(word for part in parts for word in part.words))


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
    with open(path, "rb") as file:
        return next((chunk.head.source for chunk in read_chunks(path, file, 64)), None)
