"""Simulate a TX2's power monitors: a sysfs tree as of L4T 32's driver, following given watts."""

import os
import struct
from typing import Dict, Iterable, NamedTuple, Tuple

from joulebird.devices.ina3221.chip import decode_config, lag, shown

CONTINUOUS_CONFIG = 0x7607  # three channels, 64 averages, 140 us conversions: 54 ms
TRIGGER_CONFIG = 0x7003  # one conversion of each channel at every reading
BUS_HZ = 400000
SUPPLY_V = 19.12


class Rail(NamedTuple):
    """A rail of the simulated board, with its watts when idle (clocks locked) and training."""

    name: str
    address: int
    channel: int
    shunt_mohm: int
    volts: float
    idle_w: float
    train_w: float


# Addresses, channels and shunts: the production module's device tree. Watts: the totals of real
# tegrastats lines (3056 mW idle with locked clocks, 14025 mW training); how the idle 1874 mW of the
# inner rails divide is not in any source, and is set in proportion to their kind.
BOARD = (
    Rail("VDD_SYS_GPU", 0x40, 0, 10, SUPPLY_V, 0.306, 6.854),
    Rail("VDD_SYS_SOC", 0x40, 1, 10, SUPPLY_V, 0.612, 1.371),
    Rail("VDD_4V0_WIFI", 0x40, 2, 10, 4.784, 0.019, 0.019),
    Rail("VDD_IN", 0x41, 0, 20, SUPPLY_V, 3.056, 14.025),
    Rail("VDD_SYS_CPU", 0x41, 1, 10, SUPPLY_V, 0.459, 2.209),
    Rail("VDD_SYS_DDR", 0x41, 2, 10, 4.800, 0.478, 2.702),
    Rail("VDD_MUX", 0x42, 0, 20, SUPPLY_V, 1.10, 1.20),
    Rail("VDD_5V0_IO_SYS", 0x42, 1, 5, 5.000, 0.45, 0.50),
    Rail("VDD_3V3_SYS", 0x42, 2, 10, 3.344, 0.30, 0.31),
)
IDLE_W, TRAIN_W = BOARD[3].idle_w, BOARD[3].train_w


class SimulatedBoard:
    """A file tree under `root`; its chips average, or else convert once a reading."""

    def __init__(self, root: str, averaging: bool = True) -> None:
        self.root = root
        self._config = decode_config(CONTINUOUS_CONFIG if averaging else TRIGGER_CONFIG)
        self._averaging = averaging
        self._level = 0.0  # the averaged power as a share of idle .. train
        self._files: Dict[str, Tuple[int, bytes]] = {}
        self._shown = list(BOARD)

    def build(self, load: float = 0.0) -> None:
        """Write the tree, settled at this load."""
        for address in sorted({rail.address for rail in BOARD}):
            self._build_chip(address)
        self._level = load
        self.show()

    def keep_up(self, rails: Iterable[str]) -> None:
        """Update only the readings of these rails from now on; the others are not read."""
        self._shown = [rail for rail in BOARD if rail.name in tuple(rails)]

    def advance(self, seconds: float, load: float) -> None:
        """Let `seconds` pass at a load of 0 (idle) to 1 (training); the chip averages meanwhile.

        The files do not change yet.
        """
        config = self._config
        self._level = lag(self._level, load, seconds, config["averages"], config["cycle_s"])

    def show(self) -> None:
        """Put the present readings into the files, rounded as chip and driver round."""
        for rail in self._shown:
            mv, ma, mw = shown(
                rail.idle_w + self._level * (rail.train_w - rail.idle_w),
                rail.volts,
                rail.shunt_mohm,
            )
            folder, n = self._iio(rail.address), rail.channel
            for name, value in (
                ("in_voltage%d_input", mv),
                ("in_current%d_input", ma),
                ("in_power%d_input", mw),
                ("ui_input_%d", f"{mv} {ma}"),
            ):
                self._update(folder + name % n, f"{value}\n".encode())

    def close(self) -> None:
        """Close the files; the tree stays."""
        for fd, _ in self._files.values():
            os.close(fd)
        self._files = {}

    def _iio(self, address: int) -> str:
        devices = f"{self.root}/sys/devices/3160000.i2c/i2c-0"
        return f"{devices}/0-{address:04x}/iio:device{address - 0x40}/"

    def _update(self, path: str, text: bytes) -> None:
        # In place, so that a reader that keeps the file open sees it, as with sysfs.
        if path not in self._files:
            self._files[path] = (os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), b"")
        fd, before = self._files[path]
        if text != before:
            os.pwrite(fd, text, 0)
            if len(text) < len(before) or not before:
                os.ftruncate(fd, len(text))
            self._files[path] = (fd, text)

    def _build_chip(self, address: int) -> None:
        iio = self._iio(address)
        tree = f"{self.root}/sys/firmware/devicetree/base/i2c@3160000"
        node = f"{tree}/ina3221x@{address:x}/"
        device = os.path.dirname(os.path.dirname(iio))
        texts = {
            device + "/name": "ina3221x\n",
            iio + "name": "ina3221x\n",
            iio + "running_mode": f"{self._averaging:d}\n",
            device + "/uevent": "DRIVER=ina3221x\nOF_NAME=ina3221x\n"
            f"OF_FULLNAME=/i2c@3160000/ina3221x@{address:x}\n",
        }
        cells = {
            tree + "/clock-frequency": BUS_HZ,
            node + "ti,continuous-config": CONTINUOUS_CONFIG,
            node + "ti,trigger-config": TRIGGER_CONFIG,
        }
        for rail in BOARD:
            if rail.address == address:
                texts[f"{iio}rail_name_{rail.channel}"] = rail.name + "\n"
                cells[f"{node}channel@{rail.channel}/ti,shunt-resistor-mohm"] = rail.shunt_mohm
        contents = {path: text.encode("ascii") for path, text in texts.items()}
        contents.update((path, struct.pack(">I", cell)) for path, cell in cells.items())
        for path, content in contents.items():
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        os.makedirs(self.root + "/sys/bus/i2c/devices", exist_ok=True)
        name = os.path.basename(device)
        link = f"{self.root}/sys/bus/i2c/devices/{name}"
        if not os.path.islink(link):
            os.symlink("../../../devices/3160000.i2c/i2c-0/" + name, link)
