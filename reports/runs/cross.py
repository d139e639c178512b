"""Compare the power sources that recorded the same stages, over the same windows."""

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from joulebird.harness.core import records as record
from joulebird.harness.core.powerlog import has_rows
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.pieces import words_of
from joulebird.reports.logs.powerlog import first_source
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.accounting import stage_energy
from joulebird.reports.runs.records import FinishedStage

# A scope with a larger number contains those with smaller ones.
INSIDE = {"gpu": 0, "package": 0, "module": 1, "board": 2, "dc": 3, "wall": 4}
_Reading = tuple[dict[str, Any], Energy]  # a source with its energy of one stage
TELLING_SAMPLES = 20  # of a slow meter, for a stage's own share to mean something


@dataclass(frozen=True)
class Sighting:
    """Two power sources compared over the stages that both recorded.

    `one` and `other` are names with scopes; `one` contains all of `other` (`wider`: and more; None:
    unknown, then `other` is the counting source). `share` is the surplus of `one` (0.12: 12 %), `u`
    its uncertainty, `low` and `high` its range over stages. `real`: both are measurements.
    """

    one: str
    other: str
    share: float
    u: float
    low: float
    high: float
    stages: int
    wider: bool | None
    real: bool

    @property
    def impossible(self) -> bool:
        """Return whether the wider scope has less energy."""
        return self.wider is True and self.share < -self.u

    @property
    def differs(self) -> bool:
        """Return whether sources of one scope disagree beyond their uncertainty."""
        return self.wider is False and abs(self.share) > self.u

    def text(self) -> str:
        """Return one sentence."""
        word = "less" if self.share < 0 else "more"
        low, high = (f"{100 * share:+.3g} %" for share in (self.low, self.high))
        span = f", {low} to {high} by stage" if low != high else ""
        real = "" if self.real else "; not both are measurements"
        return (
            f"{self.one} saw {100 * abs(self.share):.3g} % {word} than {self.other} "
            f"({self.stages} stage{'s' if self.stages > 1 else ''}{span}{real})"
        )


def sightings(stages: Iterable[FinishedStage]) -> list[Sighting]:
    """Compare every other source with the counting one over the stages in which none is void."""
    pairs: dict[tuple[tuple[str, str], ...], list[tuple[_Reading, _Reading]]] = {}
    for stage in (stage for stage in stages if stage.measured):
        for path in other_logs(stage):
            first, energy = stage_energy(stage), energy_of(stage, PowerTrace.load(path))
            if first.joules and energy is not None and energy.joules:
                both = (first_source(path) or {}, energy), (stage.source, first)
                extents = [INSIDE.get(source.get("scope", ""), 0) for source, _ in both]
                wide, narrow = both if extents[0] >= extents[1] else both[::-1]
                key = tuple((label(source), seen.sensor) for source, seen in (wide, narrow))
                pairs.setdefault(key, []).append((wide, narrow))
    return [_sighting(of_sensors) for of_sensors in pairs.values()]


def _sighting(pairs: list[tuple[_Reading, _Reading]]) -> Sighting:
    wide, narrow = (total_energy(pair[side][1] for pair in pairs) for side in (0, 1))
    ratio = wide.ratio(narrow)
    telling = [pair for pair in pairs if min(side[1].samples for side in pair) >= TELLING_SAMPLES]
    shares = [one.ratio(other).value - 1 for (_, one), (_, other) in telling or pairs]
    sources = [source for source, _ in pairs[0]]
    scopes = [INSIDE.get(source.get("scope", "")) for source in sources]
    known = [scope for scope in scopes if scope is not None]
    return Sighting(
        one=label(sources[0]),
        other=label(sources[1]),
        share=ratio.value - 1,
        u=ratio.u,
        low=min(shares),
        high=max(shares),
        stages=len(pairs),
        wider=known[0] > known[1] if len(known) == 2 else None,
        real=not any(words_of(source) for source in sources),
    )


def other_logs(stage: FinishedStage) -> list[str]:
    """Return the logs of other sources in a stage's folder, without those that hold no row."""
    stem, dot, ending = record.POWER.partition(".")
    paths = sorted(glob.glob(os.path.join(glob.escape(stage.folder), f"{stem}-*{dot}{ending}")))
    return [path for path in paths if has_rows(path)]


def energy_of(stage: FinishedStage, trace: PowerTrace) -> Energy | None:
    """Return the energy of a stage's useful work by another log; None if that names no total."""
    known = trace.total and stage.useful
    return total_energy(trace.over(window) for window in stage.useful) if known else None


def label(source: dict[str, Any]) -> str:
    """Return a source's name and scope.

    >>> label({"name": "serial", "scope": "dc"})
    'serial (dc)'
    """
    return f"{source.get('name', '?')} ({source.get('scope', 'unknown')})"
