"""Idle power of sessions, recorded before and after their work."""

import math
import os
import statistics

from joulebird.harness.core import records as record
from joulebird.harness.core.events import Window, attempts
from joulebird.harness.core.powerlog import has_rows
from joulebird.reports.logs.energy import Energy
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.runs.records import FinishedStage


def idle_windows(root: str, session: str) -> list[tuple[PowerTrace, Window]]:
    """Return the recorded idle measurements of a session, before and after its work."""
    recorded = []
    for when in ("before", "after"):
        folder = record.idle_dir(root, session, when)
        path = os.path.join(folder, record.POWER)
        if session and os.path.exists(path) and has_rows(path):
            events = record.read_events(os.path.join(folder, record.EVENTS))
            windows = [attempt.useful for attempt in attempts(events) if attempt.useful]
            recorded += [(PowerTrace.load(path), window) for window in windows[-1:]]
    return recorded


def idle_power(root: str, session: str, rail: str | None = None) -> tuple[float, float] | None:
    """Return the mean idle power of a session and its uncertainty in watts; None if not recorded.

    The uncertainty is at least half the difference of before and after.
    """
    energies = [trace.over(window, rail) for trace, window in idle_windows(root, session)]
    watts, u_watts = [], []
    for energy in energies:
        if energy.watts is not None and energy.own_u_joules is not None and energy.seconds > 0:
            watts.append(energy.watts)
            u_watts.append(energy.own_u_joules / energy.seconds)
    if not watts:
        return None
    return statistics.fmean(watts), math.hypot((max(watts) - min(watts)) / 2, max(u_watts))


class IdlePowers:
    """The idle powers of sessions on one rail, each integrated once."""

    def __init__(self, rail: str | None = None) -> None:
        self.rail = rail
        self._known: dict[tuple[str, str], tuple[float, float] | None] = {}

    def of(self, root: str, session: str) -> tuple[float, float] | None:
        """Return the `idle_power` of a session."""
        if (root, session) not in self._known:
            self._known[root, session] = idle_power(root, session, self.rail)
        return self._known[root, session]

    def net(self, stage: FinishedStage, window: Window) -> Energy | None:
        """Return the energy of a window less the idle power of the session that recorded it.

        None when that session has no idle measurement.
        """
        power = self.of(stage.root, window.session or stage.record.session)
        return None if power is None else stage.energy(window, self.rail).minus_idle(*power)
