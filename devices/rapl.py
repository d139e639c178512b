"""Read the RAPL energy counters of Intel and AMD processors through Linux's powercap files.

    --source rapl

The counters move about once a millisecond, in steps of some 15 to 61 microjoules. Since 2020
(CVE-2020-8694) only root may read them by default: sudo chmod a+r /sys/class/powercap/*/energy_uj,
after every boot. Source: Linux, Documentation/power/powercap/powercap.rst.
"""

import glob
import os
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from joulebird.devices.board.identify import serial
from joulebird.devices.counter import CounterMeter, wait_moved
from joulebird.devices.source import PowerSample, PowerSource, Unread
from joulebird.devices.util.sysfs import KeptFile, text_or_none
from joulebird.harness.core.errors import SourceError

ZONES = "sys/class/powercap"
OPEN_HINT = "sudo chmod a+r /sys/class/powercap/*/energy_uj  # until the next boot"
SETTLE_S = 1.0  # a counter that does not move in this long stands still
EXCURSION = 2.0  # of the highest limit: PL3 and PL4 allow short peaks above PL2
UNLIMITED_W = 1000.0  # for a zone that shows no limit: no processor package draws more
ACCURACY = {
    "gain": None,
    "offset_mw": None,
    "quantum_mw": 12.2,  # 61 uJ in 5 ms
    "reference": "not stated by the makers; step: 15 to 61 uJ (Intel SDM vol. 3B 15.10)",
}


class Zone(NamedTuple):
    """One counter.

    Its rail, the kernel's name of its zone, its file, the joules of a wrap, and its largest power.
    """

    rail: str
    kind: str
    file: KeptFile
    wrap_j: float
    range_w: float


def find_zones(root: str) -> List[Zone]:
    """Return the RAPL zones, packages first; without intel-rapl-mmio, which doubles a package."""
    zones = []
    for folder in sorted(glob.glob(os.path.join(glob.escape(root), ZONES, "*-rapl:*"))):
        kind = text_or_none(folder + "/name")
        wrap_uj = text_or_none(folder + "/max_energy_range_uj") or "0"
        if kind is not None:
            rail = rail_name(kind, os.path.basename(folder))
            counter = KeptFile(folder + "/energy_uj")
            zones.append(Zone(rail, kind, counter, int(wrap_uj) / 1e6, range_w(folder)))
    return sorted(zones, key=lambda zone: (not zone.rail.startswith("PKG"), zone.rail))


def range_w(folder: str) -> float:
    """Return the largest power of a zone: its highest limit with short peaks above it."""
    texts = (
        text_or_none(path) or ""
        for limit in ("max_power", "power_limit")
        for path in glob.glob(f"{glob.escape(folder)}/constraint_*_{limit}_uw")
    )
    return (
        EXCURSION * max((int(text) / 1e6 for text in texts if text.isdigit()), default=0.0)
        or UNLIMITED_W
    )


def rail_name(kind: str, zone: str) -> str:
    """Return a short name for a zone, with the number of its package, and of its die.

    A processor of several dies has a zone for each, "package-0-die-1" (Linux, intel_rapl_common.c).

    >>> rail_name("package-0", "intel-rapl:0"), rail_name("dram", "intel-rapl:1:2")
    ('PKG0', 'DRAM1')
    """
    package = zone.split(":")[1]
    if kind.startswith("package-"):
        return "PKG" + kind[len("package-") :].replace("-die-", "DIE")
    return "PSYS" if kind == "psys" else kind.upper() + package


class RaplSource(PowerSource):
    """Mean power of processor packages and of the parts they report, by the files under `root`.

    The total is packages plus their memory, where it is counted: on server processors DRAM is not
    inside the package; cores and graphics are.
    """

    name = "rapl"
    sampling = "counter"
    scope = "package"
    min_period_s = 0.005

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._clock = root, clock
        self._zones: List[Zone] = []
        self._meter = CounterMeter()

    def open(self) -> None:
        """Find the counters and wait until they have moved once."""
        self._zones = find_zones(self._root)
        if not any(zone.rail.startswith("PKG") for zone in self._zones):
            raise SourceError(
                f"this machine shows no RAPL counters under /{ZONES}",
                "use a real machine with an Intel or AMD processor; sudo modprobe intel_rapl_msr",
            )
        self.rails = tuple(zone.rail for zone in self._zones)
        self.total = tuple(rail for rail in self.rails if rail.startswith(("PKG", "DRAM")))
        # the counter of a graphics part that is switched off stands still
        wraps_j = {zone.rail: zone.wrap_j for zone in self._zones if zone.wrap_j}
        self._meter = CounterMeter(wraps_j, move=self.total)
        self.sensor = (
            f"RAPL {', '.join(self.total)} of {serial(self._root) or 'a machine without number'}"
        )
        self.range_w = {zone.rail: zone.range_w for zone in self._zones}
        self.accuracy = ACCURACY
        wait_moved(
            self._take,
            self._clock,
            SETTLE_S,
            SourceError(
                "the RAPL counters stand still",
                "a virtual machine may show them without filling them",
            ),
        )

    def _take(self) -> Optional[PowerSample]:
        try:
            joules = {zone.rail: int(zone.file.read()) / 1e6 for zone in self._zones}
        except PermissionError:
            raise Unread("EACCES", "only root may read the RAPL counters here", OPEN_HINT) from None
        return self._meter.take(self._clock(), joules)

    def read(self) -> PowerSample:
        """Return the mean power since the reading before, and again until the total has moved."""
        sample = self._take()
        if sample is None:
            raise SourceError("the source rapl is not open", "call open() first")
        return sample

    def close(self) -> None:
        """Close the counters' files."""
        for zone in self._zones:
            zone.file.close()
        self._meter = CounterMeter()

    def describe(self) -> Dict[str, Any]:
        """Return the counters, and at how many joules each wraps."""
        lines = (text_or_none(os.path.join(self._root, "proc/cpuinfo")) or "").splitlines()
        models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return dict(
            self.identity(),
            processor=next(models, ""),
            zones={zone.rail: {"name": zone.kind, "wrap_j": zone.wrap_j} for zone in self._zones},
        )
