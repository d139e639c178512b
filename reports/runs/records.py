"""Load finished runs and stages, with their logs; refuse to mix boards in one table."""

import os
import shlex
from collections.abc import Container, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Attempt, Window, attempts, kept_epochs
from joulebird.harness.core.powerlog import has_rows
from joulebird.harness.core.records import Event
from joulebird.harness.core.schema import contrast
from joulebird.reports.logs.energy import Energy, no_energy
from joulebird.reports.logs.pieces import words_of
from joulebird.reports.logs.powerlog import first_source
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.boards import board_of, names_of, serials_of, word_of
from joulebird.reports.runs.conditions import LISTED, health_changes, stated_changes

Folder = str | os.PathLike[str]
MARKS = ("throttle", "mode_change")  # events of health that disturb a measurement
BUSY = "foreign_load"  # the warning of a machine that did other work too
LOADED = "foreign load"  # the word beside its numbers
MIXED, MISSING = "mixed conditions", "missing epochs"
ALTERED = "altered record"  # the record and its events contradict each other
SOFTWARE = ("torch version", "device", "GPU")  # decide accuracies too
UNKNOWN_FITS = ("sensor", *SOFTWARE)  # older records do not state them
FULL = "fp32"  # the precision of a training that states none


class Traces:
    """Power logs in memory: the last used ones, with at most `limit` samples together."""

    def __init__(self, limit: int = 10_000_000) -> None:
        self._room = limit
        self._loaded: dict[str, PowerTrace] = {}

    def load(self, path: str) -> PowerTrace:
        """Return a log, from memory if it is there."""
        trace = self._loaded.pop(path, None)
        if trace is None:
            trace = PowerTrace.load(path)
            self._room -= trace.samples
        while self._loaded and self._room < 0:
            self._room += self._loaded.pop(next(iter(self._loaded))).samples
        self._loaded[path] = trace
        return trace


class FinishedStage:
    """A finished stage: its record, its attempts, and its power log (loaded on demand).

    `work` has the facts of the training (structure, FLOPs, epochs, ...), empty without one; `log`
    is the path of the power log, which need not exist. `estimated` is the word beside energies of
    low `precision`, which is simulated arithmetic.
    """

    def __init__(self, root: str, stage_id: str, traces: Traces | None = None) -> None:
        self.root = root
        self._traces = traces or Traces()
        self._energies: dict[tuple[Window, str | None], Energy] = {}
        self.record = record.read_stage(root, stage_id)
        self.folder = record.stage_dir(root, stage_id)
        self.log = os.path.join(self.folder, record.POWER)
        self.id, self.work = self.record.id, self.record.work or {}
        self.precision: str = self.work.get("precision", FULL)
        self.estimated = () if self.precision == FULL else ("estimated",)

    @cached_property
    def events(self) -> list[Event]:
        """Return the stage's events in order; raises HarnessError when they are damaged."""
        return record.read_events(os.path.join(self.folder, record.EVENTS))

    @cached_property
    def attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts at the stage, in order."""
        return tuple(attempts(self.events))

    @property
    def useful(self) -> list[Window]:
        """Return the windows of useful work, one an attempt that has one."""
        return [attempt.useful for attempt in self.attempts if attempt.useful]

    @property
    def sessions(self) -> set[tuple[str, str]]:
        """Return the sessions that did the stage's useful work, each with its folder of runs."""
        return {(self.root, window.session or self.record.session) for window in self.useful}

    @cached_property
    def measured(self) -> bool:
        """Return whether power was recorded."""
        return os.path.exists(self.log) and has_rows(self.log)

    @cached_property
    def source(self) -> dict[str, Any]:
        """Return the power source's description from the log, else from the record."""
        return (first_source(self.log) if self.measured else None) or self.record.source

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Return the words that go with the stage's energy."""
        warned = any(warning.get("name") == BUSY for warning in self.record.warnings)
        return (*words_of(self.source), *[LOADED] * warned) if self.measured else ()

    @cached_property
    def spoilt(self) -> str:
        """Return why the stage has no energy, whatever its log holds: "MIXED: ...", "" for none.

        Its accuracy is marked with the word before the colon.
        """
        epochs = [event for event, _ in self.epochs]
        numbers = [event["epoch"] for event in epochs]
        gone = sorted(set(range(numbers[0], numbers[-1])).difference(numbers)) if numbers else []
        if gone:  # the first one depends on the stage: a retraining continues the search
            return f"{MISSING}: {', '.join(map(str, gone))} of {numbers[-1]}"
        if self._fault:
            return self._fault
        changes = self.during("mode_change")
        facts = [f"power mode {event.get('before')} / {event.get('after')}" for event in changes]
        begun = [attempt.first for attempt in self.attempts if attempt.useful]
        facts = facts or stated_changes(begun, epochs, self.record.warnings)
        if not facts and len(begun) > 1 and not all(first.get("conditions") for first in begun):
            health = record.read_health(os.path.join(self.folder, record.EVENTS))
            facts = health_changes(health, self.useful)
        return f"{MIXED}: {', '.join(facts[:LISTED])}" if facts else ""

    @property
    def _fault(self) -> str:
        """Return how the record and the end of the events contradict each other, "" for not."""
        marked, stated = len(self.epochs), self.work.get("epochs", 0)
        if marked != stated:
            return f"{MISSING}: {marked} are marked, the record says {stated}"
        if self.attempts and not self.attempts[-1].ended:
            return f"{MISSING}: the events stop before the end of the stage"
        ends = (event.get("record") for event in self.events if event["event"] == "stage_end")
        ended = [end for end in ends if end][-1:]
        facts = {"id": self.id, "work": self.record.work}
        unlike = [key for end in ended for key in facts if end.get(key) != facts[key]]
        return f"{ALTERED}: {' and '.join(unlike)} differ from the stage's end" if unlike else ""

    @property
    def counted(self) -> bool:
        """Return whether the record's epochs and FLOPs can be believed."""
        return not self.spoilt.startswith((MISSING, ALTERED))

    def during(self, *names: str) -> list[Event]:
        """Return the events of some names within the useful work of their attempts."""
        number, found = -1, []
        for event in self.events:
            number += event["event"] == "attempt_begin"
            if event["event"] in names and number >= 0:
                useful = self.attempts[number].useful
                found += [event] * bool(useful and useful.begin_s <= event["t_s"] <= useful.end_s)
        return found

    @property
    def trace(self) -> PowerTrace:
        """Return the stage's power log; raises HarnessError when it cannot be read."""
        return self._traces.load(self.log)

    def energy(self, window: Window, rail: str | None = None) -> Energy:
        """Return the energy of a window of this stage; void when nothing or a mixture was recorded.

        The sensor of its errors is one of this board. A window is integrated once.
        """
        if (window, rail) not in self._energies:
            self._energies[window, rail] = self._integrated(window, rail)
        return self._energies[window, rail]

    def _integrated(self, window: Window, rail: str | None) -> Energy:
        reason = self.spoilt if self.measured else "no power was recorded"
        if reason:
            return self.without_energy(window.seconds, reason)
        energy = self.trace.over(window, rail).worded(*self.words, *self.estimated)
        sensor = energy.sensor and f"{board_of(self.record.environment)}: {energy.sensor}"
        return replace(energy, sensor=sensor)

    def without_energy(self, seconds: float, reason: str) -> Energy:
        """Return the void energy of a part of the stage, with the reason."""
        return no_energy("", float(seconds), reason).worded(*self.estimated)

    @cached_property
    def epochs(self) -> list[tuple[Event, Window]]:
        """Return the epochs that count, in order, each with its window.

        Of an epoch that was trained twice, because a kill undid it, the last one counts.
        """
        return [
            (event, Window(event["begin_s"], event["t_s"], *attempt.begin[2:]))
            for event, attempt in kept_epochs(self.attempts)
        ]


