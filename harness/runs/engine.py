"""Do a stage once: mark it, measure it, survive a kill at any instant, and never do it again."""

import contextlib
import errno
import os
import time
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Attempt, EventLog, attempts, kept_epochs, since_restart
from joulebird.harness.core.files import writing
from joulebird.harness.core.records import (
    CHECKPOINT,
    EPOCHS,
    EVENTS,
    RECIPE,
    RESULT,
    STAGE,
    Event,
    StageRecord,
    build,
    is_done,
    read_events,
    read_stage,
    stage_dir,
    stage_events,
    write_json,
    write_stage,
)
from joulebird.harness.core.terminal import interactive
from joulebird.harness.runs.checkpoints import Checkpoints
from joulebird.harness.runs.conditions import (
    changes,
    conditions,
    differences,
    fingerprint,
    fingerprints,
    identity,
)
from joulebird.harness.runs.environment import set_threads
from joulebird.harness.runs.recipe import Artifact, replaced
from joulebird.harness.runs.stage import Stage, rewrite_epochs
from joulebird.harness.runs.warnings import NO_CHECKPOINT

StageFunction = Callable[..., Dict[str, Any]]


class Asked(NamedTuple):
    """A stage that a method asked for, by the name it gave.

    `function` is a dotted name, `upstream` are the ids of the stages that it builds on.
    """

    name: str
    id: str
    function: str
    upstream: Tuple[str, ...]
    options: Dict[str, Any]


def perform(
    session: Any,
    asked: Asked,
    function: StageFunction,
    inputs: Tuple[Any, ...],
    recipe: Dict[str, Any],
) -> None:
    """Bring one stage to its end, wherever an earlier attempt left it.

    `session` is shared by all stages of this process: root, backend, recorders, progress, ...
    """
    folder = stage_dir(session.root, asked.id)
    with writing(os.path.join(folder, EVENTS)):
        os.makedirs(folder, exist_ok=True)
        with contextlib.closing(EventLog(os.path.join(folder, EVENTS))) as events:
            if is_done(folder, STAGE):  # by a process that held the lock until now
                return
            for name in (CHECKPOINT, RESULT, EPOCHS):  # before anything is trained
                if os.path.isdir(os.path.join(folder, name)):
                    path = os.path.join(folder, name)
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            write_json(os.path.join(folder, RECIPE), recipe)
            past = read_events(os.path.join(folder, EVENTS))
            if not _finish_ended(session, folder, past):
                _AttemptUnderWay(session, asked, past).run(function, inputs, events)


def _finish_ended(session: Any, folder: str, past: List[Event]) -> bool:
    """Write stage.json of an attempt that was killed just before that; return False if none was.

    Its last event holds the record.
    """
    ended = bool(past) and past[-1]["event"] == "stage_end" and "record" in past[-1]
    if not ended or not os.path.exists(os.path.join(folder, RESULT)):
        return False
    write_stage(session.root, build(StageRecord, past[-1]["record"]))
    return True


