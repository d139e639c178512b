"""What a stage and a run cost: energy measured, or per epoch; net of idle; evaluation and repeated work apart; FLOPs."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window
from joulebird.harness.core.flops import FORWARDS, paper_gflops, work_flops
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import Run, Stage, idle_windows

MODES = ("measured", "per-epoch")
Recorded = dict[tuple, list[Energy]]  # structure -> the energies of its recorded epochs
TABLE_UNIT_FLOPS = 5e13  # the paper's "x0.05P": 50 000 images at one GFLOP


@dataclass(frozen=True)
class Cost:
    """What a stage or run cost.

    `useful` is the energy of the work that counts, `evaluation` the part of it spent on testing, `repeated` what killed
    attempts lost, `net` is useful less the idle power (None without an idle measurement). `flops` are training FLOPs
    (3 x forward x images x epochs, the authors' counter), `paper_gflop` the same as the paper rounds:
    3 x round(forward, 2) summed over epochs, for one image.
    """

    useful: Energy
    evaluation: Energy
    repeated: Energy
    net: Energy | None
    flops: int
    paper_gflop: float
    images: frozenset[int]
    epochs: int


def measured(stage: Stage, window: Window, rail: str | None = None) -> Energy:
    """Energy of a window of a stage from its log; void, with the reason, when nothing was recorded."""
    trace = stage.trace
    if trace is None:
        return Energy(
            "",
            window.end_s - window.begin_s,
            0.0,
            Fraction(0),
            window.end_s - window.begin_s,
            reason="no power was recorded",
        )
    return trace.energy(window.begin_s, window.end_s, rail, boot_of(trace, window))


def boot_of(trace: PowerTrace, window: Window) -> str | None:
    """The clock of the log that a window's times belong to; None where events or log do not tell boots apart."""
    return None if not window.boot_id or trace.boots == ("",) else window.boot_id


def stage_energy(stage: Stage, rail: str | None = None) -> Energy:
    """Energy of a stage's useful work over all attempts, by integration of its log; void when no events mark it."""
    return _sum(
        [measured(stage, a.useful, rail) for a in stage.attempts if a.useful] or [_unmarked(stage)]
    )


def _unmarked(stage: Stage) -> Energy:
    """What is known of the energy of a stage whose events are lost: nothing, and why."""
    seconds = float(stage.record.seconds)
    return Energy(
        "", seconds, 0.0, Fraction(0), seconds, reason=f"no stage marks in the events of {stage.id}"
    )


def evaluation_energy(stage: Stage, rail: str | None = None) -> Energy:
    """Energy from the end of each epoch's training to the end of the epoch: testing and checkpoint."""
    parts = [
        measured(stage, Window(e["train_end_s"], e["t_s"], w.boot_id), rail)
        for e, w in stage.epochs
        if e.get("train_end_s")
    ]
    return _sum(parts if any(a.useful for a in stage.attempts) else [_unmarked(stage)])


def repeated_energy(stage: Stage, rail: str | None = None) -> Energy:
    """Energy of what killed attempts did after their last checkpoint, up to the last sample of their log."""
    parts = []
    for attempt in stage.attempts:
        if attempt.ended or not stage.measured:
            continue
        begin_s = attempt.useful.end_s if attempt.useful else attempt.begin.begin_s
        later = [
            a.begin.begin_s
            for a in stage.attempts
            if a.begin.boot_id == attempt.begin.boot_id and a.begin.begin_s > begin_s
        ]
        limit = min(later, default=math.inf)
        times = [
            float(t[t < limit * 1e6].max(initial=0)) / 1e6
            for t in (
                p.t_us for p in stage.trace.pieces if attempt.begin.boot_id in (None, p.boot_id)
            )
        ]
        end_s = max(times, default=0.0)
        if end_s > begin_s:
            parts.append(measured(stage, Window(begin_s, end_s, attempt.begin.boot_id), rail))
    return _sum(parts)


def net_of(stage: Stage, window: Window, idle: "IdlePowers") -> Energy | None:
    """Energy of a window less the idle power of the session that recorded it; None when that has no idle measurement."""
    known = idle.of(stage.root, window.session or stage.record.session)
    return None if known is None else measured(stage, window, idle.rail).minus_idle(*known)


def net_energy(stage: Stage, idle: "IdlePowers") -> Energy | None:
    """Useful energy of a stage less the idle power; None when a session has no idle measurement."""
    parts = [
        net_of(stage, attempt.useful, idle) for attempt in stage.attempts if attempt.useful
    ] or [_unmarked(stage)]
    return None if None in parts else _sum(parts)


class IdlePowers:
    """The idle powers of sessions on one rail, each integrated once."""

    def __init__(self, rail: str | None = None) -> None:
        self.rail = rail
        self._known: dict[tuple[str, str], tuple[float, float] | None] = {}

    def of(self, root: str, session: str) -> tuple[float, float] | None:
        """As `idle_power`."""
        if (root, session) not in self._known:
            self._known[root, session] = idle_power(root, session, self.rail)
        return self._known[root, session]


def idle_power(root: str, session: str, rail: str | None = None) -> tuple[float, float] | None:
    """Mean idle power of a session in watts and its uncertainty (at least half of what before and after differ); None if not recorded."""
    found = [
        trace.energy(w.begin_s, w.end_s, rail, boot_of(trace, w))
        for trace, w in idle_windows(root, session)
    ]
    known = [energy for energy in found if not energy.void and energy.seconds > 0]
    if not known:
        return None
    watts = [energy.watts for energy in known]
    spread = (max(watts) - min(watts)) / 2
    return statistics.fmean(watts), math.hypot(
        spread, max(e.own_u_joules / e.seconds for e in known)
    )


def structure(stage: Stage) -> tuple:
    """What decides the energy of an epoch: the network's shape, images, batch and precision."""
    work = stage.work
    return tuple(
        work.get(key)
        for key in ("structure", "macs", "forward_flops", "images_per_epoch", "batch", "precision")
    )


def epoch_energies(
    stages: Iterable[Stage], rail: str | None = None, idle: IdlePowers | None = None
) -> Recorded:
    """All recorded epochs of each structure, void ones left out; with `idle`, less the idle power of their session."""
    found: Recorded = {}
    for stage in stages:
        if stage.work and stage.measured:
            energies = [
                net_of(stage, window, idle) if idle else measured(stage, window, rail)
                for _, window in stage.epochs
            ]
            found.setdefault(structure(stage), []).extend(
                energy for energy in energies if energy is not None and not energy.void
            )
    return found


def per_epoch_energy(stage: Stage, recorded: Recorded, rail: str | None = None) -> Energy:
    """The mean recorded epoch of the stage's structure, times the epochs it trained; a stage that trained nothing counts as measured.

    The scatter of the recorded epochs joins the uncertainty. Void when no epoch of this structure was recorded.
    """
    epochs = stage.work.get("epochs", 0)
    if not epochs:
        return stage_energy(stage, rail)
    known = recorded.get(structure(stage), [])
    if not known:
        return Energy(
            "",
            float(stage.record.seconds),
            0.0,
            Fraction(0),
            reason="no epoch of this structure was recorded",
        )
    mean = total_energy(known).scaled(Fraction(1, len(known)))
    joules = [energy.joules for energy in known]
    scatter = statistics.stdev(joules) / math.sqrt(len(joules)) if len(joules) > 1 else 0.0
    whole = mean.scaled(epochs)
    return replace(whole, u_random_j=epochs * math.hypot(mean.u_random_j, scatter))


@dataclass
class Accounting:
    """How energy is counted: "measured", or "per-epoch" from the recorded epochs of all stages; on which rail (None: the total).

    A stage that several runs share is integrated once.
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
        cls, stages: Iterable[Stage], mode: str = "measured", rail: str | None = None
    ) -> "Accounting":
        """The accounting for some stages; raises HarnessError for an unknown mode."""
        if mode not in MODES:
            raise HarnessError(f"unknown way to count energy: {mode!r}", f"use {' or '.join(MODES)}")
        if mode == "measured":
            return cls(mode, rail)
        stages = list(stages)
        return cls(
            mode, rail, epoch_energies(stages, rail), epoch_energies(stages, rail, IdlePowers(rail))
        )

    def stage(self, stage: Stage) -> Cost:
        """What a stage cost."""
        key = stage.root, stage.id
        if key not in self._costs:
            self._costs[key] = self._stage(stage)
        return self._costs[key]

    def _stage(self, stage: Stage) -> Cost:
        if self.mode == "measured" or not stage.work.get("epochs"):
            useful, net = stage_energy(stage, self.rail), net_energy(stage, self._idle)
        else:
            useful = per_epoch_energy(stage, self.gross, self.rail)
            net = (
                per_epoch_energy(stage, self.net, self.rail)
                if self.net.get(structure(stage))
                else None
            )
        evaluation, repeated = (
            evaluation_energy(stage, self.rail),
            repeated_energy(stage, self.rail),
        )
        if stage.work.get("precision", "fp32") != "fp32":
            useful, evaluation, repeated, net = (
                energy and energy.worded("estimated")
                for energy in (useful, evaluation, repeated, net)
            )
        return Cost(useful, evaluation, repeated, net, *flops_of(stage))

    def run(self, run: Run) -> Cost:
        """What a run cost: the sum over its stages, shared ones counted in full."""
        costs = [self.stage(stage) for stage in run.stages]
        net = (
            _sum([cost.net for cost in costs])
            if all(cost.net is not None for cost in costs)
            else None
        )
        return Cost(
            _sum([c.useful for c in costs]),
            _sum([c.evaluation for c in costs]),
            _sum([c.repeated for c in costs]),
            net,
            sum(c.flops for c in costs),
            math.fsum(c.paper_gflop for c in costs),
            frozenset().union(*(c.images for c in costs)),
            sum(c.epochs for c in costs),
        )


def flops_of(stage: Stage) -> tuple[int, float, frozenset[int], int]:
    """Training FLOPs (forward + twice as much backward), the paper's rounded GFLOP an image, images an epoch, epochs."""
    work = stage.work
    if not work:
        return 0, 0.0, frozenset(), 0
    gflops = paper_gflops(work["forward_flops"])
    epochs = int(work.get("epochs", 0))
    images = frozenset([int(work["images_per_epoch"])])
    return work_flops(work), FORWARDS * gflops * epochs, images, epochs


def _sum(parts: list[Energy]) -> Energy:
    return total_energy(parts) if parts else Energy("", 0.0, 0.0, Fraction(0))
