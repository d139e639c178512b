"""One `joulebird run`: its runs, their lock, recorders, idle measurements and signals."""

import contextlib
import math
import os
import signal
import threading
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from joulebird.devices import foreign, overlap
from joulebird.devices.board.control import Board
from joulebird.devices.board.note import BoardError
from joulebird.devices.health.read import Health
from joulebird.devices.util.command import user_name
from joulebird.harness.core import lock as locks
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import BUSY, HarnessError, TrainingError
from joulebird.harness.core.events import EventLog
from joulebird.harness.core.files import is_lost, writing
from joulebird.harness.core.records import (
    EVENTS,
    RECORD,
    STAGE,
    RunRecord,
    idle_dir,
    is_done,
    new_id,
    read_run,
    run_dir,
    stage_dir,
)
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.conditions import check_source, last_begun
from joulebird.harness.runs.environment import environment, pulse
from joulebird.harness.runs.monitor import Beside, Monitor, noted
from joulebird.harness.runs.prepare import Prepare, restoration
from joulebird.harness.runs.run import planned, run_spec
from joulebird.harness.runs.rundir import make_folder, split
from joulebird.harness.runs.spec import RunSpec
from joulebird.harness.runs.stage import Interrupted

Failures = List[Tuple[RunSpec, TrainingError]]
TRAINS = "this machine trains already: {holder}"
REMEDY = "wait until it is done (--wait), or stop it: two trainings would spoil each other's energy"


class StopSignals:
    """A context manager that counts SIGINT, SIGTERM and SIGHUP: stop after this epoch, or at once.

    `stopping` is true after the first; the second SIGINT raises KeyboardInterrupt. A SIGHUP that is
    ignored (nohup) stays ignored.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice, self.stopping = notice, False
        self._before: Dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            for number in (signal.SIGINT, signal.SIGTERM, *([] if nohup else [signal.SIGHUP])):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: Any) -> None:
        if self.stopping and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stopping = True
        if number == signal.SIGHUP:
            self._before[number] = signal.SIG_IGN  # a second one may come while Python ends
        self._notice("stopping after this epoch; press Ctrl-C again to stop now")


class Session:
    """A context manager around the runs of one command.

    Nothing is started before the first unfinished stage, so a finished study costs nothing.
    """

    def __init__(
        self,
        root: str,
        recorders: Recorders,
        progress: Any,
        backend: Optional[Any] = None,
        data_dir: Optional[str] = None,
        download: bool = False,
        idle_s: float = 0.0,
        lock: str = "",
        wait: bool = False,
        board_root: str = "/",
        prepare: Optional[Prepare] = None,
        restart: bool = False,
        make_board: Callable[..., Board] = Board,
    ) -> None:
        """Measure the idle machine for `idle_s` before the first stage and after the last.

        `lock` is a file to lock instead of the machine's, for which this may `wait`; `board_root`
        is where a board's /proc, /sys and /etc are;
        `prepare` sets the board's state for the session (`joulebird.harness.runs.prepare`), else a
        board of `make_board` gets that of the attempt which is continued. `restart` begins stages
        again that cannot be continued here, also for a user at a terminal.
        """
        self.root, self.recorders, self.progress = str(root), recorders, progress
        self.id = new_id()
        self.backend, self.restart = backend or Backend(), restart
        self._data = {"data_dir": data_dir, "download": download}
        self._idle_s, self._board_root = idle_s, board_root
        self._prepare, self._make_board = prepare, make_board
        self.study: List[str] = []  # the stages that are known to belong together
        self._prepared: Optional[Dict[str, Any]] = None
        self._exits = contextlib.ExitStack()
        self.look = foreign.Neighbours().look
        self._working = False
        self._lock = locks.machine(lock), math.inf if wait else 0.5
        self._signals = StopSignals(progress.say)
        self.presence = overlap.Presence()
        self._health = Health(board_root)
        self._pulse: Dict[str, Any] = {}
        self._environment: Dict[str, Any] = {}

    def __enter__(self) -> "Session":
        make_folder(self.root)
        path, patience_s = self._lock
        owner = {"user": user_name(), "what": f"runs in {os.path.abspath(self.root)}"}
        with contextlib.ExitStack() as entered:  # left again if one of these fails
            entered.enter_context(locks.locked(path, owner, TRAINS, REMEDY, patience_s))
            self._refuse_second(path, patience_s)
            self.presence = overlap.Presence("joulebird run: " + owner["what"], path)
            entered.enter_context(self.presence)
            entered.enter_context(self._signals)
            self._exits = entered.pop_all()
        return self

    def _refuse_second(self, path: str, patience_s: float) -> None:
        """Raise HarnessError (75) beside a run whose lock file was deleted."""
        deadline = time.monotonic() + patience_s
        while overlap.holder(path):
            if time.monotonic() > deadline:
                raise HarnessError(TRAINS.format(holder=overlap.holder(path)), REMEDY, BUSY)
            time.sleep(0.05)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if self._working and not self.stopping and kind is None:
                self._idle("after")
        finally:
            self._exits.__exit__(kind, error, trace)

    @property
    def stopping(self) -> bool:
        """True once the user has asked to stop."""
        return self._signals.stopping

    def begin_work(self, stage_id: str) -> None:
        """Start the recorders, prepare the board and measure the idle machine, once.

        `stage_id` is the stage to be done first; a killed attempt at it may set the board's state.
        Raises SourceError, BoardError, or HarnessError for another source than the study's, before
        anything is trained.
        """
        if not self._working:
            self._exits.callback(self.recorders.stop)
            self.recorders.start()
            check_source(self.root, self.study, self.recorders.description, self.environment())
            self._prepare_board(last_begun(self.root, stage_id).get("environment", {}))
            self._idle("before")
            self._working = True
            if self.look().busy_s is None:
                self.progress.say(f"foreign load is not watched: {foreign.UNKNOWN}")

    def _prepare_board(self, former: Dict[str, Any]) -> None:
        """Put the board into the state that was asked for, or that a killed attempt had."""
        if self._prepare is not None and self._prepared is None:
            self._prepared = self._exits.enter_context(self._prepare(self._nap))
        elif self._prepare is None:
            restore = restoration(
                former, self.environment(), self.progress.say, self._board_root, self._make_board
            )
            try:
                state = restore and self._exits.enter_context(restore(self._nap))
                self._prepared = state if former.get("prepared") else None
            except BoardError as error:
                self.progress.say(f"the board's former state is not restored: {error.message}")
        self._pulse = {}

    def environment(self) -> Dict[str, Any]:
        """Return the machine and software as they are now."""
        now = pulse(self._health)
        if now != self._pulse:
            self._environment, self._pulse = environment(self._board_root), now
        if self._prepared is not None:
            self._environment["prepared"] = self._prepared
        return self._environment

    def task(self, spec: Any) -> Any:
        """Return the Task of a RunSpec, with the data of this machine."""
        return self.backend.task_from(dict(spec.to_dict(), **self._data))

    def find_data(self, specs: Iterable[Any]) -> None:
        """Load each of several data sets once, so that a missing one fails before any training."""
        first = {spec.dataset: spec for spec in specs}
        for spec in first.values() if len(first) > 1 else ():
            self.task(spec._replace(device="cpu")).data()

    def monitor(self, events: str) -> Monitor:
        """Return a monitor that logs board-health events of a stage (a path)."""
        return Monitor(events, self._board_root)

    def _nap(self, seconds: float) -> None:
        """Sleep; raises Interrupted when the user asks to stop."""
        time.sleep(seconds)
        if self.stopping:
            raise Interrupted("before anything was trained")

    def _idle(self, when: str) -> None:
        """Record the idle machine in a folder like a stage's; `when` is "before" or "after"."""
        if not self._idle_s or not self.recorders.description:
            return
        self.progress.say(f"measuring the idle machine for {self._idle_s:g} s")
        folder = idle_dir(self.root, self.id, when)
        path = os.path.join(folder, EVENTS)
        with writing(path), contextlib.ExitStack() as opened:
            os.makedirs(folder, exist_ok=True)
            events = opened.enter_context(contextlib.closing(EventLog(path)))
            self.recorders.open_logs(folder)
            events.begin_attempt(1, boot_id(), self.id, 0)
            watch = Beside(self.look)
            self.recorders.sample()
            begin_s = events.write("stage_begin")
            while time.monotonic() < begin_s + self._idle_s and not self.stopping:
                time.sleep(min(0.1, self._idle_s))
            load = noted(watch, events, self.progress)
            events.write("stage_end", durable=True, load=load)
            self.recorders.sample()
            self.recorders.close_logs()


