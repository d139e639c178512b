"""The meters that are known by name, and the description of another one."""

import hashlib
import json
import re
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple, Union, get_type_hints

from joulebird.devices.registry import fits
from joulebird.devices.serial_meter.decoders.line import LineDecoder
from joulebird.devices.serial_meter.decoders.modbus import ModbusDecoder
from joulebird.devices.serial_meter.decoders.scpi import ScpiDecoder
from joulebird.devices.serial_meter.decoders.um import UmDecoder
from joulebird.devices.serial_meter.decoders.wattsup import WattsupDecoder
from joulebird.devices.serial_meter.profiles import UNSTATED
from joulebird.devices.serial_meter.profiles.frame import FRAME_METERS
from joulebird.devices.serial_meter.profiles.line import LINE_METERS
from joulebird.devices.serial_meter.profiles.scpi import SCPI_METERS
from joulebird.devices.serial_meter.records import Decoder, Gates
from joulebird.harness.core import jsonfile
from joulebird.harness.core.errors import HarnessError, SourceError
from joulebird.harness.core.registry import nearest
from joulebird.harness.core.schema import choice, integer, list_of, number, shown, text

DECODERS: Dict[str, Callable[[Any], Decoder]] = {  # by family
    "line": LineDecoder,
    "scpi": ScpiDecoder,
    "wattsup": WattsupDecoder,
    "modbus": ModbusDecoder,
    "um": UmDecoder,
}

# name -> the fields of Meter that differ from the default
METERS: Dict[str, Dict[str, Any]] = {**LINE_METERS, **SCPI_METERS, **FRAME_METERS}
LIMITS = ("gain", "offset_mw", "quantum_mw")
RULES = {
    "scope": choice("dc", "wall"),
    "sampling": choice("average", "snapshot"),
    "check": choice("checksum", "v*i", "none"),
    "line": text("[78][NEO][12]", "data bits, parity and stop bits, such as 8N1"),
    "bauds": list_of(integer(50, 4000000), 1),
    "interval_s": number(above=0.0, high=3600.0),
    "timeout_s": number(above=0.0, high=60.0),
    "gates.max_w": number(above=0.0, high=1e6),
    "settings.overrange": number(1.0, 10.0),
}
SIZE = re.compile(r"(\d+\.?\d*) *(m?)[VA]?$", re.IGNORECASE)  # of a range: 30V, 500MA, 2
EXAMPLE = 'for example {"like": "um25c", "interval_s": 1.0}'
TO_JSON = (
    "on a current Python write it as JSON: python3 -c 'import json, sys, tomllib; "
    "print(json.dumps(tomllib.load(sys.stdin.buffer)))' < meter.toml > meter.json"
)


class Meter(NamedTuple):
    """The facts needed to read a meter and to judge its numbers.

    `scope` is the side it measures on: "dc" (the jack) or "wall" (AC, including the loss of the
    power brick). `sampling` is "average" over `interval_s`, or "snapshot"; where the maker does
    not say, it counts as a snapshot and `sampling_known` is False. `counter_step_j` is the
    smallest step of its energy counter (0: none). `check` reveals a damaged frame: "checksum",
    "v*i" or "none". `line` is bits, parity and stop bits. `bauds` are tried in this order when
    the port is opened. `range_w` is the largest power that it can measure, `accuracy` its largest
    errors: {gain, offset_mw, quantum_mw, reference}, None where its datasheet gives none.
    """

    name: str
    family: str
    title: str = ""
    scope: str = "dc"
    sampling: str = "snapshot"
    sampling_known: bool = True
    interval_s: float = 0.5
    counter_step_j: float = 0.0
    check: str = "none"
    range_w: float = 0.0
    accuracy: Dict[str, Any] = {}
    bauds: Tuple[int, ...] = (115200,)
    line: str = "8N1"
    settle_s: float = 0.0
    timeout_s: float = 1.0
    gates: Gates = Gates()
    settings: Dict[str, Any] = {}


def meter(spec: Union[str, Dict[str, Any]]) -> Meter:
    """Return a known meter by its name, or the one that a mapping describes.

    The keys of a mapping are the fields of `Meter`, and `like`, the name of the meter to start
    from; `gates` and `settings` are merged key by key. A mapping may also come as JSON text, or
    as the path of a .json or .toml file. A `range_w` that is not given is that of the `volts` and
    `amps` of the settings, or of the gates; `of_range` in the accuracy, the error as a share of
    that range, becomes part of its offset. Raises SourceError for an unknown name or field.

    >>> meter({"like": "um25c", "interval_s": 1.0}).interval_s
    1.0
    """
    given = _given(spec)
    like = given.pop("like", "")
    if like and str(like) not in METERS:
        raise SourceError(f"unknown serial meter {shown(like)}", nearest(like, METERS))
    facts = dict(METERS.get(str(like), {}), name=given.pop("name", like or "custom"))
    try:
        for key in ("gates", "settings"):
            facts[key] = dict(facts.get(key, {}), **given.pop(key, {}))
        facts.update(given)
        for name in [*facts, *facts["gates"]]:
            if name not in Meter._fields + Gates._fields:
                raise _wrong(f"unknown key {shown(name)}")
        gates, described = Gates(**facts["gates"]), Meter(**facts)
        described = described._replace(
            bauds=tuple(described.bauds), gates=gates._replace(sentinels=tuple(gates.sentinels))
        )
    except TypeError as error:
        raise _wrong(str(error)) from None
    if isinstance(described.accuracy, str):  # in a description of an older version
        described = described._replace(accuracy={"reference": described.accuracy})
    _check(described)
    _check(described.gates)
    _check_rules(described)
    described = _ranged(described)
    if described.family not in DECODERS:
        raise SourceError(
            f"unknown family of serial meters {shown(described.family)}",
            nearest(described.family, DECODERS),
        )
    return described


