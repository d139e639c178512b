"""One of several boards: the first that is free, and another when it dies."""

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence

from joulebird.harness.core.errors import BUSY, UNREACHABLE, HarnessError
from joulebird.harness.core.lock import take
from joulebird.harness.host.config import Board
from joulebird.harness.host.link.errors import LinkError
from joulebird.harness.host.link.ssh import control_folder

LOOK_S = 1.0  # between two looks at boards that other jobs of this machine use
BUSY_LOOK_S = 30.0  # between two looks at boards that another user measures on


def pick(
    boards: Sequence[Board],
    work: Callable[[Board], None],
    say: Callable[[str], None],
    wait: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Board:
    """Do `work` on the first board that is free; return that board.

    A board that cannot be reached, or dies, is left out and the next one tried. Jobs of this
    machine wait for each other; a board that another user holds is waited for with `wait`, else
    HarnessError 75 is raised when no other is left. Raises the last LinkError when all are gone.
    """
    gone: dict[str, HarnessError] = {}
    while True:
        waiting, busy = False, None
        for board in boards:
            if board.name in gone:
                continue
            with claim(board) as mine:
                if not mine:
                    waiting = True
                    continue
                try:
                    work(board)
                    return board
                except HarnessError as error:
                    if isinstance(error, LinkError) and error.exit_code == UNREACHABLE:
                        gone[board.name] = error
                        say(f"{board.name} is left out: {error.message}")
                    elif error.exit_code == BUSY:
                        busy = error
                    else:
                        raise
        if len(gone) == len(boards):
            raise list(gone.values())[-1]
        if not waiting and busy is not None and not wait:
            raise busy
        sleep(LOOK_S if waiting else BUSY_LOOK_S if busy is not None else 0.0)


@contextlib.contextmanager
def claim(board: Board) -> Iterator[bool]:
    """Give whether this process may use the board; of this user's processes here only one may."""
    name = hashlib.sha256("\0".join((*board.ssh, board.host)).encode()).hexdigest()[:16]
    handle = take(str(control_folder() / f"claim-{name}"), patience_s=0.0)
    try:
        yield handle >= 0
    finally:
        if handle >= 0:
            os.close(handle)
