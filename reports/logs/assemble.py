"""Put the segments of a power log together: one series of samples for each boot, in the order of its clock.

A recorder writes no row that is older than its last one, and a restarted one may (a slow meter tells again what it told last): the
segments of one boot are one clock's, and are sorted. Where the times go back within a segment, or the boot is not known, rows were moved,
doubled or stamped by a clock that was set back: nobody can tell, so they stay apart, and no energy is taken across.
"""

import json
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from joulebird.harness.core.errors import ReportError
from joulebird.reports.logs.powerlog import Segment


class Piece(NamedTuple):
    """Samples in the order of one clock: its boot_id, microseconds, (n, rails) powers, what was read, and where a recorder (re)started."""

    boot_id: str
    t_us: np.ndarray
    power: np.ndarray
    read: np.ndarray
    starts: np.ndarray


class Assembled(NamedTuple):
    """A log put together: its source, all rails, the pieces, and how often lines were damaged, times repeated or set back, reads failed."""

    source: dict
    rails: tuple
    pieces: tuple
    damaged: int
    duplicates: int
    steps_back: int
    failures: dict
    clocks: tuple


def assemble(name: str, segments: Iterable[Segment]) -> Assembled:
    """Put segments together by boot; raises ReportError when they hold no row or mix sources."""
    segments = list(segments)
    filled = [s for s in segments if len(s.t_us)]
    damaged = sum(s.damaged for s in segments)
    if not filled:
        raise ReportError(
            f"{name}: the log holds no sample" + (f" ({damaged} damaged lines)" if damaged else ""),
            "record again; `joulebird sources` says what can be read here",
        )
    _one_source(name, filled)
    rails = tuple(dict.fromkeys(rail for s in filled for rail in s.rails))
    pieces, duplicates, back = [], 0, 0
    for boot in dict.fromkeys(str(s.clock.get("boot_id", "")) for s in filled):
        more, twice, steps = _pieces(
            boot, [s for s in filled if str(s.clock.get("boot_id", "")) == boot], rails
        )
        pieces, duplicates, back = pieces + more, duplicates + twice, back + steps
    failures: dict = {}
    for segment in segments:
        for word, count in segment.failures.items():
            failures[word] = failures.get(word, 0) + count
    return Assembled(
        filled[-1].source,
        rails,
        tuple(pieces),
        damaged,
        duplicates,
        back,
        failures,
        tuple(s.clock for s in filled),
    )


def _one_source(name: str, segments: list[Segment]) -> None:
    for key in ("name", "sampling", "scope", "total"):
        if len({json.dumps(s.source.get(key)) for s in segments}) > 1:
            raise ReportError(
                f"{name}: the log mixes power sources (different {key})",
                "integrate each segment as a log of its own, or run the stage anew with one source",
            )


def _pieces(
    boot: str, segments: list[Segment], rails: tuple[str, ...]
) -> tuple[list[Piece], int, int]:
    """The samples of one boot, sorted where that is safe, no time twice, cut where they go back; gives (pieces, duplicates, cuts)."""
    if (
        len(segments) == 1
        and segments[0].rails == rails
        and len(segments[0].t_us)
        and (np.diff(segments[0].t_us) > 0).all()
    ):
        (only,) = segments
        starts = np.zeros(len(only.t_us), dtype=bool)
        starts[0] = True
        return [Piece(boot, only.t_us, only.power, only.read, starts)], 0, 0
    t_us = np.concatenate([s.t_us for s in segments])
    power = np.zeros((len(t_us), len(rails)), dtype=segments[0].power.dtype)
    read, starts, at = np.zeros(power.shape, dtype=bool), np.zeros(len(t_us), dtype=bool), 0
    for s in segments:
        columns = [rails.index(rail) for rail in s.rails]
        power[at : at + len(s.t_us), columns], read[at : at + len(s.t_us), columns], starts[at] = (
            s.power,
            s.read,
            True,
        )
        at += len(s.t_us)
    if boot and all((np.diff(s.t_us) >= 0).all() for s in segments):
        order = np.argsort(t_us, kind="stable")
        t_us, power, read, starts = t_us[order], power[order], read[order], starts[order]
    new = np.diff(t_us, prepend=t_us[0] - 1) != 0
    t_us, power, read, starts = t_us[new], power[new], read[new], starts[new]
    back = np.flatnonzero(np.diff(t_us) < 0) + 1
    cuts = [0, *back.tolist(), len(t_us)]
    pieces = [
        Piece(boot, t_us[a:b], power[a:b], read[a:b], starts[a:b])
        for a, b in zip(cuts, cuts[1:], strict=False)
    ]
    return pieces, int((~new).sum()), len(back)
