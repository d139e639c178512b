"""Describe the board in a few reads."""

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
    """Return the login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def lingers() -> bool:
    """Return whether processes of `systemd-run --user` outlive the login here."""
    return shutil.which("systemd-run") is not None and os.path.exists(os.path.join(LINGER, user()))


def facts(folder: str) -> Dict[str, Any]:
    """Return the machine in JSON values: Python, user, clocks, boot, free room in `folder`."""
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
