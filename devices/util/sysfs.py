"""Cheap and honest reading of sysfs files and of the device tree."""

import contextlib
import errno
import os
import struct
from typing import Dict, List, Optional

# A driver was unbound and perhaps bound again.
GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.EBADF)
SIZE = 64  # bytes; every value file is shorter


def read_text(path: str) -> str:
    """Return the text of a small file without its last newline or NULs; raises OSError."""
    with open(path, "rb") as file:
        return file.read().rstrip(b"\0\n").decode("utf-8", "replace")


def text_or_none(path: str) -> Optional[str]:
    """Return the text of a small file, or None where there is none to read."""
    try:
        return read_text(path)
    except OSError:
        return None


def read_cells(path: str) -> Optional[List[int]]:
    """Return the 32-bit big-endian cells of a device tree property, or None without one."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    count = len(data) // 4
    return list(struct.unpack(f">{count}I", data[: 4 * count]))


class KeptFile:
    """A value file that stays open: `pread` runs the driver at a tenth of the cost of opening.

    A file that has vanished is opened again at the next read, so a driver that comes back is found.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = -1

    def open(self) -> None:
        """Open the file; raises OSError."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        """Return the present content.

        Raises OSError, with EAGAIN when the sensor is still converting.
        """
        if self._fd < 0:
            self.open()
        try:
            return os.pread(self._fd, SIZE, 0)
        except OSError as error:
            if error.errno in GONE:
                self.close()
            raise

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # already gone with its device
                os.close(self._fd)
            self._fd = -1


def device_tree_node(root: str, device: str, address: int) -> Optional[str]:
    """Return the device tree folder of an I2C device, by `of_node` link, uevent, or address."""
    link = os.path.join(device, "of_node")
    if os.path.isdir(link):
        return os.path.realpath(link)
    bases = [
        os.path.join(root, "sys/firmware/devicetree/base"),
        os.path.join(root, "proc/device-tree"),
    ]
    facts = dict(
        line.split("=", 1)
        for line in (text_or_none(os.path.join(device, "uevent")) or "").splitlines()
        if "=" in line
    )
    for base in bases:
        named = os.path.join(base, facts.get("OF_FULLNAME", "").lstrip("/"))
        if "OF_FULLNAME" in facts and os.path.isdir(named):
            return named
        for bus in sorted(_folders(base, "i2c@")):
            for node in sorted(_folders(bus, "ina3221")):
                if node.endswith(f"@{address:x}"):
                    return node
    return None


def _folders(base: str, start: str) -> List[str]:
    try:
        return [os.path.join(base, name) for name in os.listdir(base) if name.startswith(start)]
    except OSError:
        return []


def properties(node: Optional[str], names: Dict[str, str]) -> Dict[str, Optional[int]]:
    """Return the first cell of each property `names[key]` of a device tree folder, or None."""
    out = {}
    for key, name in names.items():
        cells = read_cells(os.path.join(node, name)) if node else None
        out[key] = cells[0] if cells else None
    return out
