"""Meters that print one line of text for each reading: regular expression, CSV, key=value or JSON.

The forms of each meter stand in `meters_line`; the numbers are read strictly, so that a line with a lost byte is refused
rather than read as another number: whole lines only, the exact number of fields, no locale, no spelling that only Python knows.
"""
import json
import re
from functools import reduce
from typing import Any, Dict, List, NamedTuple, Optional

from devices.base import SourceError
from devices.serial_meter.readonly import line_command
from devices.serial_meter.records import Ask, Decoder, Fields, Record, judge

LONGEST_LINE = 1024
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\Z")
NO_NUMBER = re.compile(r"[+-]?(nan|inf)\Z", re.IGNORECASE)
UNITS = {"mV": ("V", 1e-3), "mA": ("A", 1e-3), "uA": ("A", 1e-6), "mW": ("W", 1e-3)}
FIELD = re.compile(r"(?:(?P<key>[^=]+)=)?(?P<name>\w+)(?::(?P<type>float|int|hex|text))?(?:\*(?P<scale>[\d.e+-]+))?\Z")
QUANTITIES = {"power": ("power_W", 1.0), "voltage": ("voltage_V", 1.0), "current": ("current_A", 1.0), "energy": ("energy_Wh", 3600.0),
              "factor": ("pf", 1.0)}


class Field(NamedTuple):
    """One number or word of a line: where it is found, what it is called, how it is read, and its factor to the unit in its name."""

    key: str
    name: str
    type: str
    scale: float


def field(text: str) -> Field:
    """Read one field of a form, `[key=]name[:type][*scale]`.

    >>> field("current_mA"), field("a.avg=current_A")
    (Field(key='current_mA', name='current_A', type='float', scale=0.001), Field(key='a.avg', name='current_A', type='float', scale=1.0))
    """
    match = FIELD.match(text)
    if not match:
        raise SourceError("%r is not a field of a line" % text, "write [key=]name[:float|int|hex|text][*scale]")
    name, scale = match.group("name"), float(match.group("scale") or 1)
    if not match.group("type"):
        unit, factor = UNITS.get(name.rpartition("_")[2], ("", 1.0))
        if unit:
            name, scale = name.rpartition("_")[0] + "_" + unit, scale * factor
    return Field(match.group("key") or match.group("name"), name, match.group("type") or "float", scale)


def number(text: str, decimal: str = ".") -> float:
    """Read a decimal number as a meter prints it; raises ValueError for anything else. "nan" and "inf" are themselves.

    >>> number("19,02", ",")
    19.02
    """
    if decimal != ".":
        if "." in text:
            raise ValueError("%r has a point where a %r was agreed" % (text, decimal))
        text = text.replace(decimal, ".", 1)
    if NUMBER.match(text) or NO_NUMBER.match(text):
        return float(text)
    raise ValueError("%r is not a number" % text)


class Form:
    """One shape of line: its text is matched, then its fields are converted."""

    def __init__(self, spec: Dict[str, Any], decimal: str) -> None:
        self.role = spec.get("role", "reading")
        self.form = spec["form"]
        self.separator = spec.get("separator", ",")
        self.decimal = decimal
        self.shape = re.compile("(?:%s)\\Z" % spec["shape"]) if spec.get("shape") else None
        self.fields = [field(text) for text in spec["fields"].split()]

    def tokens(self, text: str) -> Optional[Dict[str, Any]]:
        """Cut a line into its pieces by key, or give nothing when the line is not of this form."""
        match = self.shape.match(text) if self.shape else None
        if self.shape and not match:
            return None
        return getattr(self, "_" + self.form)(text, match)

    def _regex(self, text: str, match: Any) -> Dict[str, Any]:
        return match.groupdict()

    def _csv(self, text: str, match: Any) -> Optional[Dict[str, Any]]:
        parts = text.split(self.separator)
        return dict(zip([f.key for f in self.fields], parts)) if len(parts) == len(self.fields) else None

    def _pairs(self, text: str, match: Any) -> Optional[Dict[str, Any]]:
        parts = [part.partition("=") for part in re.split(r"[\s;,]+", text.strip())]
        found = {key: value for key, _, value in parts}
        return found if len(parts) == len(self.fields) and set(found) == {f.key for f in self.fields} else None

    def _json(self, text: str, match: Any) -> Optional[Dict[str, Any]]:
        try:
            tree = json.loads(text)
            return {f.key: reduce(lambda node, key: node[key], f.key.split("."), tree) for f in self.fields}
        except (ValueError, KeyError, TypeError):
            return None

    def convert(self, tokens: Dict[str, Any]) -> Fields:
        """Read each piece as its field says; raises ValueError."""
        return {f.name: self._value(f, tokens[f.key]) for f in self.fields}

    def _value(self, f: Field, token: Any) -> Any:
        if f.type == "text":
            return token
        if isinstance(token, bool) or not isinstance(token, (str, int, float)):
            raise ValueError("%r is not a number" % (token,))
        if f.type == "hex" or f.type == "int":
            if not re.match(r"-?[0-9a-fA-F]+\Z", str(token)):
                raise ValueError("%r is not a whole number" % (token,))
            return int(str(token), 16 if f.type == "hex" else 10)
        return f.scale * (number(token, self.decimal) if isinstance(token, str) else token)


