"""Run the recorder's process: JSON commands from stdin, answers to stdout, samples into the log."""

import contextlib
import json
import os
import platform
import select
import signal
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from joulebird.devices.recorder.sampler import JITTER, Sampler, Syncer
from joulebird.devices.registry import make
from joulebird.devices.source import PowerSource
from joulebird.harness.core.errors import HarnessError, SourceError
from joulebird.harness.core.formats import SOURCE
from joulebird.harness.core.powerlog import column
from joulebird.harness.core.process import search_last

IDLE_PERIOD_S = 0.25  # without a log: samples that a source pushes must not pile up
SETTLE_STEP_S = 0.02
FIRST_READING_S = 2.0  # how long a source may need to give its first whole reading
LOOK_EVERY_S = 1.0  # for a parent that is gone while another process holds its end of the pipe


class Child:
    """One source, its sampler, and the talk with the parent."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._parent = os.getppid()
        self._pending = b""
        self._begun: Optional[Sampler] = None
        self._at_end = contextlib.ExitStack()
        self._description: Dict[str, Any] = {}

    def serve(self) -> None:
        """Serve until the parent closes the pipe or is gone."""
        try:
            while os.getppid() == self._parent:
                until_s = self._begun.next_s - time.monotonic() if self._begun else LOOK_EVERY_S
                arrived, ended = self._wait(min(LOOK_EVERY_S, max(0.0, until_s)))
                for line in arrived:
                    self._obey(json.loads(line.decode("utf-8")))
                if ended:
                    return
                if self._begun is not None:
                    self._begun.tick()
                    if self._begun.log is None:
                        idle_s = time.monotonic() + IDLE_PERIOD_S
                        self._begun.next_s = max(self._begun.next_s, idle_s)
        finally:
            try:
                self._at_end.close()
            except SourceError as error:
                sys.stderr.write(f"{error}\n")

    @property
    def _sampler(self) -> Sampler:
        """The sampler of the open source; every command but `start` comes after it."""
        assert self._begun is not None
        return self._begun

    def _wait(self, timeout_s: float) -> Tuple[List[bytes], bool]:
        """Return the commands that come within a time, and whether the pipe was closed."""
        ready, _, _ = select.select([self._commands], [], [], timeout_s)
        if not ready:
            return [], False
        data = os.read(self._commands, 65536)
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        return lines, not data

    def _obey(self, command: Dict[str, Any]) -> None:
        try:
            answer: Dict[str, Any] = {"answer": COMMANDS[command["do"]](self, command) or {}}
        except (SourceError, OSError) as error:
            answer = {"error": str(error), "hint": getattr(error, "hint", "")}
        answer["id"] = command["id"]
        data = (json.dumps(answer) + "\n").encode("utf-8")
        while data:
            data = data[os.write(self._answers, data) :]

    def start(self, command: Dict[str, Any]) -> Dict[str, Any]:
        """Open the source and return its description."""
        if command["period_s"] is not None and not command["period_s"] > 0.0:
            raise SourceError(
                "a period of {!r} s cannot be sampled".format(command["period_s"]),
                "give seconds above 0, such as 0.05",
            )
        search_last(command.get("paths", []))
        source = make(command["source"], command["options"])
        self._at_end.callback(source.close)
        try:
            source.open()
        except (SourceError, OSError):
            raise
        except Exception as error:
            raise SourceError(
                "the source {} failed to open: {}: {}".format(
                    command["source"], type(error).__name__, error
                ),
                "a bug of that source, unless one of its options is wrong",
            ) from error
        described = checked(source, command["source"])
        sampler = self._begun = Sampler(
            source, source.usual_period_s if command["period_s"] is None else command["period_s"]
        )
        self._at_end.callback(sampler.close)
        self._description = dict(
            described,
            recorder={
                "period_s": sampler.period_s,
                "mean_period_s": max(sampler.period_s, source.min_period_s),
                "jitter": list(JITTER),
                "python": platform.python_version(),
            },
        )
        syncer = Syncer(sampler)
        syncer.start()
        self._at_end.callback(syncer.stop)
        return self._description

    def check(self, command: Dict[str, Any]) -> None:
        """Wait for a whole reading of the total. Raises SourceError without one."""
        source = self._sampler.source
        until_s = time.monotonic() + FIRST_READING_S + 2.0 * source.min_period_s
        while True:
            try:
                source.whole(self._sampler.read())
                return
            except Exception as error:
                reason = str(error)
            if time.monotonic() > until_s:
                raise SourceError(
                    f"the source {source.name} gives no reading: {reason}",
                    "see `joulebird sources`",
                )
            time.sleep(SETTLE_STEP_S)

    def open(self, command: Dict[str, Any]) -> None:
        """Sample into a log from now on."""
        self._sampler.open(command["path"], self._description)

    def sample(self, command: Dict[str, Any]) -> Dict[str, Any]:
        """Take one sample now, for an edge."""
        t_s, status = self._sampler.edge()
        self._sampler.check()
        return {"t_s": t_s, "status": status}

    def settle(self, command: Dict[str, Any]) -> None:
        """Wait until the last edge is covered by a reading."""
        begin_s = time.monotonic()
        while time.monotonic() - begin_s < self._sampler.owed_s():
            time.sleep(SETTLE_STEP_S)
            self._sampler.tick()

    def close(self, command: Dict[str, Any]) -> Dict[str, Any]:
        """Settle, end the log and return its counts."""
        self.settle(command)
        return self._sampler.close()


def checked(source: PowerSource, name: str) -> Dict[str, Any]:
    """Return the description of an open source, as JSON values.

    Raises SourceError that names the source and the wrong field.
    """
    where = f"describe() of the source {name}"
    remedy = "mend that class: its fields are in docs/formats.md, `source`"
    try:
        facts: Dict[str, Any] = json.loads(json.dumps(source.describe()))
        SOURCE.check(facts, where)
    except HarnessError as error:
        raise SourceError(error.message, error.hint or remedy) from error
    except Exception as error:  # a bug of a source of the user's own
        raise SourceError(f"{where} failed: {type(error).__name__}: {error}", remedy) from error
    for field in ("rails", "total"):
        columns = [column(rail) for rail in facts[field]]
        if len(set(columns)) < len(columns):
            raise SourceError(f"{where}: field {field!r} repeats a rail: {facts[field]}", remedy)
    lacking = [rail for rail in facts["total"] if rail not in facts["rails"]]
    if lacking:
        raise SourceError(f"{where}: field 'total' names {lacking}, which is no rail", remedy)
    return facts


# The commands, by the names that `Recorder` sends.
COMMANDS: Dict[str, Callable[[Child, Dict[str, Any]], Optional[Dict[str, Any]]]] = {
    "start": Child.start,
    "check": Child.check,
    "open": Child.open,
    "sample": Child.sample,
    "settle": Child.settle,
    "close": Child.close,
}


def main() -> int:
    """Serve the parent that holds the other ends of stdin and stdout."""
    # Ctrl-C is for the parent, which ends us by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a driver prints must not mix with the answers
    # To be woken before the training's threads: only root is granted it, and it works without.
    with contextlib.suppress(OSError):
        os.nice(-10)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        Child(0, answers).serve()
    return 0
