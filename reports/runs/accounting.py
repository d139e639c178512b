"""The cost of stages and runs: energy, idle power, evaluation, repeated work, FLOPs."""

import math
import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Attempt, Window, attempts
from joulebird.harness.core.flops import FORWARDS, paper_gflops, work_flops
from joulebird.harness.core.powerlog import has_rows
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import BUSY, LOADED, FinishedRun, FinishedStage

SENSOR = ("name", "sensor", "scope", "total")  # of a source: powers of one sensor are subtracted


def idle_windows(
    root: str, session: str, like: dict[str, Any] | None = None
) -> list[tuple[PowerTrace, Window]]:
    """Return the recorded idle measurements of a session, before and after its work.

    With `like`, a source's description, they are those of its sensor.
    """
    recorded = []
    for when in ("before", "after"):
        folder = record.idle_dir(root, session, when)
        path = os.path.join(folder, record.POWER)
        if session and os.path.exists(path) and has_rows(path):
            trace = PowerTrace.load(path)
            events = record.read_events(os.path.join(folder, record.EVENTS))
            windows = [attempt.useful for attempt in attempts(events) if attempt.useful]
            stated = [key for key in SENSOR if key in trace.source and key in (like or {})]
            if not like or all(trace.source[key] == like[key] for key in stated):
                recorded += [(trace, window) for window in windows[-1:]]
    return recorded


def idle_power(
    root: str, session: str, rail: str | None = None, like: dict[str, Any] | None = None
) -> tuple[float, float] | None:
    """Return the mean idle power of a session and its uncertainty in watts; None if not recorded.

    The uncertainty is at least half the difference of before and after. `like` as in
    `idle_windows`.
    """
    energies = (trace.over(window, rail) for trace, window in idle_windows(root, session, like))
    known = [
        (energy.watts, energy.own_u_joules / energy.seconds)
        for energy in energies
        if energy.watts is not None and energy.own_u_joules is not None and energy.seconds > 0
    ]
    if not known:
        return None
    watts, u_watts = zip(*known, strict=True)
    return statistics.fmean(watts), math.hypot((max(watts) - min(watts)) / 2, max(u_watts))


def idle_words(root: str, session: str) -> list[str]:
    """Return the words that go with the idle power of a session."""
    folders = [record.idle_dir(root, session, when) for when in ("before", "after")]
    events = [record.read_events(os.path.join(folder, record.EVENTS)) for folder in folders]
    return [LOADED] if any(event.get("name") == BUSY for part in events for event in part) else []


