"""The board's side of the clock probes: answer each line with this machine's clocks."""

import os
import time
from typing import Callable


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
