"""Warn of the machine's other work beside a stage or an idle measurement."""

import time
from typing import Any, Callable, Dict, Tuple

from joulebird.devices.foreign import Look, between
from joulebird.harness.runs.monitor import Warnings

EPOCH_S = 1.0  # a shorter epoch is judged with its stage: processor times are in ticks of 10 ms
LEAST_S = 0.2  # a shorter stage is judged by the machine's load during it and just after it


class Beside:
    """The load of the windows of one attempt, from now on; `look` is `Neighbours.look`."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look
        self._begin = self._last = look()

    def epoch(self) -> Tuple[Dict[str, Any], Warnings]:
        """Return the load since the last epoch, and a warning of it or of the attempt so far."""
        last, self._last = self._last, self._look()
        parts = [between(begin, self._last) for begin in (last, self._begin)]
        return parts[0].facts(), [
            found for part in parts if part.seconds >= EPOCH_S for found in foreign(part)
        ]

    def end(self) -> Tuple[Dict[str, Any], Warnings]:
        """Return the load of the whole attempt, and a warning of it; call it after the window."""
        if self._begin.busy_s is not None:
            time.sleep(max(0.0, LEAST_S - (time.monotonic() - self._begin.t_s)))
        whole = between(self._begin, self._look())
        return whole.facts(), foreign(whole)


def foreign(load: Any) -> Warnings:
    """Return the warning of a load that exceeds that of an idle machine."""
    if not load.complaint:
        return []
    cores = load.foreign_cores or 0.0
    facts = {"cores": round(cores, 3), "share": round(cores / load.cores, 3)}
    busiest = [{"name": name, "cpu_s": cpu_s} for name, cpu_s in load.others[:3]]
    return [("foreign_load", dict(facts, what=load.complaint, busiest=busiest))]