class FinishedRun:
    """A finished run with its stages in order, shared ones included.

    `spec` is the resolved spec: method, model, dataset, prune_ratio, seed, the method's `options`.
    """

    def __init__(self, root: str, run: record.RunRecord, stages: list[FinishedStage]) -> None:
        self.root, self.record, self.stages = root, run, stages
        self.id, self.folder = run.id, record.run_dir(root, run.id)
        self.spec: dict[str, Any] = run.spec
        self.options: dict[str, Any] = run.spec.get("options") or {}

    @property
    def marks(self) -> list[str]:
        """Return the words that go with the run's accuracy: those of spoilt stages."""
        spoilt = {stage.spoilt.partition(":")[0] for stage in self.stages if stage.spoilt}
        return sorted({*spoilt, *[ALTERED] * bool(self.misstated)})

    @cached_property
    def misstated(self) -> str:
        """Return how the record's accuracy differs from the last stage's, "" for not or unknown."""
        stage = self.stages[-1]
        tested = [event.get("test_accuracy") for event, _ in stage.epochs]
        noted = stage.record.metrics.get("test_accuracy")
        shares = [share for share in tested if share is not None] or [noted]
        if shares == [None]:
            return ""
        stated, true = self.record.accuracy, {"best": max(shares), "last": shares[-1]}
        unlike = [
            f"{rule} {100 * share:.2f} %, recorded {100 * stated[rule]:.2f} %"
            for rule, share in true.items()
            if isinstance(stated.get(rule), (int, float)) and stated[rule] != share
        ]
        return f"{ALTERED}: accuracy of the last stage: {', '.join(unlike)}" if unlike else ""

    @property
    def precisions(self) -> dict[str, str]:
        """Return the arithmetic of each training by its stage's name."""
        return {stage.record.name: stage.precision for stage in self.stages if stage.work}

    @property
    def ticket(self) -> dict[str, int]:
        """Return the epoch of EB Train's ticket; empty for other methods.

        `search_epochs` were trained in the search; `paper_n`, one more, is the paper's count.
        """
        search = self.record.metrics.get("search", {})
        if "paper_n" not in search:
            return {}
        return {"search_epochs": search["epochs_trained"], "paper_n": search["paper_n"]}


