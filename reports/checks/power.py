"""The rules of `check` that look at power logs: their samples, their clocks, their sensors."""

import math
from dataclasses import replace

import numpy as np

from joulebird.harness.core.integral import MIN_COVERAGE, rule_of
from joulebird.harness.core.sensor import UNSTATED
from joulebird.reports.checks.finding import FAIL, NOTE, PASS, WARN, Rules, Verdicts, measured
from joulebird.reports.logs.pieces import Piece, accuracy, range_of
from joulebird.reports.runs.accounting import stage_energy
from joulebird.reports.runs.cross import sightings
from joulebird.reports.runs.records import FinishedRun, FinishedStage, unique_stages

MIN_SAMPLES, MAX_PERIOD_S, GOOD_COVERAGE, STUCK_S = 60, 1.05, 0.99, 10.0


def sampled_enough(runs: list[FinishedRun]) -> Verdicts:
    """R4: at least 1 Hz and 60 samples a trained stage, coverage of at least 99 %.

    Report the longest gap; a void energy fails.
    """
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
                f"{stage.id}: covered for {100 * energy.coverage:.2f} %, "
                f"longest gap {energy.worst_gap_s:.3g} s",
                "see the failed reads of its log; run the stage again for a table to publish",
            )
        if not stage.measured:
            continue
        recorded_s, gap_s = _longest_gaps(stage)
        if gap_s > 1.01 * recorded_s + 0.01:
            yield (
                WARN,
                f"{stage.id}: its record says {recorded_s:.3g} s as the longest gap, "
                f"its log has {gap_s:.3g} s",
                "trust the log; see its failed reads",
            )
        period_s = stage.trace.period_s
        if period_s > MAX_PERIOD_S:
            yield (WARN, f"{stage.id}: one sample in {period_s:.3g} s", "sample at 1 Hz or faster")
        if stage.work.get("epochs") and not energy.void and energy.samples < MIN_SAMPLES:
            yield (
                WARN,
                f"{stage.id}: only {energy.samples} samples",
                f"train longer than {MIN_SAMPLES} sample periods, or sample faster",
            )


def _longest_gaps(stage: FinishedStage) -> tuple[float, float]:
    """Return the longest gap of the last attempt by its recorder, and by the log, in seconds."""
    recorded_s = (stage.record.source.get("log") or {}).get("worst_gap_s")
    if recorded_s is None or not stage.useful:
        return 0.0, 0.0
    return float(recorded_s), stage.trace.over(stage.useful[-1]).worst_gap_s


def clocks_steady(runs: list[FinishedRun]) -> Verdicts:
    """R5: times are of a monotonic clock; report a wall clock that was set during the runs."""
    backwards = [stage for stage in measured(runs) if stage.trace.steps_back]
    return [
        *(
            (
                FAIL,
                f"{stage.id}: the log's clock went back {stage.trace.steps_back} times",
                "record with a monotonic clock",
            )
            for stage in backwards
        ),
        *(
            (
                WARN,
                f"the wall clock of boot {boot[:8] or '?'} was set by {moved_s:.1f} s "
                "between stages",
                "none needed: energies use the monotonic clock; the dates in the records are off",
            )
            for boot, moved_s in _wall_moves(runs).items()
            if moved_s > 1.0
        ),
    ]


def _wall_moves(runs: list[FinishedRun]) -> dict[str, float]:
    """Return the range of wall minus monotonic time over the attempts of each boot."""
    shifts: dict[str, list[float]] = {}
    for stage in unique_stages(runs):
        for event in stage.events:
            if event["event"] == "attempt_begin" and "wall_s" in event:
                of_boot = shifts.setdefault(str(event.get("boot_id") or ""), [])
                of_boot.append(event["wall_s"] - event["t_s"])
    return {boot: max(of_boot) - min(of_boot) for boot, of_boot in shifts.items()}


def clocks_aligned(runs: list[FinishedRun]) -> Verdicts:
    """R6: the log and the marks are of one clock, or their offset was probed."""
    for stage in measured(runs):
        marks, logged = {window.boot_id for window in stage.useful}, {*stage.trace.boots} - {""}
        if logged and None not in marks and not marks <= logged:
            yield (
                FAIL,
                f"{stage.id}: the log's clock is not the one of its marks",
                "measure with a recorder on the board, or with a meter whose clock was aligned",
            )


def accuracy_stated(runs: list[FinishedRun]) -> Verdicts:
    """R9: the sensor's accuracy is stated, and good enough for the measured power."""
    unstated = set()
    for stage in measured(runs):
        name, energy = stage.source.get("name"), stage_energy(stage)
        if energy.samples and not energy.stated and name not in unstated:
            unstated.add(name)
            yield (
                WARN,
                f"source {name}: {UNSTATED}",
                "state its gain, offset_mw and quantum_mw",
            )
        sensor = accuracy(stage.source, stage.source.get("total") or ())
        watts = energy.watts
        if watts and sensor.offset_w > 0.25 * watts:
            offset = f"the sensor's offset of {sensor.offset_w:.2f} W"
            yield (WARN, f"{stage.id}: its {watts:.2f} W are near {offset}", "use a finer sensor")
    yield from sources_agree(runs)


