"""The progress of a training on stderr.

It is written in lines, or on a terminal as one line that is kept up to date, with the time left.
"""

import contextlib
import os
import sys
import time
from statistics import mean
from typing import Any, Callable, Dict, List, Mapping, Optional, TextIO

from joulebird.harness.core.terminal import is_terminal, silence

BAR = 24


class Estimate:
    """Estimate the time to the end of a study from the stages and epochs of this session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._planned: Dict[str, str] = {}
        self._seconds: Dict[str, List[float]] = {}
        self._epoch_s: List[float] = []
        self._begun_s, self._left_here, self._epochs = 0.0, 0, 0

    def plan(self, stages: Dict[str, str]) -> None:
        """Set the unfinished stages: id -> function."""
        self._planned = dict(stages)

    def begin(self, stage_id: str) -> None:
        """Note that a stage begins, or is reused: it is no longer ahead."""
        self._planned.pop(stage_id, None)
        self._begun_s = self._clock()
        self._left_here = 0

    def epoch(self, epoch: int, of: int) -> None:
        """Note the end of an epoch of the present stage."""
        now_s = self._clock()
        self._epoch_s.append(now_s - self._begun_s)
        self._begun_s = now_s
        self._left_here = max(0, of - epoch)
        self._epochs = max(self._epochs, of)

    def end(self, function: str, seconds: float) -> None:
        """Note the end of a stage."""
        self._seconds.setdefault(function, []).append(seconds)
        self._left_here = 0

    def left_s(self) -> Optional[float]:
        """Return the seconds to the end of the study, or None before the first epoch.

        A kind of stage that was not seen yet counts as a full training.
        """
        if not self._epoch_s:
            return None
        epoch_s = mean(self._epoch_s[-20:])
        unseen = [self._epochs * epoch_s]
        ahead = (mean(self._seconds.get(name, unseen)) for name in self._planned.values())
        return self._left_here * epoch_s + sum(ahead)


class Progress:
    """Write progress to a stream; once that fails (a reader that left, a full disk), write nothing.

    `quiet` leaves only warnings. Colour and the moving line appear only on a terminal (not with
    TERM=dumb).
    """

    def __init__(
        self,
        stream: Optional[TextIO] = None,
        quiet: bool = False,
        environ: Optional[Mapping[str, str]] = None,
    ) -> None:
        self._stream: TextIO = stream or sys.stderr
        self._quiet = quiet
        environ = os.environ if environ is None else environ
        terminal = is_terminal(self._stream) and environ.get("TERM") != "dumb"
        self._moving = terminal and not quiet
        self._colour = (terminal or bool(environ.get("FORCE_COLOR"))) and not environ.get(
            "NO_COLOR"
        )
        self._encoding = getattr(self._stream, "encoding", None) or "ascii"
        self._blocks = "█░" if self._encoding.lower().replace("-", "") == "utf8" else "#-"
        self._open_line = self._lost = False
        self._name, self._begun_s = "", time.monotonic()
        self._warned: List[str] = []
        self.estimate = Estimate()

    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._begun_s

    def say(self, text: str) -> None:
        """Write a line unless quiet."""
        if not self._quiet:
            self._line(text)

    def warn(self, warning: Dict[str, Any]) -> None:
        """Show a warning with its remedy, once a session, also when quiet."""
        if warning["text"] in self._warned:
            return
        self._warned.append(warning["text"])
        remedy = f" ({warning['remedy']})" if warning.get("remedy") else ""
        self._line(f"  {self._paint('warning:', '33')} {warning['text']}{remedy}")

    def run_begin(self, number: int, of: int, run_id: str) -> None:
        """Show that run `number` of `of` begins."""
        self.say(f"[{number}/{of}] {self._paint(run_id, '1')}")

    def stage_begin(self, name: str, stage_id: str, from_epoch: int) -> None:
        """Show the stage that begins, or that goes on after `from_epoch` finished epochs."""
        self._name = name
        self.estimate.begin(stage_id)
        if from_epoch:
            self.say(f"  {name}: taken up again after epoch {from_epoch}")

    def reused(self, name: str, stage_id: str) -> None:
        """Show that a finished stage is reused."""
        self.estimate.begin(stage_id)
        self.say(f"  {name}: done before ({stage_id})")

    def epoch(self, epoch: int, of: int, loss: float, accuracy: float) -> None:
        """Show an epoch of the present stage; `accuracy` is a share from 0 to 1."""
        self.estimate.epoch(epoch, of)
        facts = (
            f"epoch {epoch}/{of}  loss {loss:.4f}  accuracy {100 * accuracy:.2f} %  "
            f"about {duration(self.estimate.left_s() or 0.0)} left"
        )
        if self._moving:
            full = int(BAR * min(1.0, epoch / max(1, of)))
            bar = self._blocks[0] * full + self._blocks[1] * (BAR - full)
            self._open_line = self._write(f"\r  {self._name} {bar}  {facts}\x1b[K")
        else:
            self.say(f"  {self._name}  {facts}")

    def stage_end(self, name: str, function: str, seconds: float) -> None:
        """Note the end of a stage and its duration."""
        self.estimate.end(function, seconds)
        self.close_line()

    def close_line(self) -> None:
        """End the moving line."""
        if self._open_line:
            self._open_line = False
            self._write("\n")

    def _line(self, text: str) -> None:
        self.close_line()
        self._write(text.encode(self._encoding, "replace").decode(self._encoding) + "\n")

    def _write(self, text: str) -> bool:
        """Return whether the text was written: no failure to show progress ends a training."""
        if not self._lost:
            try:
                with contextlib.suppress(RuntimeError):  # a signal came while this was writing
                    self._stream.write(text)
                    self._stream.flush()
            except (OSError, ValueError):
                self._lost = True
                silence(self._stream)
        return not self._lost

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def duration(seconds: float) -> str:
    """Return a length of time as text.

    >>> duration(8), duration(130), duration(7500), duration(180000)
    ('8 s', '2 min', '2 h 05 min', '2 d 2 h')
    """
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = int(round(seconds / 60))
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
