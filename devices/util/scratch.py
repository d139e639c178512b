"""Make folders for temporary files; those of a killed process are removed by the next one."""

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
import time
from typing import Iterator

from joulebird.harness.core.files import opened

GRACE_S = 60.0  # a folder younger than this may belong to a process that is about to lock it


@contextlib.contextmanager
def scratch_folder(kind: str) -> Iterator[str]:
    """Yield a temporary folder, held by a lock that ends with the process; remove it at the end."""
    remove_abandoned(kind)
    folder = tempfile.mkdtemp(prefix=f"joulebird-{kind}-")
    with opened(os.path.join(folder, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(kind: str) -> None:
    """Remove the folders of this kind whose process is gone."""
    parent = glob.escape(tempfile.gettempdir())
    for folder in glob.glob(os.path.join(parent, f"joulebird-{kind}-*")):
        with contextlib.suppress(OSError):  # of another user, in use, or gone
            if time.time() - os.stat(folder).st_mtime >= GRACE_S:
                with opened(os.path.join(folder, ".lock"), os.O_RDWR | os.O_CLOEXEC) as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
