"""The known meters, by family.

Each has a measuring range (`range_w`; for some the product of the `volts` and `amps` that its
settings configure) and an `accuracy` from its datasheet.
"""

from typing import Any, Dict, Optional

UNSTATED = "not stated"
JACK_V = 19.0  # the jack of a Jetson TX2, at which steps of current become steps of power


def accuracy(
    reference: str = UNSTATED,
    gain: Optional[float] = None,
    offset_mw: Optional[float] = None,
    quantum_mw: Optional[float] = None,
    **more: float,
) -> Dict[str, Any]:
    """Return the largest errors of a meter: a share of the reading, and milliwatts.

    `reference` names the line of the datasheet. `of_range`, an error as a share of the configured
    range, adds to the offset. None is unknown.
    """
    return {
        "gain": gain,
        "offset_mw": offset_mw,
        "quantum_mw": quantum_mw and round(quantum_mw, 6),
        "reference": reference,
        **more,
    }
