"""Decode fixed-width rows byte by byte: slow, but negative, failed and damaged ones too."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from joulebird.harness.core.powerlog import OK, RAIL_WIDTH, STATUS_WIDTH, T_WIDTH

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
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
    is_digit = digit < 10
    space = field == _SPACE
    values = np.zeros(len(field), dtype=np.int64)
    for column in range(field.shape[1]):
        values = np.where(is_digit[:, column], values * 10 + digit[:, column], values)
    leading = np.where(space.all(axis=1), field.shape[1], np.argmin(space, axis=1))
    present = leading < field.shape[1]
    negative = present & (
        field[np.arange(len(field)), np.minimum(leading, field.shape[1] - 1)] == _MINUS
    )
    digits = is_digit.sum(axis=1)
    valid = (leading + negative + digits == field.shape[1]) & (~negative | (digits > 0))
    values = np.where(negative, -values, values)
    return np.where(present & valid, values, 0), present & valid, valid


def decode_rows(block: Block, rails: int) -> tuple[Rows, Flags]:
    """Decode an (n, row width) array of bytes: (Rows, which of them have the format's layout)."""
    good: Flags = block[:, -1] == _NEWLINE
    t_us, timed, valid = decode_integers(block[:, :T_WIDTH])
    good = good & timed & valid
    mw = np.zeros((len(block), rails), dtype=np.int64)
    read = np.zeros((len(block), rails), dtype=bool)
    at = T_WIDTH
    for rail in range(rails):
        good = good & (block[:, at] == _COMMA)
        mw[:, rail], read[:, rail], valid = decode_integers(block[:, at + 1 : at + 1 + RAIL_WIDTH])
        good = good & valid
        at += 1 + RAIL_WIDTH
    good = good & (block[:, at] == _COMMA)
    status = block[:, at + 1 : at + 1 + STATUS_WIDTH]
    good = good & ((status >= _SPACE) & (status < 127)).all(axis=1)
    failed = (status != _OK).any(axis=1)
    words = tuple(bytes(row).decode("ascii").strip() for row in status[failed & good])
    return Rows(t_us, mw, read, failed, words), good