def run_all(
    session: Any, specs: List[RunSpec], study: Sequence[RunSpec] = ()
) -> Tuple[List[RunRecord], Failures]:
    """Bring all specs to their end; return the records and the failures.

    `study` are further specs that are measured by the same source.

    Only a TrainingError lets the other runs continue (a fault of the disk in one stage's folder is
    one); a disk that takes no file at all, a broken sensor or a wrong spec ends the session.
    """
    records: List[RunRecord] = []
    failures: Failures = []
    with writing(f"{session.root}/"):
        _plan(session, specs)
        finished = split(session.root, [*specs, *study])[0]
        session.study += [
            name for spec in finished for name in read_run(session.root, spec.id).stages
        ]
        session.find_data(specs)
        for number, spec in enumerate(specs, 1):
            session.progress.run_begin(number, len(specs), spec.id)
            try:
                with writing(os.path.join(run_dir(session.root, spec.id), RECORD)):
                    records.append(run_spec(session, spec))
            except TrainingError as error:
                if is_lost(session.root, error):
                    raise
                failures.append((spec, error))
                session.progress.say(f"  failed: {error}")
    return records, failures


def _plan(session: Any, specs: List[RunSpec]) -> None:
    """Give the estimate the stages that lie ahead."""
    root = session.root
    plans = [planned(spec, root, session.backend) for spec in split(root, specs)[1]]
    session.study += [stage.id for stages in plans for stage in stages]
    session.progress.estimate.plan(
        {
            stage.id: stage.function
            for stages in plans
            for stage in stages
            if not is_done(stage_dir(root, stage.id), STAGE)
        }
    )
