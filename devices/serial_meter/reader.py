"""Read a meter in a thread: open its port, find the baud rate, and start over after every fault."""

import threading
from contextlib import closing
from typing import Callable

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.dialogue import Dialogue, Setup
from joulebird.devices.serial_meter.inbox import Inbox, Taken
from joulebird.devices.serial_meter.rawlog import RawLog
from joulebird.devices.serial_meter.transport import open_link
from joulebird.harness.core.errors import SourceError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0
HANGS_S = 1.0  # beyond a stall: the thread does not come back from the kernel


class Reader:
    """Read one meter in a thread, until `close`.

    `take` returns the new readings and never waits for the meter. `raw_log` is the file that keeps
    all traffic, or "".
    """

    def __init__(
        self, meter: meters.Meter, port: str, raw_log: str, clock: Callable[[], float]
    ) -> None:
        decoder = meters.decoder(meter)
        decoder.start(), decoder.poll()  # forbidden commands are refused before the port is opened
        self.baud = meter.bauds[0]
        self._stop, self._begun = threading.Event(), threading.Event()
        self.inbox = Inbox()
        log = RawLog(raw_log, meter, port) if raw_log else None
        self._setup = Setup(meter, port, decoder, self.inbox, log, clock, self._stop)
        self._thread = threading.Thread(target=self._run, name="serial-meter", daemon=True)

    def open(self) -> None:
        """Start reading and wait for the first reading.

        Raises SourceError when no baud rate of the meter gives one.
        """
        inbox = self.inbox
        self._thread.start()
        while not (inbox.ever.wait(0.05) or self._begun.is_set()):
            pass
        if inbox.ever.is_set():
            return
        self.close()
        if isinstance(inbox.trouble, OSError):
            raise SourceError(
                f"no reading from the {self._setup.meter.title} at {self._setup.port}: "
                f"{inbox.trouble.strerror}",
                self._advice(),
            )
        raise inbox.trouble or SourceError("closed before the first reading")

    def close(self) -> None:
        """Stop reading; harmless when called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)
        if self._setup.raw_log:
            self._setup.raw_log.close()

    def take(self) -> Taken:
        """Return the readings since the last call.

        Raises OSError or SourceError while there is none and the reason is known.
        """
        return self.inbox.take(self._setup.clock(), self._setup.quiet_s + HANGS_S)

    def _advice(self) -> str:
        rates = ", ".join(map(str, self._setup.meter.bauds))
        return (
            f"wrong baud rate, or another meter? tried {rates} baud; "
            f"bytes came, but none made sense as {self._setup.meter.name}"
            if self.inbox.bytes
            else "nothing came: check power and cable (null modem?), and the meter's own settings; "
            f"tried {rates} baud"
        )

    def _run(self) -> None:
        try:
            self._read_on()
        except BaseException as bug:  # shown by the next `take`; a thread must not die unseen
            self.inbox.lost(bug)
        self._begun.set()

    def _read_on(self) -> None:
        """Run session after session; before the first reading, each baud rate of the meter once."""
        meter, inbox = self._setup.meter, self.inbox
        wait_s, tries = FIRST_WAIT_S, 0
        while not self._stop.is_set():
            readings = inbox.counts["readings"]
            try:
                self.baud = meter.bauds[tries % len(meter.bauds)]
                self._session()
            except (OSError, SourceError) as error:
                self._setup.log("!", f"lost: {error}")
                inbox.lost(error)
                if not inbox.ever.is_set():
                    tries += 1
                    if tries >= len(meter.bauds) or isinstance(error, SourceError):
                        return
            wait_s = (
                FIRST_WAIT_S
                if inbox.counts["readings"] > readings
                else min(2 * wait_s, LONGEST_WAIT_S)
            )
            self._stop.wait(wait_s)

    def _session(self) -> None:
        """Open the port and read until it fails or `close` is called.

        The port is closed at once, for an open one keeps its name busy.
        """
        with closing(open_link(self._setup.port, self.baud, self._setup.meter.line)) as link:
            self.inbox.counts["opened"] += 1
            Dialogue(self._setup, link).run()
