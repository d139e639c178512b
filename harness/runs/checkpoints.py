"""Write one checkpoint an epoch, so that a kill at any instant loses at most one epoch.

A checkpoint is written under a name of its own and synced; the epoch's event, which holds that
name, is the commit; then the file is renamed to `checkpoint.pt`, and the one before it back to its
own name: the older generation, for a file that is damaged. The name is also inside the file, so
that none stands in for another one.
"""

import os
from typing import Any, Callable, Dict, Iterable, List, Optional

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import remove, writing
from joulebird.harness.core.records import CHECKPOINT, RESULT, Event

NAME = "joulebird_checkpoint"  # key of the name inside the file
GENERATIONS = 2


class Damaged(HarnessError):
    """A checkpoint or result that is missing or cannot be read: `path`, and the `reason`."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}", "delete the stage's folder, and run again")
        self.path, self.reason = path, reason


class Saving:
    """Write and read the dicts of a stage: checkpoint.pt and result.pt."""

    def __init__(self, module: Any) -> None:
        """Use a module's `load` and `save`; the latter must be atomic and synced."""
        self._module = module

    def save(self, path: str, value: Dict[str, Any]) -> None:
        """Write a dict of tensors and plain values, whole or not at all.

        Raises HarnessError for a fault of the disk.
        """
        with writing(path):
            self._module.save(path, value)

    def load(self, folder: str, name: str = RESULT) -> Dict[str, Any]:
        """Read a stage's result (or its checkpoint); raises Damaged."""
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            raise Damaged(path, "it is missing")
        try:
            return dict(self._module.load(path))
        except Exception as error:  # a decoder of a damaged file may raise anything
            if isinstance(error.__cause__ or error, (PermissionError, MemoryError)):
                raise
            raise Damaged(path, str(error).replace(path, "it")) from error


class Checkpoints:
    """The checkpoints of one attempt at a stage."""

    def __init__(self, folder: str, saving: Callable[[], Saving], attempt: int) -> None:
        self._folder, self._saving = folder, saving
        self._attempt, self._count = attempt, 0
        self._current = ""  # the name of checkpoint.pt
        self._state: Optional[Dict[str, Any]] = None  # of checkpoint.pt, until it is asked for
        self.pending: Optional[str] = None  # for the epoch's event; None when nothing was saved
        self.damaged: List[Dict[str, Any]] = []  # facts of the checkpoints that were given up

    def recover(self, epochs: Iterable[Event]) -> Optional[Event]:
        """Return the newest of these epochs whose checkpoint can be read; None to begin afresh.

        Complete the commit at which the last attempt was killed, and remove all that is left over.
        """
        names = {event["checkpoint"]: event for event in epochs if event.get("checkpoint")}
        tried = list(names)[: -GENERATIONS - 1 : -1]
        for name in tried:
            self._current = name
            own = self._path(name)
            file = os.path.basename(own if os.path.exists(own) else self._path())
            try:
                self._state = self._read(file)
            except Damaged as error:
                self.damaged.append({"file": file, "reason": error.reason})
                continue
            os.replace(os.path.join(self._folder, file), self._path())
            self._tidy(CHECKPOINT, *(os.path.basename(self._path(each)) for each in tried))
            return names[name]
        self._current = ""
        self._tidy()
        return None

    def load(self) -> Dict[str, Any]:
        """Return the state of the checkpoint that `recover` found."""
        state, self._state = self._state, None
        return self._read(CHECKPOINT) if state is None else state

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
        """Rename the pending checkpoint into place, and keep the one before it."""
        if self.pending:
            self._tidy(CHECKPOINT, os.path.basename(self._path(self.pending)))
            if self._current:
                os.replace(self._path(), self._path(self._current))
            os.replace(self._path(self.pending), self._path())
            self._current, self.pending = self.pending, None

    def clear(self) -> None:
        """Remove the checkpoints of a finished stage: disks of boards are small."""
        self._tidy()

    def _read(self, file: str) -> Dict[str, Any]:
        state = self._saving().load(self._folder, file)
        name = state.pop(NAME, self._current)  # older versions wrote none
        if name != self._current:
            raise Damaged(self._path(), "it is of another epoch than the events say")
        return state

    def _tidy(self, *kept: str) -> None:
        """Remove all checkpoints and partial files but these."""
        for name in os.listdir(self._folder):
            ours = name == CHECKPOINT or name.startswith(CHECKPOINT + ".")
            ours = ours or (".part-" in name and not self._count)  # of an attempt that was killed
            if ours and name not in kept:
                remove(os.path.join(self._folder, name))

    def _path(self, name: str = "") -> str:
        return os.path.join(self._folder, f"{CHECKPOINT}.{name}" if name else CHECKPOINT)