class _AttemptUnderWay:
    """The present attempt at one stage."""

    def __init__(self, session: Any, asked: Asked, past: List[Event]) -> None:
        self._session, self._asked, self._past = session, asked, past
        self._earlier = attempts(past)
        if any(attempt.ended for attempt in self._earlier):  # its result is gone: begin afresh
            self._earlier = _continued(past, 0)
        self._number = len(self._earlier) + 1
        self._folder, self._device = stage_dir(session.root, asked.id), ""
        self._saved: Optional[Event] = None  # the epoch from which this attempt continues
        self._from_epoch = 0
        self._restarted: Dict[str, Any] = {}  # facts of the warning that it does not
        self._begun: Event = {}  # the facts of its first event

    def run(self, function: StageFunction, inputs: Tuple[Any, ...], events: EventLog) -> None:
        """Call the stage function between two marks and write its result and record."""
        checkpoints = Checkpoints(self._folder, self._session.backend.saving, self._number)
        kept = [event for event, _ in kept_epochs(self._earlier)]
        self._saved = checkpoints.recover(kept)
        arguments, keywords = replaced([list(inputs), self._asked.options], Artifact.load)
        tasks = [item for item in arguments if hasattr(item, "recipe") and hasattr(item, "device")]
        self._device = str(tasks[0].device) if tasks else ""
        self._synchronise()  # from here on torch shows its device
        reason = self._reason_to_restart(checkpoints)
        if reason:
            remedy = {} if self._saved else {"remedy": NO_CHECKPOINT}
            self._restarted = dict(remedy, attempt=self._number, reason=reason)
            self._saved = checkpoints.recover([])
        self._begun = self._facts()
        self._from_epoch = self._saved["epoch"] if self._saved else 0
        self._earlier = _continued(self._past, self._from_epoch)
        rewrite_epochs(self._folder, [event for event, _ in kept_epochs(self._earlier)])
        stage = Stage(
            self._folder,
            events,
            checkpoints,
            self._saved,
            self._session,
            self._synchronise,
            partial(changes, self._begun, self._facts),
        )
        try:
            self._measured(stage, events, lambda: function(stage, *arguments, **keywords))
            checkpoints.clear()
        finally:
            self._session.recorders.close_logs()
            stage.stop_monitor()  # without warnings, when the stage is unfinished

    def _facts(self) -> Event:
        """Return the environment, the power source and the device, as they are now."""
        session = self._session
        source = identity(session.recorders.description)
        return {"environment": session.environment(), "source": source, "device": self._device}

    def _reason_to_restart(self, checkpoints: Checkpoints) -> str:
        """Return the reason why the epochs that are there cannot be continued; "" if they can.

        Threads are set back to their former number if no other condition differs. Raises
        HarnessError to a user at a terminal, who may rather restore the conditions.
        """
        kept = [attempt for attempt in self._earlier if attempt.epochs]
        if not self._saved:
            saved = any(event.get("checkpoint") for event, _ in kept_epochs(kept))
            reasons = dict.fromkeys(str(facts["reason"]) for facts in checkpoints.damaged)
            return "no checkpoint can be used: {}".format("; ".join(reasons)) if saved else ""
        before, known = conditions(kept[-1].first), fingerprints(kept)
        other = differences(before, conditions(self._facts()))
        if list(other) == ["threads"] and known:
            set_threads(before["threads"])
        if known <= {fingerprint(self._facts())}:
            return ""
        what = ", ".join(f"{name} {change}" for name, change in other.items())
        reason = f"conditions differ ({what or 'they changed within an attempt'})"
        if interactive() and not self._session.restart:
            raise HarnessError(
                f"stage {self._asked.name} cannot continue after epoch {self._saved['epoch']}: "
                + reason,
                f"restore them, or train it anew: give --restart, or delete {self._folder}",
            )
        return reason

    def _measured(self, stage: Stage, events: EventLog, work: Callable[[], Dict[str, Any]]) -> None:
        stage.recall([] if self._restarted else since_restart(self._past))
        begin_s = self._begin(stage, events)
        result = work()
        if not isinstance(result, dict):
            raise TypeError(
                "a stage function must return a dict of tensors and plain values, "
                f"not {type(result).__name__}"
            )
        self._session.backend.saving().save(os.path.join(self._folder, RESULT), result)
        self._end(stage, events, begin_s)

    def _begin(self, stage: Stage, events: EventLog) -> float:
        """Sample, then mark: the window begins inside the log."""
        session = self._session
        session.progress.stage_begin(self._asked.name, self._asked.id, self._from_epoch)
        facts = dict(self._begun, conditions=fingerprint(self._begun))
        if self._restarted:
            facts["restarted"] = True
        events.begin_attempt(self._number, boot_id(), session.id, self._from_epoch, **facts)
        for damaged in stage.checkpoints.damaged:
            stage.warn("checkpoint_damaged", **damaged)
        if self._restarted:
            stage.warn("restarted", **self._restarted)
        if not self._saved:
            for aside in session.recorders.set_aside(self._folder, bool(self._earlier)):
                stage.warn("log_set_aside", **aside)
        stage.start_monitor()
        session.recorders.open_logs(self._folder)
        self._synchronise()
        session.recorders.sample()
        mark = session.presence.mark()
        begin_s = events.write("stage_resume" if self._saved else "stage_begin", durable=True)
        stage.overlaps = partial(session.presence.since, mark, begin_s)
        return begin_s

    def _end(self, stage: Stage, events: EventLog, begin_s: float) -> None:
        """Mark, then sample: the window ends inside the log.

        The mark holds the record, so that a kill right after it costs nothing.
        """
        session = self._session
        self._synchronise()
        end_s = time.monotonic()
        session.recorders.sample()
        log = session.recorders.close_logs()
        stage.warn_of_overlaps(end_s, last=True)
        stage.warn_of_board(stage.stop_monitor())
        if self._number > 1:
            stage.warn("resumed", attempts=self._number)
        if any(attempt.first.get("boot_id") != boot_id() for attempt in self._earlier):
            stage.warn("rebooted")
        for name, facts in session.recorders.take_failures():
            stage.warn(name, **facts)
        spent_s = sum(attempt.seconds for attempt in self._earlier) + end_s - begin_s
        record = self._record(stage, round(spent_s, 6), log)
        events.write("stage_end", durable=True, t_s=end_s, load=stage.load, record=record._asdict())
        write_stage(session.root, record)
        session.progress.stage_end(self._asked.name, self._asked.function, spent_s)

    def _record(self, stage: Stage, seconds: float, log: Dict[str, Any]) -> StageRecord:
        session = self._session
        work = stage.described_work and dict(
            stage.described_work, epochs=len(epochs_of(session.root, self._asked.id))
        )
        source = session.recorders.description
        return StageRecord(
            id=self._asked.id,
            name=self._asked.name,
            function=self._asked.function,
            upstream=self._asked.upstream,
            session=session.id,
            attempts=self._number,
            seconds=seconds,
            device=self._device,
            work=work,
            load=stage.load,
            metrics=stage.metrics,
            warnings=tuple(stage.warnings),
            source=dict(source, log=log) if log else source,
            environment=self._begun["environment"],
            conditions=fingerprint(self._begun),
        )

    def _synchronise(self) -> None:
        self._session.backend.synchronise(self._device)


