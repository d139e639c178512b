"""Decode the fixed-width rows of a power log in bulk, by digit arithmetic on bytes (numpy, exact integers)."""
from typing import Iterator, NamedTuple

import numpy as np

T_WIDTH, RAIL_WIDTH, STATUS_WIDTH = 16, 9, 12
_NEWLINE, _COMMA, _SPACE, _MINUS, _ZERO = 10, 44, 32, 45, 48
_OK = np.frombuffer(b"ok".rjust(STATUS_WIDTH), dtype=np.uint8)


class Rows(NamedTuple):
    """Consecutive good rows: times in microseconds, (n, rails) milliwatts, which of them were read, and the status words of failed rows."""

    t_us: np.ndarray
    mw: np.ndarray
    read: np.ndarray
    failed: np.ndarray
    words: tuple


def row_width(rails: int) -> int:
    """Bytes of one row with its newline.

    >>> row_width(2)
    50
    """
    return T_WIDTH + (1 + RAIL_WIDTH) * rails + 1 + STATUS_WIDTH + 1


def decode_integers(field: np.ndarray) -> tuple:
    """Decode right-aligned integers; gives (values, present, valid) for an (n, width) array of bytes.

    A blank field is valid and not present.

    >>> decode_integers(np.frombuffer(b"  -12   3x", dtype=np.uint8).reshape(2, 5))[0].tolist()
    [-12, 0]
    """
    digit = field - np.uint8(_ZERO)
    is_digit = digit < 10
    space = field == _SPACE
    values = np.zeros(len(field), dtype=np.int64)
    for column in range(field.shape[1]):
        values = np.where(is_digit[:, column], values * 10 + digit[:, column], values)
    leading = np.where(space.all(axis=1), field.shape[1], np.argmin(space, axis=1))
    present = leading < field.shape[1]
    negative = present & (field[np.arange(len(field)), np.minimum(leading, field.shape[1] - 1)] == _MINUS)
    digits = is_digit.sum(axis=1)
    valid = (leading + negative + digits == field.shape[1]) & (~negative | (digits > 0))
    values = np.where(negative, -values, values)
    return np.where(present & valid, values, 0), present & valid, valid


def decode_rows(block: np.ndarray, rails: int) -> tuple:
    """Decode an (n, row width) array of bytes; gives (Rows, good) where `good` tells the rows that have the layout of the format."""
    good = block[:, -1] == _NEWLINE
    t_us, timed, valid = decode_integers(block[:, :T_WIDTH])
    good = good & timed & valid
    mw = np.zeros((len(block), rails), dtype=np.int64)
    read = np.zeros((len(block), rails), dtype=bool)
    at = T_WIDTH
    for rail in range(rails):
        good = good & (block[:, at] == _COMMA)
        mw[:, rail], read[:, rail], valid = decode_integers(block[:, at + 1:at + 1 + RAIL_WIDTH])
        good = good & valid
        at += 1 + RAIL_WIDTH
    good = good & (block[:, at] == _COMMA)
    status = block[:, at + 1:at + 1 + STATUS_WIDTH]
    good = good & ((status >= _SPACE) & (status < 127)).all(axis=1)
    failed = (status != _OK).any(axis=1)
    words = tuple(bytes(row).decode("ascii").strip() for row in status[failed & good])
    return Rows(t_us, mw, read, failed, words), good


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
        rows, good = decode_rows(data[at:at + count * width].reshape(count, width), rails)
        kept = count if good.all() else int(np.argmin(good))
        at += kept * width
        step = min(step * 4, block_rows)
        if kept < count:
            at, step = _next_line(data, at), min(64, block_rows)
        words = rows.words[:int(rows.failed[:kept].sum())]
        yield Rows(rows.t_us[:kept], rows.mw[:kept], rows.read[:kept], rows.failed[:kept], words), int(kept < count)


def _next_line(data: np.ndarray, at: int) -> int:
    """Where the line after the one at `at` begins."""
    while at < len(data):
        found = np.flatnonzero(data[at:at + 4096] == _NEWLINE)
        if len(found):
            return at + int(found[0]) + 1
        at += 4096
    return len(data)


def _empty(rails: int) -> Rows:
    nothing = np.zeros((0, rails))
    return Rows(np.zeros(0, np.int64), nothing.astype(np.int64), nothing.astype(bool), np.zeros(0, bool), ())
