"""Warn of the machine's other work beside a stage or an idle measurement."""

import time
from typing import Any, Callable, Dict, Tuple

from joulebird.devices import foreign
from joulebird.harness.core.events import EventLog
from joulebird.harness.runs.monitor import Warnings
from joulebird.harness.runs.warnings import warning

UNKNOWN = foreign.UNKNOWN
EPOCH_S = 1.0  # a shorter epoch is judged with its stage: processor times are in ticks of 10 ms
LEAST_S = 0.2  # a shorter stage is judged by the machine's load during it and just after it


class Beside:
    """The load of the windows of one attempt, from now on; `look` is `Neighbours.look`."""

    def __init__(self, look: Callable[[], foreign.Look]) -> None:
        self._look = look
        self._begin = self._last = look()

    def epoch(self) -> Tuple[Dict[str, Any], Warnings]:
        """Return the load since the last epoch, and a warning of it or of the attempt so far."""
        last, self._last = self._last, self._look()
        parts = [foreign.between(begin, self._last) for begin in (last, self._begin)]
        return parts[0].facts(), [
            found for part in parts if part.seconds >= EPOCH_S for found in warnings_of(part)
        ]

    def end(self) -> Tuple[Dict[str, Any], Warnings]:
        """Return the load of the whole attempt, and a warning of it; call it after the window."""
        if self._begin.busy_s is not None:
            time.sleep(max(0.0, LEAST_S - (time.monotonic() - self._begin.t_s)))
        whole = foreign.between(self._begin, self._look())
        return whole.facts(), warnings_of(whole)


def warnings_of(load: foreign.Load) -> Warnings:
    """Return the warning of a load that exceeds that of an idle machine."""
    if not load.complaint:
        return []
    cores = load.foreign_cores or 0.0
    facts = {"cores": round(cores, 3), "share": round(cores / load.cores, 3)}
    busiest = [{"name": name, "cpu_s": cpu_s} for name, cpu_s in load.others[:3]]
    return [("foreign_load", dict(facts, what=load.complaint, busiest=busiest))]


def looker() -> Callable[[], foreign.Look]:
    """Return a function that looks at this process and at the machine beside it."""
    return foreign.Neighbours().look


def noted(watch: Beside, events: EventLog, progress: Any) -> Dict[str, Any]:
    """Write the warning of an idle measurement that was not idle; return its load."""
    load, warnings = watch.end()
    for name, facts in warnings:
        full = warning(name, facts)
        events.write("warning", **full)
        progress.warn(full)
    return load
