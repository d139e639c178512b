"""The thread that talks to a meter: opens, identifies, asks or listens, and starts over by itself after every fault."""
import errno
import threading
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from devices.base import SourceError
from devices.serial_meter import meters
from devices.serial_meter.rawlog import RawLog
from devices.serial_meter.records import Ask, Record
from devices.serial_meter.transport import Line, drain, open_link

QUIET_S = 0.06                      # no byte for so long: the line is at rest
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0
FIRST_READING_S = 2.0               # how long to listen at one baud rate before the next is tried, at least
MISSES = 3                          # questions or silences in a row before the port is opened anew
KEPT = 20000                        # readings that wait for somebody to take them


class Taken(NamedTuple):
    """What was read and not taken yet: (seconds, watts) of the readings, and the newest failure after them."""

    readings: List[Any]
    failure_s: float
    failure: str


class Reader:
    """Keeps reading one meter in a thread, until `close`. `take` gives what has come; nothing in it waits for the meter."""

    def __init__(self, meter: meters.Meter, port: str, raw_log: Optional[RawLog] = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.meter, self.port, self.raw_log, self.clock = meter, port, raw_log, clock
        self.identity: Optional[Dict[str, Any]] = None              # what the meter said it is
        self.baud = meter.bauds[0]
        self.counts = {"readings": 0, "flagged": 0, "damaged": 0, "timeouts": 0, "opened": 0}
        self.quiet_s = max(3.0 * meter.interval_s, meter.timeout_s)  # no reading for so long is a stall
        self._decoder = meters.decoder(meter)
        self._lock = threading.Lock()
        self._stop, self._begun = threading.Event(), threading.Event()
        self._readings: List[Any] = []
        self._failure_s, self._failure = 0.0, ""
        self._trouble: Optional[BaseException] = None
        self._ever = False                                          # a reading has come since `open`
        self._heard_s = 0.0                                         # when the last one came
        self._bytes = 0                                             # bytes since then
        self._misses = 0
        self._damage = ""                                           # why the last frame was refused, until a good one
        self._late = False                                          # the last answer did not come in time, and may still come
        self._link: Any = None
        self._thread = threading.Thread(target=self._run, name="serial-meter", daemon=True)

    def open(self) -> None:
        """Start reading and wait for the first reading; raises SourceError when no baud rate of the meter gives one."""
        self._thread.start()
        self._begun.wait()
        if not self._ever:
            trouble = self._trouble
            self.close()
            if isinstance(trouble, OSError):
                raise SourceError("no reading from the %s at %s: %s" % (self.meter.title, self.port, trouble.strerror), self._advice())
            raise trouble or SourceError("closed before the first reading")

    def close(self) -> None:
        """Stop reading; harmless when called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)

    def take(self) -> Taken:
        """Give what has come since the last call; raises OSError or SourceError while there is nothing and the reason is known."""
        with self._lock:
            taken = Taken(self._readings, self._failure_s, self._failure)
            self._readings, self._failure = [], ""
            trouble, heard_s = self._trouble, self._heard_s
        if taken.readings:
            return taken
        if trouble is not None:
            raise trouble
        if not taken.failure and self.clock() - heard_s > self.quiet_s + 1.0:       # the thread itself hangs in the kernel
            raise OSError(errno.ETIMEDOUT, "no reading for %.1f s" % (self.clock() - heard_s))
        return taken

    def _advice(self) -> str:
        rates = ", ".join(str(baud) for baud in self.meter.bauds)
        if self._bytes:
            return "wrong baud rate, or another meter? tried %s baud; bytes came, but none made sense as %s" % (rates, self.meter.name)
        return "nothing came: check power and cable (null modem?), and the meter's own settings; tried %s baud" % rates

    def _run(self) -> None:
        wait_s, tries = FIRST_WAIT_S, 0
        while not self._stop.is_set():
            readings = self.counts["readings"]
            try:
                self.baud = self.meter.bauds[tries % len(self.meter.bauds)]
                self._session()
            except (OSError, SourceError) as error:
                self._lost(error)
                tries += 0 if self._ever else 1
                if not self._ever and (tries >= len(self.meter.bauds) or isinstance(error, SourceError)):
                    break
            except BaseException as bug:                            # shown by the next `take`; a thread must not die unseen
                self._lost(bug)
                break
            wait_s = FIRST_WAIT_S if self.counts["readings"] > readings else min(2 * wait_s, LONGEST_WAIT_S)
            self._stop.wait(wait_s)
        self._begun.set()

    def _lost(self, error: BaseException) -> None:
        if self.raw_log:
            self.raw_log.put(self.clock(), "!", "lost: %s" % error)
        with self._lock:
            self._trouble = error

    def _session(self) -> None:
        """Open the port and read until it fails or `close` is called."""
        self._link = open_link(self.port, Line(self.baud, self.meter.line))
        try:
            self.counts["opened"] += 1
            self._misses, self._heard_s = 0, self.clock()
            self._hello(self.meter.settle_s)
            while not self._stop.is_set():
                if self._decoder.polled:
                    self._poll()
                else:
                    self._listen()
            for ask in self._decoder.stop():
                self._say(ask.data)
        finally:
            self._link.close()

    def _hello(self, settle_s: float = 0.0) -> None:
        """Begin anew: wait for the board to boot, throw away what is in the line, say what starts the meter, and learn who it is."""
        end_s = self.clock() + settle_s
        while self.clock() < end_s and not self._stop.is_set():
            self._throw(drain(self._link, QUIET_S, end_s - self.clock()))
        if self._decoder.polled:                                    # a late answer must not be taken for the next one's
            self._throw(drain(self._link, QUIET_S, 2 * self.meter.timeout_s))
        self._resync("begin")
        for ask in self._decoder.start():
            if ask.answer == "identity":
                self._identify(ask)
                continue
            record = self._exchange(ask)
            if ask.answer and record is None and ask.needed:
                raise OSError(errno.ETIMEDOUT, "no answer to %r" % ask.data)
            if record is not None and record.fields.get("code"):
                raise SourceError("the %s refuses a setting: %s" % (self.meter.title, record.fields["text"]),
                                  "compare its model and firmware with the profile %s" % self.meter.name)
        self._heard_s = self.clock()

    def _identify(self, ask: Ask) -> None:
        """Learn who the meter is, twice alike the first time; later it must be the same one. Raises SourceError for another."""
        said = None
        for _ in range(4):
            record = self._exchange(ask)
            if record is None and not ask.needed:
                return
            before, said = self.identity or said, record.fields if record else None
            if said is not None and said == before:
                self.identity = said
                return
        if self.identity and said:
            raise SourceError("another meter is at %s now: %s" % (self.port, said), "plug the one back in that the run began with")
        raise OSError(errno.ETIMEDOUT, self._damage or "the meter does not say who it is")

    def _poll(self) -> None:
        """One reading, asked for again once when it failed; then wait for the next turn."""
        due_s = self.clock() + self.meter.interval_s
        if self._link.waiting():                                    # a late answer, which would be taken for the next one's
            self._throw(drain(self._link, QUIET_S, 2 * self.meter.timeout_s))
            self._resync("late")
        for _ in range(2):
            if all(self._exchange(ask) is not None or not ask.answer for ask in self._decoder.poll()):
                self._misses = 0
                if not self.meter.settings.get("fresh"):            # else the meter itself waits for its next update
                    self._stop.wait(max(0.0, due_s - self.clock()))
                return
            if self._stop.is_set():
                return
            if self._late:
                self._fail(self.clock(), "ETIMEDOUT")
            self._throw(drain(self._link, self.meter.timeout_s if self._late else QUIET_S, 2 * self.meter.timeout_s))
            self._resync("again")
        self._missed("no answer")
        self._hello()

    def _listen(self) -> None:
        """Take what the meter says by itself; silence, or nothing but damage, is a stall."""
        self._receive()
        if self.clock() - self._heard_s > (self.quiet_s if self._ever else max(self.quiet_s, FIRST_READING_S)):
            self._missed("no reading for %.1f s" % (self.clock() - self._heard_s))
            self._hello()

    def _missed(self, what: str) -> None:
        """Count a failure in a row; the last one, or the first when nothing ever came, ends the session."""
        self._misses += 1
        self.counts["timeouts"] += 1
        why = "; the last frame was refused: " + self._damage if self._damage else "; the bytes make no sense" if self._bytes else ""
        error = OSError(errno.ETIMEDOUT, what + why)
        if self._misses >= MISSES or not self._ever:
            raise error
        self._lost(error)

    def _exchange(self, ask: Ask) -> Optional[Record]:
        """Say something and wait for the record that answers it; None when nothing does, or damage comes instead."""
        self._say(ask.data)
        self._stop.wait(self.meter.settings.get("gap_s", 0.0))
        end_s = self.clock() + self.meter.timeout_s
        while ask.answer and self.clock() < end_s and not self._stop.is_set():
            damaged = False
            for record in self._receive():
                if record.kind == ask.answer or (ask.answer == "reading" and record.kind == "flagged"):
                    return record
                damaged = damaged or record.kind == "damaged"
            if damaged and self._decoder.polled:
                self._late = False
                return None
        self._late = True
        return None

    def _say(self, data: bytes) -> None:
        self._link.write(data)
        self._decoder.sent(data)
        if self.raw_log:
            self.raw_log.put(self.clock(), ">", data)

    def _resync(self, why: str) -> None:
        self._decoder.resync()
        if self.raw_log:
            self.raw_log.put(self.clock(), "!", why)

    def _throw(self, data: bytes) -> None:
        self._bytes += len(data)
        if self.raw_log:
            self.raw_log.put(self.clock(), "x", data)

    def _receive(self) -> List[Record]:
        data = self._link.read()
        t_s = self.clock()
        if not data:
            return []
        self._bytes += len(data)
        if self.raw_log:
            self.raw_log.put(t_s, "<", data)
        records = self._decoder.feed(data)
        for record in records:
            self._note(t_s, record)
        return records

    def _fail(self, t_s: float, word: str) -> None:
        with self._lock:
            self._failure_s, self._failure = t_s, word

    def _note(self, t_s: float, record: Record) -> None:
        """Keep what a record says, for `take`."""
        if record.kind == "identity" and self.identity is None and not self._decoder.polled:
            self.identity = record.fields
        if record.kind == "damaged":
            self._damage = record.reason
        if record.kind not in ("reading", "flagged", "damaged"):
            return
        self.counts["readings" if record.kind == "reading" else record.kind] += 1
        if record.kind != "reading":
            self._fail(t_s, record.reason if record.kind == "flagged" else "damaged")
        with self._lock:
            if record.kind == "reading":
                self._readings = (self._readings + [(t_s, record.power_w)])[-KEPT:]
            if record.kind != "damaged":
                self._heard_s, self._trouble, self._ever = t_s, None, True
                self._bytes, self._misses, self._damage = 0, 0, ""
        if self._ever:
            self._begun.set()
