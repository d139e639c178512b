"""Code that runs where files refuse to be read, even when the tests run as root."""

import ctypes
import os
import subprocess
import sys


def obey_modes():
    """Let root be refused by a file's mode from the next exec on: drop CAP_DAC_OVERRIDE and
    CAP_DAC_READ_SEARCH.
    """
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)


def refused_run(script, paths):
    """Return the output of `script`, run by this interpreter without access to `paths`."""
    modes = [os.stat(path).st_mode & 0o7777 for path in paths]
    try:
        for path in paths:
            os.chmod(path, 0)
        ended = subprocess.run(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=60,
            preexec_fn=obey_modes,
        )
    finally:
        for path, mode in zip(paths, modes):
            os.chmod(path, mode)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
