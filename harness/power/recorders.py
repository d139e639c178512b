"""The recorders of a session, one process for each power source, and the logs that they write.

`open_logs` names the files; the process of each recorder (`joulebird.devices.recorder.child`)
opens and writes its own. No failure of a recorder ever harms the training: it becomes a warning,
and the log shows by its coverage whether an energy is void.
"""

import os
from itertools import chain, count
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import slug
from joulebird.harness.core.powerlog import has_rows, map_log, segments
from joulebird.harness.core.records import POWER
from joulebird.harness.core.schema import contrast

Failure = Tuple[str, Dict[str, Any]]
SAME = ("name", "sensor", "sampling", "scope", "total")  # in all segments of one log
MakeRecorder = Callable[[], Any]  # returns a joulebird.devices.recorder.parent.Recorder


class Recorders:
    """Start the recorders, point them at logs, sample at edges, restart those that have died.

    The first source is the session's: its energy counts, and the session cannot start without it.
    A further source that fails is lost for the session, with a warning in every stage.
    """

    def __init__(
        self, makers: Mapping[str, MakeRecorder], definitions: Optional[Mapping[str, str]] = None
    ) -> None:
        """`makers` return recorders that are not started, by label; none measures nothing.

        The first label is "": its log is power.csv, the others' are power-<label>.csv.
        `definitions` are hashes of the user's own files behind them, by the same labels.
        """
        known = definitions or {}
        self._sources = [
            _Source(make, label, known.get(label, "")) for label, make in makers.items()
        ]

    @property
    def description(self) -> Dict[str, Any]:
        """The first source's description, with those of the others by label; {} before `start`."""
        first = self._sources[0].description if self._sources else {}
        others = {source.label: source.description for source in self._sources[1:]}
        known = {label: facts for label, facts in others.items() if facts}
        return dict(first, others=known) if first and others else first

    def start(self) -> None:
        """Start all recorders; raises SourceError when the first source cannot be read."""
        for source in self._working():
            source.start()

    def set_aside(self, folder: str, named: bool) -> List[Dict[str, str]]:
        """Rename the logs of a stage that begins anew and may not continue in them.

        They are of another source, unreadable, or without an event (`named` is False). Returns the
        facts of each: file, aside (its new name), reason.
        """
        facts = []
        for source in self._working():
            name = log_name(source.label)
            reason = other_log(os.path.join(folder, name), source.description)
            if reason or (reason is not None and not named):
                free = (f"before-{number}-{name}" for number in count(1))
                aside = next(new for new in free if not os.path.lexists(os.path.join(folder, new)))
                os.rename(os.path.join(folder, name), os.path.join(folder, aside))
                reason = reason or "no event names its rows"
                facts.append({"file": name, "aside": aside, "reason": reason})
        return facts

    def open_logs(self, folder: str) -> None:
        """Write samples to the logs in this folder from now on."""
        for source in self._sources:
            source.open_log(os.path.join(folder, log_name(source.label)))

    def sample(self) -> None:
        """Take one sample of each source now, at a stage's edge; the first source's first."""
        for source in self._working():
            source.sample()

    def keep_alive(self) -> None:
        """Restart recorders that have died; call it between epochs.

        Their logs continue in a new segment, and the gap counts against the coverage.
        """
        for source in self._working():
            source.keep_alive()

    def close_logs(self) -> Dict[str, Any]:
        """End the logs; return the first recorder's counts (rows, failed, ...), {} without a log.

        `others` holds the counts of further recorders by label.
        """
        counts = {source.label: source.close_log() for source in self._working()}
        first = counts.pop("", {})
        return dict(first, others=counts) if first and counts else first

    def take_failures(self) -> List[Failure]:
        """Return the warnings since the last call: names and facts."""
        failures = [failure for source in self._sources for failure in source.failures]
        for source in self._sources:
            source.failures = []
        return failures if self._sources else [("not_measured", {})]

    def stop(self) -> None:
        """Stop all recorders; harmless when there are none."""
        for source in self._sources:
            source.stop()

    def _working(self) -> List["_Source"]:
        return [source for source in self._sources if source.lost is None]


