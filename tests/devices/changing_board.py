"""A fake TX2 to which things happen: heat, throttling, a mode change, swapping, a sagging supply, a
reboot.
"""

from tests.devices.fake_tx2_tree import FakeTX2

GPU = "/sys/devices/17000000.gp10b/devfreq/17000000.gp10b/"


class Board:
    """A fake TX2 whose files a test changes, and whose time advances with every sleep."""

    def __init__(self, folder, **facts):
        self.tree = FakeTX2(str(folder), **facts).build()
        self.now_s, self.drift_c_per_s, self.heat_c = 0.0, 0.0, 0.0
        self.tree.put("/proc/sys/kernel/random/boot_id", "11111111-aaaa\n", 0o644)
        self.tree.put("/proc/vmstat", "nr_free_pages 1\npswpin 10\npswpout 20\n", 0o644)
        self.tree.put(
            "/proc/meminfo",
            "MemTotal: 8040000 kB\nSwapTotal: 4000000 kB\nSwapFree: 3999000 kB\n",
            0o644,
        )
        self.tree.put("/var/lib/nvpmodel/status", "pmode:0000\n", 0o644)
        for number, kind in ((0, "pwm-fan"), (1, "cpu-balanced"), (2, "gpu-balanced")):
            self.cool(number, kind, 0)

    def cool(self, number, kind, state):
        self.tree.put_all(
            f"/sys/class/thermal/cooling_device{number}",
            0o644,
            type=kind,
            cur_state=state,
            max_state=10,
        )

    def clock(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds
        self.heat_c += self.drift_c_per_s * seconds
        self.tree.put(
            "/sys/devices/virtual/thermal/thermal_zone2/temp",
            f"{int(32000 + 1000 * self.heat_c)}\n",
        )


def lock(board):
    board.tree.put_all(GPU, 0o644, min_freq=1300500000, cur_freq=1300500000)
    for core in range(6):
        board.tree.put_all(
            f"/sys/devices/system/cpu/cpu{core}/cpufreq", 0o644, scaling_min_freq=2035200
        )


def throttle_by_heat(board):
    board.cool(2, "gpu-balanced", 3)


def throttle_in_silence(board):
    board.tree.put_all(GPU, 0o644, cur_freq=853000000)
    board.tree.put("/sys/devices/17000000.gp10b/load", "990\n", 0o644)


def change_mode(board):
    board.tree.put("/var/lib/nvpmodel/status", "pmode:0003\n", 0o644)


def change_limit(board):
    board.tree.put_all(GPU, 0o644, max_freq=1134750000)


def swap(board):
    board.tree.put("/proc/vmstat", "pswpin 10\npswpout 1020\n", 0o644)


def sag(board):
    folder, channel = board.tree.rails["VDD_IN"][:2]
    board.tree.put(f"{folder}/in_voltage{channel}_input", "17900\n")


def reboot(board):
    board.tree.put("/proc/sys/kernel/random/boot_id", "22222222-bbbb\n", 0o644)