Paths = Folder | Iterable[Folder | FinishedRun]


def load(paths: Paths) -> list[FinishedRun]:
    """Return the finished runs of some folders: folders of runs, or of single runs.

    Loaded runs among them stay as they are. Raises HarnessError when a folder has no name, does not
    exist or holds no finished run, or when a record cannot be read.
    """
    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    runs: dict[tuple[str, str], FinishedRun] = {}
    stages: dict[tuple[str, str], FinishedStage] = {}
    traces = Traces()
    for path in given:
        if isinstance(path, FinishedRun):
            runs[os.path.realpath(path.root), path.id] = path
            continue
        root, found = _records(os.fspath(path))
        for run in found:
            key = os.path.realpath(root), run.id
            if key not in runs:
                new = [(root, name) for name in run.stages if (root, name) not in stages]
                stages.update({place: FinishedStage(*place, traces) for place in new})
                runs[key] = FinishedRun(root, run, [stages[root, name] for name in run.stages])
    if not runs:
        raise HarnessError(
            f"no finished run in {', '.join(map(str, given)) or 'no folder'}",
            "`joulebird run` finishes unfinished runs; give the folder of its --runs",
        )
    return list(runs.values())


def _records(path: str) -> tuple[str, list[record.RunRecord]]:
    """Return the folder of runs that a path means, and the records of its finished runs."""
    if not path:
        raise HarnessError(
            "a folder of runs without a name",
            "give the folder of `joulebird run --runs`; the current folder is `.`",
        )
    path = os.path.normpath(path)
    if not os.path.exists(os.path.join(path, record.RECORD)):
        return path, list(record.find_runs(path))
    root = os.path.dirname(path) or "."
    return root, [record.read_run(root, os.path.basename(path))]


def unique_stages(runs: Iterable[FinishedRun]) -> list[FinishedStage]:
    """Return the stages of some runs, each once."""
    return list({(stage.root, stage.id): stage for run in runs for stage in run.stages}.values())


def identity(stage: FinishedStage, serials: dict[str, set[str]] | None = None) -> dict[str, str]:
    """Return the facts that all numbers of one table share: board, power mode, source, ...

    `serials` are the serial numbers known of each host. They serve for records without one.
    """
    environment, source = stage.record.environment, stage.source
    device, torch = stage.record.device, (environment.get("packages") or {}).get("torch", "")
    return {
        "board": board_of(environment, serials),
        "power mode": word_of(environment.get("power_mode") or ""),
        "kind": "+".join(words_of(source)) or "measured",
        "source": str(source.get("name", "")),
        "sensor": str(source.get("sensor", "")),
        "scope": str(source.get("scope", "")),
        "rails": "+".join(source.get("total") or ()),
        "torch version": ".".join(torch.split(".")[:2]),
        "device": device.partition(":")[0],
        "GPU": environment.get("cuda_device", "") if device.startswith("cuda") else "",
    }


def one_scope(stages: Iterable[FinishedStage], keys: Container[str] = ()) -> dict[str, str]:
    """Return the identity that all stages share.

    Stages without power have and need the software only. `keys`: look at these facts alone. Raises
    HarnessError for a mixture, naming both sides and their folders.
    """
    stages = list(stages)
    serials = serials_of([stage.record.environment for stage in stages])
    seen: dict[str, dict[str, FinishedStage]] = {}
    for stage in stages:
        for key, value in identity(stage, serials).items():
            counts = (stage.measured or key in SOFTWARE) and (not keys or key in keys)
            if counts and (value or key not in UNKNOWN_FITS):
                seen.setdefault(key, {}).setdefault(value, stage)
    for key, values in seen.items():
        if len(values) > 1:
            texts = zip(contrast(*values), values.values())
            sides = [f"{text or 'none'} ({stage.folder})" for text, stage in texts]
            boards = [
                f"--board {shlex.quote(names_of(stage.record.environment)[0])}"
                for stage in values.values()
            ]
            how = " or ".join(boards) if key == "board" else "give only the folders of its runs"
            raise HarnessError(
                f"the runs mix numbers of different {key}s: {', '.join(sides)}",
                f"make one table for each {key}: {how}",
            )
    return {key: next(iter(values)) for key, values in seen.items()}


def on_board(runs: list[FinishedRun], board: str | None) -> list[FinishedRun]:
    """Return the runs that were measured on one board alone; raises HarnessError for none.

    `board` is its serial number, its name or its host.
    """
    measured = [(run, [stage for stage in run.stages if stage.measured]) for run in runs]
    kept = [
        run
        for run, stages in measured
        if all(board in names_of(stage.record.environment) for stage in stages)
    ]
    if not kept:
        labels = {identity(stage)["board"] for _, stages in measured for stage in stages}
        known = ", ".join(sorted(labels)) or "none"
        raise HarnessError(f"no run was measured on {board} alone", f"there are: {known}")
    return kept
