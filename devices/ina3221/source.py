"""Read the power monitors of a Jetson straight from sysfs: no root, no service.

Fifty readings a second take a few per cent of one core.

    --source ina3221                                VDD_IN and the rails inside it: the module
    --source ina3221 --source-option total=board    VDD_IN + VDD_MUX: module and carrier board

Rails are found by name. The rails nest (VDD_IN feeds all others of the module), so their sum means
nothing.
"""

import contextlib
import errno
import os
import re
import time
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from joulebird.devices.ina3221.channel import (
    Channel,
    ChannelReader,
    choose,
    closed_files,
    find_channels,
)
from joulebird.devices.ina3221.describe import describe_chip, describe_sensor
from joulebird.devices.source import PowerSample, PowerSource, Unread
from joulebird.harness.core.errors import SourceError

# The rails whose sum is the module, by board: TX1, TX2, Xavier NX, Orin NX and Nano;
# Nano; AGX Orin, whose two inputs feed three rails side by side. An AGX Xavier has no such set.
MODULE_TOTALS = (("VDD_IN",), ("POM_5V_IN",), ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))
BOARD_TOTALS = (("VDD_IN", "VDD_MUX"),)
# Rails of the TX2 developer kit's carrier board, by the names of L4T and of upstream Linux: outside
# VDD_IN.
CARRIER_RAILS = (
    "VDD_MUX",
    "VDD_5V0_IO_SYS",
    "VDD_3V3_SYS",
    "VDD_3V3_IO_SLP",
    "VDD_1V8_IO",
    "VDD_3V3_SYS_M2",
    "VDD_M2_IN",
)
# Rails that feed others: a total of both would count the inner ones twice.
INSIDE = {
    "VDD_IN": (
        *("VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_SYS_CPU", "VDD_SYS_DDR", "VDD_4V0_WIFI"),
        *("VDD_GPU", "VDD_SOC", "VDD_CPU", "VDD_DDR", "VDD_WIFI", "VDD_CPU_GPU_CV"),
    ),
    "VDD_MUX": CARRIER_RAILS[1:],
    "POM_5V_IN": ("POM_5V_GPU", "POM_5V_CPU"),
}
SEARCH_EVERY_S = 0.2  # for the rails of a driver that was unbound


