"""Make a fake Jetson TX2 file tree: sysfs, device tree, /etc and tools, for tests of everything
that reads a board.

    tree = FakeTX2(folder).build(); tree.set_rails({"VDD_IN": 7.2})
    python fake_tx2_tree.py FOLDER [--layout l4t32|l4t28|hwmon] [--state idle|train] [--live S]

Paths and texts are those of L4T 32's driver `ina3221x` (JetPack 4; `l4t28` has the JetPack 3
directory name `iio_device`) and of the hwmon driver of JetPack 5 and 6, which a TX2 never runs;
shunts and rail names are those of the production module's device tree
(tegra186-quill-p3310-1000-c03). The readings go through the chip's arithmetic. It shares no code
with the product on purpose.
"""

import argparse
import os
import stat
import struct
import sys
import time

if __package__:
    from tests.devices import fake_tx2_tools as tools
else:
    import fake_tx2_tools as tools

# address, iio number, [(rail, shunt in mohm, volts; None: the supply)]
MODULE = [
    (0x40, 0, [("VDD_SYS_GPU", 10, None), ("VDD_SYS_SOC", 10, None), ("VDD_4V0_WIFI", 10, 4.784)]),
    (0x41, 1, [("VDD_IN", 20, None), ("VDD_SYS_CPU", 10, None), ("VDD_SYS_DDR", 10, 4.800)]),
]
# The carrier board P2597; its shunts are assumptions, and only the resolution depends on them.
CARRIER = [
    (0x42, 2, [("VDD_MUX", 20, None), ("VDD_5V0_IO_SYS", 5, 5.000), ("VDD_3V3_SYS", 10, 3.344)]),
    (
        0x43,
        3,
        [("VDD_3V3_IO_SLP", 10, 3.344), ("VDD_1V8_IO", 10, 1.816), ("VDD_3V3_SYS_M2", 10, 3.344)],
    ),
]
STATES = {  # watts by rail, after real tegrastats lines
    "idle": {
        "VDD_IN": 1.876,
        "VDD_SYS_GPU": 0.153,
        "VDD_SYS_SOC": 0.383,
        "VDD_4V0_WIFI": 0.0,
        "VDD_SYS_CPU": 0.229,
        "VDD_SYS_DDR": 0.134,
        "VDD_MUX": 1.10,
        "VDD_5V0_IO_SYS": 0.45,
        "VDD_3V3_SYS": 0.30,
        "VDD_3V3_IO_SLP": 0.05,
        "VDD_1V8_IO": 0.12,
        "VDD_3V3_SYS_M2": 0.0,
    },
    "train": {
        "VDD_IN": 14.025,
        "VDD_SYS_GPU": 6.854,
        "VDD_SYS_SOC": 1.371,
        "VDD_4V0_WIFI": 0.019,
        "VDD_SYS_CPU": 2.209,
        "VDD_SYS_DDR": 2.702,
        "VDD_MUX": 1.20,
        "VDD_5V0_IO_SYS": 0.50,
        "VDD_3V3_SYS": 0.31,
        "VDD_3V3_IO_SLP": 0.05,
        "VDD_1V8_IO": 0.12,
        "VDD_3V3_SYS_M2": 0.0,
    },
}
ZONES = [
    ("BCPU-therm", 34000),
    ("MCPU-therm", 34000),
    ("GPU-therm", 32000),
    ("PLL-therm", 34000),
    ("Tboard_tegra", 28000),
    ("Tdiode_tegra", 30500),
    ("PMIC-Die", 100000),
    ("thermal-fan-est", 33200),
]
CPU_FREQS = [
    345600,
    499200,
    652800,
    806400,
    960000,
    1113600,
    1267200,
    1420800,
    1574400,
    1728000,
    1881600,
    2035200,
]
GPU_FREQS = [
    114750000,
    216750000,
    318750000,
    420750000,
    522750000,
    624750000,
    726750000,
    828750000,
    930750000,
    1032750000,
    1134750000,
    1236750000,
    1300500000,
]
# id, name, online cores, A57 kHz, Denver kHz, GPU Hz, EMC cap: as /etc/nvpmodel.conf has them (-1:
# the highest; None: off)
NVPMODELS = [
    (0, "MAXN", (0, 1, 2, 3, 4, 5), -1, -1, -1, 0),
    (1, "MAXQ", (0, 3, 4, 5), 1200000, None, 850000000, 1331200000),
    (2, "MAXP_CORE_ALL", (0, 1, 2, 3, 4, 5), 1400000, 1400000, 1120000000, 1600000000),
    (3, "MAXP_CORE_ARM", (0, 3, 4, 5), 2000000, None, 1120000000, 1600000000),
    (4, "MAXP_CORE_DENVER", (0, 1), 345600, 2035200, 1120000000, 1600000000),
]
RELEASE = (
    "# R32 (release), REVISION: 7.1, GCID: 29689809, BOARD: t186ref, EABI: aarch64, "
    "DATE: Wed Feb  2 21:33:23 UTC 2022\n"
)
OS_RELEASE = (
    'NAME="Ubuntu"\nVERSION="18.04.6 LTS (Bionic Beaver)"\nID=ubuntu\nID_LIKE=debian\n'
    'PRETTY_NAME="Ubuntu 18.04.6 LTS"\n'
    'VERSION_ID="18.04"\nVERSION_CODENAME=bionic\nUBUNTU_CODENAME=bionic\n'
)
DEVICE_TREE = {
    "model": "quill\0",
    "compatible": "nvidia,quill\0nvidia,tegra186\0",
    "serial-number": "0320218112345\0",
    "nvidia,boardids": "3310:0000:A0\0",
    "i2c@3160000/clock-frequency": struct.pack(">I", 400000),
    "nvidia,dtsfilename": "/hardware/nvidia/platform/t18x/quill/kernel-dts/"
    "tegra186-quill-p3310-1000-c03-00-base.dts\0",
}


