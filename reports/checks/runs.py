"""The rules of `check` that look at runs: scope, provenance, repeats, phases, comparisons."""

import os
from collections.abc import Iterator
from itertools import groupby, pairwise

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.integral import rule_of
from joulebird.reports.checks.finding import FAIL, WARN, Rules, Verdicts, measured
from joulebird.reports.runs.labels import method_key, method_labels, percent, setting_key
from joulebird.reports.runs.records import (
    FinishedRun,
    FinishedStage,
    one_scope,
    unique_stages,
)
from joulebird.reports.tables.notes import EXCLUDED
from joulebird.reports.tables.table2 import table2

MIN_SEEDS = 3


def scope_stated(runs: list[FinishedRun]) -> Verdicts:
    """R1: every measured stage states the scope of its total."""
    return [
        (
            FAIL,
            f"{stage.id}: the log does not state the scope of its total",
            "record with a source that states its scope and total",
        )
        for stage in measured(runs)
        if not (stage.source.get("scope") in EXCLUDED and stage.source.get("total"))
    ]


def provenance(runs: list[FinishedRun]) -> Verdicts:
    """R2: accuracy, time and energy come from one run with its spec and code."""
    for run in runs:
        try:
            spec = record.read_json(os.path.join(run.folder, record.SPEC))
        except HarnessError as error:
            yield (FAIL, f"{run.id}: {error.message}", "restore spec.json, or run again")
            continue
        if any(spec.get(key) != value for key, value in run.spec.items()):
            yield (
                FAIL,
                f"{run.id}: spec.json is not the spec in record.json",
                "one of them was edited: run again",
            )
        if not isinstance(run.record.accuracy.get("best"), (int, float)):
            yield (FAIL, f"{run.id}: holds no accuracy", "run again")
        if run.misstated:
            yield (FAIL, f"{run.id}: {run.misstated}", "delete its record.json and run again")
    environments = [stage.record.environment for stage in unique_stages(runs)]
    codes = {str(environment.get("code")) for environment in environments}
    if any(environment.get("code") is None for environment in environments):
        yield (WARN, "some stages do not name their code", "run them with a present joulebird")
    elif len(codes) > 1:
        yield (
            WARN,
            f"the stages were made by {len(codes)} versions of the code "
            f"({', '.join(sorted(codes))})",
            "run all with one version",
        )


def repeats(runs: list[FinishedRun]) -> Verdicts:
    """R3: at least three seeds a cell, and no run left out."""
    seeds: dict[tuple[object, str, float], set[int]] = {}
    labels = method_labels(runs)
    for run in runs:
        cell = setting_key(run), labels[method_key(run)], run.spec["prune_ratio"]
        seeds.setdefault(cell, set()).add(run.spec.get("seed", 0))
    few = [
        f"{label} p={percent(ratio)}"
        for (_, label, ratio), of_cell in seeds.items()
        if len(of_cell) < MIN_SEEDS
    ]
    if few:
        first = ", ".join(few[:3]) + (", ..." if len(few) > 3 else "")
        yield (
            WARN,
            f"{len(few)} of {len(seeds)} cells have fewer than {MIN_SEEDS} seeds ({first})",
            "run the study with seeds = [1, 2, 3] or more",
        )
    for root in sorted({run.root for run in runs}):
        unfinished = _unfinished(root)
        if unfinished:
            yield (
                WARN,
                f"{len(unfinished)} runs were begun and are not finished: {', '.join(unfinished)}",
                "finish them with the same command",
            )


def _unfinished(root: str) -> list[str]:
    folders = {name: record.run_dir(root, name) for name in sorted(os.listdir(root))}
    return [
        name
        for name, folder in folders.items()
        if record.is_done(folder, record.SPEC) and not record.is_done(folder)
    ]


def phases(runs: list[FinishedRun]) -> Verdicts:
    """R12: the parts of every stage add up, and EB Train's search is a stage of its own.

    Epochs follow one another without a hole, lie inside their stage and do not overlap; marks and
    record agree.
    """
    for stage in unique_stages(runs):
        remedy = "the events are damaged: delete the stage's folder and run again"
        yield from ((FAIL, f"{stage.id}: {fault}", remedy) for fault in _epoch_faults(stage))
        marked_s, recorded_s = sum(window.seconds for window in stage.useful), stage.record.seconds
        if abs(marked_s - recorded_s) > max(0.05, 0.001 * marked_s):
            yield (
                FAIL,
                f"{stage.id}: its marks span {marked_s:.2f} s, its record says {recorded_s:.2f} s",
                "run the stage again",
            )
    for run in (run for run in runs if run.spec["method"] == "eb-train"):
        if all(stage.record.name != "search" for stage in run.stages):
            yield (
                FAIL,
                f"{run.id}: the search for the ticket is not in its energy",
                "run it again with the search as a stage",
            )


