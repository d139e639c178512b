"""Compute as the INA3221 and its L4T driver do.

Sources: Texas Instruments SBOS576 (register map p. 22, averaging 8.4.1, electrical characteristics
p. 3) and L4T 4.9's `ina3221.c`.
"""

from typing import Any, Dict, Tuple

SHUNT_STEP_UV = 40  # one step of the shunt register
BUS_STEP_MV = 8  # one step of the bus register
BUS_LIMIT_V = 26.0  # largest supply of a channel
FULL_SCALE_STEPS = 4095
OFFSET_UV = 80  # largest input offset of the shunt channel
GAIN_ERROR = 0.0025  # largest gain error, of the shunt and of the bus channel each
CONVERSION_US = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
REFERENCE = (
    "TI SBOS576, electrical characteristics, largest values at 25 C: offset 80 uV, step 40 uV, "
    "gain 0.25 % of shunt and bus voltage each; without the tolerance of the shunts"
)


def decode_config(word: int) -> Dict[str, Any]:
    """Decode a configuration word: channels, averages, seconds of one cycle and of averaging.

    >>> config = decode_config(0x7607)
    >>> config["channels"], config["averages"], config["cycle_s"], config["averaging_window_s"]
    (3, 64, 0.00084, 0.05376)
    """
    mode, channels, averages = word & 7, bin((word >> 12) & 7).count("1"), AVERAGES[(word >> 9) & 7]
    bus_us = CONVERSION_US[(word >> 6) & 7] if mode & 2 else 0
    shunt_us = CONVERSION_US[(word >> 3) & 7] if mode & 1 else 0
    cycle_us = (bus_us + shunt_us) * channels
    return {
        "word": f"0x{word:04x}",
        "continuous": bool(mode & 4),
        "channels": channels,
        "averages": averages,
        "cycle_s": cycle_us / 1e6,
        "averaging_window_s": cycle_us * averages / 1e6,
    }


def truncated(a: int, b: int) -> int:
    """Divide integers as C does, rounding towards zero.

    >>> truncated(7, 2), truncated(-7, 2)
    (3, -3)
    """
    quotient = abs(a) // abs(b)
    return quotient if (a >= 0) == (b >= 0) else -quotient


def shown(
    watts: float, volts: float, shunt_mohm: int, offset_uv: float = 0.0
) -> Tuple[int, int, int]:
    """Return the driver's values for a rail: (millivolts, milliamperes, milliwatts).

    >>> shown(14.025, 19.12, 20)
    (19120, 734, 14034)
    """
    steps = int(round((watts / volts * 1000.0 * shunt_mohm + offset_uv) / SHUNT_STEP_UV))
    uv = max(-FULL_SCALE_STEPS - 1, min(FULL_SCALE_STEPS, steps)) * SHUNT_STEP_UV
    ma = truncated(truncated(uv * 2, shunt_mohm) + (1 if uv > 0 else -1), 2)
    mv = max(0, min(FULL_SCALE_STEPS, int(round(volts * 1000.0 / BUS_STEP_MV)))) * BUS_STEP_MV
    return mv, ma, truncated(mv * ma, 1000)


def range_w(volts: float, shunt_mohm: float) -> float:
    """Return the largest power that a channel can show at a supply, in watts: 163.8 mV / R * V.

    >>> round(range_w(19.6, 20), 1)
    160.5
    """
    return FULL_SCALE_STEPS * SHUNT_STEP_UV / 1e6 / (shunt_mohm / 1e3) * volts


def step_w(volts: float, shunt_mohm: float) -> float:
    """Return the smallest change of a rail's power that the chip can show, in watts.

    >>> round(step_w(19.12, 20), 4)
    0.0382
    """
    return SHUNT_STEP_UV / 1e6 / (shunt_mohm / 1e3) * volts


def offset_w(volts: float, shunt_mohm: float) -> float:
    """Return the largest offset of a rail's power in watts; a reading below it means nothing.

    >>> round(offset_w(19.12, 10), 3)
    0.153
    """
    return OFFSET_UV / 1e6 / (shunt_mohm / 1e3) * volts


def lag(value: float, target: float, seconds: float, averages: int, cycle_s: float) -> float:
    """Return the averaged register after `seconds` at `target`.

    In every cycle y += (x - y) / N: a first-order lag, not a block mean.

    >>> round(lag(0.0, 1.0, 64 * 0.84e-3, 64, 0.84e-3), 2)
    0.64
    """
    if averages <= 1:
        return target
    remainder: float = (1.0 - 1.0 / averages) ** (seconds / cycle_s)
    return target + (value - target) * remainder
