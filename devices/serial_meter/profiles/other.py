"""Meters with a protocol of their own: Watts Up?, and RDTech's UM series."""

from typing import Any, Dict

from joulebird.devices.serial_meter.profiles import JACK_V, accuracy


def _um(model: str, max_a: float, step_ma: float) -> Dict[str, Any]:
    """Return one of the USB meters of RDTech; up to 24 V."""
    return {
        "family": "um",
        "title": "RDTech " + model,
        "sampling_known": False,
        "counter_step_j": 3.6,
        "check": "v*i",
        "bauds": (9600,),
        "timeout_s": 0.4,
        "range_w": 24.0 * max_a,
        "accuracy": accuracy(quantum_mw=step_ma * JACK_V),
        "gates": {"max_w": 24.5 * max_a, "max_v": 24.5, "max_a": 1.05 * max_a},
        "settings": {"model": model},
    }


OTHER_METERS: Dict[str, Dict[str, Any]] = {
    "wattsup": {
        "family": "wattsup",
        "title": "Watts Up? Pro, ES or .Net",
        "scope": "wall",
        "sampling": "average",
        "interval_s": 1.0,
        "counter_step_j": 360.0,
        "check": "v*i",
        "range_w": 3000.0,
        "accuracy": accuracy(
            "Watts Up? manual: 1.5 % + 3 counts of 0.1 W; current and PF worse below 60 W",
            0.015,
            300.0,
            100.0,
        ),
        "bauds": (115200, 19200),
        "timeout_s": 2.0,
        "gates": {"max_w": 3000.0, "max_v": 300.0, "max_a": 20.0, "min_w": 0.0, "vi_rel": 0.0},
    },
    "um24c": _um("UM24C", 3.0, 1.0),
    "um25c": _um("UM25C", 5.0, 0.1),
    "um34c": _um("UM34C", 4.0, 1.0),
}
