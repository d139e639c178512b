"""Simulate a TX2 on machines without sensors: its rails follow the load of the measured process.

    --source simulated

It writes the files of a TX2's power monitors and reads them with the driver for real boards,
through the same rounding and the same averaging. Nothing is measured, and every result is marked
`simulated`.
"""

import contextlib
import hashlib
import json
import os
import time
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from joulebird.devices.ina3221.source import Ina3221Source
from joulebird.devices.simulated.board import IDLE_W, TRAIN_W, SimulatedBoard
from joulebird.devices.source import PowerSample
from joulebird.devices.util.processes import ProcessLoad
from joulebird.devices.util.scratch import scratch_folder
from joulebird.harness.core.errors import SourceError

LOAD_EVERY_S = 0.1  # processor time is counted in steps of 10 ms: shorter looks are mostly noise


class Waveform:
    """VDD_IN as steps, [[seconds, watts], ...], over and over.

    Watts as shares of the way from idle to training.
    """

    def __init__(self, steps: List[List[float]]) -> None:
        if not steps or any(len(step) != 2 or step[0] <= 0 for step in steps):
            raise SourceError(
                "a profile is a list of [seconds, watts] with seconds above 0",
                "for example [[0.07, 14.0], [0.03, 6.0]]",
            )
        self._steps = [
            (float(seconds), (watts - IDLE_W) / (TRAIN_W - IDLE_W)) for seconds, watts in steps
        ]
        self._index, self._left_s = 0, self._steps[0][0]

    def take(self, seconds: float) -> List[Tuple[float, float]]:
        """Return the next `seconds` as (seconds, load) pieces, closed by (0, the load after them).

        >>> wave = Waveform([[0.2, 14.025], [0.1, 3.056]])
        >>> [(round(s, 2), round(load)) for s, load in wave.take(0.25)]
        [(0.2, 1), (0.05, 0), (0.0, 0)]
        """
        out = []
        while seconds > 0.0:
            piece_s = min(seconds, self._left_s)
            out.append((piece_s, self._steps[self._index][1]))
            seconds -= piece_s
            self._left_s -= piece_s
            if self._left_s <= 0.0:
                self._index = (self._index + 1) % len(self._steps)
                self._left_s = self._steps[self._index][0]
        return out + [(0.0, self._steps[self._index][1])]


class Load:
    """The load of a process and its children as a share of `cores`, renewed every 100 ms.

    This process is left out where it is one of the children. Raises SourceError for no process.
    """

    def __init__(self, pid: int, cores: int, clock: Callable[[], float]) -> None:
        if not is_alive(pid):
            raise SourceError(
                f"no process {pid} to follow",
                "give the id of the running process, or leave the option out",
            )
        own = os.getpid()
        self._process = ProcessLoad(pid, None if pid == own else own, clock=clock)
        self._cores, self._clock = cores, clock
        self._mark = (clock(), self._process.seconds())
        self._load = 0.0

    def take(self, seconds: float) -> List[Tuple[float, float]]:
        """Return the last `seconds` as one (seconds, load) piece."""
        now_s = self._clock()
        elapsed_s = now_s - self._mark[0]
        if elapsed_s >= LOAD_EVERY_S:
            used_s = self._process.seconds()
            self._load = min(1.0, (used_s - self._mark[1]) / elapsed_s / self._cores)
            self._mark = (now_s, used_s)
        return [(seconds, self._load)]


def is_alive(pid: int) -> bool:
    """Return whether a process with this id runs."""
    try:
        os.kill(pid, 0)
        return True
    except OSError as error:
        return isinstance(error, PermissionError)


class SimulatedSource(Ina3221Source):
    """A simulated TX2 developer kit: VDD_IN is 3.06 W when `pid` rests, 14.0 W under full load.

    `pid`: the process to follow, with its children; by default the one that started this process,
    which for a recorder is the training. `cores`: how many busy cores are full load; all of the
    machine by default. `averaging`: whether the chips average over 54 ms, or convert once a
    reading. `profile`: instead of a process, VDD_IN as [[seconds, watts], ...], repeated. `root`:
    where to write the files, which then stay; by default a folder that `close` removes. `total`,
    `rails`: as of ina3221.
    """

    name = "simulated"
    real = False

    def __init__(
        self,
        pid: Optional[int] = None,
        root: Optional[str] = None,
        total: Union[str, List[str]] = "module",
        rails: Union[None, str, List[str]] = None,
        averaging: bool = True,
        cores: Optional[int] = None,
        profile: Optional[List[List[float]]] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if cores is not None and cores < 1:
            raise SourceError(
                f"a load cannot be a share of {cores} cores", "give a number of at least 1"
            )
        super().__init__(root or "", total, rails, clock)
        self._pid, self._keep, self._averaging = pid, root, averaging
        self._cores, self._profile = cores, profile
        self._board: Optional[SimulatedBoard] = None
        self._load: Union[None, Load, Waveform] = None
        self._at_end = contextlib.ExitStack()
        self._then_s = 0.0

    def open(self) -> None:
        """Write the files and open them.

        Raises SourceError when the process to follow does not exist.
        """
        if self._board is not None:
            return
        if self._profile is not None:
            self._load = Waveform(self._profile)
        else:
            pid = os.getppid() if self._pid is None else self._pid
            self._load = Load(pid, self._cores or os.cpu_count() or 1, self._clock)
        if self._keep is None:
            self.root = self._at_end.enter_context(scratch_folder("simulated"))
        self._board = SimulatedBoard(self.root, self._averaging)
        self._at_end.callback(self._board.close)
        self._then_s = self._clock()
        try:
            self._board.build(self._load.take(0.0)[-1][1])
            super().open()
        except Exception:
            self.close()
            raise
        self._board.keep_up(self.rails)
        own = {"profile": self._profile, "cores": self._cores, "averaging": self._averaging}
        text = json.dumps(own, sort_keys=True)
        usual = text == json.dumps({"averaging": True, "cores": None, "profile": None})
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:8]
        self.sensor = "simulated" if usual else "simulated " + digest
        exact = {"gain": 0.0, "offset_mw": 0.0, "reference": "simulated: exact but for the steps"}
        self.accuracy = dict(self.accuracy, **exact)

    def read(self) -> PowerSample:
        """Let the board live until now, then read it as a real one."""
        if self._board is None or self._load is None:
            raise SourceError("the source is not open", "call open() first")
        now_s = self._clock()
        for seconds, load in self._load.take(now_s - self._then_s):
            self._board.advance(seconds, load)
        self._then_s = now_s
        self._board.show()
        return super().read()

    def close(self) -> None:
        """Close the files and remove them, unless `root` was given."""
        super().close()
        self._at_end.close()
        self._board = None

    def describe(self) -> Dict[str, Any]:
        """Return the description of ina3221, with `simulated`: true and the basis of the watts."""
        return dict(
            super().describe(),
            simulated=True,
            follows="profile" if self._profile is not None else "processor load",
            idle_w=IDLE_W,
            train_w=TRAIN_W,
            cores=self._cores or os.cpu_count(),
        )
