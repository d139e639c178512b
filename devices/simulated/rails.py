"""The rails of a TX2 developer kit, with their power when idle and when training."""

from typing import NamedTuple

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
