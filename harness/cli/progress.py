"""What the user sees on stderr while training: lines, or on a terminal one line kept up to date, with the time that is left."""

import os
import sys
import time
from typing import Any, Callable, Dict, Optional, TextIO

BAR = 24


class Estimate:
    """How long the rest of a study takes, from the stages and epochs done so far in this session."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._planned = {}  # type: Dict[str, str]
        self._seconds = {}  # type: Dict[str, List[float]]
        self._begun_s = 0.0
        self._epoch_s = []  # type: List[float]
        self._left_here = 0
        self._epochs = 0

    def plan(self, stages: Dict[str, str]) -> None:
        """Stages that are to be done: id -> function."""
        self._planned = dict(stages)

    def begin(self, stage_id: str) -> None:
        """A stage begins (or is reused): it is no longer ahead."""
        self._planned.pop(stage_id, None)
        self._begun_s = self._clock()
        self._left_here = 0

    def epoch(self, epoch: int, of: int) -> None:
        """An epoch of the present stage is done."""
        now_s = self._clock()
        self._epoch_s.append(now_s - self._begun_s)
        self._begun_s = now_s
        self._left_here = max(0, of - epoch)
        self._epochs = max(self._epochs, of)

    def end(self, function: str, seconds: float) -> None:
        """A stage is done."""
        self._seconds.setdefault(function, []).append(seconds)
        self._left_here = 0

    def left_s(self) -> Optional[float]:
        """Seconds to the end of the study, or None before the first epoch. A kind of stage not seen yet counts as a full training."""
        if not self._epoch_s:
            return None
        recent = self._epoch_s[-20:]
        epoch_s = sum(recent) / len(recent)
        total = self._left_here * epoch_s
        for function in self._planned.values():
            seen = self._seconds.get(function)
            total += sum(seen) / len(seen) if seen else self._epochs * epoch_s
        return total


class Progress:
    """Talks on a stream. `quiet` says nothing but warnings; colour and the moving line only on a terminal (not with TERM=dumb)."""

    def __init__(
        self,
        stream: Optional[TextIO] = None,
        quiet: bool = False,
        environ: Optional[Dict[str, str]] = None,
    ) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        environ = dict(os.environ) if environ is None else environ
        terminal = (
            bool(getattr(self._stream, "isatty", lambda: False)()) and environ.get("TERM") != "dumb"
        )
        self._moving = terminal and not quiet
        self._colour = not environ.get("NO_COLOR") and (
            terminal or bool(environ.get("FORCE_COLOR"))
        )
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        self._blocks = "█░" if encoding.lower().replace("-", "") == "utf8" else "#-"
        self._open_line = False
        self._name = ""
        self._begun_s = time.monotonic()
        self._warned = []  # type: List[str]
        self.estimate = Estimate()

    def elapsed_s(self) -> float:
        """Seconds since this was made."""
        return time.monotonic() - self._begun_s

    def say(self, text: str) -> None:
        """One line of talk."""
        if not self._quiet:
            self._line(text)

    def warn(self, warning: Dict[str, Any]) -> None:
        """A warning with its remedy, also when quiet; once a session, the record has them all."""
        if warning["text"] in self._warned:
            return
        self._warned.append(warning["text"])
        remedy = warning.get("remedy") or ""
        self._line(
            "  {} {}{}".format(
                self._paint("warning:", "33"), warning["text"], f" ({remedy})" if remedy else ""
            )
        )

    def run_begin(self, number: int, of: int, run_id: str) -> None:
        """Run `number` of `of` begins."""
        self.say("[%d/%d] %s" % (number, of, self._paint(run_id, "1")))

    def stage_begin(self, name: str, stage_id: str, from_epoch: int) -> None:
        """A stage is begun, or taken up after `from_epoch` finished epochs."""
        self._name = name
        self.estimate.begin(stage_id)
        if from_epoch:
            self.say("  %s: taken up again after epoch %d" % (name, from_epoch))

    def reused(self, name: str, stage_id: str) -> None:
        """A finished stage is used again."""
        self.estimate.begin(stage_id)
        self.say(f"  {name}: done before ({stage_id})")

    def epoch(self, epoch: int, of: int, loss: float, accuracy: float) -> None:
        """An epoch of the present stage is done; `accuracy` is a share from 0 to 1."""
        self.estimate.epoch(epoch, of)
        left_s = self.estimate.left_s()
        facts = "epoch %d/%d  loss %.4f  accuracy %.2f %%  about %s left" % (
            epoch,
            of,
            loss,
            100 * accuracy,
            duration(left_s or 0.0),
        )
        if self._moving:
            full = int(BAR * min(1.0, epoch / max(1, of)))
            bar = self._blocks[0] * full + self._blocks[1] * (BAR - full)
            self._stream.write(f"\r  {self._name} {bar}  {facts}\x1b[K")
            self._stream.flush()
            self._open_line = True
        else:
            self.say(f"  {self._name}  {facts}")

    def stage_end(self, name: str, function: str, seconds: float) -> None:
        """A stage is done after so many seconds."""
        self.estimate.end(function, seconds)
        self.close_line()

    def close_line(self) -> None:
        """End the moving line, so that what follows stands alone."""
        if self._open_line:
            self._stream.write("\n")
            self._open_line = False

    def _line(self, text: str) -> None:
        self.close_line()
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text


def duration(seconds: float) -> str:
    """A length of time for people.

    >>> duration(8), duration(130), duration(7500), duration(180000)
    ('8 s', '2 min', '2 h 05 min', '2 d 2 h')
    """
    if seconds < 90:
        return "%d s" % round(seconds)
    minutes = int(round(seconds / 60))
    if minutes < 60:
        return "%d min" % minutes
    if minutes < 24 * 60:
        return "%d h %02d min" % divmod(minutes, 60)
    return "%d d %d h" % (minutes // 1440, minutes % 1440 // 60)
