"""The recorder as the engine uses it: one for a session, one log a stage, and no failure of it ever harms the training."""

from typing import Any, Callable, Dict, List, Optional, Tuple

Failure = Tuple[str, Dict[str, Any]]


class Meter:
    """Starts the recorder, points it at logs, asks for samples at edges, and starts it again when it has died.

    What goes wrong is kept as warnings (`take_failures`); whether an energy is void is for the log to show, by its coverage.
    """

    def __init__(self, make: Optional[Callable[[], Any]]) -> None:
        """`make` gives a `joulebird.devices.recorder.parent.Recorder` that is not started yet; None measures nothing."""
        self._make = make
        self._recorder = None  # type: Any
        self._path = None  # type: Optional[str]
        self._failures = []  # type: List[Failure]
        self.description = {}  # type: Dict[str, Any]

    def start(self) -> None:
        """Start the recorder; raises SourceError when the source cannot be used or read, before anything is trained."""
        if self._make is not None and self._recorder is None:
            self._start()
            try:
                self._recorder.check()
            except Exception:
                self.stop()
                raise

    def _start(self) -> None:
        recorder = self._make()
        recorder.start()
        self._recorder = recorder
        self.description = dict(recorder.describe())

    def open_log(self, path: str) -> None:
        """Write samples to this file from now on."""
        self._path = path
        if self._make is None:
            self._failures.append(("not_measured", {}))
        else:
            self._guard(self._open, again=True)

    def sample(self) -> None:
        """One sample now, at a stage's edge."""
        if self._path and self._make is not None:
            self._guard(self._sample, again=True)

    def keep_alive(self) -> None:
        """Start the recorder again if it has died (between epochs): the log goes on in a new segment, and the gap shows in its coverage."""
        if self._path and self._recorder is not None and not self._recorder.alive:
            self._guard(self._open, again=True)

    def close_log(self) -> Dict[str, Any]:
        """End the present log and give what the recorder counted: rows, failed rows, missed ticks, worst lateness. Empty without one."""
        counted = {}  # type: Dict[str, Any]
        if self._path and self._recorder is not None:
            counted = self._guard(self._recorder.close_log) or {}
        self._path = None
        if counted.get("failed"):
            self._failures.append(
                ("readings_failed", {"failed": counted["failed"], "rows": counted["rows"]})
            )
        return {name: value for name, value in counted.items() if name != "path"}

    def take_failures(self) -> List[Failure]:
        """The warnings since the last call: names and facts."""
        failures, self._failures = self._failures, []
        return failures

    def stop(self) -> None:
        """Stop the recorder; harmless when there is none."""
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            try:
                recorder.stop()
            except Exception as error:
                self._note("recorder_failed", error)

    def _open(self) -> None:
        if self._recorder is None:
            self._start()
        self._recorder.open(self._path)

    def _sample(self) -> None:
        if self._recorder is None:
            self._open()
        self._recorder.sample()

    def _guard(self, action: Callable[[], Any], again: bool = False) -> Any:
        """Whatever goes wrong with the recorder is its own trouble: let go of it, try once more with a new one, note it, train on."""
        try:
            return action()
        except Exception as error:
            self.stop()
            if not again:
                self._note("recorder_failed", error)
                return None
            try:
                self._open()
                self._note("recorder_restarted", error)
            except Exception as second:
                self.stop()
                self._note("recorder_failed", second)
            return None

    def _note(self, name: str, error: Exception) -> None:
        reason = getattr(error, "message", None) or str(error) or type(error).__name__
        if (name, {"reason": reason}) not in self._failures:
            self._failures.append((name, {"reason": reason}))
