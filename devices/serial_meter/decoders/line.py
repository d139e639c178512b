"""Meters that print one line of text for each reading: regular expression, CSV, key=value or JSON.

The forms of each meter stand in `profiles/line.py`; `forms` reads them.
"""

import re
from functools import reduce
from typing import Any, List

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


def xor(data: bytes) -> int:
    """Exclusive-or of all bytes.

    >>> "%02X" % xor(b"D,1")
    '59'
    """
    return reduce(lambda a, b: a ^ b, data, 0)


def check_smartpower3(text: str) -> str:
    """Check the two checksums of a SmartPower3 line, over everything up to the comma before them.

    Returns the line or raises ValueError.
    """
    body, sums = text[:-5].encode("ascii"), text[-5:]
    if sums != f"{-sum(body) & 0xFF:02x},{xor(body):02x}":
        raise ValueError("checksum")
    return text


def check_xor(text: str) -> str:
    """Check `...*HH`, the exclusive-or of all before the star.

    Returns the line without it or raises ValueError.

    >>> check_xor("D,1*59")
    'D,1'
    """
    body, _, code = text.rpartition("*")
    if not re.match(r"[0-9A-Fa-f]{2}\Z", code) or int(code, 16) != xor(body.encode("ascii")):
        raise ValueError("checksum")
    return body


CHECKSUMS = {"smartpower3": check_smartpower3, "xor": check_xor}


class LineDecoder(Decoder):
    """Lines in, readings out. A line without its end is kept for later, never read."""

    polled = False

    def __init__(self, meter: Any) -> None:
        Decoder.__init__(self, meter)
        settings = meter.settings
        self.ignore = (
            re.compile("(?:{})\\Z".format(settings["ignore"])) if settings.get("ignore") else None
        )
        self.checksum = CHECKSUMS[settings["checksum"]] if settings.get("checksum") else None
        self.forms = [Form(spec, settings.get("decimal", ".")) for spec in forms_of(settings)]
        self.quantities = dict(QUANTITIES, **settings.get("quantities", {}))
        self.skip = False
        self.last: Any = None

    def start(self) -> List[Ask]:
        """Return the start command, if the board waits for one."""
        text = line_command(self.meter.settings.get("start", ""))
        return [Ask(text.encode("latin-1"))] if text else []

    def resync(self) -> None:
        """Drop the next bytes up to the end of their line: they may begin in its middle."""
        Decoder.resync(self)
        self.skip = True
        self.last = None

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
            ignored = self.ignore and self.ignore.match(text)
            return [] if ignored else [self._read(self.checksum(text) if self.checksum else text)]
        except (ValueError, OverflowError) as error:  # UnicodeDecodeError is a ValueError
            return [Record("damaged", {}, str(error))]

    def _read(self, text: str) -> Record:
        for form in self.forms:
            tokens = form.tokens(text)
            if tokens is not None:
                fields = form.convert(tokens)
                return (
                    self._reading(fields) if form.role == "reading" else Record(form.role, fields)
                )
        raise ValueError(f"not a line of this meter: {text[:80]!r}")

    def _reading(self, fields: Fields) -> Record:
        wrong = self._order(fields)
        if wrong:
            return Record("damaged", fields, wrong)
        values = {
            what: fields[name] * scale if name in fields else None
            for what, (name, scale) in self.quantities.items()
        }
        return judge(
            self.meter.gates,
            fields,
            values["power"],
            values["voltage"],
            values["current"],
            values["factor"],
        )

    def _order(self, fields: Fields) -> str:
        """Check that a counter goes up and that a mean lies between its extremes."""
        key = self.meter.settings.get("increasing")
        if key:
            last, self.last = self.last, fields[key]
            if last is not None and fields[key] <= last:
                return f"{key} went from {last} to {fields[key]}"
        for low, middle, high in self.meter.settings.get("between", []):
            if not fields[low] <= fields[middle] <= fields[high]:
                return f"{middle} is not between its extremes"
        return ""
