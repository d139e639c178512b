"""What a stage function is given: resume, checkpoint, epoch, work, warn, metric, and whether to stop."""

import csv
import os
from typing import Any, Callable, Dict, List, Optional, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.records import EPOCHS, EVENTS
from joulebird.harness.runs.checkpoints import Checkpoints
from joulebird.harness.runs.events import EventLog, plain
from joulebird.harness.runs.spec import digest
from joulebird.harness.runs.warnings import warning

COLUMNS = ("epoch", "of", "begin_s", "train_end_s", "end_s", "loss", "test_accuracy", "images")


class Interrupted(HarnessError):
    """The user asked to stop; everything up to the last finished epoch is kept."""

    def __init__(self, where: str) -> None:
        super().__init__(f"stopped {where}", "give the same command again to continue", 130)


class Stage:
    """One stage under way, as its function sees it (ARCHITECTURE.md, "Training")."""

    def __init__(
        self,
        folder: str,
        events: EventLog,
        checkpoints: Checkpoints,
        saved: Optional[Dict[str, Any]],
        session: Any,
        synchronise: Callable[[], None],
    ) -> None:
        self._folder = folder
        self._events = events
        self._checkpoints = checkpoints
        self._saved = saved
        self._session = session
        self._synchronise = synchronise
        self._progress = session.progress
        self._witness = None  # type: Any
        self._epoch = saved["epoch"] if saved else 0
        self.warnings = []  # type: List[Dict[str, Any]]
        self.metrics = {}  # type: Dict[str, Any]
        self.described_work = None  # type: Optional[Dict[str, Any]]

    @property
    def folder(self) -> str:
        """Where the stage's files are, for messages."""
        return self._folder

    def resume(self) -> Optional[Dict[str, Any]]:
        """The state of the last checkpoint, or None when the stage begins afresh."""
        return self._checkpoints.load() if self._saved else None

    def checkpoint(self, state: Dict[str, Any]) -> None:
        """Keep the state of the epoch just trained; call it before `epoch`, which commits it."""
        self._checkpoints.save(state)

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
        """Note a finished epoch, counted from 1. Times are CLOCK_MONOTONIC; `images` were trained on; accuracy is a share from 0 to 1."""
        self._synchronise()
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
        name = self._checkpoints.pending()
        if name:
            values["checkpoint"] = name
        end_s = self._events.write("epoch", durable=True, **values)
        self._checkpoints.commit()
        append_epoch(self._folder, dict(plain(values), end_s=round(end_s, 6)))
        self._epoch = epoch
        self._session.meter.keep_alive()
        self.look()
        self._progress.epoch(epoch, of, loss, test_accuracy)

    def watch(self) -> None:
        """Follow the board's health from now on, in the stage's events."""
        self._witness = self._session.witness(os.path.join(self._folder, EVENTS))

    def look(self) -> None:
        """Put into the record what has happened to the board since the stage began."""
        self._tell(self._witness.poll() if self._witness else [])

    def unwatch(self) -> None:
        """Stop following the board, and put into the record what has happened to it until now. Harmless when repeated."""
        witness, self._witness = self._witness, None
        self._tell(witness.poll() + witness.close() if witness else [])

    def _tell(self, news: List[Tuple[str, Dict[str, Any]]]) -> None:
        """Warn of what happened to the board, of each kind once a stage."""
        for name, facts in news:
            if name not in [one["name"] for one in self.warnings]:
                self.warn(name, **facts)

    def close(self) -> None:
        """Leave nobody behind who writes into the stage's events; a stage that did not end tells no more."""
        witness, self._witness = self._witness, None
        if witness is not None:
            witness.close()

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
        """Say what is being trained: its channel widths, MACs and forward FLOPs for one image, images an epoch and batch size."""
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
        """Put a warning into the record; texts and remedies are in `harness/runs/warnings.py`."""
        full = warning(name, facts)
        if full not in self.warnings:
            self.warnings.append(full)
            self._events.write("warning", **full)
            self._progress.warn(full)

    def metric(self, **values: Any) -> None:
        """Put plain values into the record (the ticket's epoch, the share of channels kept, ...)."""
        self.metrics.update(plain(values))
        self._events.write("metric", **plain(values))

    @property
    def stopping(self) -> bool:
        """True once the user has asked to stop: finish the epoch, checkpoint, and call `stop`."""
        return self._session.stopping

    def stop(self) -> None:
        """Leave the stage for good in this session; raises Interrupted."""
        raise Interrupted(
            "after epoch %d" % self._epoch if self._epoch else "before the first epoch"
        )

    def recall(self, events: List[Dict[str, Any]]) -> None:
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
    new = not os.path.exists(path)
    with open(path, "a", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        if new:
            rows.writerow(COLUMNS)
        rows.writerow([values.get(name, "") for name in COLUMNS])


def rewrite_epochs(folder: str, epochs: List[Dict[str, Any]]) -> None:
    """Make epochs.csv agree with the events that count: a kill may have come between the two."""
    path = os.path.join(folder, EPOCHS)
    if os.path.exists(path):
        os.remove(path)
    for event in epochs:
        append_epoch(folder, dict(event, end_s=event["t_s"]))