def _continued(past: List[Event], from_epoch: int) -> List[Attempt]:
    """Return the attempts as they count once a further one continues from this epoch."""
    further = {"event": "attempt_begin", "t_s": 0.0, "from_epoch": from_epoch}
    return attempts([*past, further])[:-1]


def epochs_of(root: str, stage_id: str) -> List[Event]:
    """Return the epoch events of a stage that count, in order."""
    return [event for event, _ in kept_epochs(attempts(stage_events(root, stage_id)))]


def accuracy_of(root: str, stage_id: str) -> Dict[str, Any]:
    """Return best and last test accuracy (shares from 0 to 1) and the best epoch of a stage.

    They are from its epochs, or else its metric `test_accuracy`. Raises HarnessError when it was
    never tested: a run without an accuracy is no run.
    """
    tested = [e for e in epochs_of(root, stage_id) if e.get("test_accuracy") is not None]
    if tested:
        best = max(tested, key=lambda event: event["test_accuracy"])
        return {
            "best": best["test_accuracy"],
            "last": tested[-1]["test_accuracy"],
            "best_epoch": best["epoch"],
        }
    accuracy = read_stage(root, stage_id).metrics.get("test_accuracy")
    if accuracy is None:
        raise HarnessError(
            f"stage {stage_id} was never tested",
            "the method must end with a stage that tests its network",
        )
    return {"best": accuracy, "last": accuracy, "best_epoch": 0}
