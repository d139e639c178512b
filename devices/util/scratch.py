"""Make folders for temporary files; those of a killed process are removed by the next one."""

import fcntl
import glob
import os
import shutil
import tempfile
import time

GRACE_S = 60.0  # a folder younger than this may belong to a process that is about to lock it


class Scratch:
    """A temporary folder of some kind, held by a lock that ends with the process."""

    def __init__(self, kind: str) -> None:
        remove_abandoned(kind)
        self.path = tempfile.mkdtemp(prefix=f"joulebird-{kind}-")
        self._lock = os.open(
            os.path.join(self.path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def remove(self) -> None:
        """Remove the folder; harmless when called twice."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def remove_abandoned(kind: str) -> None:
    """Remove the folders of this kind whose process is gone."""
    for folder in glob.glob(
        os.path.join(glob.escape(tempfile.gettempdir()), f"joulebird-{kind}-*")
    ):
        try:
            if time.time() - os.stat(folder).st_mtime < GRACE_S:
                continue
            lock = os.open(os.path.join(folder, ".lock"), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue  # of another user, or gone
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass  # in use
        finally:
            os.close(lock)
