"""Reading one channel of an INA3221 through the kernel's files."""

import errno
import os
from typing import Callable, List, Optional, Tuple

from joulebird.devices.ina3221.find import Channel
from joulebird.devices.util.sysfs import KeptFile


def _from_pair(text: bytes) -> Tuple[float, float]:
    millivolts, milliamperes = text.split()
    return int(millivolts) * int(milliamperes) * 1e-6, int(millivolts) * 1e-3


def _from_power(text: bytes) -> Tuple[float, None]:
    return int(text) * 1e-3, None


def _from_two(volts: bytes, amperes: bytes) -> Tuple[float, float]:
    return int(volts) * int(amperes) * 1e-6, int(volts) * 1e-3


# The files of a channel, best first: both values of one conversion; the driver's own product, rounded; two conversions.
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
        self.attribute = ""
        self._files: List[KeptFile] = []
        self._parse: Callable[..., Tuple[float, Optional[float]]] = _from_pair

    def open(self) -> None:
        """Open the best file there is; raises OSError when none can be read."""
        refusal: Optional[OSError] = None
        for names, parse in FORMS[self.channel.form]:
            files = [
                KeptFile(os.path.join(self.channel.folder, name % self.channel.number))
                for name in names
            ]
            try:
                for file in files:
                    file.open()
            except OSError as error:
                for file in files:
                    file.close()
                if (
                    refusal is None or refusal.errno == errno.ENOENT
                ):  # a refused file says more than an absent one
                    refusal = error
                continue
            self.attribute, self._files, self._parse = (
                " ".join(name % self.channel.number for name in names),
                files,
                parse,
            )
            return
        if refusal is not None:
            raise refusal

    def read(self) -> float:
        """Watts now; raises OSError, or ValueError when the driver's text is not numbers."""
        watts, volts = self._parse(*[file.read() for file in self._files])
        if volts is not None:
            self.volts = volts
        return watts

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
