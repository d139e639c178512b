"""Meters that print one line of text for each reading: regular expression, CSV, key=value or JSON.

The forms of each meter stand in `profiles/line.py`; `forms` reads them.
"""

import re
from typing import Any, List

from joulebird.devices.serial_meter.decoders.checksums import LINE_CHECKSUMS
from joulebird.devices.serial_meter.decoders.forms import Form, forms_of
from joulebird.devices.serial_meter.decoders.readonly import line_command
from joulebird.devices.serial_meter.records import Ask, Decoder, Fields, Record, judge

LONGEST_LINE = 1024
QUANTITIES = {
    "power": ("power_W", 1.0),
    "voltage": ("voltage_V", 1.0),
    "current": ("current_A", 1.0),
    "factor": ("pf", 1.0),
}


class LineDecoder(Decoder):
    """Lines in, readings out. A line without its end is kept for later, never read."""

    polled = False

    def __init__(self, meter: Any) -> None:
        Decoder.__init__(self, meter)
        settings = self.settings
        self.ignore = re.compile(settings.get("ignore") or "")  # no line is empty
        self.checksum = LINE_CHECKSUMS[settings["checksum"]] if settings.get("checksum") else None
        self.forms = [Form(spec, settings.get("decimal", ".")) for spec in forms_of(settings)]
        self.quantities = dict(QUANTITIES, **settings.get("quantities", {}))
        self.skip = False
        self.last: Any = None

    def start(self) -> List[Ask]:
        """Return the start command, if the board waits for one."""
        text = line_command(self.settings.get("start", ""))
        return [Ask(text.encode("latin-1"))] if text else []

    def resync(self) -> None:
        """Drop the next bytes up to the end of their line: they may begin in its middle."""
        Decoder.resync(self)
        self.skip, self.last = True, None

    def feed(self, data: bytes) -> List[Record]:
        """Take the next bytes and judge each line that they end."""
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        records = []
        for line in lines:
            if not self.skip and line.strip():
                records += self._line(line)
            self.skip = False
        if len(self.buffer) > LONGEST_LINE:
            self.buffer, self.skip = b"", True
            records.append(Record("damaged", {}, f"no end of line in {LONGEST_LINE} bytes"))
        return records

    def _line(self, line: bytes) -> List[Record]:
        try:
            text = (line[:-1] if line.endswith(b"\r") else line).decode("ascii")
            if self.ignore.fullmatch(text):
                return []
            return [self._read(self.checksum(text) if self.checksum else text)]
        except (ValueError, OverflowError) as error:  # UnicodeDecodeError is a ValueError
            return [Record("damaged", {}, str(error))]

    def _read(self, text: str) -> Record:
        for form in self.forms:
            fields = form.read(text)
            if fields is not None:
                note = form.role != "reading"
                return Record(form.role, fields) if note else self._reading(fields)
        raise ValueError(f"not a line of this meter: {text[:80]!r}")

    def _reading(self, fields: Fields) -> Record:
        known = (self.quantities[what] for what in QUANTITIES)
        values = (fields[name] * scale if name in fields else None for name, scale in known)
        return judge(self.meter.gates, fields, *values, wrong=self._order(fields))

    def _order(self, fields: Fields) -> str:
        """Check that a counter goes up and that a mean lies between its extremes."""
        key = self.settings.get("increasing")
        if key:
            last, self.last = self.last, fields[key]
            if last is not None and fields[key] <= last:
                return f"{key} went from {last} to {fields[key]}"
        for low, middle, high in self.settings.get("between", []):
            if not fields[low] <= fields[middle] <= fields[high]:
                return f"{middle} is not between its extremes"
        return ""
