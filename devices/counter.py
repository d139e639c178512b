"""From energy counters to samples of mean power."""

import time
from typing import Callable, Dict, Optional, Sequence

from joulebird.devices.source import PowerSample
from joulebird.harness.core.errors import SourceError


def wait_moved(
    take: Callable[[], Optional[PowerSample]],
    clock: Callable[[], float],
    limit_s: float,
    still: SourceError,
) -> None:
    """Take readings until one is a sample; raises `still` when none is within `limit_s`."""
    end_s = clock() + limit_s
    while take() is None:
        if clock() > end_s:
            raise still
        time.sleep(0.002)


class CounterMeter:
    """Turns readings of energy counters into samples: the mean watts since the reading before.

    Such a sample holds for all of the time since the previous one, so that steps over it give back
    the counter's joules exactly, also over readings that failed in between. `wraps_j` is the size
    of each counter that wraps, in joules. The rails that `move` are those whose counters never rest
    (default: all); another one that stands still is a part that takes no power.
    """

    def __init__(
        self, wraps_j: Optional[Dict[str, float]] = None, move: Sequence[str] = ()
    ) -> None:
        self._wraps_j, self._move = wraps_j or {}, move
        self._t_s = 0.0
        self._joules: Dict[str, float] = {}
        self._sample: Optional[PowerSample] = None

    def take(self, t_s: float, joules: Dict[str, float]) -> Optional[PowerSample]:
        """Return the newest sample after a reading.

        It is None after the first reading, and the old sample until every counter that must move
        has moved.

        Raises SourceError for a counter that went back without being one that wraps: its driver was
        loaded again.

        >>> meter = CounterMeter({"PKG0": 100.0})
        >>> meter.take(1.0, {"PKG0": 95.0})
        >>> meter.take(3.0, {"PKG0": 1.0})
        PowerSample(t_s=3.0, watts={'PKG0': 3.0}, error=None)
        >>> meter.take(3.1, {"PKG0": 1.0}).t_s
        3.0
        """
        if not self._joules:
            self._t_s, self._joules = t_s, dict(joules)
            return None
        moved = {rail: self._moved(rail, joules[rail]) for rail in self._joules}
        if t_s > self._t_s and all(moved[rail] for rail in self._move or moved):
            self._sample = PowerSample(
                t_s, {rail: delta / (t_s - self._t_s) for rail, delta in moved.items()}
            )
            self._t_s, self._joules = t_s, dict(joules)
        return self._sample

    def _moved(self, rail: str, joules: float) -> float:
        delta = joules - self._joules[rail]
        if delta >= 0:
            return delta
        if rail not in self._wraps_j:
            self._joules = {}  # the next reading is a new beginning
            raise SourceError(
                f"the energy counter of {rail} went back by {-delta:.3f} J: "
                "its driver was loaded again",
                "leave the driver alone during a run; set nvidia-smi persistence mode on",
            )
        return delta + self._wraps_j[rail]
