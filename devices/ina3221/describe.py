"""Describe an INA3221 from its files in sysfs and the device tree."""

import os
from typing import Any, Dict, Optional

from joulebird.devices.ina3221.channel import Channel
from joulebird.devices.ina3221.chip import AVERAGES, CONVERSION_US, decode_config
from joulebird.devices.util.sysfs import device_tree_node, properties, text_or_none


def describe_chip(root: str, channel: Channel) -> Dict[str, Any]:
    """Describe the chip of a channel: path, bus clock, mode, configuration words, averaging window.

    Unknown facts are None.
    """
    node = device_tree_node(root, channel.device, channel.address)
    hwmon = channel.form == "hwmon"
    return {
        "address": f"0x{channel.address:02x}",
        "path": channel.folder,
        "form": channel.form,
        "device_tree": node,
        "driver": text_or_none(os.path.join(channel.device, "name")),
        **properties(os.path.dirname(node) if node else None, {"bus_hz": "clock-frequency"}),
        **(_hwmon_config(channel.folder) if hwmon else _iio_config(channel.folder, node)),
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
