"""The cost of stages and runs: energy, idle power, evaluation, repeated work, FLOPs."""

import math
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Attempt, Window, attempts
from joulebird.harness.core.flops import FORWARDS, paper_gflops, work_flops
from joulebird.harness.core.powerlog import has_rows
from joulebird.reports.logs.energy import Energy, no_energy, total_energy
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import BUSY, LOADED, FinishedRun, FinishedStage


def idle_windows(root: str, session: str) -> list[tuple[PowerTrace, Window]]:
    """Return the recorded idle measurements of a session, before and after its work."""
    recorded = []
    for when in ("before", "after"):
        folder = record.idle_dir(root, session, when)
        path = os.path.join(folder, record.POWER)
        if session and os.path.exists(path) and has_rows(path):
            events = record.read_events(os.path.join(folder, record.EVENTS))
            windows = [attempt.useful for attempt in attempts(events) if attempt.useful]
            recorded += [(PowerTrace.load(path), window) for window in windows[-1:]]
    return recorded


def idle_power(root: str, session: str, rail: str | None = None) -> tuple[float, float] | None:
    """Return the mean idle power of a session and its uncertainty in watts; None if not recorded.

    The uncertainty is at least half the difference of before and after.
    """
    energies = (trace.over(window, rail) for trace, window in idle_windows(root, session))
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


@dataclass
class IdlePowers:
    """The idle powers of sessions on one rail, each integrated once."""

    rail: str | None = None
    _known: dict[tuple[str, str], tuple[float, float] | None] = field(default_factory=dict)
    _words: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def net(self, stage: FinishedStage, window: Window) -> Energy | None:
        """Return the energy of a window less the idle power of the session that recorded it.

        None when that session has no idle measurement.
        """
        key = stage.root, window.session or stage.record.session
        if key not in self._known:
            self._known[key], self._words[key] = idle_power(*key, self.rail), idle_words(*key)
        power, gross = self._known[key], stage.energy(window, self.rail).worded(*self._words[key])
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
    return no_energy("", float(stage.record.seconds), f"no stage marks in the events of {stage.id}")


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


def net_energy(stage: FinishedStage, idle: IdlePowers) -> Energy | None:
    """Return the useful energy less the idle power; None when a session has none recorded."""
    return _sum_known([idle.net(stage, window) for window in stage.useful] or [_unmarked(stage)])


def structure(stage: FinishedStage) -> Structure:
    """Return all that decides the energy of an epoch: shape, images, batch and precision."""
    keys = ("structure", "macs", "forward_flops", "images_per_epoch", "batch", "precision")
    return tuple(stage.work.get(key) for key in keys)


def epoch_energies(
    stages: Iterable[FinishedStage], rail: str | None = None, idle: IdlePowers | None = None
) -> Recorded:
    """Return the recorded epochs of each structure, without void ones.

    With `idle`, they are less the idle power of their session.
    """
    recorded: Recorded = {}
    for stage in (stage for stage in stages if stage.work and stage.measured):
        of_structure = recorded.setdefault(structure(stage), [])
        for _, window in stage.epochs:
            energy = idle.net(stage, window) if idle else stage.energy(window, rail)
            if energy is not None and not energy.void:
                of_structure.append(energy)
    return recorded


def per_epoch_energy(stage: FinishedStage, recorded: Recorded) -> Energy:
    """Return the mean recorded epoch of the stage's structure, times the epochs it trained.

    The scatter of the recorded epochs joins the uncertainty. Void when none was recorded.
    """
    known = recorded.get(structure(stage), [])
    if not known:
        reason = "no epoch of this structure was recorded"
        return Energy("", float(stage.record.seconds), 0.0, Fraction(0), reason=reason)
    epochs = stage.work["epochs"]
    mean = total_energy(known).scaled(Fraction(1, len(known)))
    joules = [energy.joules for energy in known if energy.joules is not None]
    scatter = statistics.stdev(joules) / math.sqrt(len(joules)) if len(joules) > 1 else 0.0
    return replace(mean.scaled(epochs), u_random_j=epochs * math.hypot(mean.u_random_j, scatter))


@dataclass
class Accounting:
    """A way to count energy: "measured", or "per-epoch" from the recorded epochs of all stages.

    `rail` None is the total. A stage that several runs share is integrated once.
    """

    mode: str = "measured"
    rail: str | None = None
    gross: Recorded = field(default_factory=dict)
    net: Recorded = field(default_factory=dict)
    _costs: dict[tuple[str, str], Cost] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._idle = IdlePowers(self.rail)

    @classmethod
    def over(
        cls, stages: Iterable[FinishedStage], mode: str = "measured", rail: str | None = None
    ) -> "Accounting":
        """Return the accounting for some stages; raises HarnessError for an unknown mode."""
        if mode not in MODES:
            raise HarnessError(
                f"unknown way to count energy: {mode!r}", f"use {' or '.join(MODES)}"
            )
        trained = [] if mode == "measured" else list(stages)
        net = epoch_energies(trained, rail, IdlePowers(rail))
        return cls(mode, rail, epoch_energies(trained, rail), net)

    def stage(self, stage: FinishedStage) -> Cost:
        """Return the cost of a stage."""
        key = stage.root, stage.id
        if key not in self._costs:
            words = ["estimated"] if stage.work.get("precision", "fp32") != "fp32" else []
            useful, net = self._useful(stage)
            self._costs[key] = Cost(
                useful.worded(*words),
                evaluation_energy(stage, self.rail).worded(*words),
                repeated_energy(stage, self.rail).worded(*words),
                net and net.worded(*words),
                *flops_of(stage),
            )
        return self._costs[key]

    def _useful(self, stage: FinishedStage) -> tuple[Energy, Energy | None]:
        """Return the energy of a stage's useful work, gross and net."""
        if self.mode == "measured" or not stage.work.get("epochs") or stage.spoilt:
            return stage_energy(stage, self.rail), net_energy(stage, self._idle)
        net = per_epoch_energy(stage, self.net) if self.net.get(structure(stage)) else None
        return per_epoch_energy(stage, self.gross), net

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
