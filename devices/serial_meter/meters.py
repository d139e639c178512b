"""The meters that are known by name, and how to describe another one."""

import json
from typing import Any, Dict, NamedTuple, Tuple, Union

from joulebird.devices.serial_meter.profiles.line import LINE_METERS
from joulebird.devices.serial_meter.profiles.other import OTHER_METERS
from joulebird.devices.serial_meter.profiles.scpi import SCPI_METERS
from joulebird.devices.serial_meter.records import Gates
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.registry import nearest

DECODERS = {  # family -> "module:class"
    "line": "joulebird.devices.serial_meter.decoders.line:LineDecoder",
    "scpi": "joulebird.devices.serial_meter.decoders.scpi:ScpiDecoder",
    "wattsup": "joulebird.devices.serial_meter.decoders.wattsup:WattsupDecoder",
    "modbus": "joulebird.devices.serial_meter.decoders.modbus:ModbusDecoder",
    "um": "joulebird.devices.serial_meter.decoders.um:UmDecoder",
}

METERS: Dict[str, Dict[str, Any]] = {}  # name -> the fields of Meter that are not the default
METERS.update(LINE_METERS)
METERS.update(SCPI_METERS)
METERS.update(OTHER_METERS)


class Meter(NamedTuple):
    """What must be known of a meter to read it and to judge its numbers.

    `scope` is the side it measures on: "dc" (the jack) or "wall" (AC, with the loss of the power brick in it). `sampling` is "average" over
    `interval_s` or "snapshot"; where the maker does not say, it counts as a snapshot and `sampling_known` is False. `counter_step_j` is the
    smallest step of its energy counter (0: none). `check` says what reveals a damaged frame: "checksum", "v*i" or "none".
    `line` is bits, parity and stop bits; `bauds` are tried in this order when the port is opened.
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
    accuracy: str = ""
    bauds: Tuple[int, ...] = (115200,)
    line: str = "8N1"
    settle_s: float = 0.0
    timeout_s: float = 1.0
    gates: Gates = Gates()
    settings: Dict[str, Any] = {}


def meter(spec: Union[str, Dict[str, Any]]) -> Meter:
    """Give the meter of that name, or the one that a mapping describes: fields of `Meter`, `like` naming the one to start from.

    A mapping may also come as JSON text. `gates` and `settings` are merged key by key. Raises SourceError for an unknown name or field.

    >>> meter({"like": "um25c", "interval_s": 1.0}).interval_s
    1.0
    """
    given = _given(spec)
    like = given.pop("like", "")
    if like and like not in METERS:
        raise SourceError(f"unknown serial meter {like!r}", nearest(like, METERS))
    facts = dict(METERS.get(like, {}), name=given.pop("name", like or "custom"))
    for key in ("gates", "settings"):
        facts[key] = dict(facts.get(key, {}), **given.pop(key, {}))
    facts.update(given)
    try:
        facts["gates"] = Gates(**facts["gates"])
        facts["gates"] = facts["gates"]._replace(sentinels=tuple(facts["gates"].sentinels))
        facts["bauds"] = tuple(facts.get("bauds", (115200,)))
        found = Meter(**facts)
    except TypeError as error:
        raise SourceError(
            f"the description of the serial meter is not right: {error}",
            "its keys are: like, {}".format(", ".join(Meter._fields)),
        ) from None
    if found.family not in DECODERS:
        raise SourceError(
            f"no family of serial meters is called {found.family!r}",
            "known: {}".format(", ".join(DECODERS)),
        )
    return found


def _given(spec: Union[str, Dict[str, Any]]) -> Dict[str, Any]:
    if isinstance(spec, dict):
        return dict(spec)
    if not spec.lstrip().startswith("{"):
        return {"like": spec}
    try:
        return dict(json.loads(spec))
    except ValueError as error:
        raise SourceError(
            f"the description of the serial meter is not JSON: {error}",
            'for example {"like": "um25c"}',
        ) from None


def as_json(found: Meter) -> Dict[str, Any]:
    """Give a meter as JSON values; `meter` reads them back."""
    return dict(
        found._asdict(),
        gates=dict(found.gates._asdict(), sentinels=list(found.gates.sentinels)),
        bauds=list(found.bauds),
    )


def decoder(found: Meter) -> Any:
    """Build a fresh decoder for a meter."""
    from importlib import import_module

    module, _, name = DECODERS[found.family].partition(":")
    return getattr(import_module(module), name)(found)
