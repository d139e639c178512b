"""Read a power meter on a wire: the board's jack or the wall, measured from outside."""

import time
from typing import Any, Callable, Dict, Optional, Union

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.inbox import Taken
from joulebird.devices.serial_meter.reader import Reader
from joulebird.devices.serial_meter.transport import ports, stable_name
from joulebird.devices.source import PowerSample, PowerSource
from joulebird.harness.core.errors import SourceError

RAILS = {"dc": "DC_IN", "wall": "WALL"}


class SerialMeterSource(PowerSource):
    """Reads one meter in the background and gives its newest power.

    `port`: a serial port (best /dev/serial/by-id/...), socket://host:port, rfc2217://host:port or
    /dev/usbtmcN. `meter`: a name of `meters.METERS`, a mapping {"like": name, ...} with the
    differences (also as JSON text), or the path of a .json or .toml file of such a mapping. `baud`:
    only this rate. `raw_log`: keep all traffic in this file. `rail`: the name of the rail.
    """

    name = "serial"

    def __init__(
        self,
        port: str = "",
        meter: Union[str, Dict[str, Any]] = "",
        baud: int = 0,
        raw_log: str = "",
        rail: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port, self.spec, self.baud, self.raw_log, self.rail, self.clock = (
            port,
            meter,
            baud,
            raw_log,
            rail,
            clock,
        )
        self.meter: Optional[meters.Meter] = None
        self._reader: Optional[Reader] = None
        self._last: Optional[PowerSample] = None
        self._definition = ""

    def open(self) -> None:
        """Open the port, identify the meter and wait for its first reading; raises SourceError."""
        if not self.port or not self.spec:
            raise SourceError(
                "a serial meter needs port= and meter=",
                "ports here: {}; meters: {}".format(
                    ", ".join(ports()) or "none", ", ".join(sorted(meters.METERS))
                ),
            )
        self.close()
        meter = meters.meter(self.spec)
        self._definition = meters.definition(self.spec)
        self.meter = meter._replace(bauds=(int(self.baud),)) if self.baud else meter
        self.port = stable_name(self.port)
        self.sampling, self.scope, self.min_period_s = meter.sampling, meter.scope, meter.interval_s
        self.rails = self.total = (self.rail or RAILS.get(meter.scope, meter.scope.upper()),)
        self._reader = Reader(self.meter, self.port, self.raw_log, self.clock)
        try:
            self._reader.open()
        except BaseException:
            self.close()
            raise

    def read(self) -> PowerSample:
        """Return the readings since the last call as one sample, at once.

        Without a new reading it is the last sample again.

        Several readings since then are given as their mean: at the last one's time for an averaging
        meter, whose readings are stretches of time up to it, and at their mean time for snapshots.
        A reading that failed among them is the sample's error.
        Raises OSError or SourceError while the meter is away or silent.
        """
        if self._reader is None:
            raise SourceError("the serial meter is not open", "call open() first")
        self._last = self._sample(self._reader.take()) or self._last
        if self._last is None:
            raise SourceError("no reading has come yet", "wait for the meter's next update")
        return self._last

    def _sample(self, taken: Taken) -> Optional[PowerSample]:
        if taken.readings:
            count = len(taken.readings)
            t_s = (
                taken.readings[-1][0]
                if self.sampling == "average"
                else sum(t for t, _ in taken.readings) / count
            )
            watts = sum(w for _, w in taken.readings) / count
            error = taken.failure if self._last else ""  # not the failures of the port's opening
            return PowerSample(t_s, {self.rails[0]: watts}, error or None)
        return PowerSample(taken.failure_s, {}, taken.failure) if taken.failure else None

    def close(self) -> None:
        """Stop reading and let go of the port."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def describe(self) -> Dict[str, Any]:
        """Return the facts for the record: meter, side, gates, check, port, identity.

        `sensor` is the meter's serial number, or the port of one that has none; `definition` a hash
        of a description of the user's own.
        """
        facts = dict(self.identity(), port=self.port, raw_log=self.raw_log)
        known: Dict[str, Any] = {}
        if self._reader:
            known = self._reader.inbox.identity or {}
            facts.update(baud=self._reader.baud, identity=known or None)
        if self.meter:
            facts.update(
                meter=meters.as_json(self.meter),
                range_w=self.meter.range_w,
                accuracy=dict(self.meter.accuracy),
                sensor=f"{self.meter.name} {serial_number(known) or self.port}",
            )
        if self._definition:
            facts["definition"] = self._definition
        return facts


def serial_number(identity: Dict[str, Any]) -> str:
    """Return the serial number in a meter's identity; "" without one.

    >>> serial_number({"text": "YOKOGAWA,WT310E,C2KH12345E,F1.04"}), serial_number({"serial": 0})
    ('C2KH12345E', '')
    """
    number = str(identity.get("serial") or "")
    parts = str(identity.get("text", "")).split(",")  # maker, model, serial number, firmware
    number = number or (parts[2].strip() if len(parts) > 3 else "")
    return number if number.strip("0") else ""
