"""Describe an INA3221 from its files in sysfs and the device tree."""

import contextlib
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from joulebird.devices.board.identify import identify, serial
from joulebird.devices.ina3221.channel import Channel, ChannelReader, find_channels
from joulebird.devices.ina3221.chip import (
    AVERAGES,
    BUS_LIMIT_V,
    CONVERSION_US,
    GAIN_ERROR,
    REFERENCE,
    decode_config,
    offset_w,
    range_w,
    step_w,
)
from joulebird.devices.util.sysfs import device_tree_node, properties, text_or_none

TX2_SUPPLY_V = 19.6  # largest supply of the module (TX2 OEM product design guide)
# Inputs of the rails that the supply does not feed, in volts, as the chips of a TX2 module (P3310)
# and its carrier (P2597) show them; the others (VDD_IN, CPU, GPU, SOC, MUX) have the supply.
RAIL_V = {
    **dict.fromkeys(("VDD_SYS_DDR", "VDD_DDR", "VDD_4V0_WIFI", "VDD_WIFI"), 4.8),
    "VDD_5V0_IO_SYS": 5.0,
    **dict.fromkeys(("VDD_3V3_SYS", "VDD_3V3_IO_SLP", "VDD_3V3_SYS_M2"), 3.3),
    "VDD_1V8_IO": 1.8,
}
MARGIN = 1.25  # of these voltages
LEAST_MOHM = 5.0  # the smallest shunt of the boards without a hwmon driver: its errors are largest


class Sensor(NamedTuple):
    """The facts of a board's chips that every source which reads them states alike.

    The identity of the sensor, the largest power by rail in watts, and the largest errors.
    """

    sensor: str
    range_w: Dict[str, float]
    accuracy: Dict[str, Any]


def describe_sensor(root: str, rails: Sequence[str]) -> Sensor:
    """Describe the chips behind some rails, whichever source reads them.

    Where a supply or a shunt is not known, the bounds are those of the largest supply and of the
    smallest shunt.
    """
    found = find_channels(root)
    tx2 = identify(root)["tx2"]
    supply_v = TX2_SUPPLY_V if tx2 else BUS_LIMIT_V
    most_v = {rail: MARGIN * volts for rail, volts in RAIL_V.items()} if tx2 else {}
    shunts = {channel.rail: channel.shunt_mohm for channel in found}
    volts = {channel.rail: _volts(channel) for channel in found if channel.rail in rails}
    known = {rail: (volts.get(rail) or supply_v, shunts.get(rail) or LEAST_MOHM) for rail in rails}
    unknown = [rail for rail in rails if not shunts.get(rail)]
    note = f"; shunt not known, {LEAST_MOHM:g} mohm assumed: {', '.join(unknown)}"
    return Sensor(
        _identity(root, found),
        {rail: round(range_w(most_v.get(rail, supply_v), known[rail][1]), 1) for rail in rails},
        {
            "gain": 2 * GAIN_ERROR,
            "offset_mw": {rail: round(1e3 * offset_w(*known[rail]), 1) for rail in rails},
            "quantum_mw": {rail: round(1e3 * step_w(*known[rail]), 1) for rail in rails},
            "reference": REFERENCE + (note if unknown else ""),
        },
    )


def _identity(root: str, channels: List[Channel]) -> str:
    """Return the board's serial number, and the address, rail and shunt of each channel."""
    parts = [
        f"0x{channel.address:02x}/{channel.number} {channel.rail} {channel.shunt_mohm or 0:g} mohm"
        for channel in channels
    ]
    return (
        ", ".join([f"ina3221 of {serial(root) or 'a board without number'}"] + parts)
        if parts
        else ""
    )


def _volts(channel: Channel) -> Optional[float]:
    """Return the present supply of a channel, None where it cannot be read."""
    reader = ChannelReader(channel)
    with contextlib.suppress(OSError, ValueError), contextlib.closing(reader):
        reader.open()
        reader.read()
    return reader.volts


def describe_chip(root: str, channel: Channel) -> Dict[str, Any]:
    """Describe the chip of a channel: path, bus clock, mode, configuration words, averaging window.

    Unknown facts are None.
    """
    node = device_tree_node(root, channel.device, channel.address)
    return {
        "address": f"0x{channel.address:02x}",
        "path": channel.folder,
        "form": channel.form,
        "device_tree": node,
        "driver": text_or_none(os.path.join(channel.device, "name")),
        **properties(os.path.dirname(node) if node else None, {"bus_hz": "clock-frequency"}),
        **(
            _hwmon_config(channel.folder)
            if channel.form == "hwmon"
            else _iio_config(channel.folder, node)
        ),
    }


def _iio_config(folder: str, node: Optional[str]) -> Dict[str, Any]:
    words = properties(node, {"continuous": "ti,continuous-config", "trigger": "ti,trigger-config"})
    forced = node is not None and os.path.exists(os.path.join(node, "ti,enable-forced-continuous"))
    mode = text_or_none(os.path.join(folder, "running_mode"))
    running = {"1": "continuous", "0": "triggered"}.get(
        (mode or "").strip(), "continuous" if forced else None
    )
    word = words["continuous" if running == "continuous" else "trigger"] if running else None
    active = {} if word is None else decode_config(word)
    return {
        "running_mode": running,
        "forced_continuous": forced,
        **{name: active.get(name) for name in ("averages", "cycle_s", "averaging_window_s")},
        **{
            name + "_config": None if found is None else f"0x{found:04x}"
            for name, found in words.items()
        },
    }


def _hwmon_config(folder: str) -> Dict[str, Any]:
    texts = [
        text_or_none(os.path.join(folder, name)) or "" for name in ("samples", "update_interval")
    ]
    averages = int(texts[0]) if texts[0].isdigit() and int(texts[0]) in AVERAGES else None
    # channels * samples * both conversion times
    window_s = int(texts[1]) / 1000.0 if texts[1].isdigit() else None
    cycle_s = (
        max(window_s / averages, 2 * CONVERSION_US[0] / 1e6)
        if window_s is not None and averages
        else None
    )
    return {
        "running_mode": "continuous",
        "averages": averages,
        "cycle_s": cycle_s,
        "averaging_window_s": window_s,
    }
