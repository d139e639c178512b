"""One `joulebird run`: the lock, the recorder, the idle measurements and the signals that all its stages share."""

import contextlib
import os
import time
import uuid
from typing import Any, Dict, Iterable, Optional

from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.records import EVENTS, POWER, idle_dir
from joulebird.harness.power.meter import Meter
from joulebird.harness.runs.backend import Backend
from joulebird.harness.runs.checkpoints import Saving, writing
from joulebird.harness.runs.environment import environment
from joulebird.harness.runs.events import EventLog
from joulebird.harness.runs.prepare import Prepare
from joulebird.harness.runs.rundir import LOCK, RunDir
from joulebird.harness.runs.signals import StopSignals
from joulebird.harness.runs.stage import Interrupted
from joulebird.harness.runs.witness import Witness


class Session:
    """A context manager. Nothing is started before the first stage that has to be done, so a finished study costs nothing.

    `idle_s` seconds of an idle machine are recorded before the first stage and after the last (0: none); `lock` is `RunDir`'s name;
    `board_root` is where a board's /proc, /sys and /etc are looked for; `prepare` puts the board into a state of its own for the session
    (`joulebird.harness.runs.prepare.preparation`).
    """

    def __init__(
        self,
        root: str,
        meter: Meter,
        progress: Any,
        backend: Optional[Any] = None,
        data_dir: Optional[str] = None,
        download: bool = False,
        idle_s: float = 0.0,
        lock: str = LOCK,
        board_root: str = "/",
        prepare: Optional[Prepare] = None,
    ) -> None:
        self.root = str(root)
        self.id = "{}-{}".format(
            time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), uuid.uuid4().hex[:6]
        )
        self.meter = meter
        self.progress = progress
        self.backend = backend or Backend()
        self._data = {"data_dir": data_dir, "download": download}
        self._idle_s = idle_s
        self._board_root = board_root
        self._prepare = prepare
        self._prepared = None  # type: Optional[Dict[str, Any]]
        self._exits = contextlib.ExitStack()
        self._working = False
        self._lock = RunDir(self.root, lock)
        self._signals = StopSignals(progress.say)
        self._environment = None  # type: Optional[Dict[str, Any]]

    def __enter__(self) -> "Session":
        with contextlib.ExitStack() as exits:
            exits.enter_context(self._lock)
            exits.enter_context(self._signals)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if self._working and not self.stopping and kind is None:
                self._idle("after")
        finally:
            try:
                self.meter.stop()
            finally:
                self._exits.__exit__(kind, error, trace)

    @property
    def stopping(self) -> bool:
        """True once the user has asked to stop."""
        return self._signals.stopping

    def begin_work(self) -> None:
        """Prepare the board, start the recorder and measure the idle machine, once.

        Raises SourceError or BoardError before anything is trained.
        """
        if not self._working:
            if self._prepare is not None and self._prepared is None:
                self._prepared = self._exits.enter_context(self._prepare(self._nap))
            self.meter.start()
            self._idle("before")
            self._working = True

    def environment(self) -> Dict[str, Any]:
        """The machine and software, looked up once."""
        if self._environment is None:
            self._environment = environment(self._board_root)
            if self._prepared is not None:
                self._environment["prepared"] = self._prepared
        return self._environment

    def task(self, spec: Any) -> Any:
        """The Task of a RunSpec, with the data of this machine."""
        return self.backend.task_from(dict(spec.to_dict(), **self._data))

    def find_data(self, specs: Iterable[Any]) -> None:
        """Load each data set of some specs once when there are several, so that one that is missing is told before any training."""
        first = {spec.dataset: spec for spec in specs}
        for spec in first.values() if len(first) > 1 else ():
            self.task(spec._replace(device="cpu")).data()

    def witness(self, events: str) -> Witness:
        """Somebody who tells what happens to the board during a stage, and writes it into the stage's events (a path)."""
        return Witness(self._board_root, events)

    def saving(self) -> Saving:
        """What writes and reads checkpoints and results."""
        return self.backend.saving()

    def synchronise(self, device: str) -> None:
        """Wait until the device is idle."""
        self.backend.synchronise(device)

    def _nap(self, seconds: float) -> None:
        """Sleep; raises Interrupted when the user asks to stop."""
        time.sleep(seconds)
        if self.stopping:
            raise Interrupted("before anything was trained")

    def _idle(self, when: str) -> None:
        if not self._idle_s or not self.meter.description:
            return
        self.progress.say(f"measuring the idle machine for {self._idle_s:g} s")
        folder = idle_dir(self.root, self.id, when)
        with writing(os.path.join(folder, POWER)):
            os.makedirs(folder, exist_ok=True)
            events = EventLog(os.path.join(folder, EVENTS))
            self.meter.open_log(os.path.join(folder, POWER))
            events.write(
                "attempt_begin",
                attempt=1,
                boot_id=boot_id(),
                wall_s=round(time.time(), 3),
                pid=os.getpid(),
                session=self.id,
                from_epoch=0,
            )
            self.meter.sample()
            begin_s = events.write("stage_begin")
            while time.monotonic() < begin_s + self._idle_s and not self.stopping:
                time.sleep(min(0.1, self._idle_s))
            events.write("stage_end", durable=True)
            self.meter.sample()
            self.meter.close_log()
            events.close()
