"""Measure the joules of a piece of Python, or of any command.

    with joules() as m:
        train()
    print(m.joules, m.u_joules, m.seconds, m.watts_mean["VDD_IN"], m.coverage, m.overlaps)

    @joules("ina3221")
    def train(): ...    # prints the joules of every call on stderr; train.measured has the last

A process of its own takes the readings and keeps them in a log; the window is cut at readings taken
just before and just after. Inner windows share that process: `with m.window() as inner`.
"""

import contextlib
import functools
import os
import shutil
import stat
import subprocess
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from joulebird.devices import registry
from joulebird.devices.measurement import Measurement
from joulebird.devices.overlap import Presence
from joulebird.devices.recorder.parent import Recorder
from joulebird.devices.util.relay import Relay
from joulebird.devices.util.scratch import scratch_folder
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.powerlog import map_log, segments

IDENTITY = ("name", "sensor", "rails", "total", "real")  # of the source of one log


class CommandError(SourceError):
    """The command to measure cannot be started."""

    exit_code = 2


class joules:
    """Measure the code inside, as a context manager or as a decorator.

    `source`: a name of devices.SOURCES or package.module:Class; by default the best sensor here
    ("simulated" is taken only by this name, and measures nothing). `options` are the source's;
    `period_s`: mean seconds between readings (None: the source's own); `log`: where to keep the
    readings (None: nowhere); `report`: called by the decorator with a Measurement (None: print a
    line on stderr). Entering raises SourceError when the source cannot be used.
    """

    def __init__(
        self,
        source: Optional[str] = None,
        log: Optional[str] = None,
        period_s: Optional[float] = None,
        report: Optional[Callable[[Measurement], None]] = None,
        **options: Any,
    ) -> None:
        self._source, self._log, self._period_s = source, log, period_s
        self._report, self._options = report, options
        self._command = ""  # shown to measurements beside this one
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Measurement:
        with contextlib.ExitStack() as stack:
            log = self._log
            if log is None:
                log = os.path.join(stack.enter_context(scratch_folder("measure")), "power.csv")
            path, source = os.path.abspath(log), self._source or registry.best()
            presence = stack.enter_context(Presence(self._command))
            recorder = stack.enter_context(Recorder(source, self._options, self._period_s))
            _check_log(path, recorder.describe())
            recorder.open(path)
            measurement = Measurement(recorder, path, os.path.getsize(path), presence)
            stack.enter_context(measurement)
            self._stack = stack.pop_all()
        return measurement

    def __exit__(self, *exc: Any) -> None:
        self._stack.__exit__(*exc)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, measured at every call."""

        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            with joules(self._source, self._log, self._period_s, **self._options) as measurement:
                result = function(*args, **kwargs)
            measured.measured = measurement  # type: ignore[attr-defined]
            if self._report is not None:
                self._report(measurement)
            else:
                sys.stderr.write(f"{function.__name__}: {measurement}\n")
            return result

        return measured


def _check_log(path: str, source: Dict[str, Any]) -> None:
    """Raise CommandError for a file that is no log of this source: readings would mix, or spoil it.

    An absent or empty file is none yet.
    """
    remedy = "name a new file"
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            raise CommandError(f"the power log {path} is no regular file", remedy)
        data = map_log(path, CommandError) if facts.st_size else b""
        for head, _, _ in segments(path, data, CommandError):
            if any(head.source.get(name, source[name]) != source[name] for name in IDENTITY):
                problem = f"the power log {path} is of another source, {head.source.get('name')}"
                raise CommandError(problem, remedy)


class Measured(NamedTuple):
    """A command's exit code, as a shell gives it (128 + n for signal n), and its measurement."""

    exit_code: int
    measurement: Measurement


def measure_command(
    argv: List[str],
    source: Optional[str] = None,
    log: Optional[str] = None,
    period_s: Optional[float] = None,
    **options: Any,
) -> Measured:
    """Run a command to its end and measure it; signals sent to this process go on to the command.

    Raises CommandError or, before the command runs, SourceError for a source that cannot be used.
    """
    if not argv or shutil.which(argv[0]) is None:
        name = argv[0] if argv else "nothing"
        raise CommandError(f"cannot run {name}: no such command", "check its name and the PATH")
    measured = joules(source, log, period_s, **options)
    measured._command = " ".join(argv)
    with measured as measurement, Relay() as relay:
        try:
            process = subprocess.Popen(argv)
        except OSError as error:
            raise CommandError(
                f"cannot run {argv[0]}: {error}", "check that it can be executed"
            ) from error
        relay.to(process)
        code = process.wait()
    return Measured(code if code >= 0 else 128 - code, measurement)
