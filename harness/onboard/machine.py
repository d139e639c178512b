"""Describe the board, answer with its clocks, and load it in a known pattern, a Barker code.

The pattern shows in a meter's readings, and so when each of them was taken.
"""

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Tuple

from joulebird.devices.board.identify import serial
from joulebird.devices.util.command import user_name
from joulebird.harness.core import lock
from joulebird.harness.core.boot import boot_id

LINGER = "/var/lib/systemd/linger"
BARKER_13 = (1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1)  # its shifted copies are as unlike it as can be


def lingers() -> bool:
    """Return whether processes of `systemd-run --user` outlive the login here."""
    return shutil.which("systemd-run") is not None and os.path.exists(
        os.path.join(LINGER, user_name())
    )


def home(path: str) -> str:
    """Return an absolute path; a relative one is relative to the home."""
    return os.path.join(os.path.expanduser("~"), path)


def facts(folder: str) -> Dict[str, Any]:
    """Return the machine in JSON values: Python, user, clocks, boot, free room in `folder`."""
    user_home = os.path.expanduser("~")
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": platform.machine(),
        "hostname": socket.gethostname(),
        "user": user_name(),
        "home": user_home,
        "boot_id": boot_id(),
        "board_serial": serial(),
        "t_s": time.monotonic(),
        "wall_s": time.time(),
        "free_bytes": shutil.disk_usage(folder if os.path.isdir(folder) else user_home).free,
        "rsync": shutil.which("rsync") is not None,
        "linger": lingers(),
    }


def echo(
    source: int,
    sink: int,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> None:
    """Answer each byte on descriptor `source` with "<monotonic ns> <wall ns>" on `sink`.

    Return when the input ends.
    """
    while os.read(source, 1):
        os.write(sink, f"{int(clock() * 1e9)} {int(wall() * 1e9)}\n".encode("ascii"))


def play(lock_path: str, chip_s: float) -> Dict[str, Any]:
    """Load and idle the processor for `chip_s` seconds a digit; return its boot id and edges.

    An edge is (t_s, 1 or 0). Holds the board's lock; raises HarnessError (75) when it is in use.
    """
    problem = "the board is in use: no load pattern now"
    with lock.locked(lock_path, {"user": "signature"}, problem, "wait until it is free"):
        return {"boot_id": boot_id(), "edges": _pattern(chip_s)}


def _pattern(chip_s: float) -> List[Tuple[float, int]]:
    spinners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    edges: List[Tuple[float, int]] = []
    try:
        for digit in (0,) + BARKER_13 + (0,):
            time.sleep(chip_s if edges else 0.0)
            if not edges or digit != edges[-1][1]:
                for spinner in spinners:
                    spinner.send_signal(signal.SIGCONT if digit else signal.SIGSTOP)
                edges.append((time.monotonic(), digit))
        return edges
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()
