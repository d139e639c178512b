"""The rules of `check` that look at runs: scope, provenance, repeats, board, phases, comparisons. Each yields (status, text, remedy)."""

import os
from collections.abc import Iterator

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import rule_of
from joulebird.reports.checks.check import FAIL, WARN
from joulebird.reports.runs.accounting import boot_of, idle_power
from joulebird.reports.runs.labels import method_key, method_labels, setting_key
from joulebird.reports.runs.records import Run, Stage, idle_windows, unique_stages
from joulebird.reports.runs.scope import one_scope
from joulebird.reports.tables.notes import EXCLUDED
from joulebird.reports.tables.table2 import table2

STEADY = "cool the board or fix its mode, and run the stage again"
Found = Iterator[tuple[str, str, str]]


def scope_stated(runs: list[Run]) -> Found:
    """R1: every measured stage says what its total covers."""
    for stage in unique_stages(runs):
        if stage.measured and (
            stage.source.get("scope") not in EXCLUDED or not stage.source.get("total")
        ):
            yield (
                FAIL,
                f"{stage.id}: the log does not say what its total covers",
                "record with a source that states its scope and total",
            )


def provenance(runs: list[Run]) -> Found:
    """R2: accuracy, time and energy come from one run whose spec and code are known."""
    for run in runs:
        path = os.path.join(record.run_dir(run.root, run.id), record.SPEC)
        try:
            kept = record.read_json(path)
        except Exception as error:
            yield (
                FAIL,
                f"{run.id}: {getattr(error, 'message', error)}",
                "restore spec.json, or run again",
            )
            continue
        if any(kept.get(key) != value for key, value in run.spec.items()):
            yield (
                FAIL,
                f"{run.id}: spec.json is not the spec in record.json",
                "one of them was edited: run again",
            )
        if not isinstance(run.record.accuracy.get("best"), (int, float)):
            yield FAIL, f"{run.id}: holds no accuracy", "run again"
    codes = {stage.record.environment.get("code") for stage in unique_stages(runs)}
    if None in codes:
        yield (
            WARN,
            "some stages do not say which code made them",
            "run them with a present joulebird",
        )
    elif len(codes) > 1:
        yield (
            WARN,
            f"the stages were made by {len(codes)} versions of the code ({', '.join(sorted(codes))})",
            "run all with one version",
        )


def repeats(runs: list[Run]) -> Found:
    """R3: at least three seeds a cell, and no run left out."""
    seeds: dict[tuple, set] = {}
    labels = method_labels(runs)
    for run in runs:
        seeds.setdefault(
            (setting_key(run), labels[method_key(run)], run.spec["prune_ratio"]), set()
        ).add(run.spec.get("seed"))
    few = [
        f"{label} p={100 * ratio:g}%"
        for (_, label, ratio), found in seeds.items()
        if len(found) < 3
    ]
    if few:
        yield (
            WARN,
            f"{len(few)} of {len(seeds)} cells have fewer than 3 seeds ({', '.join(few[:3])}{', ...' if len(few) > 3 else ''})",
            "run the study with seeds = [1, 2, 3] or more",
        )
    for root in sorted({run.root for run in runs}):
        begun = [
            name
            for name in sorted(os.listdir(root))
            if os.path.exists(os.path.join(record.run_dir(root, name), record.SPEC))
        ]
        unfinished = [name for name in begun if not record.is_done(record.run_dir(root, name))]
        if unfinished:
            yield (
                WARN,
                f"{len(unfinished)} runs were begun and are not finished: {', '.join(unfinished)}",
                "finish them with the same command",
            )