def idle_sessions(stages: Iterable[FinishedStage]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the sessions that worked on some stages, each with its power source."""
    return {session: stage.source for stage in stages for session in stage.sessions}


class IdlePowers:
    """The idle powers of sessions on one rail, each integrated once for each sensor."""

    def __init__(self, rail: str | None = None) -> None:
        self.rail = rail
        self._known: dict[tuple[str, ...], tuple[tuple[float, float] | None, list[str]]] = {}

    def net(self, stage: FinishedStage, window: Window) -> Energy | None:
        """Return the energy of a window less the idle power of the session that recorded it.

        None when that session has no idle measurement by the stage's sensor.
        """
        session = stage.root, window.session or stage.record.session
        key = *session, *(str(stage.source.get(name)) for name in SENSOR)
        if key not in self._known:
            power = idle_power(*session, self.rail, stage.source)
            self._known[key] = power, idle_words(*session)
        power, words = self._known[key]
        gross = stage.energy(window, self.rail).worded(*words)
        return None if power is None else gross.minus_idle(*power)


MODES = ("measured", "per-epoch")
TABLE_UNIT_FLOPS = 5e13  # the paper's "x0.05P": 50 000 images at one GFLOP
Structure = tuple[object, ...]
Recorded = dict[Structure, list[Energy]]  # the energies of the recorded epochs of each structure


@dataclass(frozen=True)
class Cost:
    """The cost of a stage or run.

    `useful` is the energy of the work that counts, `evaluation` its part for testing, `repeated`
    the energy that killed attempts lost, `net` is `useful` less the idle power (None without an
    idle measurement). `flops` are training FLOPs (3 x forward x images x epochs, the authors'
    counter), `paper_gflop` the paper's rounding: 3 x round(forward, 2) summed over epochs, for one
    image.
    """

    useful: Energy
    evaluation: Energy
    repeated: Energy
    net: Energy | None
    flops: int
    paper_gflop: float
    images: frozenset[int]
    epochs: int


def stage_energy(stage: FinishedStage, rail: str | None = None) -> Energy:
    """Return the energy of a stage's useful work over all attempts; void without marks."""
    return _sum([stage.energy(window, rail) for window in stage.useful] or [_unmarked(stage)])


def _unmarked(stage: FinishedStage) -> Energy:
    """Return the void energy of a stage whose events are lost."""
    return stage.without_energy(stage.record.seconds, f"no stage marks in the events of {stage.id}")


def evaluation_energy(stage: FinishedStage, rail: str | None = None) -> Energy:
    """Return the energy of testing and checkpoints: from each training's end to its epoch's."""
    parts = [
        stage.energy(Window(event["train_end_s"], event["t_s"], window.boot_id), rail)
        for event, window in stage.epochs
        if event.get("train_end_s") and event["train_end_s"] < event["t_s"]
    ]
    return _sum(parts if stage.useful else [_unmarked(stage)])


def repeated_energy(stage: FinishedStage, rail: str | None = None) -> Energy:
    """Return the energy of killed attempts after their last checkpoint, up to their last sample."""
    if not stage.measured:
        return _sum([])
    lost = (_lost_window(stage, attempt) for attempt in stage.attempts if not attempt.ended)
    return _sum([stage.energy(window, rail) for window in lost if window.seconds > 0])


def _lost_window(stage: FinishedStage, attempt: Attempt) -> Window:
    """Return the time from an attempt's last checkpoint to its last sample."""
    boot_id = attempt.begin.boot_id
    begin_s = attempt.useful.end_s if attempt.useful else attempt.begin.begin_s
    begins = [other.begin.begin_s for other in stage.attempts if other.begin.boot_id == boot_id]
    limit_us = 1e6 * min((later for later in begins if later > begin_s), default=math.inf)
    last_us = [
        float(piece.last_before(limit_us))
        for piece in stage.trace.pieces
        if boot_id in (None, piece.boot_id)
    ]
    return Window(begin_s, max(last_us, default=0.0) / 1e6, boot_id)


def structure(stage: FinishedStage) -> Structure:
    """Return all that decides the energy of an epoch: shape, images, batch and precision."""
    keys = ("structure", "macs", "forward_flops", "images_per_epoch", "batch", "precision")
    return tuple(stage.work.get(key) for key in keys)


def epoch_energies(
    stages: Iterable[FinishedStage], energy_of: Callable[[FinishedStage, Window], Energy | None]
) -> Recorded:
    """Return the recorded epochs of each structure, without void ones and those without energy."""
    recorded: Recorded = {}
    for stage in (stage for stage in stages if stage.work and stage.measured):
        energies = (energy_of(stage, window) for _, window in stage.epochs)
        known = [energy for energy in energies if energy is not None and not energy.void]
        recorded.setdefault(structure(stage), []).extend(known)
    return recorded


def per_epoch_energy(stage: FinishedStage, recorded: Recorded) -> Energy:
    """Return the mean recorded epoch of the stage's structure, times the epochs it trained.

    The scatter of the recorded epochs joins the uncertainty. Void when none was recorded.
    """
    known = recorded.get(structure(stage), [])
    if not known:
        return stage.without_energy(stage.record.seconds, "no epoch of this structure was recorded")
    epochs = stage.work["epochs"]
    mean = total_energy(known).scaled(Fraction(1, len(known)))
    joules = [energy.joules for energy in known if energy.joules is not None]
    scatter = statistics.stdev(joules) / math.sqrt(len(joules)) if len(joules) > 1 else 0.0
    return replace(mean.scaled(epochs), u_random_j=epochs * math.hypot(mean.u_random_j, scatter))


class Accounting:
    """A way to count energy: "measured", or "per-epoch" from the recorded epochs of `stages`.

    `rail` None is the total. A stage that several runs share is integrated once. Raises
    HarnessError for an unknown way.
    """

    def __init__(
        self,
        stages: Iterable[FinishedStage] = (),
        mode: str = "measured",
        rail: str | None = None,
    ) -> None:
        if mode not in MODES:
            raise HarnessError(
                f"unknown way to count energy: {mode!r}", f"use {' or '.join(MODES)}"
            )
        self.mode, self.rail, self._idle = mode, rail, IdlePowers(rail)
        trained = [] if mode == "measured" else list(stages)
        self._gross = epoch_energies(trained, lambda stage, window: stage.energy(window, rail))
        self._net = epoch_energies(trained, self._idle.net)
        self._costs: dict[tuple[str, str], Cost] = {}

    def stage(self, stage: FinishedStage) -> Cost:
        """Return the cost of a stage."""
        key = stage.root, stage.id
        if key not in self._costs:
            useful, net = self._useful(stage)
            self._costs[key] = Cost(
                useful,
                evaluation_energy(stage, self.rail),
                repeated_energy(stage, self.rail),
                net,
                *flops_of(stage),
            )
        return self._costs[key]

    def _useful(self, stage: FinishedStage) -> tuple[Energy, Energy | None]:
        """Return the energy of a stage's useful work, gross and net."""
        if self.mode == "measured" or not stage.work.get("epochs") or stage.spoilt:
            parts = [self._idle.net(stage, window) for window in stage.useful]
            return stage_energy(stage, self.rail), _sum_known(parts or [_unmarked(stage)])
        net = per_epoch_energy(stage, self._net) if self._net.get(structure(stage)) else None
        return per_epoch_energy(stage, self._gross), net

    def run(self, run: FinishedRun) -> Cost:
        """Return the cost of a run: the sum over its stages, shared ones counted in full."""
        costs = [self.stage(stage) for stage in run.stages]
        return Cost(
            _sum([cost.useful for cost in costs]),
            _sum([cost.evaluation for cost in costs]),
            _sum([cost.repeated for cost in costs]),
            _sum_known([cost.net for cost in costs]),
            sum(cost.flops for cost in costs),
            math.fsum(cost.paper_gflop for cost in costs),
            frozenset().union(*(cost.images for cost in costs)),
            sum(cost.epochs for cost in costs),
        )


def flops_of(stage: FinishedStage) -> tuple[int, float, frozenset[int], int]:
    """Return training FLOPs, the paper's rounded GFLOP an image, images an epoch, epochs.

    Training is forward and twice as much backward.
    """
    work = stage.work
    if not work:
        return 0, 0.0, frozenset(), 0
    epochs, images = int(work.get("epochs", 0)), frozenset([int(work["images_per_epoch"])])
    return work_flops(work), FORWARDS * paper_gflops(work["forward_flops"]) * epochs, images, epochs


def _sum(parts: Sequence[Energy]) -> Energy:
    return total_energy(parts) if parts else Energy("", 0.0, 0.0, Fraction(0))


def _sum_known(parts: Sequence[Energy | None]) -> Energy | None:
    """Return the sum, or None when a part is unknown."""
    known = [part for part in parts if part is not None]
    return _sum(known) if len(known) == len(parts) else None
