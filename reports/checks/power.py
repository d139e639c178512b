"""The rules of `check` that look at power logs: rate, coverage, clocks, accuracy, stuck sensors. Each yields (status, text, remedy)."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from joulebird.harness.core.integral import rule_of
from joulebird.reports.checks.check import FAIL, PASS, WARN
from joulebird.reports.logs.pieces import accuracy
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.accounting import boot_of, stage_energy
from joulebird.reports.runs.cross import sightings
from joulebird.reports.runs.records import Run, Stage, unique_stages

Found = Iterator[tuple[str, str, str]]
MIN_SAMPLES, MAX_PERIOD_S, GOOD_COVERAGE, STUCK_S = 60, 1.05, 0.99, 10.0


def _measured(runs: list[Run]) -> list[Stage]:
    return [stage for stage in unique_stages(runs) if stage.measured]


def sampled_enough(runs: list[Run]) -> Found:
    """R4: at least 1 Hz and 60 samples a trained stage, coverage of at least 99 %, the longest gap told; void is a failure."""
    for stage in unique_stages(runs):
        energy = stage_energy(stage)
        if energy.void:
            yield (
                FAIL,
                f"{stage.id}: its energy is void: {energy.void_reason}",
                "delete the stage's folder and run again",
            )
        elif energy.coverage < GOOD_COVERAGE:
            yield (
                WARN,
                f"{stage.id}: covered for {100 * energy.coverage:.2f} %, longest gap {energy.worst_gap_s:.3g} s",
                "see the failed reads of its log; run the stage again for a table to publish",
            )
        if stage.measured and stage.trace.period_s > MAX_PERIOD_S:
            yield (
                WARN,
                f"{stage.id}: one sample in {stage.trace.period_s:.3g} s",
                "sample at 1 Hz or faster",
            )
        if (
            stage.measured
            and stage.work.get("epochs")
            and not energy.void
            and energy.samples < MIN_SAMPLES
        ):
            yield (
                WARN,
                f"{stage.id}: only {energy.samples} samples",
                f"train longer than {MIN_SAMPLES} sample periods, or sample faster",
            )


def clocks_steady(runs: list[Run]) -> Found:
    """R5: times are of a monotonic clock; a wall clock that was set during the runs is told, with its size."""
    for stage in _measured(runs):
        if stage.trace.steps_back:
            yield (
                FAIL,
                f"{stage.id}: the log's clock went back {stage.trace.steps_back} times",
                "record with a monotonic clock",
            )
    for boot, shifts in _wall_shifts(runs).items():
        if max(shifts) - min(shifts) > 1.0:
            yield (
                WARN,
                f"the wall clock of boot {boot[:8] or '?'} was set by {max(shifts) - min(shifts):.1f} s between stages",
                "none needed: energies use the monotonic clock; the dates in the records are off",
            )


def _wall_shifts(runs: list[Run]) -> dict[str, list[float]]:
    """Wall minus monotonic time of every attempt, by boot."""
    shifts: dict[str, list[float]] = {}
    for stage in unique_stages(runs):
        for event in stage.events:
            if event["event"] == "attempt_begin" and "wall_s" in event:
                shifts.setdefault(str(event.get("boot_id") or ""), []).append(
                    event["wall_s"] - event["t_s"]
                )
    return shifts


def clocks_aligned(runs: list[Run]) -> Found:
    """R6: the log and the marks are of one clock, or their offset was probed."""
    for stage in _measured(runs):
        marks = {a.begin.boot_id for a in stage.attempts if a.useful}
        logged = {boot for boot in stage.trace.boots if boot}
        if logged and None not in marks and not marks <= logged:
            yield (
                FAIL,
                f"{stage.id}: the log's clock is not the one of its marks",
                "measure with a recorder on the board, or with a meter whose clock was aligned",
            )


def accuracy_stated(runs: list[Run]) -> Found:
    """R9: the sensor's accuracy is stated, and good enough for the power that was measured."""
    told = set()
    for stage in _measured(runs):
        source = stage.source
        known = accuracy(source, source.get("total") or ())
        if not known.stated and source.get("name") not in told:
            told.add(source.get("name"))
            yield (
                WARN,
                f"source {source.get('name')}: its accuracy is not stated",
                "state its gain, offset_mw and quantum_mw",
            )
        energy = stage_energy(stage)
        if not energy.void and energy.watts and known.offset_w > 0.25 * energy.watts:
            yield (
                WARN,
                f"{stage.id}: its {energy.watts:.2f} W are near the sensor's offset of {known.offset_w:.2f} W",
                "use a finer sensor",
            )
    yield from sources_agree(runs)


