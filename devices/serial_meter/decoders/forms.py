"""Read the numbers of a line of text strictly, so that a line with a lost byte is refused.

Whole lines only, the exact number of fields, no locale, and no spelling that only Python knows.
"""

import json
import re
from functools import reduce
from typing import Any, Dict, List, NamedTuple, Optional

from joulebird.devices.serial_meter.records import Fields
from joulebird.harness.core.errors import SourceError

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\Z")
NO_NUMBER = re.compile(r"[+-]?(nan|inf)\Z", re.IGNORECASE)
UNITS = {"mV": ("V", 1e-3), "mA": ("A", 1e-3), "uA": ("A", 1e-6), "mW": ("W", 1e-3)}
FIELD = re.compile(
    r"(?:(?P<key>[^=]+)=)?(?P<name>\w+)(?::(?P<type>float|int|hex|text))?(?:\*(?P<scale>[\d.e+-]+))?\Z"
)


class Field(NamedTuple):
    """One number or word of a line: its key, name, type, and factor to the unit in its name."""

    key: str
    name: str
    type: str
    scale: float


def field(text: str) -> Field:
    """Read one field of a form, `[key=]name[:type][*scale]`.

    >>> field("current_mA")
    Field(key='current_mA', name='current_A', type='float', scale=0.001)
    """
    match = FIELD.match(text)
    if not match:
        raise SourceError(
            f"{text!r} is not a field of a line", "write [key=]name[:float|int|hex|text][*scale]"
        )
    name, scale = match.group("name"), float(match.group("scale") or 1)
    if not match.group("type"):
        unit, factor = UNITS.get(name.rpartition("_")[2], ("", 1.0))
        if unit:
            name, scale = name.rpartition("_")[0] + "_" + unit, scale * factor
    return Field(
        match.group("key") or match.group("name"), name, match.group("type") or "float", scale
    )


def number(text: str, decimal: str = ".") -> float:
    """Read a decimal number as a meter prints it; raises ValueError for anything else.

    "nan" and "inf" are themselves.

    >>> number("19,02", ",")
    19.02
    """
    if decimal != ".":
        if "." in text:
            raise ValueError(f"{text!r} has a point where a {decimal!r} was agreed")
        text = text.replace(decimal, ".", 1)
    if NUMBER.match(text) or NO_NUMBER.match(text):
        return float(text)
    raise ValueError(f"{text!r} is not a number")


class Form:
    """One shape of line: its text is matched, then its fields are converted."""

    def __init__(self, spec: Dict[str, Any], decimal: str) -> None:
        self.role = spec.get("role", "reading")
        self._cut = {
            "regex": lambda text, match: match.groupdict(),
            "csv": self._csv,
            "pairs": self._pairs,
            "json": self._json,
        }[spec["form"]]
        self.separator = spec.get("separator", ",")
        self.decimal = decimal
        self.shape = re.compile("(?:{})\\Z".format(spec["shape"])) if spec.get("shape") else None
        self.fields = [field(text) for text in spec["fields"].split()]

    def tokens(self, text: str) -> Optional[Dict[str, Any]]:
        """Cut a line into its pieces by key, or give nothing when the line is not of this form."""
        match = self.shape.match(text) if self.shape else None
        return None if self.shape and not match else self._cut(text, match)

    def _csv(self, text: str, match: Any) -> Optional[Dict[str, Any]]:
        parts = text.split(self.separator)
        return (
            dict(zip([f.key for f in self.fields], parts))
            if len(parts) == len(self.fields)
            else None
        )

    def _pairs(self, text: str, match: Any) -> Optional[Dict[str, Any]]:
        parts = [part.partition("=") for part in re.split(r"[\s;,]+", text.strip())]
        pairs = {key: value for key, _, value in parts}
        return (
            pairs
            if len(parts) == len(self.fields) and set(pairs) == {f.key for f in self.fields}
            else None
        )

    def _json(self, text: str, match: Any) -> Optional[Dict[str, Any]]:
        try:
            tree = json.loads(text)
            return {
                f.key: reduce(lambda node, key: node[key], f.key.split("."), tree)
                for f in self.fields
            }
        except (ValueError, LookupError, TypeError, RecursionError):
            return None

    def convert(self, tokens: Dict[str, Any]) -> Fields:
        """Read each piece as its field says; raises ValueError."""
        return {f.name: self._value(f, tokens[f.key]) for f in self.fields}

    def _value(self, f: Field, token: Any) -> Any:
        if f.type == "text":
            return token
        if isinstance(token, bool) or not isinstance(token, (str, int, float)):
            raise ValueError(f"{token!r} is not a number")
        if f.type == "hex" or f.type == "int":
            if not re.match(r"-?[0-9a-fA-F]+\Z", str(token)):
                raise ValueError(f"{token!r} is not a whole number")
            return int(str(token), 16 if f.type == "hex" else 10)
        return f.scale * (number(token, self.decimal) if isinstance(token, str) else token)


def forms_of(settings: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the forms of a meter, with the two short spellings `columns` and `regex`."""
    if settings.get("columns"):
        columns = settings["columns"].replace(",", " ")
        return [{"form": "csv", "separator": settings.get("separator", ","), "fields": columns}]
    if settings.get("regex"):
        names = re.compile(settings["regex"]).groupindex
        return [{"form": "regex", "shape": settings["regex"], "fields": " ".join(names)}]
    if not settings.get("forms"):
        raise SourceError(
            "the line of this meter is not described",
            'give settings like {"columns": "t_ms,voltage_V,current_mA"}',
        )
    return list(settings["forms"])
