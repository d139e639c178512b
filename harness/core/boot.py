"""Identify the present boot of this machine: monotonic clocks compare only within one boot."""

import os
import subprocess


def boot_id(root: str = "/") -> str:
    """Return Linux's boot id or macOS's boot session; "" where there is none.

    `root` holds proc/.
    """
    try:
        with open(os.path.join(root, "proc/sys/kernel/random/boot_id"), encoding="ascii") as file:
            return file.read().strip()
    except (OSError, ValueError):
        pass
    try:
        done = subprocess.run(
            ["sysctl", "-n", "kern.bootsessionuuid"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("ascii", "replace").strip()