def board_state(runs: list[Run]) -> Found:
    """R7: one power mode, recorded; no throttling; no restart within a stage."""
    stages = [stage for stage in unique_stages(runs) if stage.measured]
    for stage in stages:
        for event in stage.events:
            if event["event"] in ("throttle", "mode_change"):
                yield (
                    FAIL,
                    f"{stage.id}: {event['event'].replace('_', ' ')} at {event['t_s']:.0f} s",
                    STEADY,
                )
        named = {warning.get("name") for warning in stage.record.warnings}
        for name in sorted(named & {"throttled", "mode_changed"}):
            yield FAIL, f"{stage.id}: {name.replace('_', ' ')} while it was measured", STEADY
        for name in sorted(
            named & {"limits_changed", "supply_sagged", "swapped", "health_unknown"}
        ):
            yield (
                WARN,
                f"{stage.id}: {name.replace('_', ' ')} while it was measured",
                "see the record for its remedy",
            )
        if len({a.begin.boot_id for a in stage.attempts}) > 1:
            yield (
                WARN,
                f"{stage.id}: the machine was restarted in the middle of it",
                "run the stage again for a table to publish",
            )
    unknown = [stage for stage in stages if "power_mode" not in stage.record.environment]
    if unknown and any(stage.record.environment.get("l4t") for stage in unknown):
        yield (
            WARN,
            f"{len(unknown)} stages do not say in which power mode they ran",
            "fix it with `joulebird doctor --fix` before running",
        )
    yield from held_fixed(stages)


def held_fixed(stages: list[Stage]) -> Found:
    """Part of R7: on a Jetson, clocks were locked and the fan fixed, in every stage or in none."""
    boards = [stage.record.environment for stage in stages if stage.record.environment.get("l4t")]
    clocks = [one["clocks_locked"] for one in boards if isinstance(one.get("clocks_locked"), bool)]
    fans = [one["fan"].get("temp_control") for one in boards if isinstance(one.get("fan"), dict)]
    if len(set(clocks)) > 1:
        yield (
            FAIL,
            f"clocks were locked in {sum(clocks)} of {len(clocks)} stages",
            "run all of them with --prepare, or none",
        )
    elif clocks and not clocks[0]:
        yield (
            WARN,
            "clocks were not locked: they follow the load, and runs differ by it",
            "run with --prepare",
        )
    if len(set(fans)) > 1:
        yield (
            WARN,
            f"the fan was fixed in {sum(not one for one in fans)} of {len(fans)} stages",
            "run all of them with --prepare, or none",
        )


def idle_known(runs: list[Run]) -> Found:
    """R8: idle power recorded for at least 60 s before and after, and the same within 5 %."""
    sessions = sorted(
        {
            (stage.root, a.begin.session)
            for stage in unique_stages(runs)
            if stage.measured
            for a in stage.attempts
        }
    )
    for root, session in sessions:
        windows = idle_windows(root, session)
        if idle_power(root, session) is None:
            yield (
                WARN,
                f"session {session or '?'}: idle power was not recorded",
                "run with --idle 60",
            )
            continue
        short = [w.end_s - w.begin_s for _, w in windows if w.end_s - w.begin_s < 59.0]
        if short or len(windows) < 2:
            yield (
                WARN,
                f"session {session}: idle power recorded {len(windows)} times, {min(short, default=60):.0f} s at the shortest",
                "run with --idle 60: it is recorded before and after",
            )
        watts = [
            trace.energy(w.begin_s, w.end_s, boot_id=boot_of(trace, w)).watts
            for trace, w in windows
        ]
        known = [w for w in watts if w]
        if len(known) > 1 and max(known) > 1.05 * min(known):
            yield (
                WARN,
                f"session {session}: idle power was {known[0]:.2f} W before and {known[-1]:.2f} W after",
                "something else ran, or the board was not warm yet: run again",
            )


def phases(runs: list[Run]) -> Found:
    """R12: epochs lie inside their stage and do not overlap, marks and record agree, and EB Train's search is a stage of its own."""
    for stage in unique_stages(runs):
        for text in _epoch_faults(stage):
            yield (
                FAIL,
                f"{stage.id}: {text}",
                "the events are damaged: delete the stage's folder and run again",
            )
        seconds = sum(a.useful.end_s - a.useful.begin_s for a in stage.attempts if a.useful)
        if abs(seconds - stage.record.seconds) > max(0.05, 0.001 * seconds):
            yield (
                FAIL,
                f"{stage.id}: its marks span {seconds:.2f} s, its record says {stage.record.seconds:.2f} s",
                "run the stage again",
            )
    for run in runs:
        if run.spec["method"] == "eb-train" and not any(
            stage.record.name == "search" for stage in run.stages
        ):
            yield (
                FAIL,
                f"{run.id}: the search for the ticket is not in its energy",
                "run it again with the search as a stage",
            )