def next_step(table, want):
    """The clock the board takes for a wish: the next step above it (seen on a board: 1120000000
    gives 1134750000).
    """
    if want is None:
        return None
    return table[-1] if want < 0 else min([f for f in table if f >= want] or [table[-1]])


def c_div(a, b):
    """C's integer division: towards zero."""
    quotient = abs(a) // abs(b)
    return quotient if (a >= 0) == (b >= 0) else -quotient


def shown(watts, mohm, volts, offset_uv=0.0, gain=0.0):
    """(mA, mV, mW) as the driver shows a rail: steps of 40 uV and 8 mV, C division."""
    uv = (
        max(
            -4096,
            min(4095, int(round((watts / volts * 1000.0 * mohm * (1.0 + gain) + offset_uv) / 40))),
        )
        * 40
    )
    ma = c_div(c_div(uv * 2, mohm) + (1 if uv > 0 else -1), 2)
    mv = max(0, min(4095, int(round(volts * 1000.0 / 8)))) * 8
    return ma, mv, c_div(mv * ma, 1000)


def nvpmodel_conf():
    """The text of /etc/nvpmodel.conf."""
    lines = [
        "# Copyright (c) 2017-2019, NVIDIA CORPORATION.  All rights reserved.",
        "< PARAM TYPE=FILE NAME=CPU_ONLINE >",
    ]
    lines += [f"CORE_{i} /sys/devices/system/cpu/cpu{i}/online" for i in range(6)]
    for name, base in (
        ("CPU_A57", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_"),
        ("CPU_DENVER", "/sys/devices/system/cpu/cpu1/cpufreq/scaling_"),
        ("GPU", "/sys/devices/17000000.gp10b/devfreq/17000000.gp10b/"),
    ):
        lines += [
            "",
            f"< PARAM TYPE=CLOCK NAME={name} >",
            f"FREQ_TABLE {base}available_frequencies",
            f"MAX_FREQ {base}max_freq",
            f"MIN_FREQ {base}min_freq",
        ]
    lines += [
        "",
        "< PARAM TYPE=CLOCK NAME=EMC >",
        "MAX_FREQ /sys/kernel/nvpmodel_emc_cap/emc_iso_cap",
        "",
    ]
    for number, name, online, a57, denver, gpu, emc in NVPMODELS:
        lines.append(f"< POWER_MODEL ID={number} NAME={name} >")
        lines += [f"CPU_ONLINE CORE_{i} {int(i in online):d}" for i in range(1, 6)]
        lines += ["CPU_A57 MIN_FREQ 0", f"CPU_A57 MAX_FREQ {a57}"]
        if denver:
            lines += ["CPU_DENVER MIN_FREQ 0", f"CPU_DENVER MAX_FREQ {denver}"]
        lines += ["GPU MIN_FREQ 0", f"GPU MAX_FREQ {gpu}", f"EMC MAX_FREQ {emc}", ""]
    return "\n".join(lines + ["< PM_CONFIG DEFAULT=3 >", ""])


class FakeTX2:
    """A tree under `root`; `words` are the (continuous, trigger) configuration words, `continuous`
    the running mode.
    """

    def __init__(
        self,
        root,
        layout="l4t32",
        carrier=True,
        wifi=True,
        mode=0,
        supply_volts=19.12,
        state="idle",
        root_only_power=False,
        offsets_uv=None,
        gains=None,
        iio_alias=True,
        words=(0x7607, 0x7003),
        continuous=True,
        chips=None,
    ):
        self.root = os.path.abspath(str(root))
        self.layout, self.wifi, self.mode, self.supply, self.state = (
            layout,
            wifi,
            mode,
            supply_volts,
            state,
        )
        self.root_only_power, self.iio_alias, self.words, self.continuous = (
            root_only_power,
            iio_alias,
            words,
            continuous,
        )
        self.offsets_uv, self.gains = offsets_uv or {}, gains or {}
        self.chips = chips or MODULE + (CARRIER if carrier else [])
        self.rails = {}  # name -> (folder, channel, mohm, volts)
        self._fds = {}

    def p(self, path):
        """Where a path of the board lies in this tree."""
        return os.path.join(self.root, path.lstrip("/"))

    def put(self, path, content, mode=0o444):
        """Write one file, folders and all."""
        full = self.p(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.exists(full):
            os.chmod(full, 0o644)
        with open(full, "wb") as file:
            file.write(content if isinstance(content, bytes) else str(content).encode("utf-8"))
        os.chmod(full, mode)

    def link(self, path, target):
        """Make or replace a symbolic link."""
        full = self.p(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.islink(full):
            os.unlink(full)
        os.symlink(target, full)

    def put_all(self, folder, access, **files):
        """Write several one-line files of a folder."""
        for name, value in files.items():
            self.put(f"{folder}/{name}", f"{value}\n", access)

    # the power monitors

    def _iio_chip(self, address, number, channels):
        name = f"0-{address:04x}"
        device = "/sys/devices/3160000.i2c/i2c-0/" + name
        node = "iio_device" if self.layout == "l4t28" else f"iio:device{number}"
        iio = f"{device}/{node}"
        self.put_all(device, 0o444, name="ina3221x", modalias="i2c:ina3221x")
        self.put(
            device + "/uevent",
            f"DRIVER=ina3221x\nOF_NAME=ina3221x\nOF_FULLNAME=/i2c@3160000/ina3221x@{address:x}\n"
            "OF_COMPATIBLE_0=ti,ina3221x\nOF_COMPATIBLE_N=1\nMODALIAS=i2c:ina3221x\n",
            0o644,
        )
        self.put_all(
            iio,
            0o444,
            name="ina3221x",
            dev=f"245:{number}",
            in_current_sum_input="0 ma",
            crit_current_limit_sum="0 ma",
        )
        self.put(iio + "/running_mode", f"{int(self.continuous):d}\n", 0o644)
        for channel in range(3):
            # The attributes are a static list: a channel without a device tree node has them too,
            # and prints "(null)" as its name.
            rail, mohm, volts = channels[channel] if channel < len(channels) else ("(null)", 0, 0.0)
            self._iio_channel(iio, channel, rail, mohm, self.supply if volts is None else volts)
        if self.iio_alias and self.layout == "l4t32":
            self.link(
                device + "/iio_device", node
            )  # the same node again: must not be counted twice
        up = "../../../devices/3160000.i2c/i2c-0/" + name
        self.link("/sys/bus/i2c/devices/" + name, up)
        self.link("/sys/bus/i2c/drivers/ina3221x/" + name, "../" + up)
        if self.layout == "l4t32":
            self.link(f"/sys/bus/iio/devices/iio:device{number}", f"{up}/{node}")
        self.link(device + "/driver", "../../../../bus/i2c/drivers/ina3221x")
        self.link(
            device + "/of_node",
            f"../../../../firmware/devicetree/base/i2c@3160000/ina3221x@{address:x}",
        )
        self._device_tree_chip(address, channels)

    def _iio_channel(self, iio, channel, rail, mohm, volts):
        limit = (
            c_div(c_div(4095 * 40 * 2, mohm) + 1, 2) if mohm else 0
        )  # the alert registers power up at 4095 * 40 uV
        if mohm:
            self.rails[rail] = (iio, channel, mohm, volts)
        for name, text in (
            ("rail_name", rail),
            ("crit_current_limit", f"{limit} ma"),
            ("warn_current_limit", f"{limit} ma"),
            ("crit_power_limit", f"{int(limit * volts)} mw"),
            ("ui_input", "0 0"),
            ("polling_delay", "0 ms"),
        ):
            self.put(f"{iio}/{name}_{channel}", text + "\n", 0o644)
        for name in (
            "voltage%d_input",
            "current%d_input",
            "power%d_input",
            "current%d_trigger_input",
            "power%d_trigger_input",
        ):
            self.put(f"{iio}/in_{name % channel}", "0\n", 0o400 if self.root_only_power else 0o444)

    def _device_tree_chip(self, address, channels):
        node = f"/sys/firmware/devicetree/base/i2c@3160000/ina3221x@{address:x}"
        self.put(node + "/compatible", b"ti,ina3221x\0")
        for name, word in (
            ("reg", address),
            ("ti,continuous-config", self.words[0]),
            ("ti,trigger-config", self.words[1]),
        ):
            self.put(f"{node}/{name}", struct.pack(">I", word))
        if self.continuous:
            self.put(node + "/ti,enable-forced-continuous", b"")
        for channel, (rail, mohm, _) in enumerate(channels):
            self.put(f"{node}/channel@{channel}/reg", struct.pack(">I", channel))
            self.put(f"{node}/channel@{channel}/ti,rail-name", rail + "\0")
            self.put(f"{node}/channel@{channel}/ti,shunt-resistor-mohm", struct.pack(">I", mohm))

    def _hwmon_chip(self, address, number, channels):
        name = f"0-{address:04x}"
        where = "devices/platform/bus@0/3160000.i2c/i2c-0/" + name
        hwmon = f"/sys/{where}/hwmon/hwmon{number + 1:d}"
        self.put(f"/sys/{where}/name", "ina3221\n")
        self.put_all(
            hwmon,
            0o644,
            name="ina3221",
            samples=1,
            update_interval=5,
            in7_label="sum of shunt voltages",
            in7_input=0,
        )
        for channel, (rail, mohm, volts) in enumerate(channels):
            self.rails[rail] = (hwmon, channel, mohm, self.supply if volts is None else volts)
            n = channel + 1
            self.put_all(
                hwmon,
                0o644,
                **{
                    f"in{n}_label": rail,
                    f"in{n}_enable": 1,
                    f"in{n}_input": 0,
                    f"curr{n}_input": 0,
                    f"shunt{n}_resistor": mohm * 1000,
                    f"in{n + 3:d}_input": 0,
                    f"curr{n}_crit_alarm": 0,
                },
            )
        self.link("/sys/bus/i2c/devices/" + name, "../../../" + where)
        self.link("/sys/bus/i2c/drivers/ina3221/" + name, "../../../../" + where)
        self.link(
            f"/sys/class/hwmon/hwmon{number + 1:d}",
            f"../../{where}/hwmon/hwmon{number + 1:d}",
        )

    def _power(self):
        for address, number, channels in self.chips:
            if not self.wifi:
                channels = [c for c in channels if c[0] != "VDD_4V0_WIFI"]
            (self._hwmon_chip if self.layout == "hwmon" else self._iio_chip)(
                address, number, channels
            )
        self.put("/sys/devices/3160000.i2c/i2c-0/name", "Tegra I2C adapter\n")
        self.put(
            "/sys/devices/c250000.i2c/i2c-6/6-004c/name", "tmp451\n"
        )  # another device: not to be taken for one of ours
        self.link("/sys/bus/i2c/devices/6-004c", "../../../devices/c250000.i2c/i2c-6/6-004c")
        os.makedirs(self.p("/sys/class/power_supply"), exist_ok=True)
        os.makedirs(self.p("/sys/class/hwmon"), exist_ok=True)

    # the rest of the board

    def _cpu(self):
        online, a57, denver = NVPMODELS[self.mode][2:5]
        base = "/sys/devices/system/cpu"
        for i in range(6):
            core = f"{base}/cpu{i}"
            self.put(core + "/online", f"{int(i in online):d}\n", 0o644)
            if i not in online:
                continue
            top = next_step(CPU_FREQS, denver if i in (1, 2) else a57) or 345600
            self.put_all(
                core + "/cpufreq",
                0o644,
                scaling_governor="schedutil",
                scaling_min_freq=345600,
                scaling_max_freq=top,
                scaling_cur_freq=345600,
                scaling_available_frequencies=" ".join(map(str, CPU_FREQS)) + " ",
                scaling_available_governors="interactive conservative ondemand userspace "
                "powersave performance schedutil ",
                cpuinfo_min_freq=345600,
                cpuinfo_max_freq=2035200,
                cpuinfo_cur_freq=345600,
            )
            for state, name in enumerate(("C1", "c7") if i not in (1, 2) else ("C1", "c6", "c7")):
                self.put_all(f"{core}/cpuidle/state{state}", 0o644, name=name, disable=0)
        ranges = {0: "0-5", 1: "0,3-5", 2: "0-5", 3: "0,3-5", 4: "0-1"}
        self.put_all(base, 0o444, online=ranges[self.mode], possible="0-5", present="0-5")
        tick = " %d 1889 461134 59280326 55795 0 10322 0 0 0\n"
        self.put(
            "/proc/stat",
            "cpu "
            + tick % 26716126
            + "".join(f"cpu{i}" + tick % 1673575 for i in online)
            + "intr 1183148227\nctxt 1028840383\nbtime 1674644431\nprocesses 30001646\n"
            "procs_running 1\nprocs_blocked 0\n",
            0o644,
        )

    def _gpu(self):
        gpu, emc = NVPMODELS[self.mode][5:7]
        device = "/sys/devices/17000000.gp10b"
        devfreq = device + "/devfreq/17000000.gp10b"
        self.put_all(
            devfreq,
            0o644,
            cur_freq=114750000,
            min_freq=114750000,
            max_freq=next_step(GPU_FREQS, gpu),
            target_freq=114750000,
            governor="nvhost_podgov",
            available_frequencies=" ".join(map(str, GPU_FREQS)),
            available_governors="wmark_active wmark_simple nvhost_podgov userspace performance "
            "simple_ondemand",
        )
        self.put_all(device, 0o644, load=0, railgate_enable=1, enable_3d_scaling=1, tpc_pg_mask=0)
        self.put(device + "/power/control", "auto\n", 0o644)
        self.put("/sys/firmware/devicetree/base/gp10b/name", b"gp10b\0")
        self.link(device + "/of_node", "../../firmware/devicetree/base/gp10b")
        self.link(devfreq + "/device", "../../../17000000.gp10b")
        self.link("/sys/devices/gpu.0", "17000000.gp10b")
        self.link(
            "/sys/class/devfreq/17000000.gp10b",
            "../../devices/17000000.gp10b/devfreq/17000000.gp10b",
        )
        self.put_all(
            "/sys/kernel/debug/bpmp/debug/clk/emc",
            0o644,
            rate=40800000,
            min_rate=40800000,
            max_rate=1866000000,
            mrq_rate_locked=0,
            state=1,
        )
        self.put_all("/sys/kernel/debug/clk/ape", 0o444, clk_rate=150000000, clk_enable_count=1)
        self.put("/sys/kernel/actmon_avg_activity/mc_all", "0\n")
        self.put("/sys/kernel/nvpmodel_emc_cap/emc_iso_cap", f"{emc}\n", 0o644)

    def _rest(self):
        for i, (kind, millidegrees) in enumerate(ZONES):
            zone = f"/sys/devices/virtual/thermal/thermal_zone{i}"
            self.put_all(zone, 0o644, type=kind, temp=millidegrees, mode="enabled")
            self.link(
                f"/sys/class/thermal/thermal_zone{i}",
                f"../../devices/virtual/thermal/thermal_zone{i}",
            )
        self.put_all(
            "/sys/devices/pwm-fan",
            0o644,
            target_pwm=0,
            cur_pwm=0,
            rpm_measured=0,
            temp_control=1,
            pwm_cap=255,
            tach_enable=0,
            step_time=100,
        )
        for name, content in DEVICE_TREE.items():
            self.put("/sys/firmware/devicetree/base/" + name, content)
        self.link("/proc/device-tree", "../sys/firmware/devicetree/base")
        self.put("/etc/nv_tegra_release", RELEASE, 0o644)
        self.put("/etc/os-release", OS_RELEASE, 0o644)
        self.put("/etc/nvpmodel/nvpmodel_t186.conf", nvpmodel_conf(), 0o644)
        self.link("/etc/nvpmodel.conf", "nvpmodel/nvpmodel_t186.conf")
        self.put(
            "/sys/devices/virtual/dmi/id/product_name", "fake\n"
        )  # jtop on x86 lists this folder unasked
        self.put(
            "/usr/sbin/nvpmodel",
            tools.NVPMODEL % {"names": " ".join(m[1] for m in NVPMODELS), "mode": self.mode},
            0o755,
        )
        self.put("/usr/bin/jetson_clocks", tools.JETSON_CLOCKS, 0o755)
        self.put("/usr/bin/tegrastats", tools.TEGRASTATS, 0o755)

    def build(self):
        """Write everything; returns the tree."""
        self._power()
        self._cpu()
        self._gpu()
        self._rest()
        self.set_rails({rail: STATES[self.state].get(rail, 1.0) for rail in self.rails})
        return self

    # live readings

    def _update(self, path, text):
        # In place, so that readers that keep the file open see it too, as with sysfs.
        if path not in self._fds:
            full = self.p(path)
            mode = stat.S_IMODE(os.stat(full).st_mode)
            os.chmod(full, mode | stat.S_IWUSR)
            self._fds[path] = os.open(full, os.O_RDWR)
            os.chmod(full, mode)
        data = text.encode("ascii")
        os.pwrite(self._fds[path], data, 0)
        os.ftruncate(self._fds[path], len(data))

    def set_rails(self, watts):
        """Show these watts; returns {rail: (mA, mV, mW)} as the tree now says."""
        out = {}
        for rail in sorted(set(watts) & set(self.rails)):
            folder, channel, mohm, volts = self.rails[rail]
            ma, mv, mw = out[rail] = shown(
                watts[rail], mohm, volts, self.offsets_uv.get(rail, 0.0), self.gains.get(rail, 0.0)
            )
            if self.layout == "hwmon":
                texts = {
                    f"in{channel + 1:d}_input": mv,
                    f"curr{channel + 1:d}_input": ma,
                    f"in{channel + 4:d}_input": ma * mohm,
                }
            else:
                texts = {
                    "in_voltage%d_input": mv,
                    "in_current%d_input": ma,
                    "in_power%d_input": mw,
                    "in_current%d_trigger_input": ma,
                    "in_power%d_trigger_input": mw,
                    "ui_input_%d": f"{mv} {ma}",
                }
                texts = {name % channel: value for name, value in texts.items()}
            for name, value in texts.items():
                self._update(f"{folder}/{name}", f"{value}\n")
        return out

    def close(self):
        """Close the files kept open by `set_rails`."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds = {}


def main():
    """Make a tree from the command line; --live shows a square wave, idle/train, of 2 s period."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--layout", choices=("l4t32", "l4t28", "hwmon"), default="l4t32")
    parser.add_argument("--no-carrier", action="store_true")
    parser.add_argument("--mode", type=int, default=0, choices=range(5))
    parser.add_argument("--state", choices=sorted(STATES), default="idle")
    parser.add_argument("--live", type=float, default=0.0, metavar="SECONDS")
    args = parser.parse_args()
    tree = FakeTX2(
        args.folder,
        layout=args.layout,
        carrier=not args.no_carrier,
        mode=args.mode,
        state=args.state,
    ).build()
    begin = time.monotonic()
    while time.monotonic() - begin < args.live:
        tree.set_rails(STATES["train" if (time.monotonic() - begin) % 2.0 < 1.0 else "idle"])
        time.sleep(0.001)
    tree.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
