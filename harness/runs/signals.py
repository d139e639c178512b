"""Ctrl-C once: stop after this epoch. Twice: now. SIGTERM counts as the first."""

import signal
import threading
from typing import Any, Callable, Dict


class StopSignals:
    """A context manager that counts SIGINT and SIGTERM.

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
