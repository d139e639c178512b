"""Decode the rows of a power log in bulk, eight digits at a time (numpy, exact integers)."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from joulebird.harness.core.powerlog import OK, RAIL_WIDTH, STATUS_WIDTH, T_WIDTH, row_width
from joulebird.reports.logs.fields import Block, Flags, Integers, Rows, decode_rows

Words = npt.NDArray[np.uint64]
_ONES, _LOW, _HIGH = (np.uint64(int(byte * 8, 16)) for byte in ("01", "0f", "f0"))
_COMMA, _NEWLINE = b",\n"
_OK_WORD = np.frombuffer(OK.rjust(8).encode(), dtype="<u8")[0]


def eight_digits(word: Words) -> Integers:
    """Return the numbers in eight bytes each, where blanks count as zeros: three multiplications.

    >>> eight_digits(np.frombuffer(b"    1234", dtype="<u8")).tolist()
    [1234]
    """
    word = word & _LOW
    word = ((word * np.uint64(2561)) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    word = ((word * np.uint64(6553601)) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    word = (word * np.uint64(42949672960001)) >> np.uint64(32)
    return word.astype(np.int64)


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
    good: Flags = wrong == 0
    return good


def decode_block(block: Block, rails: int) -> tuple[Rows, Flags]:
    """Decode an (n, row width) array of bytes: (Rows, which of them have the format's layout)."""
    high, low = _word(block, 0), _word(block, 8)
    good = right_aligned(high) & right_aligned(low) & _digit(block, T_WIDTH - 1)
    good &= ~_digit(block, 7) | _digit(block, 8)
    t_us = eight_digits(high) * 100_000_000 + eight_digits(low)
    mw = np.zeros((len(block), rails), dtype=np.int64)
    at = T_WIDTH
    for rail in range(rails):
        word = _word(block, at + 2)
        first = block[:, at + 1]
        good &= (block[:, at] == _COMMA) & right_aligned(word) & _digit(block, at + RAIL_WIDTH)
        good &= (first == 32) | (_digit(block, at + 1) & (first < 58) & _digit(block, at + 2))
        mw[:, rail] = eight_digits(word) + 100_000_000 * (first & 15).astype(np.int64)
        at += 1 + RAIL_WIDTH
    blank = (block[:, at + 1 : at + 1 + STATUS_WIDTH - 8] == 32).all(axis=1)
    good &= (block[:, at] == _COMMA) & blank & (_word(block, at + 1 + STATUS_WIDTH - 8) == _OK_WORD)
    good &= block[:, -1] == _NEWLINE
    read, failed = np.ones((len(block), rails), bool), np.zeros(len(block), bool)
    words: tuple[str, ...] = ()
    rest = np.flatnonzero(~good)
    if len(rest):
        slow, good[rest] = decode_rows(block[rest], rails)
        t_us[rest], mw[rest], read[rest], failed[rest], words = slow
    return Rows(t_us, mw, read, failed, words), good


def _word(block: Block, at: int) -> Words:
    words: Words = np.ascontiguousarray(block[:, at : at + 8]).view("<u8")[:, 0]
    return words


def _digit(block: Block, at: int) -> Flags:
    digit: Flags = (block[:, at] & 0xF0) == 0x30
    return digit


def read_rows(data: Block, rails: int, block_rows: int = 65536) -> Iterator[tuple[Rows, int]]:
    """Walk over the bytes of one segment's rows: (Rows, damaged lines after them).

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
        if damaged:
            at, step = _next_line(data, at), min(64, block_rows)
        words = words[: int(failed[:kept].sum())]
        yield Rows(t_us[:kept], mw[:kept], read[:kept], failed[:kept], words), int(damaged)


def _next_line(data: Block, at: int) -> int:
    """Return where the line after the one at `at` begins."""
    while at < len(data):
        ends = np.flatnonzero(data[at : at + 4096] == _NEWLINE)
        if len(ends):
            return at + int(ends[0]) + 1
        at += 4096
    return len(data)
