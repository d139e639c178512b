"""What the board is and how it is doing, in a few reads."""

import getpass
import os
import platform
import shutil
import socket
import sys
import time
from typing import Any, Dict

from joulebird.harness.core.boot import boot_id

LINGER = "/var/lib/systemd/linger"


def user() -> str:
    """The login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def lingers() -> bool:
    """Whether processes of `systemd-run --user` go on after the logout here."""
    return shutil.which("systemd-run") is not None and os.path.exists(os.path.join(LINGER, user()))


def facts(folder: str) -> Dict[str, Any]:
    """The machine in JSON values: Python, user, clocks, boot, free room in `folder`, and what is there for copying and detaching."""
    usage = shutil.disk_usage(folder if os.path.isdir(folder) else os.path.expanduser("~"))
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": platform.machine(),
        "hostname": socket.gethostname(),
        "user": user(),
        "home": os.path.expanduser("~"),
        "boot_id": boot_id(),
        "t_s": time.monotonic(),
        "wall_s": time.time(),
        "free_bytes": usage.free,
        "rsync": shutil.which("rsync") is not None,
        "linger": lingers(),
    }
