"""Find and read a Jetson's INA3221 channels through the kernel's files.

Two forms are known: iio of L4T 28 and 32 (JetPack 3 and 4), and hwmon of JetPack 5 and 6.
"""

import errno
import glob
import os
import re
from typing import Callable, List, NamedTuple, Optional, Tuple

from joulebird.devices.source import Unread
from joulebird.devices.util.sysfs import GONE, KeptFile, device_tree_node, read_cells, text_or_none
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
IIO_FILES = ("name", "rail_name_[0-2]", "ui_input_[0-2]", "in_power[0-2]_input")
HWMON_FILES = ("name", "in[1-3]_label", "in[1-3]_input", "curr[1-3]_input")
NOT_CONNECTED = ("", "(null)", "nc", "none")  # without a device tree node, or without a shunt


class Channel(NamedTuple):
    """One measured supply line: its rail, the real path of its folder, its number, its chip."""

    rail: str
    form: str  # "iio" or "hwmon"
    folder: str
    number: int
    device: str  # the I2C device's folder
    address: int  # on the I2C bus
    shunt_mohm: Optional[float]  # None: neither sysfs nor the device tree says
    tree_rail: Optional[str]  # the device tree's name of the rail, None without one


def find_channels(root: str) -> List[Channel]:
    """Return every connected channel under `root`, by address and number; [] without an INA3221."""
    connected = (
        channel
        for form, patterns in (("iio", IIO_GLOBS), ("hwmon", HWMON_GLOBS))
        for folder in _folders(root, patterns)
        for channel in _channels(root, form, folder)
        if channel.rail.lower() not in NOT_CONNECTED
    )
    return sorted(connected, key=lambda channel: (channel.address, channel.folder, channel.number))


def _folders(root: str, patterns: Tuple[str, ...]) -> List[str]:
    real = {
        os.path.realpath(path)
        for pattern in patterns
        for path in glob.glob(os.path.join(glob.escape(root), pattern))
    }
    return sorted(path for path in real if _is_ina3221(path))


def _is_ina3221(folder: str) -> bool:
    return any(
        (text_or_none(os.path.join(place, "name")) or "").startswith("ina3221")
        for place in (folder, _device(folder))
    )


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
        name = f"rail_name_{number}" if form == "iio" else f"in{number}_label"
        enabled = (
            text_or_none(os.path.join(folder, f"in{number}_enable")) if form == "hwmon" else "1"
        )
        rail = text_or_none(os.path.join(folder, name))
        if rail is not None and enabled != "0":
            named = _shunt_mohm(form, folder, node, number), _tree_rail(form, node, number)
            out.append(Channel(rail.strip(), form, folder, number, device, address, *named))
    return out


def _tree_rail(form: str, node: Optional[str], number: int) -> Optional[str]:
    """Return the rail of a channel by the device tree: L4T's binding, or upstream Linux's."""
    places = (
        [f"channel@{number}/ti,rail-name"]
        if form == "iio"
        else [f"input@{number - 1}/label", f"channel@{number - 1}/label"]
    )
    texts = (text_or_none(os.path.join(node, place)) for place in places) if node else ()
    return next((text.strip() for text in texts if text), None)


def _shunt_mohm(form: str, folder: str, node: Optional[str], number: int) -> Optional[float]:
    if form == "hwmon":
        text = text_or_none(os.path.join(folder, f"shunt{number}_resistor"))
        return int(text) / 1000.0 if text and text.isdigit() else None
    if node is None:
        return None
    cells = read_cells(os.path.join(node, f"channel@{number}", "ti,shunt-resistor-mohm"))
    if not cells:  # older trees list the three of a chip together
        cells = (read_cells(os.path.join(node, "ti,shunt-resistor-mohm")) or [])[number:]
    return float(cells[0]) if cells and cells[0] > 0 else None


def closed_files(root: str) -> List[str]:
    """Return the files of all chips that this user may not read, in order."""
    paths = {
        os.path.realpath(path)
        for patterns, names in ((IIO_GLOBS, IIO_FILES), (HWMON_GLOBS, HWMON_FILES))
        for pattern in patterns
        for folder in glob.glob(os.path.join(glob.escape(root), pattern))
        if "ina3221" in pattern or _is_ina3221(folder)
        for name in names
        for path in glob.glob(os.path.join(glob.escape(folder), name))
    }
    return sorted(path for path in paths if not os.access(path, os.R_OK))


def choose(channels: List[Channel], wanted: List[str]) -> List[Channel]:
    """Return the channels of these rails, in this order.

    Raises SourceError for a rail that is absent or exists twice, or that the driver names otherwise
    than the device tree.
    """
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
        named = same[0].tree_rail
        if named not in (None, rail):
            raise Unread(
                "LABEL",
                f"{same[0].folder} names its channel {same[0].number} {rail}, "
                f"but the device tree names it {named}",
                "the readings of both would be taken for one another: look at `dmesg`, reboot",
            )
        out.append(same[0])
    return out


def _from_pair(text: bytes) -> Tuple[float, float]:
    volts, amperes = text.split()
    return _from_two(volts, amperes)


def _from_power(text: bytes) -> Tuple[float, None]:
    return int(text) * 1e-3, None


def _from_two(volts: bytes, amperes: bytes) -> Tuple[float, float]:
    return int(volts) * int(amperes) * 1e-6, int(volts) * 1e-3


# The files of a channel, best first: both values of one conversion; the driver's own product,
# rounded; two conversions.
FORMS = {
    "iio": (
        (("ui_input_%d",), _from_pair),
        (("in_power%d_input",), _from_power),
        (("in_voltage%d_input", "in_current%d_input"), _from_two),
    ),
    "hwmon": ((("in%d_input", "curr%d_input"), _from_two),),
}


class ChannelReader:
    """One channel, read by the cheapest file that gives volts and amperes of one conversion."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.volts: Optional[float] = None
        self.gone = 0  # the errno of a driver that was unbound
        self.attribute = ""
        self._files: List[KeptFile] = []
        self._parse: Callable[..., Tuple[float, Optional[float]]] = _from_pair

    def open(self) -> None:
        """Open the best file there is; raises OSError when none can be read."""
        refusal: OSError = FileNotFoundError(errno.ENOENT, "no file to read")
        for names, parse in FORMS[self.channel.form]:
            attributes = [name % self.channel.number for name in names]
            self.attribute, self._parse = " ".join(attributes), parse
            self._files = [KeptFile(os.path.join(self.channel.folder, name)) for name in attributes]
            try:
                for file in self._files:
                    file.open()
                return
            except OSError as error:
                self.close()
                if refusal.errno == errno.ENOENT:  # a refused file says more than an absent one
                    refusal = error
        raise refusal

    def read(self) -> float:
        """Return the watts now.

        Raises OSError, always once the driver was unbound: another chip may take its path. Raises
        ValueError when the driver's text is not numbers.
        """
        if self.gone:
            raise OSError(self.gone, os.strerror(self.gone))
        try:
            texts = [file.read() for file in self._files]
        except OSError as error:
            self.gone = error.errno if error.errno in GONE else 0
            raise
        watts, volts = self._parse(*texts)
        if volts is not None:
            self.volts = volts
        return watts

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
