"""One `joulebird run`: its runs, their lock, recorders, idle measurements and signals."""

import contextlib
import math
import os
import signal
import threading
import time
import uuid
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from joulebird.devices.overlap import Presence
from joulebird.devices.util.command import user_name
from joulebird.harness.core import lock as locks
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import TrainingError
from joulebird.harness.core.events import EventLog
from joulebird.harness.core.records import EVENTS, STAGE, RunRecord, idle_dir, is_done, stage_dir
from joulebird.harness.power.recorders import Recorders
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.checkpoints import writing
from joulebird.harness.runs.environment import environment
from joulebird.harness.runs.monitor import Monitor
from joulebird.harness.runs.prepare import Prepare
from joulebird.harness.runs.run import planned, run_spec
from joulebird.harness.runs.rundir import make_folder, split
from joulebird.harness.runs.spec import RunSpec
from joulebird.harness.runs.stage import Interrupted

Failures = List[Tuple[RunSpec, TrainingError]]
TRAINS = "this machine trains already: {holder}"
REMEDY = "wait until it is done (--wait), or stop it: two trainings would spoil each other's energy"


class StopSignals:
    """A context manager that counts SIGINT and SIGTERM: stop after this epoch, or at once.

    `stopping` is true after the first; the second SIGINT raises KeyboardInterrupt.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._before: Dict[int, Any] = {}
        self.stopping = False

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: Any) -> None:
        if self.stopping and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stopping = True
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
    ) -> None:
        """Measure the idle machine for `idle_s` before the first stage and after the last.

        `lock` is a file to lock instead of the machine's, for which this may `wait`; `board_root`
        is where a board's /proc, /sys and /etc are;
        `prepare` sets the board's state for the session (`joulebird.harness.runs.prepare`).
        """
        self.root = str(root)
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.id = f"{started}-{uuid.uuid4().hex[:6]}"
        self.recorders = recorders
        self.progress = progress
        self.backend = backend or Backend()
        self._data = {"data_dir": data_dir, "download": download}
        self._idle_s = idle_s
        self._board_root = board_root
        self._prepare = prepare
        self._prepared: Optional[Dict[str, Any]] = None
        self._exits = contextlib.ExitStack()
        self._working = False
        self._lock = locks.machine(lock), math.inf if wait else 0.5
        self._signals = StopSignals(progress.say)
        self._environment: Optional[Dict[str, Any]] = None

    def __enter__(self) -> "Session":
        make_folder(self.root)
        path, patience_s = self._lock
        owner = {"user": user_name(), "what": f"runs in {os.path.abspath(self.root)}"}
        self._exits.enter_context(locks.locked(path, owner, TRAINS, REMEDY, patience_s))
        self._exits.enter_context(Presence("joulebird run: " + owner["what"]))
        self._exits.enter_context(self._signals)
        return self

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

    def begin_work(self) -> None:
        """Prepare the board, start the recorders and measure the idle machine, once.

        Raises SourceError or BoardError before anything is trained.
        """
        if not self._working:
            if self._prepare is not None and self._prepared is None:
                self._prepared = self._exits.enter_context(self._prepare(self._nap))
            self._exits.callback(self.recorders.stop)
            self.recorders.start()
            self._idle("before")
            self._working = True

    def environment(self) -> Dict[str, Any]:
        """Return the machine and software, looked up once."""
        if self._environment is None:
            self._environment = environment(self._board_root)
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
        with writing(os.path.join(folder, EVENTS)):
            os.makedirs(folder, exist_ok=True)
            events = EventLog(os.path.join(folder, EVENTS))
            self.recorders.open_logs(folder)
            events.begin_attempt(1, boot_id(), self.id, 0)
            self.recorders.sample()
            begin_s = events.write("stage_begin")
            while time.monotonic() < begin_s + self._idle_s and not self.stopping:
                time.sleep(min(0.1, self._idle_s))
            events.write("stage_end", durable=True)
            self.recorders.sample()
            self.recorders.close_logs()
            events.close()


def run_all(session: Any, specs: List[RunSpec]) -> Tuple[List[RunRecord], Failures]:
    """Bring all specs to their end; return the records and the failures.

    Only a TrainingError lets the other runs continue; a full disk, a broken sensor or a wrong spec
    ends the session.
    """
    records: List[RunRecord] = []
    failures: Failures = []
    with writing(f"{session.root}/"):
        _plan(session, specs)
        session.find_data(specs)
        for number, spec in enumerate(specs, 1):
            session.progress.run_begin(number, len(specs), spec.id)
            try:
                records.append(run_spec(session, spec))
            except TrainingError as error:
                failures.append((spec, error))
                session.progress.say(f"  failed: {error}")
    return records, failures


def _plan(session: Any, specs: List[RunSpec]) -> None:
    """Give the estimate the stages that lie ahead."""
    root = session.root
    plans = [planned(spec, root, session.backend) for spec in split(root, specs)[1]]
    functions = {stage.id: stage.function for stages in plans for stage in stages}
    session.progress.estimate.plan(
        {
            name: function
            for name, function in functions.items()
            if not is_done(stage_dir(root, name), STAGE)
        }
    )
