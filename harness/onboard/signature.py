"""Load all cores in a known pattern, a Barker code.

It shows in a meter's readings, and so when each of them was taken.
"""

import os
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, List, Tuple

from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import BUSY
from joulebird.harness.onboard import lock

BARKER_13 = (1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 1, 0, 1)  # its shifted copies are as unlike it as can be


def play(
    lock_path: str, chip_s: float, workers: int = 0, clock: Callable[[], float] = time.monotonic
) -> Dict[str, Any]:
    """Load and idle the processor for `chip_s` seconds a digit; return its boot id and edges.

    An edge is (t_s, 1 or 0). Holds the board's lock; raises HarnessError (75) when it is in use.
    """
    handle = lock.open_lock(lock_path)
    try:
        if not lock.try_lock(handle, {"user": "signature"}):
            raise HarnessError(
                "the board is in use: no load pattern now", "wait until it is free", BUSY
            )
        return {
            "boot_id": boot_id(),
            "edges": _pattern(chip_s, workers or os.cpu_count() or 1, clock),
        }
    finally:
        os.close(handle)


def _pattern(chip_s: float, workers: int, clock: Callable[[], float]) -> List[Tuple[float, int]]:
    spinners = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(workers)
    ]
    try:
        _all(spinners, signal.SIGSTOP)
        edges = [(clock(), 0)]
        time.sleep(chip_s)
        for digit in BARKER_13:
            if digit != edges[-1][1]:
                _all(spinners, signal.SIGCONT if digit else signal.SIGSTOP)
                edges.append((clock(), digit))
            time.sleep(chip_s)
        _all(spinners, signal.SIGSTOP)
        return edges + [(clock(), 0)]
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def _all(processes: List[Any], number: int) -> None:
    for process in processes:
        process.send_signal(number)
