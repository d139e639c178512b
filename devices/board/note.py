"""Keep the former state of a board while a process changes it, and that process's lock."""

import fcntl
import json
import os
import time
from typing import Any, Dict, Optional

from joulebird.harness.core import files
from joulebird.harness.core.errors import CHECK, HarnessError

FORMAT = 1


class BoardError(HarnessError):
    """A board that is not, or cannot be put, in the state asked for."""

    exit_code = CHECK


def state_folder() -> str:
    """Return the folder of the note: of this user, and safe from a reboot."""
    return os.path.join(
        os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "joulebird"
    )


class Note:
    """The note in a folder, beside the file that jetson_clocks keeps its own state in."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "board.json")
        self.clocks = os.path.join(folder, "clocks.conf")
        self._folder = folder
        self._lock: Any = None

    def read(self) -> Optional[Dict[str, Any]]:
        """Return the note, or None. Raises BoardError for a note that cannot be read."""
        try:
            with open(self.path) as file:
                note = dict(json.load(file))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise BoardError(
                f"the note of the board's former state cannot be read: {self.path} ({error})",
                "set the mode by hand (sudo nvpmodel -m 3, reboot), then delete that file",
            ) from None
        if note.get("format") != FORMAT:
            raise BoardError(
                f"the note of the board's former state is of a newer joulebird: {self.path}",
                "update joulebird",
            )
        return note

    def write(self, before: Dict[str, Any], clocks: bool, fan: bool) -> None:
        """Note the state to return to and the changes to come.

        The note is on the disk when this returns.
        """
        facts = {"format": FORMAT, "pid": os.getpid(), "wall_s": time.time()}
        files.write_json(self.path, dict(facts, before=before, clocks=clocks, fan=fan))

    def forget_clocks(self) -> None:
        """Delete the file of jetson_clocks, which asks before it overwrites one."""
        files.remove(self.clocks)

    def forget(self) -> None:
        """Delete the note: the board is as it was."""
        files.remove(self.path)
        self.forget_clocks()

    def hold(self) -> None:
        """Keep other processes from changing the board.

        The lock ends with this process. Raises BoardError.
        """
        if self._lock is not None:
            return
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, "board.lock")
        lock = open(path, "w")  # noqa: SIM115 (held open until `release`)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise BoardError(
                "another process has prepared this board and still uses it",
                "wait for it, or end it: it puts the board back",
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Let others change the board."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
