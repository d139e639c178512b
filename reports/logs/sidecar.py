"""Keep the findings of one pass over a long log, so that the next reader need not make it.

One file for each log and kind of pass in the user's cache folder, so that the folders of runs stay
as recorded. It can be deleted at any time. It is believed only for the same file (device, inode,
size, times of change to the nanosecond, samples of its content), as read by the same program, and
if it is whole.
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from joulebird.harness.core.files import write_whole

LEAST_BYTES = 4_000_000  # a shorter log is read as fast
SETTLED_NS = 2_000_000_000  # a younger file may change again within one tick of its clock
MOST_FILES = 256
_PROBES, _PROBE_BYTES = 32, 4096
_READERS = "powerlog", "blocks", "pieces", "integrate", "sampling", "periods", "sidecar"


def folder() -> Path:
    """Return the folder of the sidecars."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache, "joulebird", "logs")


class Sidecar:
    """The sidecar of an open log."""

    def __init__(self, path: str, file: IO[bytes], options: list[Any]) -> None:
        self._file = file
        self._options = options  # of the pass
        place = os.fsencode(os.path.realpath(path)) + repr(options).encode()
        name = hashlib.sha256(place).hexdigest()[:32]
        self.path = folder() / f"{name}.json"
        self._key = self._identity()

    def load(self) -> Any:
        """Return the facts kept for this very log; None without any."""
        try:
            digest, _, text = self.path.read_bytes().partition(b"\n")
        except OSError:
            return None
        if not self._key or digest != hashlib.sha256(text).hexdigest().encode():
            return None
        key, facts = json.loads(text)
        return facts if key == self._key else None

    def store(self, facts: Callable[[], Any]) -> None:
        """Keep facts, unless the log is short, or changed a moment ago; an error is none."""
        if not self._key or self._key != self._identity():
            return
        text = json.dumps([self._key, facts()], separators=(",", ":")).encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(
                str(self.path), hashlib.sha256(text).hexdigest().encode() + b"\n" + text, sync=False
            )
            oldest = sorted(self.path.parent.glob("*.json"), key=os.path.getmtime)
            for path in oldest[:-MOST_FILES]:
                path.unlink()
        except OSError:
            return

    def _identity(self) -> list[Any]:
        """Return the facts that a sidecar is bound to; none for a log that has no sidecar."""
        try:
            found = os.fstat(self._file.fileno())
            changed_ns = max(found.st_mtime_ns, found.st_ctime_ns)
            settled = time.time_ns() - changed_ns > SETTLED_NS
            whole = stat.S_ISREG(found.st_mode) and found.st_nlink and settled
            if not whole or found.st_size < LEAST_BYTES:
                return []
            readers = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in _READERS]
        except OSError:
            return []
        probe = hashlib.sha256(b"".join(readers))
        for k in range(_PROBES):
            self._file.seek(k * (found.st_size - _PROBE_BYTES) // (_PROBES - 1))
            probe.update(self._file.read(_PROBE_BYTES))
        numbers = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        return [*numbers, probe.hexdigest(), self._options]