def xor(data: bytes) -> int:
    """Exclusive-or of all bytes.

    >>> "%02X" % xor(b"D,1")
    '59'
    """
    return reduce(lambda a, b: a ^ b, data, 0)


def check_smartpower3(text: str) -> str:
    """Check the two checksums of a SmartPower3 line, over everything up to the comma before them; gives the line or raises ValueError."""
    body, sums = text[:-5].encode("ascii"), text[-5:]
    if sums != "%02x,%02x" % (-sum(body) & 0xFF, xor(body)):
        raise ValueError("checksum")
    return text


def check_xor(text: str) -> str:
    """Check `...*HH`, the exclusive-or of all before the star; gives the line without it or raises ValueError.

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
        self.ignore = re.compile("(?:%s)\\Z" % settings["ignore"]) if settings.get("ignore") else None
        self.checksum = CHECKSUMS[settings["checksum"]] if settings.get("checksum") else None
        self.forms = [Form(spec, settings.get("decimal", ".")) for spec in _forms(settings)]
        self.quantities = dict(QUANTITIES, **settings.get("quantities", {}))
        self.skip = False
        self.last: Any = None

    def start(self) -> List[Ask]:
        """The start command, if the board waits for one."""
        text = line_command(self.meter.settings.get("start", ""))
        return [Ask(text.encode("latin-1"))] if text else []

    def resync(self) -> None:
        """What comes next may begin in the middle of a line: it is dropped up to its end."""
        Decoder.resync(self)
        self.skip = True
        self.last = None

    def feed(self, data: bytes) -> List[Record]:
        """Take the next bytes and judge each line that they end."""
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        found = []
        for line in lines:
            if not self.skip and line.strip():
                found += self._line(line)
            self.skip = False
        if len(self.buffer) > LONGEST_LINE:
            self.buffer, self.skip = b"", True
            found.append(Record("damaged", {}, "no end of line in %d bytes" % LONGEST_LINE))
        return found

    def _line(self, line: bytes) -> List[Record]:
        try:
            text = (line[:-1] if line.endswith(b"\r") else line).decode("ascii")
            if self.ignore and self.ignore.match(text):
                return []
            return [self._read(self.checksum(text) if self.checksum else text)]
        except ValueError as error:                                 # UnicodeDecodeError is one
            return [Record("damaged", {}, str(error))]

    def _read(self, text: str) -> Record:
        for form in self.forms:
            tokens = form.tokens(text)
            if tokens is not None:
                fields = form.convert(tokens)
                return self._reading(fields) if form.role == "reading" else Record(form.role, fields)
        raise ValueError("not a line of this meter: %r" % text[:80])

    def _reading(self, fields: Fields) -> Record:
        wrong = self._order(fields)
        if wrong:
            return Record("damaged", fields, wrong)
        values = {what: fields[name] * scale if name in fields else None for what, (name, scale) in self.quantities.items()}
        return judge(self.meter.gates, fields, values["power"], values["voltage"], values["current"], values["energy"],
                     values["factor"])

    def _order(self, fields: Fields) -> str:
        """Check what must stand in order: a counter that goes up a little at a time, and a mean between its extremes."""
        key = self.meter.settings.get("increasing")
        if key:
            last, self.last = self.last, fields[key]
            if last is not None and fields[key] <= last:
                return "%s went from %d to %d" % (key, last, fields[key])
        for low, middle, high in self.meter.settings.get("between", []):
            if not fields[low] <= fields[middle] <= fields[high]:
                return "%s is not between its extremes" % middle
        return ""


def _forms(settings: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The forms of a meter, with the two short spellings for a meter of one's own: `columns` and `regex`."""
    if settings.get("columns"):
        columns = settings["columns"].replace(",", " ")
        return [{"form": "csv", "separator": settings.get("separator", ","), "fields": columns}]
    if settings.get("regex"):
        names = re.compile(settings["regex"]).groupindex
        return [{"form": "regex", "shape": settings["regex"], "fields": " ".join(names)}]
    if not settings.get("forms"):
        raise SourceError("the line of this meter is not described", 'give settings like {"columns": "t_ms,voltage_V,current_mA"}')
    return list(settings["forms"])