class Ina3221Source(PowerSource):
    """The INA3221 channels of a Jetson, through the kernel's files.

    `root`: where the board's file system begins. `total`: "module" (VDD_IN), "board" (VDD_IN +
    VDD_MUX), or the list of rails to add up. `rails`: the rails to read, or "all"; by default the
    total and, for the module, the rails inside it. A sample's time is the middle of reading the
    total's rails, which are read first; the others follow within milliseconds.
    """

    name = "ina3221"
    min_period_s = 0.001

    def __init__(
        self,
        root: str = "/",
        total: Union[str, List[str]] = "module",
        rails: Union[None, str, List[str]] = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(total, str) and total not in ("module", "board"):
            raise SourceError(
                f"ina3221 has no total {total!r}", "use module, board, or a list of rails"
            )
        self.root, self._want_total, self._want_rails, self._clock = root, total, rails, clock
        self.scope = total if isinstance(total, str) else "rails"
        self._readers: List[ChannelReader] = []
        self._searched_s = float("-inf")
        self._chips: List[Dict[str, Any]] = []
        self._below: List[str] = []
        self._others: List[str] = []

    def open(self) -> None:
        """Find the rails and open their files.

        Raises SourceError when the board has none, or not the total asked for.
        """
        if self._readers:
            return
        try:
            channels = find_channels(self.root)
            self._open(channels)
        except (SourceError, OSError) as error:
            raise self._explained(error) from error
        chosen = [reader.channel for reader in self._readers]
        self._others = [channel.rail for channel in channels if channel not in chosen]
        self._chips = [
            describe_chip(self.root, channel)
            for channel in {channel.folder: channel for channel in chosen}.values()
        ]
        averages = [chip["averages"] or 1 for chip in self._chips]
        self.sampling = "average" if min(averages, default=1) > 1 else "snapshot"
        self.sensor, self.range_w, self.accuracy = describe_sensor(self.root, self.rails)
        first: Dict[str, float] = {}
        with contextlib.suppress(OSError, SourceError):  # the recorder will write down why
            first = self.read().watts
        offset_mw = {
            channel.rail: self.accuracy["offset_mw"][channel.rail]
            for channel in chosen
            if channel.shunt_mohm
        }
        self._below = [rail for rail in offset_mw if 1e3 * first.get(rail, 1e9) < offset_mw[rail]]

    def _open(self, channels: List[Channel]) -> None:
        """Choose rails and total among the channels and open their files."""
        if not channels:
            raise SourceError(
                "no INA3221 power monitor under {}".format(os.path.join(self.root, "sys")),
                "this is not a Jetson, or its driver is not loaded; "
                "`joulebird sources` lists the usable sources",
            )
        self.total = self._find_total([channel.rail for channel in channels])
        readers = [
            ChannelReader(channel) for channel in choose(channels, self._find_rails(channels))
        ]
        try:
            for reader in readers:
                reader.open()
        except OSError:
            for reader in readers:
                reader.close()
            raise
        self.rails = tuple(reader.channel.rail for reader in readers)
        self._readers = readers

    def _explained(self, error: Exception) -> SourceError:
        """Return the error of `open`: names that are closed to this user explain missing rails."""
        closed = closed_files(self.root)
        if isinstance(error, PermissionError) or any("_input" not in path for path in closed):
            return _refused(closed or [str(getattr(error, "filename", ""))])
        if isinstance(error, SourceError):
            return error
        return SourceError(f"cannot open a rail: {error}", "look at `dmesg` and at that file")

    def _find_total(self, here: List[str]) -> Tuple[str, ...]:
        if not isinstance(self._want_total, str):
            for outer in self._want_total:
                twice = set(self._want_total).intersection(INSIDE.get(outer, ()))
                if twice:
                    raise SourceError(
                        f"{', '.join(sorted(twice))}: inside {outer}, "
                        "so a total of both would count it twice",
                        f"leave {outer} or the rails inside it out of total; rails=... records all",
                    )
            return tuple(self._want_total)
        totals = MODULE_TOTALS if self._want_total == "module" else BOARD_TOTALS
        for total in totals:
            if all(rail in here for rail in total):
                return total
        if self._want_rails is not None and self._want_total == "module":
            return ()
        if self._want_total == "board":
            raise SourceError(
                "this carrier board does not measure itself: no VDD_MUX beside VDD_IN",
                "use total=module; for the whole board use a meter at the DC jack",
            )
        raise SourceError(
            "this board has no rail for the whole module (an AGX Xavier has none); "
            f"it has {', '.join(here)}",
            "choose the rails to record with rails=..., and those to add up with total=[...]",
        )

    def _find_rails(self, channels: List[Channel]) -> List[str]:
        here = [channel.rail for channel in channels]
        if self._want_rails is None:
            inside = [
                rail for rail in here if self._want_total != "module" or rail not in CARRIER_RAILS
            ]
            wanted = inside if isinstance(self._want_total, str) else []
        else:
            listed = (
                self._want_rails.split(",")
                if isinstance(self._want_rails, str)
                else self._want_rails
            )
            wanted = here if self._want_rails == "all" else listed
        return list(self.total) + [rail for rail in wanted if rail not in self.total]

    def read(self) -> PowerSample:
        """Return all rails now.

        A rail that fails is left out and `error` names why; raises OSError or SourceError when
        every one failed. A rail whose driver was bound again is found by its name.
        """
        if any(reader.gone for reader in self._readers):
            self._find_again()
        watts: Dict[str, float] = {}
        failure: Optional[Exception] = None
        count = len(self.total) or len(self._readers)
        begin_s = end_s = self._clock()
        for index, reader in enumerate(self._readers):
            try:
                watts[reader.channel.rail] = reader.read()
            except (OSError, ValueError) as error:
                failure = failure or error
            if index == count - 1:
                end_s = self._clock()
        if not watts:
            if isinstance(failure, OSError):
                raise failure
            raise SourceError(
                f"unreadable text from the driver: {failure}",
                f"look at the files under {self.root}",
            )
        return PowerSample(
            0.5 * (begin_s + end_s), watts, None if failure is None else _word(failure)
        )

    def _find_again(self) -> None:
        """Open the rails whose driver was unbound by their names, once it is bound again.

        Raises SourceError where the driver now names a rail otherwise than the device tree.
        """
        now_s = self._clock()
        if now_s - self._searched_s < SEARCH_EVERY_S:
            return
        self._searched_s = now_s
        channels = find_channels(self.root)
        here = {channel.rail for channel in channels}
        for index, reader in enumerate(self._readers):
            if reader.gone and reader.channel.rail in here:
                again = ChannelReader(choose(channels, [reader.channel.rail])[0])
                with contextlib.suppress(OSError):
                    again.open()
                    reader.close()
                    self._readers[index] = again

    @property
    def volts(self) -> Dict[str, float]:
        """Supply voltage of each rail at its last reading, where the driver shows it.

        A sag under load marks a weak supply.
        """
        return {
            reader.channel.rail: reader.volts
            for reader in self._readers
            if reader.volts is not None
        }

    def close(self) -> None:
        """Close every file; harmless when called twice."""
        for reader in self._readers:
            reader.close()
        self._readers = []

    def describe(self) -> Dict[str, Any]:
        """Return chips (mode, words, averaging, bus clock), channels (file, shunt) and accuracy.

        `below_resolution` lists the rails whose reading at `open` was within the largest offset,
        below which a reading says nothing.
        """
        return dict(
            self.identity(),
            root=self.root,
            chips=self._chips,
            left_out=self._others,
            below_resolution=self._below,
            channels={
                reader.channel.rail: {
                    "path": reader.channel.folder,
                    "number": reader.channel.number,
                    "address": f"0x{reader.channel.address:02x}",
                    "attribute": reader.attribute,
                    "shunt_mohm": reader.channel.shunt_mohm,
                    "volts": reader.volts,
                }
                for reader in self._readers
            },
        )


def _word(error: Exception) -> str:
    number = error.errno if isinstance(error, OSError) else None
    return "GARBLED" if number is None else errno.errorcode.get(number, str(number))


def _refused(closed: List[str]) -> Unread:
    """Return the error for files that this user may not read, with the line that opens them all."""
    parts = [(os.path.split(path), "[1-3]" if "hwmon" in path else "[0-2]") for path in closed]
    patterns = {f"{folder}/{re.sub('[0-3]', span, name)}" for (folder, name), span in parts}
    return Unread(
        "EACCES",
        f"the power monitors are here, but closed to this user: {closed[0]}"
        f" and {len(closed) - 1} more files: reading was refused",
        f"run: sudo chmod a+r {' '.join(sorted(patterns))}  # until the next boot",
    )
