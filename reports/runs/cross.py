"""What several sources saw of the same stages: a meter outside the board beside the sensors on it, compared over the same windows."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from joulebird.harness.core import records as record
from joulebird.harness.core.powerlog import has_rows
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.pieces import words_of
from joulebird.reports.logs.powerlog import first_source
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.accounting import boot_of, stage_energy
from joulebird.reports.runs.records import Stage

INSIDE = {
    "gpu": 0,
    "package": 0,
    "module": 1,
    "board": 2,
    "dc": 3,
    "wall": 4,
}  # a larger number covers all that a smaller one does
TELLING_SAMPLES = 20  # of a slow meter, for a stage's own share to mean something


@dataclass(frozen=True)
class Sighting:
    """What two sources saw of the stages that both recorded.

    `one` and `other` are their names with their scopes; `one` covers all that `other` does (`wider`: and more; None: not known, then
    `other` is the one whose energies count). `share` is how much more `one` saw (0.12: 12 % more), `u` how far that may be off by what the
    sensors state, `low` and `high` are the least and the largest share of one stage; `real` is false when not both are measurements.
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
        """Whether what covers more saw less."""
        return self.wider is True and self.share < -self.u

    @property
    def differs(self) -> bool:
        """Whether two that cover the same disagree by more than they may."""
        return self.wider is False and abs(self.share) > self.u

    def text(self) -> str:
        """One sentence."""
        word = "less" if self.share < 0 else "more"
        span = (
            f", {percent(self.low)} to {percent(self.high)} by stage"
            if percent(self.low) != percent(self.high)
            else ""
        )
        real = "" if self.real else "; not both are measurements"
        return (
            f"{self.one} saw {100 * abs(self.share):.3g} % {word} than {self.other} "
            f"({self.stages} stage{'s' if self.stages > 1 else ''}{span}{real})"
        )


def percent(share: float) -> str:
    """A share with its sign.

    >>> percent(0.1234), percent(-0.02)
    ('+12.3 %', '-2 %')
    """
    return f"{100 * share:+.3g} %"


def sightings(stages: Iterable[Stage]) -> list[Sighting]:
    """Every other source compared with the one whose energies count, over the stages in which neither is void."""
    seen: dict[tuple[str, str], list[tuple[Energy, Energy]]] = {}
    sources: dict[tuple[str, str], tuple[dict, dict]] = {}
    for stage in stages:
        if not stage.measured:
            continue
        first = stage_energy(stage)
        for path in other_logs(stage):
            source = first_source(path) or {}
            other = energy_of(stage, PowerTrace.load(path))
            if first.joules and other is not None and other.joules:
                both = [(source, other), (stage.source, first)]
                both.sort(key=lambda one: INSIDE.get(one[0].get("scope", ""), 0), reverse=True)
                key = label(both[0][0]), label(both[1][0])
                sources.setdefault(key, (both[0][0], both[1][0]))
                seen.setdefault(key, []).append((both[0][1], both[1][1]))
    return [_sighting(key, sources[key], pairs) for key, pairs in seen.items()]


def _sighting(
    labels: tuple[str, str], sources: tuple[dict, dict], pairs: list[tuple[Energy, Energy]]
) -> Sighting:
    ratio = total_energy([pair[0] for pair in pairs]).ratio(
        total_energy([pair[1] for pair in pairs])
    )
    telling = [
        pair for pair in pairs if min(pair[0].samples, pair[1].samples) >= TELLING_SAMPLES
    ] or pairs
    shares = [pair[0].joules / pair[1].joules - 1 for pair in telling]
    cover = [INSIDE.get(source.get("scope", "")) for source in sources]
    wider = None if None in cover else cover[0] > cover[1]
    return Sighting(
        *labels,
        ratio.value - 1,
        ratio.u,
        min(shares),
        max(shares),
        len(pairs),
        wider,
        not any(words_of(source) for source in sources),
    )


def other_logs(stage: Stage) -> list[str]:
    """The logs of other sources in a stage's folder, those without a row left out."""
    stem, dot, ending = record.POWER.partition(".")
    found = sorted(glob.glob(os.path.join(glob.escape(stage.folder), f"{stem}-*{dot}{ending}")))
    return [path for path in found if has_rows(path)]


def energy_of(stage: Stage, trace: PowerTrace) -> Energy | None:
    """Energy of a stage's useful work by another log than its own; None where that names no total."""
    windows = [a.useful for a in stage.attempts if a.useful]
    if not trace.total or not windows:
        return None
    return total_energy(
        [trace.energy(w.begin_s, w.end_s, boot_id=boot_of(trace, w)) for w in windows]
    )


def label(source: dict) -> str:
    """A source's name and what it covers.

    >>> label({"name": "serial", "scope": "dc"})
    'serial (dc)'
    """
    return f"{source.get('name', '?')} ({source.get('scope', 'unknown')})"


def notes(stages: Iterable[Stage]) -> Iterator[str]:
    """A sentence for each other source, for the notes under a table."""
    for found in sightings(stages):
        yield f"Beside it: {found.text()}."