def _epoch_faults(stage: Stage) -> Iterator[str]:
    for attempt in stage.attempts:
        before = attempt.useful.begin_s if attempt.useful else 0.0
        for event in attempt.epochs:
            times = [before - 1e-6, event["begin_s"], event["train_end_s"], event["t_s"]]
            if times != sorted(times):
                yield f"epoch {event['epoch']} overlaps what is before it"
            before = event["t_s"]
        if attempt.useful and before > attempt.useful.end_s + 1e-6:
            yield "an epoch ends after the stage"
    if stage.work.get("epochs", 0) != len(stage.epochs):
        yield f"{len(stage.epochs)} epochs are marked and {stage.work.get('epochs', 0)} in the record"


def regenerated(runs: list[Run]) -> Found:
    """R14: raw logs are kept and whole, and the table comes out the same to the byte."""
    for stage in unique_stages(runs):
        if stage.record.source and not stage.measured:
            yield (
                FAIL,
                f"{stage.id}: was measured, and its power log is gone",
                "restore power.csv, or run the stage again",
            )
        elif stage.measured and stage.trace.problems():
            yield (
                WARN,
                f"{stage.id}: {'; '.join(stage.trace.problems())}",
                "look at the log; energies count these as gaps",
            )
    paths = [record.run_dir(run.root, run.id) for run in runs]
    try:
        first, second = table2(paths).render("json"), table2(paths).render("json")
    except HarnessError as error:
        yield WARN, f"no table can be made: {error.message}", error.hint
        return
    if first != second:
        yield FAIL, "two tables from the same logs differ", "this is a bug of joulebird: report it"


def comparable(runs: list[Run]) -> Found:
    """R16: one scope, board and power mode, and methods measured in turns."""
    try:
        one_scope(unique_stages(runs))
    except HarnessError as error:
        yield FAIL, error.message, error.hint
    labels = method_labels(runs)
    order = []
    for run in sorted(runs, key=_first_begin):
        order += (
            [labels[method_key(run)]] if not order or order[-1] != labels[method_key(run)] else []
        )
    if len(runs) > len(set(order)) > 1 and len(order) == len(set(order)):
        yield (
            WARN,
            f"the methods were measured one after another ({', '.join(order)}), so that a warming board favours some",
            "order the study's runs by seed, then ratio, then method",
        )


def _first_begin(run: Run) -> tuple:
    """When a run's own (last) stage began, by the wall clock of its attempt."""
    event = next((e for e in run.stages[-1].events if e["event"] == "attempt_begin"), {})
    return event.get("wall_s", 0.0), event.get("t_s", 0.0)


def sampling_named(runs: list[Run]) -> Found:
    """R13: what sampling costs is known: the recorder is a process of its own and its period is in the record."""
    for stage in unique_stages(runs):
        if (
            stage.measured
            and rule_of(stage.source.get("sampling", "")) != "counter"
            and not stage.source.get("recorder")
        ):
            yield (
                WARN,
                f"{stage.id}: the log does not say how it was sampled, so its cost is not known",
                "record with joulebird's recorder",
            )
            return


RUN_RULES = {
    "R1": ("every measured stage says what its total covers", scope_stated),
    "R2": (
        "accuracy, time and energy of each cell come from one run with its spec and code",
        provenance,
    ),
    "R3": ("three seeds or more in every cell, and no run left out", repeats),
    "R7": ("the board's state is recorded, and did not change while measured", board_state),
    "R8": ("idle power was recorded before and after, and agrees", idle_known),
    "R12": (
        "the parts of every stage add up to it; the ticket search is inside the total and shown alone",
        phases,
    ),
    "R13": ("the recorder and its period are in the record", sampling_named),
    "R14": ("raw logs are kept, and the table comes out of them the same to the byte", regenerated),
    "R15": ("this check has sixteen rules, and a test that breaks each", lambda runs: iter(())),
    "R16": ("one scope, board and power mode, and methods measured in turns", comparable),
}
