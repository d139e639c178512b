"""The recorder as the engine uses it: one for a session, one log a stage, and no failure of it ever harms the training."""
from typing import Any, Callable, Dict, List, Optional, Tuple


class Meter:
    """Starts the recorder, points it at logs and asks for samples at edges. Failures are kept as warnings, and the next log tries anew."""

    def __init__(self, make: Optional[Callable[[], Any]]) -> None:
        """`make` gives a `devices.recorder.Recorder` that is not started yet; None measures nothing."""
        self._make = make
        self._recorder = None                           # type: Any
        self._failures = []                             # type: List[Tuple[str, Dict[str, Any]]]
        self.description = {}                           # type: Dict[str, Any]

    def start(self) -> None:
        """Start the recorder; raises SourceError when the source cannot be used, before anything is trained."""
        if self._make is not None and self._recorder is None:
            recorder = self._make()
            recorder.start()
            self._recorder = recorder
            self.description = dict(recorder.describe())

    def open_log(self, path: str) -> None:
        """Write samples to this file from now on."""
        if self._make is None:
            self._failures.append(("not_measured", {}))
            return
        if self._recorder is None:
            self._guard(self.start)                     # it failed before: a stage that can be measured is worth a try
        if self._recorder is not None:
            self._guard(lambda: self._recorder.open(path))

    def sample(self) -> None:
        """One sample now, at a stage's edge."""
        if self._recorder is not None:
            self._guard(lambda: self._recorder.sample())

    def close_log(self) -> None:
        """End the present log; harmless without one."""
        if self._recorder is not None:
            self._guard(lambda: self._recorder.close_log())

    def take_failures(self) -> List[Tuple[str, Dict[str, Any]]]:
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
                self._fail(error)

    def _guard(self, action: Callable[[], Any]) -> None:
        """Whatever goes wrong with the recorder is its own trouble: note it, let go of it, train on."""
        try:
            action()
        except Exception as error:
            self._fail(error)
            broken, self._recorder = self._recorder, None
            try:
                if broken is not None:
                    broken.stop()
            except Exception as again:
                self._fail(again)

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "message", None) or str(error) or type(error).__name__
        fact = ("recorder_failed", {"reason": reason})
        if fact not in self._failures:
            self._failures.append(fact)
