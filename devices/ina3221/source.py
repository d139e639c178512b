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
import time
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from joulebird.devices.ina3221.channel import Channel, ChannelReader, choose, find_channels
from joulebird.devices.ina3221.chip import ACCURACY, offset_w, step_w
from joulebird.devices.ina3221.describe import describe_chip
from joulebird.devices.source import PowerSample, PowerSource
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
        self._chips: List[Dict[str, Any]] = []
        self._first: Dict[str, float] = {}
        self._others: List[str] = []

    def open(self) -> None:
        """Find the rails and open their files.

        Raises SourceError when the board has none, or not the total asked for.
        """
        if self._readers:
            return
        channels = find_channels(self.root)
        if not channels:
            raise SourceError(
                "no INA3221 power monitor under {}".format(os.path.join(self.root, "sys")),
                "this is not a Jetson, or its driver is not loaded; "
                "`joulebird sources` lists the usable sources",
            )
        self.total = self._find_total([channel.rail for channel in channels])
        chosen = choose(channels, self._find_rails(channels))
        self.rails = tuple(channel.rail for channel in chosen)
        self._others = [channel.rail for channel in channels if channel not in chosen]
        readers = [ChannelReader(channel) for channel in chosen]
        try:
            for reader in readers:
                reader.open()
        except OSError as error:
            for reader in readers:
                reader.close()
            raise _refused(error) from error
        self._readers = readers
        chips = {channel.folder: channel for channel in chosen}
        self._chips = [describe_chip(self.root, channel) for channel in chips.values()]
        averages = [chip["averages"] or 1 for chip in self._chips]
        self.sampling = "average" if min(averages, default=1) > 1 else "snapshot"
        self._first = {}
        with contextlib.suppress(OSError, SourceError):  # the recorder will write down why
            self._first = dict(self.read().watts)

    def _find_total(self, here: List[str]) -> Tuple[str, ...]:
        if not isinstance(self._want_total, str):
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
        every one failed.
        """
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

        `accuracy` holds, by rail and in milliwatts, the largest offset, below which a reading says
        nothing, and the smallest step. `below_resolution` lists the rails whose reading at `open`
        was within the offset.
        """
        known = {
            r.channel.rail: (r.volts, r.channel.shunt_mohm)
            for r in self._readers
            if r.volts and r.channel.shunt_mohm
        }
        accuracy = dict(
            ACCURACY,
            offset_mw={rail: round(1e3 * offset_w(*known[rail]), 1) for rail in known},
            quantum_mw={rail: round(1e3 * step_w(*known[rail]), 1) for rail in known},
        )
        return dict(
            self.identity(),
            root=self.root,
            chips=self._chips,
            accuracy=accuracy,
            left_out=self._others,
            below_resolution=[
                rail for rail in known if self._first.get(rail, 1e9) < offset_w(*known[rail])
            ],
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


def _refused(error: OSError) -> SourceError:
    path = error.filename or "the sensor's files"
    if error.errno in (errno.EACCES, errno.EPERM):
        folder = os.path.dirname(str(path))
        return SourceError(
            f"reading {path} was refused",
            f"run: sudo chmod a+r {folder}/in_power[0-2]_input {folder}/ui_input_[0-2]"
            "   (until the next boot)",
        )
    return SourceError(
        f"cannot open {path}: {os.strerror(error.errno or 0)}",
        "look at `dmesg` and at the files in that folder",
    )
