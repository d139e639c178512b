"""Pass signals on to a child process."""

import os
import signal
import subprocess
import threading
from typing import Any, List, Optional, Tuple

FORWARDED = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGINT,
)


class Relay:
    """Passes signals on to a process.

    Ctrl-C at a terminal reaches it anyway, and is not sent twice.
    """

    def __init__(self) -> None:
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._early: List[int] = []
        self._before: List[Tuple[int, Any]] = []

    def __enter__(self) -> "Relay":
        # Python sets handlers in no other thread.
        if threading.current_thread() is threading.main_thread():
            self._before = [(number, signal.signal(number, self._pass_on)) for number in FORWARDED]
        return self

    def to(self, process: "subprocess.Popen[bytes]") -> None:
        """Name the process; signals that came before go to it now."""
        self._process = process
        for number in self._early:
            process.send_signal(number)

    def _pass_on(self, number: int, frame: Any) -> None:
        if number in (signal.SIGINT, signal.SIGQUIT) and _in_foreground():
            return
        if self._process is None:
            self._early.append(number)
        else:
            self._process.send_signal(number)

    def __exit__(self, *exc: Any) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)


def _in_foreground() -> bool:
    """Return whether a terminal sends its Ctrl-C to this process's group."""
    try:
        with open("/dev/tty") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
