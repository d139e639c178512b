"""The loads that a simulated board follows: of a process, or of a given waveform."""

import os
from typing import Callable, List, Tuple

from joulebird.devices.simulated.board import IDLE_W, TRAIN_W
from joulebird.devices.util.processes import ProcessLoad
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
