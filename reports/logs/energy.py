"""Energy of a window: joules with their uncertainty, coverage and the words that go with them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import MIN_COVERAGE
from joulebird.harness.core.sensor import K95, expanded


@dataclass(frozen=True)
class Ratio:
    """A quotient of two energies with its uncertainty; a gain error shared by both cancels."""

    value: float
    u: float


@dataclass(frozen=True)
class Energy:
    """Energy of one rail (or total) over a window.

    `measured_j` is the exact integral over the covered part of the window, `seconds` the length of
    the window, `covered_s` that of its covered part. `u_gain_j` and `u_offset_j` are limits of
    errors shared by all measurements of one sensor, `stated` whether the source states them. Two
    standard deviations are not shared: `u_random_j` (sampling, quantisation, window edges) and
    `u_grid_j`, of a fixed grid in which the power may move; `doubt` says why. `u_lag_j` is the
    known error, with its sign, of a chip whose readings lag behind. `words` accompany the number
    everywhere: "simulated", "replayed", "estimated", "aliased?".
    """

    rail: str
    seconds: float
    covered_s: float
    measured_j: Fraction
    worst_gap_s: float = 0.0
    samples: int = 0
    failed: int = 0
    low_w: float = 0.0
    peak_w: float = 0.0
    u_gain_j: float = 0.0
    u_offset_j: float = 0.0
    u_random_j: float = 0.0
    u_lag_j: float = 0.0
    u_grid_j: float = 0.0
    doubt: str = ""
    sensor: str = ""
    stated: bool = False
    words: tuple[str, ...] = ()
    reason: str | None = None
    damaged: int = 0

    @property
    def coverage(self) -> float:
        """Return the covered share of the window, 0 to 1: of its time, and of its lines.

        An empty window has 1, or 0 if it has a `reason`. One damaged line alone counts by the time
        that it left open.
        """
        if self.seconds > 0:
            lines = self.samples + self.failed + self.damaged
            whole = 1.0 - self.damaged / lines if self.damaged > 1 else 1.0
            return min(self.covered_s / self.seconds, whole, 1.0)
        return 0.0 if self.reason else 1.0

    @property
    def void_reason(self) -> str | None:
        """Return why there is no number, or None when there is one."""
        if self.coverage >= MIN_COVERAGE:
            return None
        if self.reason and not self.covered_s:
            return self.reason
        share = f"only {100 * self.coverage:.1f} % of {self.seconds:.6g} s was recorded"
        torn = f", {self.damaged} lines damaged or missing" if self.damaged else ""
        known = f"{share} (longest gap {self.worst_gap_s:.3g} s{torn})"
        return f"{known}: {self.reason}" if self.reason else known

    @property
    def void(self) -> bool:
        """Return whether the coverage is too small for a number."""
        return self.coverage < MIN_COVERAGE

    @property
    def watts(self) -> float | None:
        """Return the mean power over the covered part, in watts; None when void."""
        return None if self.void else self._mean_w

    @property
    def _mean_w(self) -> float:
        return float(self.measured_j) / self.covered_s if self.covered_s > 0 else 0.0

    @property
    def joules(self) -> float | None:
        """Return the energy of the whole window, in joules; None when void.

        Holes of an accepted window (at most 5 %) count with the mean power of the rest;
        `u_joules` contains their bounds.
        """
        if self.void:
            return None
        return float(self.measured_j) + self._mean_w * self._hole_s

    @property
    def _hole_s(self) -> float:
        return max(self.seconds - self.covered_s, 0.0)

    @property
    def u_holes_j(self) -> float:
        """Return the bound of the holes' error: all of them at the lowest or the highest power."""
        return self._hole_s * max(self.peak_w - self._mean_w, self._mean_w - self.low_w, 0.0)

    @property
    def u_joules(self) -> float | None:
        """Return the uncertainty in joules at about 95 %; None when void.

        reports/logs/sampling.py has the model.
        """
        limits = self.u_gain_j, self.u_offset_j, self.u_holes_j
        return None if self.void else expanded(self._sigma_j, *limits, known=self.u_lag_j)

    @property
    def u_sensor_joules(self) -> float | None:
        """Return the sensor's part of `u_joules`; None when void, or when it states none."""
        known = self.stated and not self.void
        return expanded(0.0, self.u_gain_j, self.u_offset_j) if known else None

    @property
    def own_u_joules(self) -> float | None:
        """Return the part of `u_joules` that measurements with one sensor do not share."""
        known = self.u_lag_j
        return None if self.void else expanded(self._sigma_j, self.u_holes_j, known=known)

    @property
    def _sigma_j(self) -> float:
        return math.hypot(self.u_random_j, self.u_grid_j)

    def ratio(self, other: "Energy") -> Ratio:
        """Return this energy over another one; raises HarnessError if one is void or zero.

        With one sensor the gain cancels, and of the offset only the difference stays.
        """
        ours, theirs = self.joules, other.joules
        if not ours or not theirs:
            why = self.void_reason or other.void_reason or "zero energy"
            raise HarnessError("a ratio with an energy that is void or zero", f"see: {why}")
        value = ours / theirs
        own = math.hypot(self._sigma_j / ours, other._sigma_j / theirs)
        holes = self.u_holes_j / ours, other.u_holes_j / theirs
        gain = self.u_gain_j / ours, other.u_gain_j / theirs
        offset = self.u_offset_j / ours, other.u_offset_j / theirs
        one_sensor = self.sensor and self.sensor == other.sensor
        shared = (offset[0] - offset[1], gain[0] - gain[1]) if one_sensor else (*offset, *gain)
        lag = self.u_lag_j / ours - other.u_lag_j / theirs
        return Ratio(value, abs(value) * expanded(own, *holes, *shared, known=lag))

    def minus_idle(self, idle_w: float, u_idle_w: float = 0.0) -> "Energy":
        """Return the energy net of an idle power in watts; a constant offset cancels."""
        return replace(
            self,
            measured_j=self.measured_j - Fraction(idle_w) * Fraction(self.covered_s),
            low_w=self.low_w - idle_w,
            peak_w=self.peak_w - idle_w,
            u_offset_j=0.0,
            u_random_j=math.hypot(self.u_random_j, u_idle_w * self.seconds / K95),
        )

    def scaled(self, factor: float | Fraction) -> "Energy":
        """Return this energy times a factor; all uncertainties scale with it."""
        times = float(factor)
        return replace(
            self,
            seconds=self.seconds * times,
            covered_s=self.covered_s * times,
            measured_j=self.measured_j * Fraction(factor),
            u_gain_j=self.u_gain_j * times,
            u_offset_j=self.u_offset_j * times,
            u_random_j=self.u_random_j * times,
            u_lag_j=self.u_lag_j * times,
            u_grid_j=self.u_grid_j * times,
        )

    def worded(self, *words: str) -> "Energy":
        """Return the same energy with further words beside it."""
        return replace(self, words=tuple(dict.fromkeys((*self.words, *words))))

    def as_dict(self) -> dict[str, Any]:
        """Return the exact numbers with their units in the names, for JSON."""
        return {
            "rail": self.rail,
            "joules": self.joules,
            "u_joules": self.u_joules,
            "u_sensor_j": self.u_sensor_joules,
            "u_sampling_j": self.own_u_joules,
            "seconds": self.seconds,
            "mean_w": self.watts,
            "peak_w": self.peak_w if self.samples else None,
            "coverage": self.coverage,
            "worst_gap_s": self.worst_gap_s,
            "samples": self.samples,
            "failed_reads": self.failed,
            "void": self.void,
            "reason": self.void_reason,
            "words": list(self.words),
            "doubt": self.doubt or None,
        }

    def __str__(self) -> str:
        if self.void:
            return f"void ({self.void_reason})"
        words = "".join(f" ({word})" for word in self.words)
        return f"{self.joules:.6g} J +- {self.u_joules:.2g} J{words}"


