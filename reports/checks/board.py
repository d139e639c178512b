"""The rules of `check` that look at the board: its state, its idle power."""

from typing import Any

from joulebird.reports.checks.finding import FAIL, WARN, Rules, Verdicts, measured
from joulebird.reports.runs.accounting import idle_sessions, idle_windows, idle_words
from joulebird.reports.runs.records import (
    LOADED,
    MARKS,
    MIXED,
    FinishedRun,
    FinishedStage,
    unique_stages,
)

STEADY = "cool the board or fix its mode, and run the stage again"
_SEE = "see the record for its remedy"
DISTURBING = {
    "mode_changed": (FAIL, STEADY),
    "throttled": (FAIL, STEADY),
    "health_unknown": (WARN, _SEE),
    "limits_changed": (WARN, _SEE),
    "supply_sagged": (WARN, _SEE),
    "foreign_load": (WARN, "end the other processes, and run the stage again"),
    "shared": (WARN, "run one measurement at a time, and run the stage again"),
    "swapped": (WARN, _SEE),
}


def board_state(runs: list[FinishedRun]) -> Verdicts:
    """R7: one set of conditions a stage, the power mode recorded; no throttling, no other load."""
    yield from (
        (
            FAIL,
            f"{stage.id}: {stage.spoilt}",
            "delete the stage's folder, and run it again under one set of conditions",
        )
        for stage in unique_stages(runs)
        if stage.spoilt.startswith(MIXED)
    )
    stages = measured(runs)
    for stage in stages:
        yield from _disturbed(stage)
    unknown = [stage for stage in stages if "power_mode" not in stage.record.environment]
    if unknown and any(stage.record.environment.get("l4t") for stage in unknown):
        yield (
            WARN,
            f"{len(unknown)} stages do not say in which power mode they ran",
            "fix it with `joulebird doctor --fix` before running",
        )
    yield from held_fixed(stages)


def _disturbed(stage: FinishedStage) -> Verdicts:
    yield from (
        (FAIL, f"{stage.id}: {event['event'].replace('_', ' ')} at {event['t_s']:.0f} s", STEADY)
        for event in stage.during(*MARKS)
    )
    warnings = {warning.get("name") for warning in stage.record.warnings}
    yield from (
        (status, f"{stage.id}: {name.replace('_', ' ')} while it was measured", remedy)
        for name, (status, remedy) in DISTURBING.items()
        if name in warnings
    )
    if len({window.boot_id for window in stage.useful}) > 1:
        yield (
            WARN,
            f"{stage.id}: the machine was restarted in the middle of it",
            "run the stage again for a table to publish",
        )


def held_fixed(stages: list[FinishedStage]) -> Verdicts:
    """Check for R7 that clocks were locked and the fan fixed, in every stage of a Jetson or none.

    One number of threads, too.
    """
    boards = [stage.record.environment for stage in stages if stage.record.environment.get("l4t")]
    states = (board.get("clocks_locked") for board in boards)
    locked = [state for state in states if isinstance(state, bool)]
    remedy = "run all of them with --prepare, or none"
    if len(set(locked)) > 1:
        yield (FAIL, f"clocks were locked in {sum(locked)} of {len(locked)} stages", remedy)
    elif locked and not locked[0]:
        yield (
            WARN,
            "clocks were not locked: they follow the load, and runs differ by it",
            "run with --prepare",
        )
    threads = sorted({str(stage.record.environment.get("threads", "")) for stage in stages} - {""})
    if len(threads) > 1:
        yield (
            WARN,
            f"the stages ran with {' and '.join(threads)} threads",
            "run all with one OMP_NUM_THREADS",
        )
    fans = (board.get("fan") for board in boards)
    controls = [fan.get("temp_control") for fan in fans if isinstance(fan, dict)]
    if len(set(controls)) > 1:
        fixed = sum(not control for control in controls)
        yield (WARN, f"the fan was fixed in {fixed} of {len(controls)} stages", remedy)


def idle_known(runs: list[FinishedRun]) -> Verdicts:
    """R8: idle power recorded for at least 60 s before and after, and the same within 5 %."""
    for (root, session), source in sorted(
        idle_sessions(measured(runs)).items(), key=lambda item: item[0]
    ):
        yield from _idle_of_session(root, session, source)


def _idle_of_session(root: str, session: str, source: dict[str, Any]) -> Verdicts:
    windows = idle_windows(root, session, source)
    known = list(filter(None, (trace.over(window).watts for trace, window in windows)))
    if not known:
        yield (WARN, f"session {session or '?'}: idle power was not recorded", "run with --idle 60")
        return
    if idle_words(root, session):
        yield (WARN, f"session {session}: {LOADED} while it was idle", "stop it, and run again")
    short = [window.seconds for _, window in windows if window.seconds < 59.0]
    if short or len(windows) < 2:
        yield (
            WARN,
            f"session {session}: idle power recorded {len(windows)} times, "
            f"{min(short, default=60):.0f} s at the shortest",
            "run with --idle 60: it is recorded before and after",
        )
    if len(known) > 1 and max(known) > 1.05 * min(known):
        yield (
            WARN,
            f"session {session}: idle power was {known[0]:.2f} W before "
            f"and {known[-1]:.2f} W after",
            "another process ran, or the board was not warm yet: run again",
        )


BOARD_RULES: Rules = {
    "R7": ("the board's state is recorded, and did not change while measured", board_state),
    "R8": ("idle power was recorded before and after, and agrees", idle_known),
}