class _Source:
    """One power source: its recorder, its present log, and its failures since they were taken."""

    def __init__(self, make: MakeRecorder, label: str, definition: str = "") -> None:
        self.label, self._make, self._path = label, make, ""
        self._definition = {"definition": definition} if definition else {}
        self.description: Dict[str, Any] = {}
        self.failures: List[Failure] = []
        self.lost: Optional[Failure] = None  # set once a further source has failed
        self._recorder: Any = None

    def start(self) -> None:
        """Start the recorder and check that the source can be read.

        Raises SourceError for the first source; a further one is given up.
        """
        if self._recorder is None:
            try:
                self._start().check()
            except Exception as error:
                self._fail(error)
                if not self.label:
                    raise

    def open_log(self, path: str) -> None:
        """Begin a log. A lost source has none, and each stage gets the warning."""
        if self.lost is not None:
            self.failures = [self.lost]
            return
        if self.label:
            self.failures = []
        self._path = path
        self._guard(self._open)

    def sample(self) -> None:
        """Take one sample for the present log."""
        if self._path:
            self._guard(self._sample)

    def keep_alive(self) -> None:
        """Restart the recorder if it has died."""
        if self._path and self._recorder is not None and not self._recorder.alive:
            self._guard(self._open)

    def close_log(self) -> Dict[str, Any]:
        """End the present log; return the recorder's counts."""
        counts: Dict[str, Any] = {}
        if self._path and self._recorder is not None:
            try:
                counts = dict(self._recorder.close_log() or {})
            except Exception as error:
                self._fail(error)
        self._path = ""
        counts.pop("path", None)
        if counts.get("failed"):
            self.note("readings_failed", {"failed": counts["failed"], "rows": counts["rows"]})
        return counts

    def stop(self) -> None:
        """Stop the recorder; harmless when there is none."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            try:
                recorder.stop()
            except Exception as error:
                self.note("recorder_failed", {"reason": reason_of(error)})

    def note(self, name: str, facts: Dict[str, Any]) -> None:
        """Keep a warning, each once. A further source that has failed is given up."""
        failure = (
            ("second_" + name, dict(facts, source=self.label)) if self.label else (name, facts)
        )
        if failure not in self.failures:
            self.failures.append(failure)
        if self.label and name == "recorder_failed" and self.lost is None:
            self.lost = failure
            self.stop()

    def _start(self) -> Any:
        recorder = self._make()
        recorder.start()
        self._recorder = recorder
        self.description = dict(recorder.describe(), **self._definition)
        return recorder

    def _open(self) -> None:
        if self._recorder is None:
            self._start()
        self._recorder.open(self._path)

    def _sample(self) -> None:
        if self._recorder is None:
            self._open()
        self._recorder.sample()

    def _guard(self, action: Callable[[], None]) -> None:
        """Do something with the recorder; after a failure try a new recorder once."""
        try:
            action()
        except Exception as error:
            self.stop()
            try:
                self._open()
            except Exception as second:
                self._fail(second)
            else:
                self.note("recorder_restarted", {"reason": reason_of(error)})

    def _fail(self, error: Exception) -> None:
        self.stop()
        self.note("recorder_failed", {"reason": reason_of(error)})


def reason_of(error: Exception) -> str:
    """Return an error's message, or its type when it has none."""
    return str(getattr(error, "message", None) or error) or type(error).__name__


def other_log(path: str, description: Dict[str, Any]) -> Optional[str]:
    """Return the reason why a source cannot continue a log, "" if it can, None without rows."""
    try:
        if not os.path.lexists(path) or not has_rows(path):
            return None
        with map_log(path, HarnessError) as data:
            heads = [head.source for head, begin, end in segments(path, data, HarnessError)]
    except HarnessError as error:
        return error.message
    unknown = (None, "")
    for key in SAME:
        for before in (head.get(key) for head in heads):
            now = description.get(key)
            if before != now and not (key == "sensor" and (before in unknown or now in unknown)):
                return f"another power source: {key} {' -> '.join(contrast(before, now))}"
    return ""


def labels(names: Iterable[str]) -> List[str]:
    """Return a short name for each source, fit for a file's name; equal ones get a number.

    >>> labels(["serial", "serial", "my.meters:Bench"])
    ['serial', 'serial-2', 'my-meters-Bench']
    >>> labels(["meters:Bench_2", "meters:Bench", "meters:Bench"])
    ['meters-Bench-2', 'meters-Bench', 'meters-Bench-3']
    """
    given: List[str] = []
    for name in names:
        plain = slug(name) or "source"
        numbered = (f"{plain}-{number}" for number in count(2))
        given.append(next(label for label in chain([plain], numbered) if label not in given))
    return given


def log_name(label: str) -> str:
    """Return the file name of a source's log.

    >>> log_name(""), log_name("serial")
    ('power.csv', 'power-serial.csv')
    """
    stem, dot, ending = POWER.partition(".")
    return f"{stem}-{label}{dot}{ending}" if label else POWER
