"""The first argument of a stage function: resume, checkpoint, epoch, work, warn, metric, stop."""

import csv
import os
from typing import Any, Callable, Dict, List, Optional, Tuple

from joulebird.devices.overlap import Overlap
from joulebird.harness.core.errors import INTERRUPTED, HarnessError
from joulebird.harness.core.events import EventLog
from joulebird.harness.core.files import patiently, remove
from joulebird.harness.core.jsonfile import plain
from joulebird.harness.core.records import EPOCHS, EVENTS, Event
from joulebird.harness.runs.checkpoints import Checkpoints
from joulebird.harness.runs.monitor import Beside, Monitor, Warnings
from joulebird.harness.runs.spec import digest
from joulebird.harness.runs.warnings import warning

COLUMNS = ("epoch", "of", "begin_s", "train_end_s", "end_s", "loss", "test_accuracy", "images")


class Interrupted(HarnessError):
    """The user asked to stop; everything up to the last finished epoch is kept."""

    def __init__(self, where: str) -> None:
        super().__init__(f"stopped {where}", "give the same command again to continue", INTERRUPTED)


class Stage:
    """One stage under way, as its function sees it (docs/writing-a-method.md)."""

    def __init__(
        self,
        folder: str,
        events: EventLog,
        checkpoints: Checkpoints,
        saved: Optional[Event],
        session: Any,
        synchronise: Callable[[], None],
        changes: Callable[[], Tuple[str, str]],
    ) -> None:
        self.folder = folder  # for messages
        self._events, self._session, self._synchronise = events, session, synchronise
        self.checkpoints, self._saved = checkpoints, saved
        self._changes = changes  # the present conditions, and all that differs from the begin
        self._monitor: Optional[Monitor] = None
        self._beside: Optional[Beside] = None
        self.overlaps: Callable[[float], List[Overlap]] = lambda end_s: []  # since the begin
        self._shared: Dict[Tuple[int, float], Dict[str, Any]] = {}  # by process and its begin
        self.load: Dict[str, Any] = {}
        self._epoch = saved["epoch"] if saved else 0
        self.warnings: List[Dict[str, Any]] = []
        self.metrics: Dict[str, Any] = {}
        self.described_work: Optional[Dict[str, Any]] = None

    def resume(self) -> Optional[Dict[str, Any]]:
        """Return the state of the last checkpoint, or None when the stage begins afresh."""
        return self.checkpoints.load() if self._saved else None

    def checkpoint(self, state: Dict[str, Any]) -> None:
        """Keep the state of the epoch just trained; call it before `epoch`, which commits it."""
        self.checkpoints.save(state)

    def epoch(
        self,
        *,
        epoch: int,
        of: int,
        begin_s: float,
        train_end_s: float,
        loss: float,
        test_accuracy: float,
        images: int,
        **facts: Any,
    ) -> None:
        """Note a finished epoch, counted from 1.

        Times are CLOCK_MONOTONIC, `images` is the number of images trained on, `test_accuracy` is
        a share from 0 to 1.
        """
        self._synchronise()
        facts["load"], loaded = self._beside.epoch() if self._beside else ({}, [])
        values = dict(
            facts,
            epoch=epoch,
            of=of,
            begin_s=begin_s,
            train_end_s=train_end_s,
            loss=loss,
            test_accuracy=test_accuracy,
            images=images,
        )
        if self.checkpoints.pending:
            values["checkpoint"] = self.checkpoints.pending
        values["conditions"], changed = self._changes()
        end_s = self._events.write("epoch", durable=True, **values)
        self.checkpoints.commit()
        append_epoch(self.folder, dict(plain(values), end_s=round(end_s, 6)))
        self._epoch = epoch
        self.warn_of_overlaps(end_s)
        self.warn_of_board(loaded)
        self._session.recorders.keep_alive()
        self.warn_of_board(self._monitor.news() if self._monitor else [])
        self.warn_of_board([("conditions_changed", {"what": changed})] if changed else [])
        self._session.progress.epoch(epoch, of, loss, test_accuracy)

    def start_monitor(self) -> None:
        """Follow the board's health, in the stage's events, and the machine's other work."""
        self._beside = Beside(self._session.look)
        self._monitor = self._session.monitor(os.path.join(self.folder, EVENTS))

    def stop_monitor(self) -> Warnings:
        """Stop following the machine; return the last warnings. Harmless when repeated."""
        loaded: Warnings = []
        if self._beside:
            self.load, loaded = self._beside.end()
        monitor, self._monitor, self._beside = self._monitor, None, None
        return loaded + (monitor.close() if monitor else [])

    def warn_of_board(self, news: Warnings) -> None:
        """Warn of each kind of trouble with the machine once a stage."""
        for name, facts in news:
            if name not in [known["name"] for known in self.warnings]:
                self.warn(name, **facts)

    def warn_of_overlaps(self, end_s: float, last: bool = False) -> None:
        """Warn of each measurement beside this attempt, and the `last` time of its whole part."""
        for pid, command, begin_s, seconds in self.overlaps(end_s):
            former = self._shared.get((pid, begin_s))
            facts = {"pid": pid, "command": command, "seconds": round(seconds, 1)}
            if former is None or (last and former["seconds"] != facts["seconds"]):
                self.warnings = [one for one in self.warnings if one is not former]
                self.warn("shared", **facts)
                self._shared[pid, begin_s] = self.warnings[-1]

    def work(
        self,
        *,
        widths: Any,
        macs: int,
        forward_flops: int,
        images_per_epoch: int,
        batch: int,
        precision: str = "fp32",
        **facts: Any,
    ) -> None:
        """Describe the trained network and its work.

        `widths` are the channels of its layers, `macs` and `forward_flops` count one image.
        """
        self.described_work = plain(
            dict(
                facts,
                structure=digest(plain(widths), 12),
                widths=widths,
                macs=macs,
                forward_flops=forward_flops,
                images_per_epoch=images_per_epoch,
                batch=batch,
                precision=precision,
            )
        )

    def warn(self, name: str, **facts: Any) -> None:
        """Put a warning into the record; its text and remedy are in `harness/runs/warnings.py`."""
        full = warning(name, facts)
        if full not in self.warnings:
            self.warnings.append(full)
            self._events.write("warning", **full)
            self._session.progress.warn(full)

    def metric(self, **values: Any) -> None:
        """Put plain values into the record (the ticket's epoch, the share of channels kept)."""
        self.metrics.update(plain(values))
        self._events.write("metric", **plain(values))

    @property
    def stopping(self) -> bool:
        """True once the user has asked to stop: finish the epoch, checkpoint, and call `stop`."""
        return bool(self._session.stopping)

    def stop(self) -> None:
        """Leave the stage for this session; raises Interrupted."""
        raise Interrupted(f"after epoch {self._epoch}" if self._epoch else "before the first epoch")

    def recall(self, events: List[Event]) -> None:
        """Take up the warnings and metrics of earlier attempts."""
        for event in events:
            facts = {name: value for name, value in event.items() if name not in ("t_s", "event")}
            if event["event"] == "warning" and facts not in self.warnings:
                self.warnings.append(facts)
            if event["event"] == "metric":
                self.metrics.update(facts)


def append_epoch(folder: str, values: Dict[str, Any]) -> None:
    """Add one line to epochs.csv."""
    path = os.path.join(folder, EPOCHS)

    def write() -> None:
        with open(path, "a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if not file.tell():
                rows.writerow(COLUMNS)
            rows.writerow([values.get(name, "") for name in COLUMNS])

    patiently(path, write)


def rewrite_epochs(folder: str, epochs: List[Event]) -> None:
    """Make epochs.csv agree with the events that count: a kill may have come between the two."""
    remove(os.path.join(folder, EPOCHS))
    for event in epochs:
        append_epoch(folder, dict(event, end_s=event["t_s"]))
