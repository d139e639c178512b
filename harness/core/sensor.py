"""Read the facts of a power source that go with each of its numbers: accuracy and words."""

import math
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

UNSTATED = "sensor accuracy not stated"


class Accuracy(NamedTuple):
    """Largest errors of a sensor: `gain` (share of the reading), `offset_w`, `quantum_w` (watts).

    `stated` is False when the source states none.
    """

    gain: float = 0.0
    offset_w: float = 0.0
    quantum_w: float = 0.0
    stated: bool = False


UNKNOWN = Accuracy()


def words_of(source: Dict[str, Any]) -> Tuple[str, ...]:
    """Return the words beside the numbers of an unmeasured source: "simulated" or "replayed".

    >>> words_of({"name": "simulated", "real": False}), words_of({"name": "ina3221", "real": True})
    (('simulated',), ())
    """
    if "simulated" in (source.get("name"), source.get("sampling")) or source.get("simulated"):
        return ("simulated",)
    return ("replayed",) if source.get("real") is False else ()


def of_rail(value: Any, rail: str) -> Optional[float]:
    """Return a number that is stated for all rails or by rail."""
    return value.get(rail) if isinstance(value, dict) else value


def lowest_w(source: Dict[str, Any], rail: str, highest_w: float) -> float:
    """Return the lowest reading in watts that a sensor can mean.

    It is twice the offset below zero (which drifts with temperature), at most 1 % of the range.
    """
    stated = source.get("accuracy")
    offset_mw = of_rail(stated.get("offset_mw"), rail) if isinstance(stated, dict) else None
    least = 0.01 * highest_w
    return -(min(least, 2e-3 * offset_mw) if offset_mw else least)


def accuracy(source: Dict[str, Any], rails: Iterable[str]) -> Accuracy:
    """Return the accuracy of the sum of some rails.

    The source's `accuracy` has gain, offset_mw and quantum_mw: numbers, or numbers by rail.

    >>> accuracy({"accuracy": {"gain": 0.01, "offset_mw": {"VDD_IN": 76}}}, ["VDD_IN"]).offset_w
    0.076
    """
    stated = source.get("accuracy")
    if not isinstance(stated, dict):
        return UNKNOWN
    limits, rails = stated, list(rails)

    def known(key: str) -> List[float]:
        by_rail = [of_rail(limits.get(key), rail) for rail in rails]
        return [float(value) for value in by_rail if value is not None]

    return Accuracy(
        gain=max(known("gain"), default=0.0),
        offset_w=sum(known("offset_mw")) / 1e3,
        quantum_w=math.sqrt(sum(step**2 for step in known("quantum_mw"))) / 1e3,
        stated=bool(known("gain") or known("offset_mw")),
    )


def parts_text(u_sensor_j: Optional[float], u_sampling_j: Optional[float]) -> str:
    """Return the parts of an energy's uncertainty in words; None for the sensor's is unknown.

    >>> parts_text(1.52, 0.25), parts_text(None, 0.25)
    ('sensor 1.5 J, sampling 0.25 J', 'sampling 0.25 J, sensor accuracy not stated')
    """
    sampling = f"sampling {u_sampling_j or 0.0:.2g} J"
    return (
        f"{sampling}, {UNSTATED}"
        if u_sensor_j is None
        else f"sensor {u_sensor_j:.2g} J, {sampling}"
    )
