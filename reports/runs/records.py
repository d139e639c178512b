"""Finished runs and their stages, as the reports see them: what was trained, when, under which clock, and where its power log is."""

import os
from collections.abc import Iterable
from functools import cached_property

from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Attempt, Window, attempts, kept_epochs
from joulebird.harness.core.powerlog import has_rows
from joulebird.reports.logs.pieces import words_of
from joulebird.reports.logs.powerlog import first_source
from joulebird.reports.logs.trace import PowerTrace


class Traces:
    """Power logs in memory, the ones asked for last and not more than `limit` samples of them: a study's logs do not all fit."""

    def __init__(self, limit: int = 10_000_000) -> None:
        self._limit = limit
        self._loaded: dict[str, PowerTrace] = {}

    def load(self, path: str) -> PowerTrace:
        """A log, from memory if it is there."""
        trace = self._loaded.pop(path, None) or PowerTrace.load(path)
        self._loaded[path] = trace
        while (
            len(self._loaded) > 1
            and sum(one.samples for one in self._loaded.values()) > self._limit
        ):
            del self._loaded[next(iter(self._loaded))]
        return trace


class Stage:
    """A finished stage: its record, its attempts, and its power log (loaded when asked for)."""

    def __init__(self, root: str, stage_id: str, traces: Traces | None = None) -> None:
        self.root = root
        self._traces = traces or Traces()
        self.record = _read(record.read_stage, root, stage_id)
        self.folder = record.stage_dir(root, stage_id)

    @property
    def id(self) -> str:
        """The stage's id."""
        return self.record.id

    @property
    def work(self) -> dict:
        """What was trained (structure, FLOPs, epochs, ...), empty when nothing was."""
        return self.record.work or {}

    @cached_property
    def events(self) -> list[dict]:
        """The stage's events in order; raises HarnessError when they are damaged."""
        return _read(record.read_events, os.path.join(self.folder, record.EVENTS))

    @cached_property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts at the stage, in order."""
        return tuple(attempts(self.events))

    @property
    def log(self) -> str:
        """The path of the stage's power log, which need not exist."""
        return os.path.join(self.folder, record.POWER)

    @cached_property
    def measured(self) -> bool:
        """Whether power was recorded."""
        return os.path.exists(self.log) and has_rows(self.log)

    @cached_property
    def source(self) -> dict:
        """What the power source said of itself: in the log, else in the record."""
        return (first_source(self.log) if self.measured else None) or self.record.source

    @property
    def words(self) -> tuple[str, ...]:
        """Words that must stand beside the stage's energy."""
        return words_of(self.source) if self.measured else ()

    @property
    def trace(self) -> PowerTrace | None:
        """The stage's power log; None when nothing was recorded. Raises HarnessError when the log cannot be read."""
        return self._traces.load(self.log) if self.measured else None

    @cached_property
    def epochs(self) -> list[tuple[dict, Window]]:
        """The epochs that count, in order, each with its window; of an epoch trained twice, because a kill undid it, the last."""
        return [
            (event, Window(event["begin_s"], event["t_s"], a.begin.boot_id, a.begin.session))
            for event, a in kept_epochs(self.attempts)
        ]


class Run:
    """A finished run with its stages in order, shared ones included."""

    def __init__(self, root: str, found: record.RunRecord, stages: dict, traces: Traces) -> None:
        self.root, self.record = root, found
        for stage_id in found.stages:
            if stage_id not in stages:
                stages[stage_id] = Stage(root, stage_id, traces)
        self.stages = [stages[stage_id] for stage_id in found.stages]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.record.id

    @property
    def spec(self) -> dict:
        """The resolved spec: method, model, dataset, prune_ratio, seed, schedule, options."""
        return self.record.spec

    @property
    def options(self) -> dict:
        """The method's options."""
        return self.spec.get("options") or {}

    @property
    def ticket(self) -> dict[str, int]:
        """When EB Train drew its ticket: after so many `search_epochs`, which is `paper_n`, one more, in the paper's tables; else empty."""
        found = self.record.metrics.get("search", {})
        return (
            {"search_epochs": found["epochs_trained"], "paper_n": found["paper_n"]}
            if "paper_n" in found
            else {}
        )


def load(paths: Iterable[str]) -> list[Run]:
    """The finished runs of some folders: a folder of runs, or the folder of one run.

    Raises HarnessError when a folder has no name, does not exist, holds no finished run, or a record cannot be read.
    """
    runs: dict = {}
    traces = Traces()
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    for path in map(str, paths):
        if not path:
            raise HarnessError(
                "a folder of runs without a name",
                "give the folder of `joulebird run --runs`; the one you are in is `.`",
            )
        path = os.path.normpath(path)
        single = record.is_done(path)
        root = os.path.dirname(path) or "." if single else path
        found = (
            [_read(record.read_run, root, os.path.basename(path))]
            if single
            else list(_read(_all_runs, root))
        )
        stages: dict = {}
        for one in found:
            runs.setdefault((os.path.realpath(root), one.id), None)
            if runs[os.path.realpath(root), one.id] is None:
                runs[os.path.realpath(root), one.id] = Run(root, one, stages, traces)
    if not runs:
        raise HarnessError(
            f"no finished run in {', '.join(map(str, paths)) or 'no folder'}",
            "`joulebird run` finishes what is not done; give the folder of its --runs",
        )
    return list(runs.values())


def unique_stages(runs: Iterable[Run]) -> list[Stage]:
    """The stages of some runs, each once."""
    return list({(stage.root, stage.id): stage for run in runs for stage in run.stages}.values())


def idle_windows(root: str, session: str) -> list[tuple[PowerTrace, Window]]:
    """The idle measurements of a session, before and after, as far as they were recorded."""
    found = []
    for when in ("before", "after"):
        folder = record.idle_dir(root, session, when)
        path = os.path.join(folder, record.POWER)
        if session and os.path.exists(path) and has_rows(path):
            windows = [
                a.useful
                for a in attempts(_read(record.read_events, os.path.join(folder, record.EVENTS)))
                if a.useful
            ]
            found += [(PowerTrace.load(path), windows[-1])] if windows else []
    return found


def _all_runs(root: str) -> list:
    return list(record.find_runs(root))


def _read(function, *arguments):
    try:
        return function(*arguments)
    except record.HarnessError as error:
        raise HarnessError(error.message, error.hint, error.exit_code) from None
