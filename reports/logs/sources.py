"""What a power source says of itself, as far as energies need it: words, accuracy, which sensor."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Accuracy:
    """What is known of a sensor: `gain` (fraction of the reading), `offset_w`, `quantum_w` (watts); `stated` is False for nothing."""

    gain: float = 0.0
    offset_w: float = 0.0
    quantum_w: float = 0.0
    stated: bool = False


def words_of(source: dict) -> tuple[str, ...]:
    """Words that must stand beside a source's numbers: "simulated" or "replayed" for what no sensor measured.

    >>> words_of({"name": "simulated", "real": False}), words_of({"name": "ina3221", "real": True})
    (('simulated',), ())
    """
    if (
        source.get("name") == "simulated"
        or source.get("sampling") == "simulated"
        or source.get("simulated")
    ):
        return ("simulated",)
    return ("replayed",) if source.get("real") is False else ()


def accuracy(source: dict, rails: Iterable[str]) -> Accuracy:
    """The accuracy of the sum of some rails from the source's description (`accuracy`: gain, offset_mw, quantum_mw; numbers, or by rail).

    >>> accuracy({"accuracy": {"gain": 0.01, "offset_mw": {"VDD_IN": 76}}}, ["VDD_IN"]).offset_w
    0.076
    """
    stated = source.get("accuracy")
    if not isinstance(stated, dict):
        return Accuracy()

    def value(key: str, rail: str) -> float:
        found = stated.get(key, 0.0)
        found = found.get(rail, 0.0) if isinstance(found, dict) else found
        return float(found or 0.0)

    rails = list(rails)
    return Accuracy(
        max((value("gain", rail) for rail in rails), default=0.0),
        sum(value("offset_mw", rail) for rail in rails) / 1e3,
        math.hypot(*(value("quantum_mw", rail) for rail in rails)) / 1e3,
        True,
    )


def sensor_of(source: dict, rail: str) -> str:
    """A name for the one sensor behind a rail: errors of equal names are shared."""
    own = {
        key: source[key] for key in ("name", "serial", "board", "path", "paths") if key in source
    }
    return json.dumps([own, rail], sort_keys=True)
