"""Lock the folder of a study's runs: two trainings at once would spoil each other's energy."""

import errno
import fcntl
import os
import time
from typing import Any, List, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import BUSY
from joulebird.harness.core.records import RECORD, STAGE, is_done, read_run, run_dir, stage_dir

LOCK = "lock"


class RunDir:
    """A context manager that makes the folder and holds its lock.

    The kernel frees the lock however the process ends. Another `name` locks only that name: on a
    cluster, runs that share no stage may use one folder at once.
    """

    def __init__(self, root: str, name: str = LOCK) -> None:
        self._root = str(root)
        self._name = name

    def __enter__(self) -> "RunDir":
        """Take the lock.

        Raises HarnessError when the folder cannot be written, and with exit code 75 when another
        process holds the lock.
        """
        if os.path.basename(self._name) != self._name or not self._name:
            raise HarnessError(
                f"--lock {self._name}: not a name", "a plain word, such as a run's id"
            )
        path = os.path.join(self._root, self._name)
        try:
            os.makedirs(self._root, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise HarnessError(
                f"{self._root}: cannot be written ({error.strerror})",
                "name another folder with --runs",
            ) from None
        self._lock()
        os.ftruncate(self._handle, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(self._handle, f"process {os.getpid()}, since {since}".encode("ascii"))
        return self

    def __exit__(self, *exc: Any) -> None:
        os.close(self._handle)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(self._handle, 200).decode("utf-8", "replace").strip()
            os.close(self._handle)
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise HarnessError(
                    f"{self._root}: cannot be locked ({error.strerror})",
                    "name a folder on a local disk",
                ) from None
            raise HarnessError(
                f"{self._root} is in use by {owner or 'another process'}",
                "wait until it is done, stop it, or name another folder with --runs",
                BUSY,
            ) from None


def is_finished(root: str, run_id: str) -> bool:
    """Return whether a run is done and all its stages are still there.

    Deleting a stage's folder asks for it again.
    """
    if not is_done(run_dir(root, run_id), RECORD):
        return False
    stages = read_run(root, run_id).stages
    return all(is_done(stage_dir(root, stage_id), STAGE) for stage_id in stages)


def split(root: str, specs: List[Any]) -> Tuple[List[Any], List[Any]]:
    """Return the finished and the unfinished specs under `root`."""
    done = [spec for spec in specs if is_finished(root, spec.id)]
    return done, [spec for spec in specs if spec not in done]
