"""Decode the fixed-width rows of a power log in bulk, eight digits at a time (numpy, exact integers)."""

from collections.abc import Iterator

import numpy as np

from joulebird.reports.logs.fields import RAIL_WIDTH, STATUS_WIDTH, T_WIDTH, Rows, decode_rows

_ONES, _LOW, _HIGH = (np.uint64(int(byte * 8, 16)) for byte in ("01", "0f", "f0"))
_COMMA, _NEWLINE = 44, 10
_OK_WORD = np.frombuffer(b"ok".rjust(STATUS_WIDTH)[-8:], dtype="<u8")[0]


def row_width(rails: int) -> int:
    """Bytes of one row with its newline.

    >>> row_width(2)
    50
    """
    return T_WIDTH + (1 + RAIL_WIDTH) * rails + 1 + STATUS_WIDTH + 1


def eight_digits(word: np.ndarray) -> np.ndarray:
    """The numbers written in eight bytes each (blanks count as zeros), three multiplications for all of them.

    >>> eight_digits(np.frombuffer(b"    1234", dtype="<u8")).tolist()
    [1234]
    """
    word = word & _LOW
    word = ((word * np.uint64(2561)) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    word = ((word * np.uint64(6553601)) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return ((word * np.uint64(42949672960001)) >> np.uint64(32)).astype(np.int64)


def right_aligned(word: np.ndarray) -> np.ndarray:
    """Whether eight bytes are blanks followed by digits, or either alone.

    >>> right_aligned(np.frombuffer(b"    1234  12 4  12345678     -12", dtype="<u8", count=4)).tolist()
    [True, False, True, False]
    """
    digit = (word >> np.uint64(4)) & _ONES  # 0x3d is a digit, 0x20 a blank
    low = word & _LOW
    wrong = (word & _HIGH) ^ (np.uint64(0x2020202020202020) | (digit << np.uint64(4)))
    wrong |= (low + np.uint64(0x0606060606060606)) & np.uint64(0x1010101010101010)
    wrong |= low & ~(digit * np.uint64(15))
    wrong |= (digit << np.uint64(8)) & ~digit  # a digit, and a blank behind it
    return wrong == 0


def decode_block(block: np.ndarray, rails: int) -> tuple[Rows, np.ndarray]:
    """Decode an (n, row width) array of bytes; gives (Rows, good) where `good` tells the rows that have the layout of the format."""
    high, low = _word(block, 0), _word(block, 8)
    sure = (
        right_aligned(high)
        & right_aligned(low)
        & (_digit(block, 15))
        & (~_digit(block, 7) | _digit(block, 8))
    )
    t_us = eight_digits(high) * 100_000_000 + eight_digits(low)
    mw = np.zeros((len(block), rails), dtype=np.int64)
    at = T_WIDTH
    for rail in range(rails):
        word = _word(block, at + 2)
        first = block[:, at + 1]
        sure &= (block[:, at] == _COMMA) & right_aligned(word) & _digit(block, at + RAIL_WIDTH)
        sure &= (first == 32) | (_digit(block, at + 1) & (first < 58) & _digit(block, at + 2))
        mw[:, rail] = eight_digits(word) + 100_000_000 * (first & 15).astype(np.int64)
        at += 1 + RAIL_WIDTH
    status = block[:, at + 1 : at + 5]
    sure &= (
        (block[:, at] == _COMMA)
        & (_word(block, at + 5) == _OK_WORD)
        & (status == 32).all(axis=1)
        & (block[:, -1] == _NEWLINE)
    )
    read, failed, good = np.ones((len(block), rails), bool), np.zeros(len(block), bool), sure.copy()
    words: tuple = ()
    rest = np.flatnonzero(~sure)
    if len(rest):
        slow, good[rest] = decode_rows(block[rest], rails)
        t_us[rest], mw[rest], read[rest], failed[rest], words = (
            slow.t_us,
            slow.mw,
            slow.read,
            slow.failed,
            slow.words,
        )
    return Rows(t_us, mw, read, failed, words), good


def _word(block: np.ndarray, at: int) -> np.ndarray:
    return np.ascontiguousarray(block[:, at : at + 8]).view("<u8")[:, 0]


def _digit(block: np.ndarray, at: int) -> np.ndarray:
    return (block[:, at] & 0xF0) == 0x30


def read_rows(data: np.ndarray, rails: int, block_rows: int = 65536) -> Iterator[tuple]:
    """Walk over the bytes of one segment's rows; yields (Rows, damaged lines after them).

    A line without the format's width or layout is damaged: it is skipped up to its newline, and reading goes on behind it.
    """
    width, at, step = row_width(rails), 0, block_rows
    while at < len(data):
        count = min((len(data) - at) // width, step)
        if count == 0:
            yield _empty(rails), 1
            at = _next_line(data, at)
            continue
        rows, good = decode_block(data[at : at + count * width].reshape(count, width), rails)
        kept = count if good.all() else int(np.argmin(good))
        at += kept * width
        step = min(step * 4, block_rows)
        if kept < count:
            at, step = _next_line(data, at), min(64, block_rows)
        words = rows.words[: int(rows.failed[:kept].sum())]
        yield (
            Rows(rows.t_us[:kept], rows.mw[:kept], rows.read[:kept], rows.failed[:kept], words),
            int(kept < count),
        )


def _next_line(data: np.ndarray, at: int) -> int:
    """Where the line after the one at `at` begins."""
    while at < len(data):
        found = np.flatnonzero(data[at : at + 4096] == _NEWLINE)
        if len(found):
            return at + int(found[0]) + 1
        at += 4096
    return len(data)


def _empty(rails: int) -> Rows:
    nothing = np.zeros((0, rails))
    return Rows(
        np.zeros(0, np.int64), nothing.astype(np.int64), nothing.astype(bool), np.zeros(0, bool), ()
    )
