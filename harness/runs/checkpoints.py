"""Write one checkpoint an epoch, so that a kill at any instant loses at most one epoch.

A checkpoint is written under a name of its own and synced; the epoch's event, which holds that
name, is the commit; then the file is renamed to `checkpoint.pt`. The next attempt reads the newest
committed name from the events and completes the renaming.
"""

import contextlib
import errno
import os
import shutil
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.exit_codes import TRAINING
from joulebird.harness.core.files import remove
from joulebird.harness.core.records import CHECKPOINT, RESULT, Event

NAME = "joulebird_checkpoint"  # key of the name inside the file
FULL = (errno.ENOSPC, errno.EDQUOT)
NEARLY_FULL_BYTES = 1 << 20


class Saving:
    """Write and read the dicts of a stage: checkpoint.pt and result.pt."""

    def __init__(self, module: Any) -> None:
        """Use a module's `load` and `save`; the latter must be atomic and synced."""
        self._module = module

    def save(self, path: str, value: Dict[str, Any]) -> None:
        """Write a dict of tensors and plain values, whole or not at all.

        Raises HarnessError when the disk is full.
        """
        with writing(path):
            self._module.save(path, value)

    def load(self, folder: str, name: str = RESULT) -> Dict[str, Any]:
        """Read a stage's result (or its checkpoint)."""
        return dict(self._module.load(os.path.join(folder, name)))


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn a full disk into an error that says so; each library has its own exception for it."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        if getattr(error, "errno", None) in FULL or _nearly_full(os.path.dirname(path) or "."):
            raise HarnessError(
                f"{path}: the disk is full",
                "free some space and give the same command again: no finished stage is lost",
                TRAINING,
            ) from error
        raise


def _nearly_full(folder: str) -> bool:
    try:
        return shutil.disk_usage(folder).free < NEARLY_FULL_BYTES
    except OSError:
        return False


class Checkpoints:
    """The checkpoints of one attempt at a stage."""

    def __init__(self, folder: str, saving: Callable[[], Saving], attempt: int) -> None:
        self._folder = folder
        self._saving = saving
        self._attempt = attempt
        self._count = 0
        self._state: Dict[str, Any] = {}
        self.pending: Optional[str] = None  # for the epoch's event; None when nothing was saved
        self.damaged: List[Dict[str, Any]] = []  # facts of the checkpoints that were given up

    def recover(self, epochs: Iterable[Event]) -> Optional[Event]:
        """Return the newest of these epochs whose checkpoint can be read; None to begin afresh.

        Complete the commit at which the last attempt was killed, and remove all that is left over.
        """
        event = next((each for each in list(epochs)[::-1] if each.get("checkpoint")), None)
        committed: Optional[str] = event["checkpoint"] if event else None
        if committed and os.path.exists(self._path(committed)):
            os.replace(self._path(committed), os.path.join(self._folder, CHECKPOINT))
        if event:
            self._state = self._saving().load(self._folder, CHECKPOINT)
            if self._state.pop(NAME, committed) != committed:  # older versions wrote none
                reason = "it is of another epoch than the events say"
                self.damaged.append({"file": CHECKPOINT, "reason": reason})
                event = committed = None
        for name in os.listdir(self._folder):
            partial = name.startswith(CHECKPOINT + ".") or ".part" in name
            if partial or (name == CHECKPOINT and not committed):
                os.remove(os.path.join(self._folder, name))
        return event

    def load(self) -> Dict[str, Any]:
        """Return the state of the checkpoint that `recover` found."""
        return self._state

    def save(self, state: Dict[str, Any]) -> None:
        """Write the state of the present epoch.

        It counts once the epoch's event is written and `commit` was called.
        """
        if self.pending:
            os.remove(self._path(self.pending))
        self._count += 1
        name = f"{self._attempt}-{self._count}"
        self._saving().save(self._path(name), dict(state, **{NAME: name}))
        self.pending = name

    def commit(self) -> None:
        """Rename the pending checkpoint into place."""
        if self.pending:
            os.replace(self._path(self.pending), os.path.join(self._folder, CHECKPOINT))
            self.pending = None

    def clear(self) -> None:
        """Remove the checkpoint of a finished stage: disks of boards are small."""
        remove(os.path.join(self._folder, CHECKPOINT))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, f"{CHECKPOINT}.{name}")
