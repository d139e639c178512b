"""Meters that speak Modbus RTU: Peacefair's PZEM, and Riden's supplies.

A meter is one block of registers: `unit`, `function` (3 or 4), `start`, `count`, and `layout`, a
list of [name, offset in the block, type, factor]; a type is u16, u32 (low word first), U32 (high
word first), f32 (IEEE 754, high word first).
"""

from typing import Any, Dict

from joulebird.devices.serial_meter.profiles import JACK_V, accuracy


def _riden(title: str, first_id: int, volts: float, amps: float, max_a: float) -> Dict[str, Any]:
    """Return one of Riden's bench supplies: its output, and its input voltage."""
    return {
        "family": "modbus",
        "title": "Riden " + title,
        "sampling_known": False,
        "check": "checksum",
        "timeout_s": 0.5,
        "range_w": 60.0 * max_a,
        "accuracy": accuracy(quantum_mw=max(10.0, 1e3 * amps * JACK_V)),
        "gates": {"max_w": 60.0 * max_a, "max_v": 65.0, "max_a": 1.1 * max_a, "vi_rel": 0.0},
        "settings": {
            "unit": 1,
            "function": 3,
            "start": 10,
            "count": 5,
            "identity": [0, 4],
            "model_id": first_id,
            "layout": [
                ["voltage_V", 0, "u16", volts],
                ["current_A", 1, "u16", amps],
                ["power_W", 3, "u16", 0.01],
                ["vin_V", 4, "u16", 0.01],
            ],
        },
    }


MODBUS_METERS: Dict[str, Dict[str, Any]] = {
    "pzem004t": {
        "family": "modbus",
        "title": "PZEM-004T v3, PZEM-014 or PZEM-016",
        "scope": "wall",
        "sampling_known": False,
        "counter_step_j": 3600.0,
        "check": "checksum",
        "range_w": 260.0 * 100.0,
        "accuracy": accuracy("PZEM-004T v3, -014, -016: 0.5 %, in steps of 0.1 W", 0.005, 0, 100),
        "bauds": (9600,),
        "timeout_s": 0.5,
        "gates": {"max_w": 26500.0, "max_v": 265.0, "max_a": 102.0, "vi_rel": 0.0},
        "settings": {
            "unit": 1,
            "function": 4,
            "start": 0,
            "count": 10,
            "layout": [
                ["voltage_V", 0, "u16", 0.1],
                ["current_A", 1, "u32", 0.001],
                ["power_W", 3, "u32", 0.1],
                ["energy_Wh", 5, "u32", 1],
                ["freq_Hz", 7, "u16", 0.1],
                ["pf", 8, "u16", 0.01],
                ["alarm", 9, "u16", 1],
            ],
        },
    },
    "pzem017": {
        "family": "modbus",
        "title": "PZEM-003 or PZEM-017",
        "sampling_known": False,
        "counter_step_j": 3600.0,
        "check": "checksum",
        "range_w": 300.0 * 300.0,
        "accuracy": accuracy(
            "PZEM-003, -017: 1 %, in steps of 10 mA and 0.1 W", 0.01, 0.0, 10.0 * JACK_V
        ),
        "bauds": (9600,),
        "line": "8N2",
        "timeout_s": 0.5,
        "gates": {"max_w": 90000.0, "max_v": 305.0, "max_a": 305.0, "vi_rel": 0.0},
        "settings": {
            "unit": 1,
            "function": 4,
            "start": 0,
            "count": 8,
            "layout": [
                ["voltage_V", 0, "u16", 0.01],
                ["current_A", 1, "u16", 0.01],
                ["power_W", 2, "u32", 0.1],
                ["energy_Wh", 4, "u32", 1],
                ["alarm_high", 6, "u16", 1],
                ["alarm_low", 7, "u16", 1],
            ],
        },
    },
    "rd6006": _riden("RD6006", 6006, 0.01, 0.001, 6.0),
    "rd6006p": _riden("RD6006P", 6006, 0.001, 0.0001, 6.0),
    "rd6012": _riden("RD6012", 6012, 0.01, 0.01, 12.0),
    "rd6018": _riden("RD6018", 6018, 0.01, 0.01, 18.0),
    "rd6024": _riden("RD6024", 6024, 0.01, 0.01, 24.0),
    "dps5005": {
        "family": "modbus",
        "title": "Riden DPS5005 or DPH5005",
        "sampling_known": False,
        "check": "checksum",
        "bauds": (9600,),
        "timeout_s": 0.5,
        "range_w": 50.0 * 5.0,
        "accuracy": accuracy(quantum_mw=1.0 * JACK_V),
        "gates": {"max_w": 260.0, "max_v": 51.0, "max_a": 5.5, "vi_rel": 0.0},
        "settings": {
            "unit": 1,
            "function": 3,
            "start": 2,
            "count": 3,
            "layout": [
                ["voltage_V", 0, "u16", 0.01],
                ["current_A", 1, "u16", 0.001],
                ["power_W", 2, "u16", 0.01],
            ],
        },
    },
}
