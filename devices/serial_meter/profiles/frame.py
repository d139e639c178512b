"""Meters that answer in frames: Modbus RTU, Watts Up?, and RDTech's UM series.

A Modbus meter (Peacefair's PZEM, Riden's supplies) is one block of registers: `unit`, `function` (3
or 4), `start`, `count`, and `layout`, a list of [name, offset in the block, type, factor]; a type
is u16, u32 (low word first), U32 (high word first), f32 (IEEE 754, high word first).
"""

from typing import Any, Dict, List

from joulebird.devices.serial_meter.profiles import JACK_V, accuracy


def _modbus(
    title: str, function: int, start: int, count: int, layout: List[List[Any]], **more: Any
) -> Dict[str, Any]:
    """Return a meter at unit 1; `settings` in `more` are added to those of its block."""
    block = {"unit": 1, "function": function, "start": start, "count": count}
    return {
        "family": "modbus",
        "title": title,
        "sampling_known": False,
        "check": "checksum",
        "timeout_s": 0.5,
        **more,
        "settings": {**block, **more.get("settings", {}), "layout": layout},
    }


def _riden(title: str, first_id: int, volts: float, amps: float, max_a: float) -> Dict[str, Any]:
    """Return one of Riden's bench supplies: its output, and its input voltage."""
    return _modbus(
        "Riden " + title,
        3,
        10,
        5,
        [
            ["voltage_V", 0, "u16", volts],
            ["current_A", 1, "u16", amps],
            ["power_W", 3, "u16", 0.01],
            ["vin_V", 4, "u16", 0.01],
        ],
        range_w=60.0 * max_a,
        accuracy=accuracy(quantum_mw=max(10.0, 1e3 * amps * JACK_V)),
        gates={"max_w": 60.0 * max_a, "max_v": 65.0, "max_a": 1.1 * max_a, "vi_rel": 0.0},
        settings={"identity": [0, 4], "model_id": first_id},
    )


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


FRAME_METERS: Dict[str, Dict[str, Any]] = {
    "pzem004t": _modbus(
        "PZEM-004T v3, PZEM-014 or PZEM-016",
        4,
        0,
        10,
        [
            ["voltage_V", 0, "u16", 0.1],
            ["current_A", 1, "u32", 0.001],
            ["power_W", 3, "u32", 0.1],
            ["energy_Wh", 5, "u32", 1],
            ["freq_Hz", 7, "u16", 0.1],
            ["pf", 8, "u16", 0.01],
            ["alarm", 9, "u16", 1],
        ],
        scope="wall",
        counter_step_j=3600.0,
        range_w=260.0 * 100.0,
        accuracy=accuracy("PZEM-004T v3, -014, -016: 0.5 %, in steps of 0.1 W", 0.005, 0, 100),
        bauds=(9600,),
        gates={"max_w": 26500.0, "max_v": 265.0, "max_a": 102.0, "vi_rel": 0.0},
    ),
    "pzem017": _modbus(
        "PZEM-003 or PZEM-017",
        4,
        0,
        8,
        [
            ["voltage_V", 0, "u16", 0.01],
            ["current_A", 1, "u16", 0.01],
            ["power_W", 2, "u32", 0.1],
            ["energy_Wh", 4, "u32", 1],
            ["alarm_high", 6, "u16", 1],
            ["alarm_low", 7, "u16", 1],
        ],
        counter_step_j=3600.0,
        range_w=300.0 * 300.0,
        accuracy=accuracy(
            "PZEM-003, -017: 1 %, in steps of 10 mA and 0.1 W", 0.01, 0.0, 10.0 * JACK_V
        ),
        bauds=(9600,),
        line="8N2",
        gates={"max_w": 90000.0, "max_v": 305.0, "max_a": 305.0, "vi_rel": 0.0},
    ),
    "rd6006": _riden("RD6006", 6006, 0.01, 0.001, 6.0),
    "rd6006p": _riden("RD6006P", 6006, 0.001, 0.0001, 6.0),
    "rd6012": _riden("RD6012", 6012, 0.01, 0.01, 12.0),
    "rd6018": _riden("RD6018", 6018, 0.01, 0.01, 18.0),
    "rd6024": _riden("RD6024", 6024, 0.01, 0.01, 24.0),
    "dps5005": _modbus(
        "Riden DPS5005 or DPH5005",
        3,
        2,
        3,
        [
            ["voltage_V", 0, "u16", 0.01],
            ["current_A", 1, "u16", 0.001],
            ["power_W", 2, "u16", 0.01],
        ],
        bauds=(9600,),
        range_w=50.0 * 5.0,
        accuracy=accuracy(quantum_mw=1.0 * JACK_V),
        gates={"max_w": 260.0, "max_v": 51.0, "max_a": 5.5, "vi_rel": 0.0},
    ),
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
