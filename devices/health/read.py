"""Read the present state of a board from world-readable files, without a fork.

It has temperatures, clocks, power mode, throttling, swap and supply.
"""

import glob
import os
import re
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from joulebird.devices.ina3221.channel import find_channels
from joulebird.devices.util.sysfs import text_or_none

NOT_A_TEMPERATURE = ("PMIC-Die",)  # always 100 C on a TX2
# The names under devfreq of TX2, Xavier, Orin, Nano, TX1.
GPUS = ("*.gp10b", "*.gv11b", "*.ga10b", "*.gpu", "*.gm20b")


class Health:
    """The state of the machine under `root`, from /sys and /proc."""

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._clock = root, clock
        names = {"iio": "in_voltage%d_input", "hwmon": "in%d_input"}
        self._volts = [
            (channel.rail, os.path.join(channel.folder, names[channel.form] % channel.number))
            for channel in find_channels(root)
            if channel.rail == "VDD_IN"
        ]

    def sample(self) -> Dict[str, Any]:
        """Return the present state; a fact that the machine does not show is absent or empty.

        t_s (CLOCK_MONOTONIC), boot_id, temps_c by zone type, cooling (devices that hold something
        back, by type and number: state), limits (online cores, highest clocks: they change with the
        power mode), clocks_hz, clocks_locked, gpu_load (0 to 1), power_mode, swap (pages in and out
        since boot, bytes in use), volts by rail.
        """
        return {
            "t_s": self._clock(),
            "boot_id": self._text("proc/sys/kernel/random/boot_id"),
            "temps_c": self.temperatures(),
            "cooling": self._cooling(),
            "limits": self._limits(),
            "clocks_hz": self._clocks(),
            "clocks_locked": self.locked(),
            "gpu_load": self._gpu_load(),
            "power_mode": self.power_mode(),
            "swap": self._swap(),
            "volts": self._volts_now(),
        }

    def temperatures(self) -> Dict[str, float]:
        """Return degrees Celsius by type of thermal zone."""
        temps = (
            (text_or_none(zone + "/type"), _integer(text_or_none(zone + "/temp")))
            for zone in sorted(glob.glob(self._path("sys/class/thermal/thermal_zone*")))
        )
        return {
            kind: value / 1000.0
            for kind, value in temps
            if kind and value is not None and kind not in NOT_A_TEMPERATURE
        }

    def clock_limits(self) -> Dict[str, Tuple[int, int]]:
        """Return the allowed clocks (lowest, highest) in Hz of each online core and of the GPU."""
        limits = (
            (name, scale, [_integer(text_or_none(f"{start}{end}_freq")) for end in ("min", "max")])
            for name, start, scale in self._clock_files()
        )
        return {
            name: (low * scale, high * scale)
            for name, scale, (low, high) in limits
            if low is not None and high is not None
        }

    def locked(self) -> Optional[bool]:
        """Return whether every clock may take one value only, as after jetson_clocks.

        None where no clock is shown.
        """
        limits = self.clock_limits()
        return all(low == high for low, high in limits.values()) if limits else None

    def _clock_files(self) -> List[Tuple[str, str, int]]:
        """Return the name, the beginning of its files, and the unit in Hz of each clock."""
        cores = [
            os.path.dirname(path)
            for path in sorted(glob.glob(self._path("sys/devices/system/cpu/cpu[0-9]*/cpufreq")))
        ]
        gpus = [
            path
            for pattern in GPUS
            for path in glob.glob(self._path("sys/class/devfreq/" + pattern))
        ]
        return [
            (os.path.basename(core), core + "/cpufreq/scaling_", 1000)
            for core in cores
            if text_or_none(core + "/online") in (None, "1")
        ] + [("gpu", path + "/", 1) for path in gpus[:1]]

    def _path(self, path: str) -> str:
        return os.path.join(self._root, path)

    def _text(self, path: str) -> Optional[str]:
        return text_or_none(self._path(path))

    def _limits(self) -> Dict[str, Any]:
        return {
            **{name + "_max_hz": high for name, (_, high) in self.clock_limits().items()},
            "online": self._text("sys/devices/system/cpu/online"),
            "emc_cap_hz": _integer(self._text("sys/kernel/nvpmodel_emc_cap/emc_iso_cap")),
        }

    def _clocks(self) -> Dict[str, int]:
        now = {
            name: (_integer(text_or_none(start + "cur_freq")), scale)
            for name, start, scale in self._clock_files()
        }
        return {name: value * scale for name, (value, scale) in now.items() if value is not None}

    def _gpu_load(self) -> Optional[float]:
        load = _integer(self._text("sys/devices/gpu.0/load"))
        return None if load is None else load / 1000.0

    def _cooling(self) -> Dict[str, int]:
        start = self._path("sys/class/thermal/cooling_device")
        states = {
            f"{text_or_none(device + '/type') or ''} {device[len(start) :]}": _integer(
                text_or_none(device + "/cur_state")
            )
            for device in sorted(glob.glob(start + "*"))
        }
        return {  # a fan that turns holds nothing back
            name: state
            for name, state in states.items()
            if state and state > 0 and "fan" not in name.lower()
        }

    def power_mode(self) -> Optional[int]:
        """Return the number of the nvpmodel mode, as nvpmodel notes it for the next boot."""
        match = re.search(r"pmode:(\d+)", self._text("var/lib/nvpmodel/status") or "")
        return int(match.group(1)) if match else None

    def _swap(self) -> Dict[str, int]:
        events = dict(
            line.split()[:2]
            for line in (self._text("proc/vmstat") or "").splitlines()
            if line.startswith(("pswpin", "pswpout"))
        )
        memory = {
            line.split(":")[0]: int(line.split()[1])
            for line in (self._text("proc/meminfo") or "").splitlines()
            if line.startswith("Swap")
        }
        swap = (
            {"pages_in": int(events["pswpin"]), "pages_out": int(events["pswpout"])}
            if len(events) == 2
            else {}
        )
        if "SwapTotal" in memory and "SwapFree" in memory:
            swap["used_bytes"] = 1024 * (memory["SwapTotal"] - memory["SwapFree"])
        return swap

    def _volts_now(self) -> Dict[str, float]:
        texts = {rail: _integer(text_or_none(path)) for rail, path in self._volts}
        return {rail: value / 1000.0 for rail, value in texts.items() if value is not None}


def _integer(text: Optional[str]) -> Optional[int]:
    try:
        return int(text or "")
    except ValueError:
        return None
