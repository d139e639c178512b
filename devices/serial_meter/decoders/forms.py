"""Read a line of text strictly, so that one with a lost byte is refused.

Whole lines only, and the exact number of fields.
"""

import json
import re
from functools import reduce
from operator import getitem
from typing import Any, Dict, List, NamedTuple, Optional

from joulebird.devices.serial_meter.decoders.numbers import number
from joulebird.devices.serial_meter.records import Fields
from joulebird.harness.core.errors import SourceError

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
    given, name, kind, scale = match.groups()
    key, factor = given or name, float(scale or 1)
    stem, _, unit = name.rpartition("_")
    if unit in UNITS and not kind:
        unit, step = UNITS[unit]
        name, factor = f"{stem}_{unit}", factor * step
    return Field(key, name, kind or "float", factor)


class Form:
    """One shape of line: its text is matched, then its fields are converted."""

    def __init__(self, spec: Dict[str, Any], decimal: str) -> None:
        self.role = spec.get("role", "reading")
        self._cut = {
            "regex": lambda match: match.groupdict(),
            "csv": self._csv,
            "pairs": self._pairs,
            "json": self._json,
        }[spec["form"]]
        self.separator = spec.get("separator", ",")
        self.decimal = decimal
        self.shape = re.compile(spec.get("shape") or ".*")
        self.fields = [field(text) for text in spec["fields"].split()]
        self.keys = [f.key for f in self.fields]

    def read(self, text: str) -> Optional[Fields]:
        """Read the fields of a line; None when it is not of this form. Raises ValueError."""
        match = self.shape.fullmatch(text)
        tokens = self._cut(match) if match else None
        return (
            None if tokens is None else {f.name: self._value(f, tokens[f.key]) for f in self.fields}
        )

    def _csv(self, match: Any) -> Optional[Dict[str, Any]]:
        parts = match.string.split(self.separator)
        return dict(zip(self.keys, parts)) if len(parts) == len(self.keys) else None

    def _pairs(self, match: Any) -> Optional[Dict[str, Any]]:
        parts = [part.partition("=") for part in re.split(r"[\s;,]+", match.string.strip())]
        pairs = {key: value for key, _, value in parts}
        return pairs if len(parts) == len(self.keys) and set(pairs) == set(self.keys) else None

    def _json(self, match: Any) -> Optional[Dict[str, Any]]:
        try:
            tree = json.loads(match.string)
            return {key: reduce(getitem, key.split("."), tree) for key in self.keys}
        except (ValueError, LookupError, TypeError, RecursionError):
            return None

    def _value(self, f: Field, token: Any) -> Any:
        if f.type == "text":
            return token
        if isinstance(token, bool) or not isinstance(token, (str, int, float)):
            raise ValueError(f"{token!r} is not a number")
        if f.type == "float":
            return f.scale * (number(token, self.decimal) if isinstance(token, str) else token)
        if not re.match(r"-?[0-9a-fA-F]+\Z", str(token)):
            raise ValueError(f"{token!r} is not a whole number")
        return int(str(token), 16 if f.type == "hex" else 10)


def forms_of(settings: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the forms of a meter, with the two short spellings `columns` and `regex`."""
    if settings.get("columns"):
        columns = settings["columns"].replace(",", " ")
        return [{"form": "csv", "separator": settings.get("separator", ","), "fields": columns}]
    if settings.get("regex"):
        names = " ".join(re.compile(settings["regex"]).groupindex)
        return [{"form": "regex", "shape": settings["regex"], "fields": names}]
    if not settings.get("forms"):
        raise SourceError(
            "the line of this meter is not described",
            'give settings like {"columns": "t_ms,voltage_V,current_mA"}',
        )
    return list(settings["forms"])