def _epoch_faults(stage: FinishedStage) -> Iterator[str]:
    if not stage.counted:
        yield stage.spoilt
    for attempt in stage.attempts:
        numbers = [event["epoch"] for event in attempt.epochs]
        if any(after <= number for number, after in pairwise(numbers)):
            yield f"one attempt has the epochs {', '.join(map(str, numbers))}"
        before = attempt.useful.begin_s if attempt.useful else 0.0
        for event in attempt.epochs:
            times = [before - 1e-6, event["begin_s"], event["train_end_s"], event["t_s"]]
            if times != sorted(times):
                yield f"epoch {event['epoch']} overlaps the time before it"
            before = event["t_s"]
        if attempt.useful and before > attempt.useful.end_s + 1e-6:
            yield "an epoch ends after the stage"


def sampling_named(runs: list[FinishedRun]) -> Verdicts:
    """R13: the recorder is a process of its own, and its period is in the record."""
    silent = [stage for stage in measured(runs) if not stage.source.get("recorder")]
    sampled = [stage for stage in silent if rule_of(stage.source.get("sampling", "")) != "counter"]
    return [
        (
            WARN,
            f"{stage.id}: the log does not say how it was sampled, so its cost is not known",
            "record with joulebird's recorder",
        )
        for stage in sampled[:1]
    ]


def regenerated(runs: list[FinishedRun]) -> Verdicts:
    """R14: raw logs are kept and whole, and the table comes out the same to the byte."""
    for stage in unique_stages(runs):
        for name in _changed(stage):
            yield (
                FAIL,
                f"{stage.id}: {name} changed after the end of the stage",
                "restore the file that was recorded, or run the stage again",
            )
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
    again = [run.folder for run in runs]
    try:
        first, second = table2(runs).render("json"), table2(again).render("json")
    except HarnessError as error:
        yield (WARN, f"no table can be made: {error.message}", error.hint)
        return
    if first != second:
        yield (
            FAIL,
            "two tables from the same logs differ",
            "this is a bug of joulebird: report it",
        )


def _changed(stage: FinishedStage) -> list[str]:
    """Return the events and power logs that are not those of the record's digests."""
    then = stage.record.digests
    now = record.digests(stage.folder) if then else {}
    return [name for name in {**then, **now} if now.get(name) != then.get(name)]


def comparable(runs: list[FinishedRun]) -> Verdicts:
    """R16: one scope, sensor, board, power mode and software; methods measured in turns."""
    try:
        one_scope(unique_stages(runs))
    except HarnessError as error:
        yield (FAIL, error.message, error.hint)
    labels = method_labels(runs)
    labelled = (labels[method_key(run)] for run in sorted(runs, key=_first_begin))
    order = [label for label, _ in groupby(labelled)]
    if len(runs) > len(set(order)) > 1 and len(order) == len(set(order)):
        yield (
            WARN,
            f"the methods were measured one after another ({', '.join(order)}), "
            "so that a warming board favours some",
            "order the study's runs by seed, then ratio, then method",
        )


def _first_begin(run: FinishedRun) -> tuple[float, float]:
    """Return the begin of a run's own (last) stage, by the wall clock of its attempt."""
    begins = (event for event in run.stages[-1].events if event["event"] == "attempt_begin")
    first = next(begins, {})
    return first.get("wall_s", 0.0), first.get("t_s", 0.0)


RUN_RULES: Rules = {
    "R1": ("every measured stage states the scope of its total", scope_stated),
    "R2": (
        "accuracy, time and energy of each cell come from one run with its spec and code",
        provenance,
    ),
    "R3": ("three seeds or more in every cell, and no run left out", repeats),
    "R12": (
        "the parts of every stage add up to it, its epochs follow one another; the ticket search "
        "is inside the total and shown alone",
        phases,
    ),
    "R13": ("the recorder and its period are in the record", sampling_named),
    "R14": ("raw logs are kept, and the table comes out of them the same to the byte", regenerated),
    "R15": ("this check has sixteen rules, and a test that breaks each", lambda runs: iter(())),
    "R16": (
        "one scope, sensor, board, power mode and software; methods measured in turns",
        comparable,
    ),
}
