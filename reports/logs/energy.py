"""Energy of a window: joules with their uncertainty, coverage and the words that must stand beside them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from joulebird.harness.core.errors import ReportError

MIN_COVERAGE = 0.95


@dataclass(frozen=True)
class Ratio:
    """A quotient of two energies and its uncertainty (a gain error that both share is left out: it cancels)."""

    value: float
    u: float


@dataclass(frozen=True)
class Energy:
    """Energy of one rail (or total) over a window.

    `measured_j` is the exact integral over the covered part of the window, `seconds` the whole window, `covered_s` its covered part.
    `joules` is None when the number is void (coverage below 95 %). `u_*_j` are the parts of the uncertainty in joules:
    `u_gain_j` and `u_offset_j` are shared by everything one sensor measures, `u_random_j` (sampling, quantisation, window edges) is not.
    `words` must stand beside the number wherever it appears: "simulated", "replayed", "estimated".
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
    sensor: str = ""
    words: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def coverage(self) -> float:
        """The share of the window between usable samples, 0 to 1; 1 for an empty window, but 0 if it has a `reason`."""
        if self.seconds > 0:
            return min(self.covered_s / self.seconds, 1.0)
        return 0.0 if self.reason else 1.0

    @property
    def void_reason(self) -> str | None:
        """Why there is no number, or None when there is one."""
        if self.coverage >= MIN_COVERAGE:
            return None
        if self.reason and not self.covered_s:
            return self.reason
        known = f"only {100 * self.coverage:.1f} % of {self.seconds:.6g} s was recorded (longest gap {self.worst_gap_s:.3g} s)"
        return f"{known}: {self.reason}" if self.reason else known

    @property
    def void(self) -> bool:
        """True when too little was recorded: then there is no number, and never a smaller one. `reason` may say why it was little."""
        return self.void_reason is not None

    @property
    def watts(self) -> float | None:
        """Mean power over the covered part, in watts; None when void."""
        return None if self.void else self._mean_w

    @property
    def _mean_w(self) -> float:
        return float(self.measured_j) / self.covered_s if self.covered_s > 0 else 0.0

    @property
    def joules(self) -> float | None:
        """Energy of the whole window, in joules; None when void.

        Holes of an accepted window (at most 5 %) count with the mean power of the rest; `u_joules` holds how wrong that can be.
        """
        if self.void:
            return None
        return float(self.measured_j) + self._mean_w * self._hole_s

    @property
    def _hole_s(self) -> float:
        return max(self.seconds - self.covered_s, 0.0)

    @property
    def u_holes_j(self) -> float:
        """How far the energy of the holes may be off: they may have been all at the lowest or all at the highest power seen."""
        return self._hole_s * max(self.peak_w - self._mean_w, self._mean_w - self.low_w, 0.0)

    @property
    def u_joules(self) -> float | None:
        """Uncertainty in joules at about 95 % (k = 2 for what is random, the limits for what is not); None when void."""
        if self.void:
            return None
        return math.hypot(self.u_gain_j, self.u_offset_j, 2.0 * self.u_random_j, self.u_holes_j)

    @property
    def own_u_joules(self) -> float | None:
        """The part of `u_joules` that another measurement with the same sensor does not share; None when void."""
        return None if self.void else math.hypot(2.0 * self.u_random_j, self.u_holes_j)

    def ratio(self, other: "Energy") -> Ratio:
        """This energy over another one's; raises ReportError if one is void.

        With one sensor the gain cancels, and of the offset only the difference stays.
        """
        if self.void or other.void or not self.joules or not other.joules:
            why = self.void_reason or other.void_reason or "zero energy"
            raise ReportError("a ratio with an energy that is void or zero", f"see: {why}")
        value = self.joules / other.joules
        one, two = self.own_u_joules / self.joules, other.own_u_joules / other.joules
        gain = [e.u_gain_j / e.joules for e in (self, other)]
        offset = [e.u_offset_j / e.joules for e in (self, other)]
        if self.sensor and self.sensor == other.sensor:
            return Ratio(
                value, abs(value) * math.hypot(one, two, offset[0] - offset[1], gain[0] - gain[1])
            )
        return Ratio(value, abs(value) * math.hypot(one, two, *offset, *gain))

    def minus_idle(self, idle_w: float, u_idle_w: float = 0.0) -> "Energy":
        """Net of an idle power in watts; a constant offset of the sensor is in both and cancels."""
        measured = self.measured_j - Fraction(idle_w) * Fraction(self.covered_s)
        return replace(
            self,
            measured_j=measured,
            low_w=self.low_w - idle_w,
            peak_w=self.peak_w - idle_w,
            u_offset_j=0.0,
            u_random_j=math.hypot(self.u_random_j, u_idle_w * self.seconds / 2.0),
        )

    def scaled(self, factor: float | Fraction) -> "Energy":
        """This energy times a factor, as for so many epochs like it; all uncertainties scale with it."""
        times = float(factor)
        return replace(
            self,
            seconds=self.seconds * times,
            covered_s=self.covered_s * times,
            measured_j=self.measured_j * Fraction(factor),
            u_gain_j=self.u_gain_j * times,
            u_offset_j=self.u_offset_j * times,
            u_random_j=self.u_random_j * times,
        )

    def worded(self, *words: str) -> "Energy":
        """The same energy with further words beside it."""
        return replace(self, words=tuple(dict.fromkeys((*self.words, *words))))

    def as_dict(self) -> dict:
        """Exact numbers with their units in the names, for JSON."""
        return {
            "rail": self.rail,
            "joules": self.joules,
            "u_joules": self.u_joules,
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
        }

    def __str__(self) -> str:
        if self.void:
            return f"void ({self.void_reason})"
        return " ".join(
            [f"{self.joules:.6g} J +- {self.u_joules:.2g} J", *(f"({word})" for word in self.words)]
        )


def total_energy(parts: Iterable[Energy]) -> Energy:
    """Add energies of windows that do not overlap. Gain and offset errors of one sensor add up, random ones add in quadrature.

    Coverage is judged over the whole: a void part of no weight does not void the sum. A part without a rail was not recorded at all and
    may stand beside any. A sum that is void has the reasons of its parts. Raises ReportError for mixed rails or no parts.
    """
    parts = list(parts)
    rails = sorted({part.rail for part in parts if part.rail}) or [""] * bool(parts)
    if len(rails) != 1:
        raise ReportError(
            f"energies of different rails cannot be added: {', '.join(rails) or 'none given'}",
            "choose one with --rail",
        )
    sensors = {part.sensor for part in parts if part.samples}
    seen = [part for part in parts if part.samples]
    reasons = dict.fromkeys(part.reason for part in parts if part.reason)
    return Energy(
        rail=rails[0],
        seconds=math.fsum(p.seconds for p in parts),
        covered_s=math.fsum(p.covered_s for p in parts),
        measured_j=sum((p.measured_j for p in parts), Fraction(0)),
        worst_gap_s=max(p.worst_gap_s for p in parts),
        samples=sum(p.samples for p in parts),
        failed=sum(p.failed for p in parts),
        low_w=min((p.low_w for p in seen), default=0.0),
        peak_w=max((p.peak_w for p in seen), default=0.0),
        u_gain_j=math.fsum(p.u_gain_j for p in parts),
        u_offset_j=math.fsum(p.u_offset_j for p in parts),
        u_random_j=math.hypot(*(p.u_random_j for p in parts)),
        sensor=sensors.pop() if len(sensors) == 1 else "",
        words=tuple(sorted({word for p in parts for word in p.words})),
        reason="; ".join(reasons) or None,
    )