def no_energy(rail: str, seconds: float, reason: str) -> Energy:
    """Return the void energy of a window without a record, with the reason."""
    return Energy(rail, seconds, 0.0, Fraction(0), seconds, reason=reason)


def total_energy(energies: Iterable[Energy]) -> Energy:
    """Add energies of windows that do not overlap.

    Gain and offset errors of one sensor add up, random ones add in quadrature. Coverage is judged
    over the sum, so a void part of no weight does not void it; a void sum has the reasons of its
    parts. An unrecorded part has no rail and fits any. Raises HarnessError for mixed rails or no
    parts.
    """
    parts = list(energies)
    rails = sorted({part.rail for part in parts if part.rail}) or [""] * bool(parts)
    if len(rails) != 1:
        raise HarnessError(
            f"energies of different rails cannot be added: {', '.join(rails) or 'none given'}",
            "choose one with --rail",
        )
    sampled = [part for part in parts if part.samples]
    sensors = {part.sensor for part in sampled}
    return Energy(
        rail=rails[0],
        seconds=math.fsum(part.seconds for part in parts),
        covered_s=math.fsum(part.covered_s for part in parts),
        measured_j=sum((part.measured_j for part in parts), Fraction(0)),
        worst_gap_s=max(part.worst_gap_s for part in parts),
        samples=sum(part.samples for part in parts),
        failed=sum(part.failed for part in parts),
        damaged=sum(part.damaged for part in parts),
        low_w=min((part.low_w for part in sampled), default=0.0),
        peak_w=max((part.peak_w for part in sampled), default=0.0),
        u_gain_j=math.fsum(part.u_gain_j for part in parts),
        u_offset_j=math.fsum(part.u_offset_j for part in parts),
        u_random_j=math.hypot(*(part.u_random_j for part in parts)),
        u_lag_j=math.fsum(part.u_lag_j for part in parts),
        u_grid_j=math.fsum(part.u_grid_j for part in parts),
        doubt=next((part.doubt for part in parts if part.doubt), ""),
        sensor=sensors.pop() if len(sensors) == 1 else "",
        stated=bool(sampled) and all(part.stated for part in sampled),
        words=tuple(sorted({word for part in parts for word in part.words})),
        reason="; ".join(dict.fromkeys(part.reason for part in parts if part.reason)) or None,
    )