def sources_agree(runs: list[Run]) -> Found:
    """Part of R9: of two sources recorded at once, the one that covers more saw more; two that cover the same saw the same."""
    for seen in sightings(unique_stages(runs)):
        if not seen.real:
            continue
        if seen.impossible:
            yield (
                FAIL,
                f"{seen.text()}: what covers more cannot see less",
                "one of them is wrong: check the meter's wiring, range and shunt",
            )
        elif seen.differs:
            yield (
                WARN,
                f"{seen.text()}: more than they state to be off by",
                "calibrate one against the other, or state their accuracy",
            )
        else:
            yield PASS, seen.text(), ""


def readings_plausible(runs: list[Run]) -> Found:
    """R10: no reading over the sensor's range, none stuck at zero, none negative, none the same for ever."""
    for stage in _measured(runs):
        for piece in stage.trace.pieces:
            columns = [stage.trace.rails.index(rail) for rail in stage.trace.total]
            watts = (
                piece.power[:, columns].sum(axis=1)[piece.read[:, columns].all(axis=1)]
                / stage.trace.per_watt
            )
            if not len(watts):
                continue
            limit = stage.source.get("range_w")
            if isinstance(limit, (int, float)) and watts.max() >= limit:
                yield (
                    FAIL,
                    f"{stage.id}: a reading of {watts.max():.2f} W is at the meter's range",
                    "choose a larger range and run again",
                )
            if longest_run(watts <= 0) * stage.trace.period_s > STUCK_S:
                yield (
                    FAIL,
                    f"{stage.id}: the reading stood at zero or below for {longest_run(watts <= 0) * stage.trace.period_s:.0f} s",
                    "check the meter's wiring",
                )
            elif stage.work and len(watts) >= MIN_SAMPLES and np.ptp(watts) == 0:
                yield (
                    WARN,
                    f"{stage.id}: all {len(watts)} readings are {watts[0]:.3f} W",
                    "the sensor may be stuck: compare with another",
                )


def longest_run(flags: np.ndarray) -> int:
    """The longest run of true values.

    >>> longest_run(np.array([1, 1, 0, 1, 1, 1, 0], dtype=bool))
    3
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def rules_agree(runs: list[Run]) -> Found:
    """R11: trapezoids and steps give the same energy within the stated uncertainty."""
    for stage in _measured(runs):
        energy = stage_energy(stage)
        if (
            energy.void
            or not energy.joules
            or rule_of(stage.source.get("sampling", "")) == "counter"
        ):
            continue
        other = _other_rule(stage)
        bound = max(energy.own_u_joules, 0.005 * abs(energy.joules))
        if other is not None and abs(other - energy.joules) > bound:
            yield (
                FAIL,
                f"{stage.id}: two rules of integration differ by {100 * abs(other / energy.joules - 1):.2g} %",
                "sample faster",
            )


def _other_rule(stage: Stage) -> float | None:
    """The stage's energy by the rule that its source does not use."""
    sampling = (
        "average" if rule_of(stage.source.get("sampling", "")) == "trapezoids" else "snapshot"
    )
    trace: PowerTrace = replace(stage.trace, source=dict(stage.source, sampling=sampling))
    parts = [
        trace.energy(a.useful.begin_s, a.useful.end_s, boot_id=boot_of(trace, a.useful)).joules
        for a in stage.attempts
        if a.useful
    ]
    return None if None in parts else sum(parts)


POWER_RULES = {
    "R4": (
        "sampled at 1 Hz or faster, 60 samples or more a trained stage, 99 % covered",
        sampled_enough,
    ),
    "R5": ("times are of a monotonic clock", clocks_steady),
    "R6": ("logs and marks are of one clock", clocks_aligned),
    "R9": ("the sensor's accuracy is stated, and sources recorded at once agree", accuracy_stated),
    "R10": ("readings are within range, and move", readings_plausible),
    "R11": ("two rules of integration agree", rules_agree),
}