def _ranged(described: Meter) -> Meter:
    """Return a meter with its range in watts, and with its accuracy at that range."""
    sizes = [SIZE.match(str(described.settings.get(key, ""))) for key in ("volts", "amps")]
    configured_w = 1.0 if all(sizes) else 0.0
    for size in filter(None, sizes):
        configured_w *= float(size.group(1)) * (1e-3 if size.group(2) else 1.0)
    reach_w = configured_w * float(described.settings.get("overrange", 1.0))
    range_w = described.range_w or reach_w or described.gates.max_w
    if range_w < 0.0:
        raise _wrong("range_w must be above 0")
    stated = dict(described.accuracy)
    of_range = stated.pop("of_range", 0.0)
    if of_range and not configured_w:
        stated, of_range = {"quantum_mw": stated.get("quantum_mw")}, 0.0
    own = "its own description" if {"gain", "offset_mw"} & set(stated) else UNSTATED
    stated = {"reference": own, **dict.fromkeys(LIMITS), **stated}
    for name, value in list(stated.items()) + [("of_range", of_range)]:
        if name not in LIMITS + ("reference", "of_range"):
            raise _wrong(f"unknown key {shown(name)} of accuracy")
        wanted = str if name == "reference" else Optional[float]
        if not fits(value, wanted) or (wanted is not str and (value or 0.0) < 0.0):
            raise _wrong(f"{name} of accuracy cannot be {shown(value)}")
    if (stated["gain"] or 0.0) > 1.0:
        raise _wrong(f"gain of accuracy is a share: {shown(stated['gain'])} is above 1")
    if of_range:
        stated["offset_mw"] = round((stated["offset_mw"] or 0.0) + 1e3 * of_range * configured_w, 6)
    return described._replace(
        range_w=round(min(range_w, described.gates.max_w), 6), accuracy=stated
    )


def definition(spec: Union[str, Dict[str, Any]]) -> str:
    """Return 12 digits of the SHA-256 of a meter's own file or mapping; "" for a known meter."""
    if isinstance(spec, str) and spec.endswith((".json", ".toml")):
        with open(spec, "rb") as file:
            data = file.read()
    elif isinstance(spec, str) and not spec.lstrip().startswith("{"):
        return ""
    else:
        data = (spec if isinstance(spec, str) else json.dumps(spec, sort_keys=True)).encode("utf-8")
    return hashlib.sha256(data).hexdigest()[:12]


def _given(spec: Union[str, Dict[str, Any]]) -> Dict[str, Any]:
    """Return the mapping of a description, with finite numbers only."""
    where = "the description of the serial meter"
    try:
        if isinstance(spec, dict):
            text = json.dumps(spec)
        elif spec.lstrip().startswith("{"):
            text = spec
        elif spec.endswith((".json", ".toml")):
            where, text = spec, _json_of(spec)
        else:
            return {"like": spec}
        return dict(jsonfile.parse(text))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SourceError(f"cannot read {where}: {reason}", EXAMPLE) from None


def _json_of(path: str) -> str:
    """Return the JSON text of a .json or .toml file."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".json"):
        return text
    try:
        import tomllib  # novermin: refused with a remedy on Python 3.6
    except ImportError:
        raise SourceError(f"{path}: this Python cannot read TOML (3.11 can)", TO_JSON) from None
    return json.dumps(tomllib.loads(text))


def _check(described: Any) -> None:
    """Raise SourceError for a field of the wrong type."""
    for name, kind in get_type_hints(type(described)).items():
        value = getattr(described, name)
        if not fits(value, kind):
            raise _wrong(f"{name} cannot be {shown(value)}")


def _check_rules(described: Meter) -> None:
    """Raise SourceError for a value out of its bounds, or none of its choices."""
    values = dict(described._asdict(), **{"gates.max_w": described.gates.max_w})
    values["settings.overrange"] = described.settings.get("overrange", 1.0)
    for name, kind in RULES.items():
        try:
            kind.check(values[name], "the description of the serial meter is wrong", name)
        except HarnessError as error:
            raise SourceError(error.message, EXAMPLE) from None


def _wrong(reason: str) -> SourceError:
    return SourceError(
        f"the description of the serial meter is wrong: {reason}",
        f"its keys are: like, {', '.join(Meter._fields)}",
    )


def as_json(described: Meter) -> Dict[str, Any]:
    """Return a meter as JSON values; `meter` reads them back."""
    return dict(
        described._asdict(),
        gates=dict(described.gates._asdict(), sentinels=list(described.gates.sentinels)),
        bauds=list(described.bauds),
    )


def decoder(described: Meter) -> Decoder:
    """Build a fresh decoder for a meter. Raises SourceError for settings that it cannot use."""
    try:
        return DECODERS[described.family](described)
    except (AttributeError, LookupError, TypeError, ValueError, re.error) as error:
        raise SourceError(
            f"the settings of the serial meter {described.name} do not fit the family "
            f"{described.family}: {type(error).__name__}: {error}",
            "compare them with a meter of that family in joulebird.devices.serial_meter.profiles",
        ) from error