def sources_agree(runs: list[FinishedRun]) -> Verdicts:
    """Check for R9 that the wider of two scopes has more energy, and equal scopes the same."""
    for sighting in (found for found in sightings(unique_stages(runs)) if found.real):
        if sighting.impossible:
            yield (
                FAIL,
                f"{sighting.text()}: the wider scope cannot have less energy",
                "one of them is wrong: check the meter's wiring, range and shunt",
            )
        elif sighting.differs:
            yield (
                WARN,
                f"{sighting.text()}: more than they state to be off by",
                "calibrate one against the other, or state their accuracy",
            )
        else:
            yield (PASS, sighting.text(), "")


def readings_plausible(runs: list[FinishedRun]) -> Verdicts:
    """R10: no reading beyond the sensor's range, stuck, or always the same; no energy below 0."""
    unstated = set()
    for stage in measured(runs):
        trace, source = stage.trace, stage.source
        yield from _in_range(stage)
        if any(range_of(source, rail) is None for rail in trace.total):
            unstated.add(str(source.get("name")))
        for piece in trace.pieces:
            yield from _plausible(stage, piece)
    for name in sorted(unstated):
        yield (NOTE, f"source {name}: no range stated", "state its range_w in watts")


def _in_range(stage: FinishedStage) -> Verdicts:
    """Judge the readings of every rail by its range, and the energies by their sign."""
    trace = stage.trace
    for column, rail in enumerate(trace.rails):
        limit = range_of(trace.source, rail)
        parts = (part for piece in trace.pieces for part in piece.parts())
        most = max(float(np.abs(part.power[:, column]).max()) for part in parts)
        if limit is not None and most >= limit * trace.per_watt:
            yield (
                FAIL,
                f"{stage.id}: {rail} read {most / trace.per_watt:.2f} W, "
                f"and its sensor's range is {limit:.4g} W",
                "such readings count as gaps: see the sensor, choose a larger range, run again",
            )
    share = trace.failures.get("RANGE", 0) / trace.samples
    if share:
        yield (
            FAIL if share > 1 - MIN_COVERAGE else WARN,
            f"{stage.id}: {100 * share:.2g} % of the readings are beyond the sensor's range",
            "see the sensor and its wiring; run the stage again",
        )
    energies = [trace.over(window) for window in stage.useful]
    if any(energy.measured_j < 0 for energy in energies):
        yield (
            FAIL,
            f"{stage.id}: its energy is below zero",
            "check the direction of the meter's current, and the zero of the sensor",
        )


def _plausible(stage: FinishedStage, piece: Piece) -> Verdicts:
    """Judge the readings of the total: their longest run at zero, and their spread."""
    trace = stage.trace
    columns = [trace.rails.index(rail) for rail in trace.total]
    count = run = longest = 0
    lowest, highest = math.inf, -math.inf
    for series in (part.series(columns) for part in piece.parts()):
        power = series.power[series.read]
        zero = np.append(np.ones(run, bool), power <= 0)
        longest = max(longest, longest_run(zero))
        run = len(zero) - 1 - int(np.flatnonzero(~zero).max(initial=-1))
        count += len(power)
        lowest = min(lowest, power.min(initial=1 << 62))
        highest = max(highest, power.max(initial=-(1 << 62)))
    if longest * trace.period_s > STUCK_S:
        yield (
            FAIL,
            f"{stage.id}: the reading stood at zero or below for {longest * trace.period_s:.0f} s",
            "check the meter's wiring",
        )
    elif stage.work and count >= MIN_SAMPLES and lowest == highest:
        yield (
            WARN,
            f"{stage.id}: all {count} readings are {lowest / trace.per_watt:.3f} W",
            "the sensor may be stuck: compare with another",
        )


def longest_run(flags: np.ndarray) -> int:
    """Return the length of the longest run of true values.

    >>> longest_run(np.array([1, 1, 0, 1, 1, 1, 0], dtype=bool))
    3
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def rules_agree(runs: list[FinishedRun]) -> Verdicts:
    """R11: trapezoids and steps give the same energy within the stated uncertainty.

    Too few samples decide nothing: they warn.
    """
    for stage in measured(runs):
        energy = stage_energy(stage)
        if not energy.joules or rule_of(stage.source.get("sampling", "")) == "counter":
            continue
        other = _other_rule(stage)
        bound = max(energy.own_u_joules or 0.0, 0.005 * abs(energy.joules))
        if other is not None and abs(other - energy.joules) > bound:
            share = abs(other / energy.joules - 1)
            yield (
                FAIL if energy.samples >= MIN_SAMPLES else WARN,
                f"{stage.id}: two rules of integration differ by {100 * share:.2g} %",
                "sample faster",
            )


def _other_rule(stage: FinishedStage) -> float | None:
    """Return the stage's energy by the rule that its source does not use."""
    trapezoids = rule_of(stage.source.get("sampling", "")) == "trapezoids"
    source = {**stage.source, "sampling": "average" if trapezoids else "snapshot"}
    trace = replace(stage.trace, source=source)
    parts = [trace.over(window).joules for window in stage.useful]
    known = [joules for joules in parts if joules is not None]
    return sum(known) if len(known) == len(parts) else None


POWER_RULES: Rules = {
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
