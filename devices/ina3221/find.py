"""Where a Jetson's INA3221 channels are: the iio form of L4T 28 and 32 (JetPack 3, 4) and the hwmon form of JetPack 5 and 6."""

import glob
import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from joulebird.devices.ina3221.chip import AVERAGES, CONVERSION_US, decode_config
from joulebird.devices.util.sysfs import device_tree_node, properties, read_cells, text_or_none
from joulebird.harness.core.errors import SourceError

# Every path by which the same nodes are reached; duplicates go by their real path.
IIO_GLOBS = (
    "sys/bus/i2c/drivers/ina3221*/*-*/iio:device*",
    "sys/bus/i2c/drivers/ina3221*/*-*/iio_device",
    "sys/bus/i2c/devices/*-*/iio:device*",
    "sys/bus/i2c/devices/*-*/iio_device",
    "sys/bus/iio/devices/iio:device*",
    "sys/devices/*.i2c/i2c-*/*-004*/iio:device*",
    "sys/devices/*.i2c/i2c-*/*-004*/iio_device",
)
HWMON_GLOBS = (
    "sys/bus/i2c/drivers/ina3221*/*-*/hwmon/hwmon*",
    "sys/bus/i2c/devices/*-*/hwmon/hwmon*",
    "sys/class/hwmon/hwmon*",
)
NOT_CONNECTED = (
    "",
    "(null)",
    "nc",
    "none",
)  # what a channel without a device tree node, or without a shunt, is called


class Channel(NamedTuple):
    """One measured supply line: its rail name, the real path of its folder, its number in the file names, its chip."""

    rail: str
    form: str  # "iio" or "hwmon"
    folder: str
    number: int
    device: str  # the I2C device's folder
    address: int  # on the I2C bus
    shunt_mohm: Optional[float]  # None: neither sysfs nor the device tree says


def find_channels(root: str) -> List[Channel]:
    """Every connected channel under `root`, ordered by address and number; empty where there is no INA3221."""
    found: List[Channel] = []
    for form, patterns in (("iio", IIO_GLOBS), ("hwmon", HWMON_GLOBS)):
        for folder in _folders(root, patterns):
            found += [
                c for c in _channels(root, form, folder) if c.rail.lower() not in NOT_CONNECTED
            ]
    return sorted(found, key=lambda channel: (channel.address, channel.folder, channel.number))


def _folders(root: str, patterns: Tuple[str, ...]) -> List[str]:
    real = {
        os.path.realpath(path)
        for pattern in patterns
        for path in glob.glob(os.path.join(glob.escape(root), pattern))
    }
    return sorted(path for path in real if _is_ina3221(path))


def _is_ina3221(folder: str) -> bool:
    names = (
        text_or_none(os.path.join(folder, "name")),
        text_or_none(os.path.join(_device(folder), "name")),
    )
    return any(name is not None and name.startswith("ina3221") for name in names)


def _device(folder: str) -> str:
    up = os.path.dirname(folder)
    return os.path.dirname(up) if os.path.basename(up) == "hwmon" else up


def _channels(root: str, form: str, folder: str) -> List[Channel]:
    device = _device(folder)
    match = re.search(r"-([0-9a-f]{4})$", device)
    address = int(match.group(1), 16) if match else 0
    node = device_tree_node(root, device, address)
    out = []
    for number in (0, 1, 2) if form == "iio" else (1, 2, 3):
        name = "rail_name_%d" % number if form == "iio" else "in%d_label" % number
        enabled = (
            text_or_none(os.path.join(folder, "in%d_enable" % number)) if form == "hwmon" else "1"
        )
        rail = text_or_none(os.path.join(folder, name))
        if rail is not None and enabled != "0":
            shunt = _shunt_mohm(form, folder, node, number)
            out.append(Channel(rail.strip(), form, folder, number, device, address, shunt))
    return out


def _shunt_mohm(form: str, folder: str, node: Optional[str], number: int) -> Optional[float]:
    if form == "hwmon":
        text = text_or_none(os.path.join(folder, "shunt%d_resistor" % number))
        return int(text) / 1000.0 if text and text.isdigit() else None
    if node is None:
        return None
    cells = read_cells(os.path.join(node, "channel@%d" % number, "ti,shunt-resistor-mohm"))
    if not cells:  # older trees list the three of a chip together
        cells = (read_cells(os.path.join(node, "ti,shunt-resistor-mohm")) or [])[number:]
    return float(cells[0]) if cells and cells[0] > 0 else None


def describe_chip(root: str, channel: Channel) -> Dict[str, Any]:
    """What is known of the chip of a channel: path, bus clock, mode, configuration words, averaging window; None where it is not told."""
    node = device_tree_node(root, channel.device, channel.address)
    facts = {
        "address": f"0x{channel.address:02x}",
        "path": channel.folder,
        "form": channel.form,
        "device_tree": node,
        "driver": text_or_none(os.path.join(channel.device, "name")),
    }  # type: Dict[str, Any]
    facts.update(properties(os.path.dirname(node) if node else None, {"bus_hz": "clock-frequency"}))
    facts.update(
        _hwmon_config(channel.folder)
        if channel.form == "hwmon"
        else _iio_config(channel.folder, node)
    )
    return facts


def _iio_config(folder: str, node: Optional[str]) -> Dict[str, Any]:
    words = properties(node, {"continuous": "ti,continuous-config", "trigger": "ti,trigger-config"})
    forced = node is not None and os.path.exists(os.path.join(node, "ti,enable-forced-continuous"))
    mode = text_or_none(os.path.join(folder, "running_mode"))
    running = {"1": "continuous", "0": "triggered"}.get(
        (mode or "").strip(), "continuous" if forced else None
    )
    word = words["continuous" if running == "continuous" else "trigger"] if running else None
    active = (
        decode_config(word)
        if word is not None
        else {"averages": None, "cycle_s": None, "averaging_window_s": None}
    )
    return {
        "running_mode": running,
        "forced_continuous": forced,
        "averages": active["averages"],
        "cycle_s": active["cycle_s"],
        "averaging_window_s": active["averaging_window_s"],
        "continuous_config": None
        if words["continuous"] is None
        else "0x{:04x}".format(words["continuous"]),
        "trigger_config": None if words["trigger"] is None else "0x{:04x}".format(words["trigger"]),
    }


def _hwmon_config(folder: str) -> Dict[str, Any]:
    texts = [
        text_or_none(os.path.join(folder, name)) or "" for name in ("samples", "update_interval")
    ]
    averages = int(texts[0]) if texts[0].isdigit() and int(texts[0]) in AVERAGES else None
    window_s = (
        int(texts[1]) / 1000.0 if texts[1].isdigit() else None
    )  # channels * samples * both conversion times
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


def choose(channels: List[Channel], wanted: List[str]) -> List[Channel]:
    """The channels of these rails, in this order; raises SourceError for a rail that is not here or is here twice."""
    out = []
    for rail in wanted:
        same = [channel for channel in channels if channel.rail == rail]
        if not same:
            raise SourceError(
                "no rail {} on this board; it has {}".format(
                    rail, ", ".join(c.rail for c in channels)
                ),
                "name rails that are here, or leave the option out",
            )
        if len(same) > 1:
            raise SourceError(
                "two different channels are called {}: {}".format(
                    rail, " and ".join(c.folder for c in same)
                ),
                "give the rails to read, without this one, with the option rails",
            )
        out.append(same[0])
    return out
