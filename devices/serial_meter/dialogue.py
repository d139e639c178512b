"""Talk with a meter from the opening of its port to the first fault: identity, then readings."""

import errno
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.inbox import Inbox
from joulebird.devices.serial_meter.rawlog import RawLog
from joulebird.devices.serial_meter.records import Ask, Decoder, Record
from joulebird.devices.serial_meter.transport import drain
from joulebird.harness.core.errors import SourceError

QUIET_S = 0.06  # no byte for so long: the line is at rest
FIRST_READING_S = 2.0  # how long to listen at one baud rate before the next is tried, at least
MISSES = 3  # questions or silences in a row before the port is opened anew


class Setup(NamedTuple):
    """The parts that all dialogues with one meter share."""

    meter: meters.Meter
    port: str
    decoder: Decoder
    inbox: Inbox
    raw_log: Optional[RawLog]
    clock: Callable[[], float]
    stop: threading.Event

    @property
    def quiet_s(self) -> float:
        """No reading for so long is a stall."""
        return max(3.0 * self.meter.interval_s, self.meter.timeout_s)

    def log(self, letter: str, data: Any, t_s: Optional[float] = None) -> None:
        """Put a piece into the raw log, if there is one; its time is now if not given."""
        if self.raw_log:
            self.raw_log.put(self.clock() if t_s is None else t_s, letter, data)


class Dialogue:
    """One session on an open link.

    `run` returns when `stop` is set, and raises OSError or SourceError at a fault.
    """

    def __init__(self, setup: Setup, link: Any) -> None:
        self._setup, self._link = setup, link
        self._meter, self._decoder, self._inbox = setup.meter, setup.decoder, setup.inbox
        self._clock, self._stop = setup.clock, setup.stop
        # It gives its identity unasked, if at all.
        self._introduces_itself = all(ask.answer != "identity" for ask in setup.decoder.start())
        self._misses = 0
        self._late = False  # the last answer did not come in time, and may still come

    def run(self) -> None:
        """Begin, and read until a fault or `stop`."""
        self._inbox.heard_s = self._clock()
        self._hello(self._meter.settle_s)
        while not self._stop.is_set():
            if self._decoder.polled:
                self._poll()
            else:
                self._listen()
        for ask in self._decoder.stop():
            self._say(ask.data)

    def _hello(self, settle_s: float = 0.0) -> None:
        """Begin anew: wait for the boot, discard old bytes, start the meter, and identify it."""
        end_s = self._clock() + settle_s
        while self._clock() < end_s and not self._stop.is_set():
            self._throw(QUIET_S, end_s - self._clock())
        self._resync("begin")
        for ask in self._decoder.start():
            if ask.answer == "identity":
                self._identify(ask)
                continue
            record = self._exchange(ask)
            if ask.answer and record is None and ask.needed:
                raise OSError(errno.ETIMEDOUT, self._inbox.damage or f"no answer to {ask.data!r}")
            if record is not None and record.fields.get("code"):
                raise SourceError(
                    "the {} refuses a setting: {}".format(self._meter.title, record.fields["text"]),
                    f"compare its model and firmware with the profile {self._meter.name}",
                )
        self._inbox.heard_s = self._clock()

    def _identify(self, ask: Ask) -> None:
        """Identify the meter, twice alike the first time; later it must be the same one.

        Raises SourceError for another.
        """
        said: Optional[Dict[str, Any]] = None
        for _ in range(4):
            record = self._exchange(ask)
            if record is None and not ask.needed:
                return
            before, said = self._inbox.identity or said, record.fields if record else None
            if said is not None and said == before:
                self._inbox.identity = said
                return
        if self._inbox.identity and said:
            raise SourceError(
                f"another meter is at {self._setup.port} now: {said}",
                "plug the one back in that the run began with",
            )
        raise OSError(errno.ETIMEDOUT, self._inbox.damage or "the meter does not identify itself")

    def _poll(self) -> None:
        """Take one reading, asked for again once when it failed; then wait for the next turn."""
        due_s = self._clock() + self._meter.interval_s
        if self._link.waiting():  # a late answer, which would be taken for the next one's
            self._resync("late")
        for _ in range(2):
            if all(
                self._exchange(ask) is not None or not ask.answer for ask in self._decoder.poll()
            ):
                self._misses = 0
                # A meter with "fresh" questions waits for its next update by itself.
                if not self._meter.settings.get("fresh"):
                    self._stop.wait(max(0.0, due_s - self._clock()))
                return
            if self._stop.is_set():
                return
            if self._late:
                self._inbox.fail(self._clock(), "ETIMEDOUT")
            self._resync("again", self._meter.timeout_s if self._late else QUIET_S)
        self._missed("no answer")

    def _listen(self) -> None:
        """Take the meter's unasked output; silence, or nothing but damage, is a stall."""
        if any(record.kind in ("reading", "flagged") for record in self._receive()):
            self._misses = 0
        silent_s = self._clock() - self._inbox.heard_s
        if silent_s > (
            self._setup.quiet_s
            if self._inbox.ever.is_set()
            else max(self._setup.quiet_s, FIRST_READING_S)
        ):
            self._missed(f"no reading for {silent_s:.1f} s")

    def _missed(self, failure: str) -> None:
        """Count a failure in a row, and begin anew.

        The last one, or the first when nothing ever came, ends the session.
        """
        self._misses += 1
        inbox = self._inbox
        inbox.counts["timeouts"] += 1
        why = (
            "; the last frame was refused: " + inbox.damage
            if inbox.damage
            else "; the bytes make no sense"
            if inbox.bytes
            else ""
        )
        error = OSError(errno.ETIMEDOUT, failure + why)
        if self._misses >= MISSES or not inbox.ever.is_set():
            raise error
        inbox.lost(error)
        self._hello()

    def _exchange(self, ask: Ask) -> Optional[Record]:
        """Send bytes and wait for the record that answers them.

        None when nothing does, or damage comes instead.
        """
        self._say(ask.data)
        self._stop.wait(self._meter.settings.get("gap_s", 0.0))
        end_s = self._clock() + self._meter.timeout_s
        while ask.answer and self._clock() < end_s and not self._stop.is_set():
            records = self._receive()
            for record in records:
                if record.kind == ask.answer or (
                    ask.answer == "reading" and record.kind == "flagged"
                ):
                    return record
            if self._decoder.polled and any(record.kind == "damaged" for record in records):
                self._late = False
                return None
        self._late = True
        return None

    def _say(self, data: bytes) -> None:
        self._link.write(data)
        self._decoder.sent(data)
        self._setup.log(">", data)

    def _resync(self, why: str, quiet_s: float = QUIET_S) -> None:
        """Have the decoder begin anew, after the last bytes of a meter that is asked."""
        if self._decoder.polled:
            self._throw(quiet_s, 2 * self._meter.timeout_s)
        self._decoder.resync()
        self._setup.log("!", why)

    def _throw(self, quiet_s: float, most_s: float) -> None:
        """Read and throw away until the line has been at rest for a while."""
        data = drain(self._link, quiet_s, most_s)
        self._inbox.bytes += len(data)
        self._setup.log("x", data)

    def _receive(self) -> List[Record]:
        data = self._link.read()
        t_s = self._clock()
        if not data:
            return []
        self._inbox.bytes += len(data)
        self._setup.log("<", data, t_s)
        records = self._decoder.feed(data)
        for record in records:
            self._inbox.note(t_s, record)
            if (
                record.kind == "identity"
                and self._inbox.identity is None
                and self._introduces_itself
            ):
                self._inbox.identity = record.fields
        return records
