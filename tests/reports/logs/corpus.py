# ruff: noqa: E501
"""Foreign, odd and broken logs, made from the headers that tools and people write.

Each case has a text, the arguments of `PowerTrace.load`, and its truth: joules, or a part of the
error, or of the reason of a void.
"""

import json
import math
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

N = 241


class Case(NamedTuple):
    """A log: its name, bytes, arguments, and true joules or a pattern of its refusal."""

    name: str
    data: bytes
    truth: float | str
    arguments: dict = {}


TIMES = [i / 10 for i in range(N)]  # 24 s
WATTS = [round(12 + 5 * math.sin(i / 17) + i % 3 / 10, 3) for i in range(N)]
VOLTS = [round(5 - i % 4 / 100, 2) for i in range(N)]


def line(power, times=TIMES):
    pairs = zip(times, times[1:], power, power[1:], strict=False)
    return math.fsum((b - a) * (p + q) / 2 for a, b, p, q in pairs)


def mean(power, times=TIMES):
    return math.fsum((b - a) * q for a, b, q in zip(times, times[1:], power[1:], strict=False))


TRUE = line(WATTS)
TOTALS = [0.0]
for _i in range(1, N):
    TOTALS.append(TOTALS[-1] + (WATTS[_i] + WATTS[_i - 1]) / 20)


def table(head, *columns, mark=",", end="\n", before=""):
    rows = [mark.join(map(str, row)) for row in zip(*columns, strict=True)]
    return (before + end.join([head, *rows]) + end).encode()


def scaled(values, factor, digits=9):
    texts = [f"{value * factor:.{digits}f}" for value in values]
    return [text.rstrip("0").rstrip(".") if digits else text for text in texts]


def stamps(form, step=0.1, begin="2026-03-01T10:00:00", n=N):
    start = datetime.fromisoformat(begin).replace(tzinfo=timezone.utc)
    return [form(start + timedelta(seconds=round(i * step, 6))) for i in range(n)]


def plain():
    units_t = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}
    units_w = {"W": 1, "mW": 1e3, "uW": 1e6, "kW": 1e-3}
    styles = (
        ("time_{t},power_{w}", ","),
        ("Time ({t}),Power ({w})", ","),
        ("Time [{t}];P [{w}]", ";"),
        ("timestamp_{t}\tboard_{w}", "\t"),
        ("Time,Power\n{t},{w}", ","),
        ("elapsed ({t}), cpu power ({w})", ","),
        ("Time/{t},P/{w}", ","),
    )
    for t, by_t in units_t.items():
        for w, by_w in units_w.items():
            for k, (head, mark) in enumerate(styles):
                data = table(
                    head.format(t=t, w=w), scaled(TIMES, by_t), scaled(WATTS, by_w), mark=mark
                )
                yield Case(f"plain-{k}-{t}-{w}", data, TRUE)


def volts_and_amperes():
    amps = [w / v for w, v in zip(WATTS, VOLTS, strict=True)]
    for v, by_v in {"V": 1, "mV": 1e3}.items():
        for a, by_a in {"A": 1, "mA": 1e3, "uA": 1e6}.items():
            for k, head in enumerate(
                (
                    "t_s,voltage_{v},current_{a}",
                    "Time (s),U ({v}),I ({a})",
                    "time [s],bus_{v},load_{a}",
                )
            ):
                data = table(head.format(v=v, a=a), TIMES, scaled(VOLTS, by_v), scaled(amps, by_a))
                yield Case(f"va-{k}-{v}-{a}", data, TRUE)
    yield Case("va-no-units", table("time,voltage,current", TIMES, VOLTS, scaled(amps, 1)), TRUE)
    data = table("time,voltage,current", TIMES, VOLTS, scaled(amps, 1e3))
    yield Case("va-ambiguous", data, "units of volts and amperes|may be any|disagree")
    small = table("time,voltage,current", TIMES, VOLTS, scaled(amps, 1e-3))
    yield Case("va-implausible", small, "units of volts and amperes")
    none = table("time,voltage,current", TIMES, VOLTS, [0] * N)
    yield Case("va-zero", none, "units of volts and amperes")
    data = table("time,voltage,current,energy_j", TIMES, VOLTS, scaled(amps, 1e3), TOTALS)
    yield Case("va-energy-decides", data, TRUE)
    data = table("time,voltage,current,energy_j", TIMES, VOLTS, scaled(amps, 1e3), [7] * N)
    yield Case("va-energy-denies", data, "units of volts and amperes")
    data = table("time,power_w,voltage,current", TIMES, WATTS, VOLTS, scaled(amps, 1e3))
    yield Case("va-power-decides", data, TRUE)
    data = table("time,power,voltage,current", TIMES, scaled(WATTS, 1e3), VOLTS, scaled(amps, 1))
    yield Case("va-plausible-decides-mw", data, TRUE)
    data = table(
        "time,power,voltage_v,current_a", TIMES, scaled(WATTS, 1e3), VOLTS, scaled(amps, 1)
    )
    yield Case("va-decides-mw", data, TRUE)
    wrong = table(
        "time,power_w,voltage_v,current_a", TIMES, scaled(WATTS, 2), VOLTS, scaled(amps, 1)
    )
    yield Case("va-against-p", wrong, "gives")
    mains = table("time,power_w,voltage_v,current_a", TIMES, WATTS, [230] * N, scaled(WATTS, 0.01))
    yield Case("mains-power-factor", mains, TRUE)
    data = table("Timestamp(ms),Current(uA)", scaled(TIMES, 1e3), scaled(amps, 1e6))
    yield Case("ppk2", data, "no voltage")
    fixed = [w / 5 for w in WATTS]
    data = table("Timestamp(ms),Current(uA)", scaled(TIMES, 1e3), scaled(fixed, 1e6))
    yield Case("ppk2-map", data, TRUE, {"columns": "t=Timestamp(ms),v=5.0V,a=Current(uA)"})


def energies():
    units = {
        "J": 1,
        "mJ": 1e3,
        "uJ": 1e6,
        "kJ": 1e-3,
        "Wh": 1 / 3600,
        "mWh": 1 / 3.6,
        "kWh": 1 / 3.6e6,
    }
    for unit, factor in units.items():
        data = table(f"time_s,energy_{unit}", TIMES, scaled(TOTALS, factor, 15))
        yield Case(f"counter-{unit}", data, TRUE)
    steps = [(WATTS[max(i - 1, 0)] + WATTS[i]) / 20 for i in range(N)]
    for unit in ("J", "mJ", "uJ"):
        data = table(f"time_s,energy_{unit}", TIMES, scaled(steps, units[unit], 12))
        yield Case(f"interval-{unit}", data, TRUE)
        yield Case(
            f"interval-map-{unit}", data, TRUE, {"columns": f"t=time_s,dj=energy_{unit}[{unit}]"}
        )
    yield Case("energy-no-unit", table("time,energy", TIMES, TOTALS), "unit must be stated")
    yield Case(
        "interval-constant", table("time,energy_j", TIMES, [1.5] * N), "since the row before"
    )
    slow = scaled([5000 + i / 2 for i in range(N)], 1)
    yield Case("counter-or-ramp", table("time_s,energy_j", range(N), slow), "since the row before")
    yield Case("counter-total", table("time_s,total_energy_j", range(N), slow), (N - 1) / 2)
    far = scaled([5e5 + total for total in TOTALS], 1)
    yield Case("counter-far", table("time_s,energy_j", TIMES, far), TRUE)
    yield Case("rapl-dump", table("time_s,energy_uj", TIMES, scaled(TOTALS, 1e6, 3)), TRUE)
    wrapped = [(total * 1e6 + 262143328850 - 5e7) % 262143328850 for total in TOTALS]
    yield Case("rapl-wrapped", table("time_s,energy_uj", TIMES, scaled(wrapped, 1, 3)), TRUE)
    both = table("time,power,energy_j", TIMES, scaled(WATTS, 1e3), scaled(TOTALS, 1))
    yield Case("energy-decides-mw", both, TRUE)
    bad = table("time,power_w,energy_j", TIMES, scaled(WATTS, 3), scaled(TOTALS, 1))
    yield Case("energy-against-power", bad, "gives")


def without_units():
    yield Case("watts", table("time,power", TIMES, WATTS), TRUE)
    yield Case("milliwatts", table("time,power", TIMES, scaled(WATTS, 3e3)), 3 * TRUE)
    yield Case("rack-or-board", table("time,power", TIMES, scaled(WATTS, 1e3)), "may be any")
    yield Case("either", table("time,power", TIMES, scaled(WATTS, 30)), "may be any")
    yield Case("tiny", table("time,power", TIMES, scaled(WATTS, 1e-4)), "may be any")
    yield Case("whole-ms", table("time,power", range(0, 100 * N, 100), WATTS), "not stated")
    yield Case("whole-s", table("time,power", range(N), WATTS), 10 * TRUE)
    yield Case("millis", table("millis,power_w", range(0, 100 * N, 100), WATTS), TRUE)
    yield Case("no-header", table("", TIMES, WATTS), "known here")
    yield Case("no-header-map", table("0,12.0", TIMES[1:], WATTS[1:]), line([12.0, *WATTS[1:]]),
               {"columns": "t=1,w=2"})  # fmt: skip
    yield Case("megawatts", table("time_s,power_MW", TIMES, WATTS), "may be any|cannot be")
    yield Case("megawatts-true", table("time_s,power_MW", TIMES, scaled(WATTS, 1e-6, 12)), TRUE)
    yield Case("all-zero", table("time,power", TIMES, [0] * N), 0.0)
    yield Case(
        "cells", table("time,power", [f"{t} s" for t in TIMES], [f"{w} W" for w in WATTS]), TRUE
    )
    mixed = [f"{w * 1e3:.0f} mW" if i % 2 else f"{w} W" for i, w in enumerate(WATTS)]
    yield Case("cells-mixed", table("time,power", TIMES, mixed), TRUE)


def decoys():
    limits = [250.0] * N
    for name, values in {
        "power.limit [W]": limits, "power factor": [0.9] * N, "power_state": ["P0"] * N,
        "Power Limit (W)": limits, "max power [W]": limits, "power_cap_w": limits, "TDP [W]": limits,
        "reactive power [W]": limits, "enforced.power.limit [W]": limits, "power mode": ["MAXN"] * N,
        "avg_power_w": limits, "Power_max_W": limits, "temp [C]": [44] * N,
    }.items():  # fmt: skip
        yield Case(
            f"decoy-before {name}", table(f"time,{name},power_w", TIMES, values, WATTS), TRUE
        )
        yield Case(f"decoy-after {name}", table(f"time,power_w,{name}", TIMES, WATTS, values), TRUE)
    for name in ("power.limit [W]", "power factor", "power_state", "max_power_w"):
        yield Case(f"decoy-alone {name}", table(f"time,{name}", TIMES, limits), "known here")
    for name in ("Power (dBm)", "P (bar)", "power_raw", "I [lx]", "Power [kVA]", "Power [hp]"):
        yield Case(f"no-power {name}", table(f"time_s,{name}", TIMES, WATTS), "known here")
    for name in ("Time (ticks)", "time_ticks"):
        yield Case(f"no-time {name}", table(f"{name},P [W]", TIMES, WATTS), "known here")
    warm = table("time_s,T [C],T [°C],P [W]", TIMES, [44] * N, range(N), WATTS)
    yield Case("temperature-is-no-time", warm, TRUE)
    yield Case("time-in-m", table("elapsed [m],P [W]", TIMES, WATTS), "not stated")
    days = [46082.4 + t / 86400 for t in range(N)]
    yield Case("spreadsheet-days", table("Time,P [W]", days, WATTS), "not stated")
    named = {"columns": "t=Time[days],w=P [W]"}
    yield Case("spreadsheet-days-map", table("Time,P [W]", days, WATTS), 10 * TRUE, named)
    yield Case("power-of-a-name", table("Time [s],Power (CPU)", TIMES, WATTS), TRUE)
    yield Case("mean-alone", table("time,avg_power", TIMES, WATTS), "any length")
    two = table("time,cpu_w,gpu_w", TIMES, WATTS, WATTS)
    yield Case("two-rails", two, "names no rail as the total")
    yield Case(
        "two-rails-sum", two, 2 * TRUE, {"columns": "t=time,w=cpu_w,w=gpu_w,total=cpu_w+gpu_w"}
    )
    yield Case("two-rails-all", two, 2 * TRUE, {"columns": "t=time,w=cpu_w,w=gpu_w,total=*"})
    summed = table("time,cpu_w,gpu_w,board_w", TIMES, WATTS, WATTS, scaled(WATTS, 2))
    yield Case("sum-of-rails", summed, 2 * TRUE)
    both = table("time,cpu_w,total_w,board_w", TIMES, WATTS, WATTS, scaled(WATTS, 2))
    yield Case("total-against-sum", both, "names no rail as the total")
    named = table("time,cpu_w,gpu_w,total_w", TIMES, WATTS, WATTS, scaled(WATTS, 3))
    yield Case("total-by-name", named, 3 * TRUE)


def moments():
    forms = {
        "iso": lambda t: t.replace(tzinfo=None).isoformat(timespec="milliseconds"),
        "iso-z": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "iso-zone": lambda t: t.isoformat(timespec="milliseconds"),
        "iso-ns": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
        "slash": lambda t: t.strftime("%Y/%m/%d %H:%M:%S.%f")[:-3],
        "german": lambda t: t.strftime("%d.%m.%Y %H:%M:%S.%f"),
        "american": lambda t: t.strftime("%m/%d/%Y %I:%M:%S.%f %p"),
        "time of day": lambda t: t.strftime("%H:%M:%S.%f"),
        "epoch": lambda t: f"{t.timestamp():.3f}",
        "epoch-ms": lambda t: f"{t.timestamp() * 1e3:.0f}",
        "epoch-us": lambda t: f"{t.timestamp() * 1e6:.0f}",
        "epoch-ns": lambda t: f"{t.timestamp() * 1e3:.0f}000000",
    }
    for name, form in forms.items():
        for begin in ("2026-03-01T10:00:00", "2026-02-28T23:59:50"):
            data = table("timestamp,power_w", stamps(form, begin=begin), WATTS)
            yield Case(f"moment-{name}-{begin[11:13]}", data, TRUE)
    for begin in ("2026-03-01T10:00:00", "2026-02-28T23:59:50"):
        date = stamps(lambda t: t.strftime("%Y-%m-%d"), begin=begin)
        clock = stamps(lambda t: t.strftime("%H:%M:%S.%f"), begin=begin)
        yield Case(f"date-and-time-{begin[11:13]}", table("Date,Time,W", date, clock, WATTS), TRUE)
    coarse = stamps(lambda t: f"{t.timestamp():.6g}")
    yield Case("epoch-few-digits", table("timestamp,power_w", coarse, WATTS), "coarser|no time")
    seconds = stamps(lambda t: t.strftime("%Y-%m-%d %H:%M:%S"))
    yield Case("whole-seconds", table("timestamp,power_w", seconds, WATTS), "coarser")
    yield Case("whole-seconds-interval", table("timestamp,power_w", seconds, WATTS), TRUE,
               {"interval_s": 0.1})  # fmt: skip
    yield Case("whole-seconds-near-interval", table("timestamp,power_w", stamps(
        lambda t: t.strftime("%Y-%m-%d %H:%M:%S"), 1.02, n=500), WATTS * 2 + WATTS[:18]), "span",
        {"interval_s": 1.0})  # fmt: skip
    yield Case("whole-seconds-wrong-interval", table("timestamp,power_w", seconds, WATTS), "span",
               {"interval_s": 1.0})  # fmt: skip
    iso = stamps(forms["iso"])
    agree = table("timestamp,elapsed_s,power_w", iso, TIMES, WATTS)
    yield Case("two-times-agree", agree, TRUE)
    disagree = table("timestamp,elapsed_s,power_w", iso, scaled(TIMES, 2), WATTS)
    yield Case("two-times-disagree", disagree, "disagree")


def marks():
    comma = [f"{t}".replace(".", ",") for t in TIMES]
    watts = [f"{w:.3f}".replace(".", ",") for w in WATTS]
    yield Case("decimal-comma", table("Zeit time [s];P [W]", comma, watts, mark=";"), TRUE)
    thousands = [f'"{w * 1e3:,.1f}"' for w in WATTS]
    yield Case("thousands", table("time_s,power_mW", TIMES, thousands), TRUE)
    big = [f'"{w * 1e6:,.0f}"' for w in WATTS]
    yield Case("thousands-twice", table("time_s,power_uW", TIMES, big), TRUE)
    dots = [f"{w * 1e3:,.1f}".translate(str.maketrans(",.", ".,")) for w in WATTS]
    yield Case("thousands-dot", table("time [s];P [mW]", comma, dots, mark=";"), TRUE)
    groups = [f"{w * 1e3:,.0f}".replace(",", ".") for w in WATTS]
    yield Case("thousands-dot-whole", table("time [s];P [mW]", comma, groups, mark=";"), TRUE)
    cells = [f"{group} mW" for group in groups]
    yield Case("thousands-dot-units", table("time [s];P", comma, cells, mark=";"), TRUE)
    other = ["1,234"] * N
    unclear = table("time [s];P [mW];x", range(N), groups, other, mark=";")
    yield Case("thousands-dot-or-comma", unclear, "may divide")
    blanks = [f"{w * 1e3:,.1f}".replace(",", " ") for w in WATTS]
    yield Case("thousands-blank", table("time [s];P [mW]", TIMES, blanks, mark=";"), TRUE)
    quotes = [f"{w * 1e3:,.1f}".replace(",", "'") for w in WATTS]
    yield Case("thousands-quote", table("time [s];P [mW]", TIMES, quotes, mark=";"), TRUE)
    either = [f'"{w * 1e3:,.0f}"' for w in WATTS]
    yield Case("thousands-either", table("time_s,power_mW", range(N), either), "may divide")
    yield Case("ragged-comma", b"time,power\n0,10,5\n1,10,5\n", "line 2, 3")


TX2 = "RAM 896/7859MB (lfb 26x4MB) CPU [4%@2035] VDD_SYS_GPU 153/153 VDD_SYS_SOC 383/383 VDD_IN {0:.0f}/1 VDD_SYS_CPU 306/306"
NANO = (
    "RAM 896/3964MB (lfb 26x4MB) PLL@34.5C POM_5V_IN {0:.0f}/1 POM_5V_GPU 40/40 POM_5V_CPU 200/200"
)
NX = "RAM 896/7859MB (lfb 26x4MB) CPU [4%@2035] VDD_IN {0:.0f}mW/1mW VDD_CPU_GPU_CV 400mW/400mW VDD_SOC 9mW/9mW"
ORIN = "RAM 1/2MB (lfb 26x4MB) VDD_GPU_SOC {1:.0f}mW/1mW VDD_CPU_CV 1000mW/1mW VIN_SYS_5V0 2000mW/1mW NC 0mW/0mW VDDQ_VDD2_1V8AO 300mW/300mW NC 0mW/0mW"
XAVIER = "RAM 1/2MB (lfb 26x4MB) CPU [1%@1190,off] GPU {1:.0f}/1 CPU 1000/1 SOC 1000/1 CV 0/0 VDDRQ 500/1 SYS5V 500/1"


def tegrastats():
    milli = [w * 1e3 for w in WATTS]
    clock = stamps(lambda t: t.strftime("%m-%d-%Y %H:%M:%S "), step=1.0)
    whole = [round(w) / 1e3 for w in milli]
    truth = line(whole, list(range(N)))
    for name, text in {"tx2": TX2, "nano": NANO, "nx": NX, "orin": ORIN, "xavier": XAVIER}.items():
        rows = [text.format(w, w - 3000) for w in milli]
        bare = ("\n".join(rows) + "\n").encode()
        stamped = "".join(f"{c}{row}\n" for c, row in zip(clock, rows, strict=True)).encode()
        yield Case(f"tegrastats-{name}", stamped, truth)
        yield Case(f"tegrastats-{name}-bare", bare, "no times|without times")
        yield Case(f"tegrastats-{name}-0.1", bare, truth / 10, {"interval_s": 0.1})
    fast = stamps(lambda t: t.strftime("%m-%d-%Y %H:%M:%S "))
    rows = [TX2.format(w) for w in milli]
    dense = "".join(f"{c}{row}\n" for c, row in zip(fast, rows, strict=True)).encode()
    yield Case("tegrastats-100ms-second-stamps", dense, "coarser")
    yield Case("tegrastats-100ms-interval", dense, truth / 10, {"interval_s": 0.1})
    torn = list(rows)
    torn[9] = torn[9][:-20] + torn[10]
    yield Case("tegrastats-torn", ("\n".join(torn) + "\n").encode(), truth, {"interval_s": 1.0})
    yield Case("tegrastats-no-input", b"RAM 1/2MB VDD_SYS_GPU 1/1\n", "no input rail")


def origins():
    iso = stamps(lambda t: t.strftime("%Y-%m-%d %H:%M:%S.%f"))
    slash = stamps(lambda t: t.strftime("%Y/%m/%d %H:%M:%S.%f")[:-3])
    whole = [round(w * 1e3) for w in WATTS]
    small = [w / 1e3 for w in whole]
    up = ["1:02:03"] * N
    yield Case("jtop-4", table("time,uptime,CPU1,RAM,GPU,Temp CPU,Power CPU,Power GPU,Power TOT,"
               "jetson_clocks,nvp model", iso, up, [9] * N, [0.3] * N, [0] * N, [33.5] * N, [500] * N,
               [76] * N, whole, ["OFF"] * N, ["MAXN"] * N), line(small))  # fmt: skip
    yield Case("jtop-3", table("time,CPU1,GPU,RAM,Temp AO,power cur,power avg", iso, [9] * N, [0] * N,
               [1000] * N, [33.5] * N, whole, [9999] * N), line(small))  # fmt: skip
    smi = [f"{w:.2f} W" for w in WATTS]
    cents = line([round(w, 2) for w in WATTS])
    yield Case("nvidia-smi", table("timestamp, name, power.draw [W]", slash, ["A100"] * N, smi, mark=", "),
               cents)  # fmt: skip
    yield Case("nvidia-smi-limit", table("timestamp, power.limit [W], power.draw [W]", slash,
               ["400.00 W"] * N, smi, mark=", "), cents)  # fmt: skip
    yield Case("nvidia-smi-nounits", table("timestamp, index, power.draw [W]", slash, [0] * N,
               [f"{w:.2f}" for w in WATTS], mark=", "), cents)  # fmt: skip
    yield Case(
        "nvidia-smi-instant",
        table("timestamp, power.draw.instant [W]", slash, smi, mark=", "),
        cents,
    )
    for key, names in {
        "index": ("0", "1"),
        "uuid": ("GPU-1a", "GPU-2b"),
        "pci.bus_id": ("01", "02"),
    }.items():
        rows = [f"{t[:-1]}{g}, {n}, {w * (g + 1):.2f} W" for t, w in zip(slash, WATTS, strict=True)
                for g, n in enumerate(names)]  # fmt: skip
        data = (f"timestamp, {key}, power.draw [W]\n" + "\n".join(rows) + "\n").encode()
        yield Case(f"nvidia-smi-two-{key}", data, 3 * TRUE)
    same = [f"{t}, A100, {w * k:.2f} W" for t, w in zip(slash, WATTS, strict=True) for k in (1, 2)]
    data = ("timestamp, name, power.draw [W]\n" + "\n".join(same) + "\n").encode()
    yield Case("nvidia-smi-two-same-name", data, "repeat a time")
    near = [
        f"{t[:-1]}{g}, {w * (g + 1):.2f} W"
        for t, w in zip(slash, WATTS, strict=True)
        for g in (0, 3)
    ]
    data = ("timestamp, power.draw [W]\n" + "\n".join(near) + "\n").encode()
    yield Case("nvidia-smi-two-without-names", data, "several devices")
    same = data.replace(b", ", b", A100, ").replace(b"A100, power", b"name, power")
    yield Case("nvidia-smi-two-of-one-name", same, "several devices")
    generic = data.replace(b"power.draw", b"power").replace(b"/", b"-")
    yield Case("two-devices-without-names", generic, "several devices")
    head = "# gpu    pwr  gtemp  mtemp     sm    mem\n# Idx      W      C      C      %      %\n"
    watts = [round(w) for w in WATTS]
    dmon = head + "".join(f"    0     {w}     33      -      0      0\n" for w in watts)
    yield Case("dmon", dmon.encode(), "no times|without times")
    yield Case("dmon-interval", dmon.encode(), line(watts, list(range(N))), {"interval_s": 1.0})
    two = head + "".join(f"    {g}     {w * (g + 1)}     33      -      0      0\n{head if not i % 20 else ''}"
                         for i, w in enumerate(watts) for g in (0, 1))  # fmt: skip
    yield Case("dmon-two", two.encode(), 3 * line(watts, list(range(N))), {"interval_s": 1.0})
    clock = stamps(lambda t: t.strftime("%Y%m%d %H:%M:%S"), step=1.0)
    dated = "#Date       Time        gpu    pwr  gtemp\n#YYYYMMDD   HH:MM:SS    Idx      W      C\n"
    dated += "".join(f" {c}      0     {w}     33\n" for c, w in zip(clock, watts, strict=True))
    yield Case("dmon-dated", dated.encode(), line(watts, list(range(N))))
    yield Case(
        "zeus", b"start_time,window_name,elapsed_time,gpu0_energy\n1.7e9,epoch,10,1000\n", "window"
    )
    yield Case("codecarbon", b"timestamp,project_name,run_id,experiment_id,duration,emissions,cpu_power\n"
               b"2026-01-01T00:00:00,x,1,2,10,0.1,42.5\n", "codecarbon")  # fmt: skip
    perf = "#           time             counts unit events\n" + "".join(
        f"     {i + 1}.000{i % 10}00000              {w:.2f} Joules power/energy-pkg/\n"
        for i, w in enumerate(WATTS)
    )
    yield Case("perf", perf.encode(), math.fsum(round(w, 2) for w in WATTS))
    comma = "".join(
        f"{i + 1}.000000000,{w:.2f},Joules,power/energy-pkg/,1000000,100.00,,\n"
        for i, w in enumerate(WATTS)
    )
    yield Case("perf-csv", comma.encode(), math.fsum(round(w, 2) for w in WATTS))
    both = "".join(
        f"{i + 1}.0,{w:.2f},Joules,power/energy-{n}/\n"
        for i, w in enumerate(WATTS)
        for n in ("pkg", "cores")
    )
    yield Case("perf-nested", both.encode(), "names no rail as the total")
    turbo = (
        "Avg_MHz Busy%   Bzy_MHz Time_Of_Day_Seconds     PkgWatt CorWatt GFXWatt RAMWatt\n"
        + "".join(
            f"83      2.2     3800    {1.7e9 + i:.6f}       {w:.2f}   3.00    0.10    1.00\n"
            for i, w in enumerate(WATTS)
        )
    )
    yield Case(
        "turbostat-summary", turbo.encode(), mean([round(w, 2) for w in WATTS], list(range(N)))
    )
    cores = "".join(
        ("Core    CPU     Avg_MHz Time_Of_Day_Seconds     PkgWatt\n" if not i % 5 else "")
        + f"-       -       138     {1.7e9 + i:.6f}       {w:.2f}\n0       0       100     {1.7e9 + i:.6f}       {w:.2f}\n"
        + f"0       1       100     {1.7e9 + i:.6f}\n"
        for i, w in enumerate(WATTS)
    )
    yield Case(
        "turbostat-cores", cores.encode(), mean([round(w, 2) for w in WATTS], list(range(N)))
    )
    bare = "PkgWatt CorWatt\n" + "".join(f"{w:.2f}   3.00\n" for w in WATTS)
    yield Case("turbostat-bare", bare.encode(), "no times|without times")
    yield Case("turbostat-interval", bare.encode(), 5 * mean([round(w, 2) for w in WATTS], list(range(N))),
               {"interval_s": 5.0})  # fmt: skip
    epoch = [f"{1.7e9 + t:.1f}" for t in TIMES]
    yield Case(
        "scaphandre",
        table("time,scaph_host_power_microwatts", epoch, scaled(WATTS, 1e6, 0)),
        mean(WATTS),
    )
    milli = [f"{1.7e12 + t * 1e3:.0f}" for t in TIMES]
    yield Case(
        "powerapi",
        table("timestamp,sensor,target,power", milli, ["s"] * N, ["all"] * N, WATTS),
        mean(WATTS),
    )
    targets = [
        f"{t},s,{n},{w * k}"
        for t, w in zip(milli, WATTS, strict=True)
        for n, k in (("all", 3), ("web", 1))
    ]
    yield Case(
        "powerapi-targets",
        ("timestamp,sensor,target,power\n" + "\n".join(targets) + "\n").encode(),
        3 * mean(WATTS),
    )
    nano = stamps(lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.%f123Z"))
    reports = [json.dumps({
        "host": {"consumption": w * 1e6, "timestamp": float(t), "components": {"disks": []}},
        "consumers": [{"exe": "/bin/a", "cmdline": "a", "pid": 1, "consumption": w * 5e5, "timestamp": float(t)}],
        "sockets": [{"id": 0, "consumption": w * 9e5, "domains": [], "timestamp": float(t)}],
    }) for t, w in zip(epoch, WATTS, strict=True)]  # fmt: skip
    yield Case("scaphandre-json", "".join(reports).encode(), mean(WATTS))
    yield Case("scaphandre-json-lines", ("\n".join(reports) + "\n").encode(), mean(WATTS))
    yield Case("scaphandre-json-array", ("[" + ",".join(reports) + "]").encode(), mean(WATTS))
    torn = "".join(r[:40] if i % 10 == 5 else r for i, r in enumerate(reports))
    yield Case("scaphandre-json-torn", torn.encode(), "damaged or missing")
    yield Case("json", b'[{"time": 1, "power": 2}, {"time": 2, "power": 2}]\n', "known here")
    rows = [f"rapl_consumed_energy_J;{t};{w / 10};cpu_package;0;local_machine;;domain=package\n"
            f"mem_total_kB;{t};16377356288;local_machine;;local_machine;;" for t, w in zip(nano, WATTS, strict=True)]  # fmt: skip
    head = "metric;timestamp;value;resource_kind;resource_id;consumer_kind;consumer_id;__late_attributes\n"
    yield Case("alumet", (head + "\n".join(rows) + "\n").encode(), mean(WATTS))
    rows = [f"rapl_consumed_energy_J;{t};{w / 10};cpu_package;0;local_machine;;{domain};\n"
            for t, w in zip(nano, WATTS, strict=True) for domain in ("package", "pp0")]  # fmt: skip
    data = head.replace("__late", "domain;__late") + "".join(rows)
    yield Case("alumet-domains", data.encode(), "names no rail as the total")
    amps = [w / 5 for w in WATTS]
    zero = [0] * N
    less = scaled(amps, 0.9)  # the mean of a product is not the product of means
    yield Case("joulescope", table("#time,current,voltage,power,charge,energy", TIMES, less, [5] * N,
               WATTS, zero, zero), mean(WATTS))  # fmt: skip
    three = table("#time,current,voltage", TIMES, scaled(amps, 1), [5] * N)
    yield Case("joulescope-current", three, mean(WATTS))
    yield Case("powertool", table("Time (s),Main Avg Current (mA),Main Avg Voltage (V)", TIMES, scaled(amps, 1e3),
               [5] * N), mean(WATTS))  # fmt: skip
    short = [i / 5000 for i in range(N)]
    pm = table("Time(ms),Main(mA),Main Voltage(V),", short, scaled(amps, 1e3), [5] * N, [""] * N)
    yield Case("pymonsoon", pm, line(WATTS, short))
    yield Case("pymonsoon-true-ms", table("Time(ms),Main(mA),Main Voltage(V)", scaled(TIMES, 1e3), scaled(amps, 1e3),
               [5] * N), TRUE)  # fmt: skip
    for name, step, truth in (("pymonsoon-thinned", 0.02, True), ("pymonsoon-seldom", 1, "either")):
        times = [i * step for i in range(N)]
        data = table("Time(ms),Main(mA),Main Voltage(V)", times, scaled(amps, 1e3), [5] * N)
        yield Case(name, data, line(WATTS, times) if truth is True else truth)
    yield Case("watts-up", table("Time,Watts,Volts,Amps,WattHrs,Pwr Cyc", range(N), WATTS, [120] * N, [0.2] * N,
               [1] * N, [0] * N), line(WATTS, list(range(N))))  # fmt: skip
    keysight = table("Sample,Curr avg 1,Volt avg 1", range(N), scaled(amps, 1), [5] * N,
                     before="Keysight N6705C\nSample interval: ,0.1\n")  # fmt: skip
    yield Case("keysight", keysight, mean(WATTS))
    yield Case(
        "keysight-no-interval",
        table("Sample,Curr avg 1,Volt avg 1", range(N), scaled(amps, 1), [5] * N),
        "no times|without times",
    )
    yield Case("ina219", table("millis,bus_V,shunt_mV,current_mA,power_mW", scaled(TIMES, 1e3), [5] * N, [9] * N,
               scaled(amps, 1e3), scaled(WATTS, 1e3)), TRUE)  # fmt: skip
    dated = stamps(lambda t: t.strftime("%m-%d-%Y %H:%M:%S.%f")[:-3])
    pt = "".join(
        f"Time,{t},Watts,{w},Volts,230.0,Amps,0.1,PF,0.9,Mark,run\n"
        for t, w in zip(dated, WATTS, strict=True)
    )
    yield Case("ptdaemon", pt.encode(), mean(WATTS))


def long_rows(head, names, apart=0.0):
    rows = [
        f"{name},{t + apart * k:.2f},{w * (k + 1)}"
        for t, w in zip(TIMES, WATTS, strict=True)
        for k, name in enumerate(names)
    ]
    return (f"{head},time,power_w\n" + "\n".join(rows) + "\n").encode()


def long_forms():
    for key, names, truth in (
        ("device", ("gpu0", "gpu1"), 3 * TRUE), ("gpu", (0, 1), 3 * TRUE), ("index", (7, 8), 3 * TRUE),
        ("target", ("web", "db"), "names no rail as the total"), ("domain", ("core", "dram"), "names no rail"),
        ("device", ("board", "cpu"), "names no rail"), ("card", ("a", "b"), "names no rail"),
        ("target", ("all", "db"), TRUE), ("sensor", ("total", "cpu"), TRUE),
    ):  # fmt: skip
        yield Case(f"long-{key}-{names[0]}", long_rows(key, names), truth)
    for key, names in (("sensor", ("cpu", "gpu")), ("rail", ("a", "b")), ("host", ("x", "y"))):
        apart = long_rows(key, names, 0.03)
        yield Case(f"long-apart-{key}", apart, "names no rail")
        mapping = f"t=time,w=power_w,by={key},total=*"
        yield Case(f"long-apart-{key}-map", apart, 3 * TRUE, {"columns": mapping})
    util = [i % 5 * 20 for i in range(N)]
    yield Case(
        "gpu-is-a-load",
        table("time,gpu,power_w", TIMES, util[::-1][:50] + [37] * (N - 50), WATTS),
        TRUE,
    )
    phases = ["idle"] * 80 + ["train"] * 100 + ["idle"] * (N - 180)
    yield Case("phases", table("time,phase,power_w", TIMES, phases, WATTS), TRUE)
    yield Case("minutes", table("time_min,power_w", scaled(TIMES, 1 / 60, 15), WATTS), TRUE)
    amps = scaled(WATTS, 1 / 230)
    yield Case(
        "mains-volt-amperes",
        table("time_s,voltage_v,current_a", TIMES, [230] * N, amps),
        "alternating",
    )
    twice = table("time_s,P [W],P [W]", TIMES, WATTS, WATTS)
    yield Case("name-twice", twice, "several columns", {"columns": "t=time_s,w=P [W]"})
    yield Case("index-column", table(",time,power", range(N), TIMES, WATTS), TRUE)
    blocks = [
        f"{n},{t},{w * (k + 1)}"
        for k, n in enumerate(("gpu0", "gpu1"))
        for t, w in zip(TIMES, WATTS, strict=True)
    ]
    yield Case("long-blocks", ("gpu,time,power_w\n" + "\n".join(blocks) + "\n").encode(), 3 * TRUE)
    anonymous = [f"{t},{w * k}" for t, w in zip(TIMES, WATTS, strict=True) for k in (1, 2)]
    yield Case(
        "long-anonymous", ("time,power_w\n" + "\n".join(anonymous) + "\n").encode(), "repeat a time"
    )
    mapped = [f"{t},{n},{w}" for t, w in zip(TIMES, WATTS, strict=True) for n in ("a", "b")]
    yield Case("long-map", ("time,what,power_w\n" + "\n".join(mapped) + "\n").encode(), 2 * TRUE,
               {"columns": "t=time,w=power_w,by=what,total=*"})  # fmt: skip


def broken():
    rows = table("time,power_w", TIMES, WATTS).decode().splitlines()

    def case(name, lines, truth, end="\n", **arguments):
        return Case(name, (end.join(lines) + end).encode(), truth, arguments)

    yield case("crlf", rows, TRUE, "\r\n")
    yield Case("bom", b"\xef\xbb\xbf" + "\n".join(rows).encode() + b"\n", TRUE)
    yield Case("utf-16", ("\n".join(rows) + "\n").encode("utf-16"), TRUE)
    yield case("blank-lines", [text for row in rows for text in (row, "")], TRUE)
    yield case("quoted", [",".join(f'"{c}"' for c in row.split(",")) for row in rows], TRUE)
    yield case("trailing-comma", [row + "," for row in rows], TRUE)
    yield case("padded", ["  " + row.replace(",", "  ,  ") for row in rows], TRUE)
    yield case("blanks-between", [row.replace(",", "   ") for row in rows], TRUE)
    yield case("preamble", ["# my log", "Device: X 1", *rows], TRUE)
    yield case("one-torn", [*rows[:99], rows[99][:3], *rows[100:]], TRUE)
    yield case(
        "half-torn",
        [r if i % 2 or not i else r[:2] for i, r in enumerate(rows)],
        "lines damaged or missing",
    )
    yield case("second-half-torn", rows[:120] + ["x" * 9] * 121, "lines damaged or missing")
    yield case(
        "tenth-torn",
        [r if i % 10 or not i else "?,?" for i, r in enumerate(rows)],
        "recorded|damaged",
    )
    yield case("reversed", [rows[0], *rows[:0:-1]], "go back")
    yield case("appended-twice", [*rows, *rows[1:]], "go back")
    yield case("each-row-twice", [rows[0], *(r for r in rows[1:] for _ in "12")], "repeat a time")
    yield case("header-again", [*rows[:99], rows[0], *rows[99:]], TRUE)
    yield case("other-header", [*rows[:99], "power_w,time", *(",".join(r.split(",")[::-1]) for r in rows[99:])],
               "columns change")  # fmt: skip
    yield case("other-schema", [*rows[:99], "time,temp,power_w", *rows[99:]], "columns change")
    yield case("hole", rows[:60] + rows[120:], "longest gap")
    unread = [row if i % 15 else f"{row.partition(',')[0]},N/A" for i, row in enumerate(rows)]
    yield case("fifteenth-unread", [rows[0], *unread[1:]], "lines damaged or missing")
    minus = [row if i % 15 else f"{row.partition(',')[0]},-1" for i, row in enumerate(rows)]
    yield case("fifteenth-minus-one", [rows[0], *minus[1:]], "lines damaged or missing")
    yield case("one-minus-one", [*rows[:99], f"{TIMES[98]},-1", *rows[100:]], TRUE)
    charged = [f"{t},{w - 12:.3f}" for t, w in zip(TIMES, WATTS, strict=True)]
    yield case("below-zero", [rows[0], *charged], line([w - 12 for w in WATTS]))
    yield case("open-quote", [*rows[:99], '"' + rows[99], *rows[100:]], "quote")
    yield case("nul", [*rows[:99], "\0" * 40, *rows[100:]], TRUE)
    yield case("glitch", [*rows[:99], "9.8,65535", *rows[100:]], TRUE)
    yield case("glitch-mw", ["time,power_mw", *(f"{t},{w * 1e3:.0f}" for t, w in zip(TIMES[:99], WATTS, strict=False)),
               "9.9,65535", *(f"{t},{w * 1e3:.0f}" for t, w in zip(TIMES[100:], WATTS[100:], strict=True))], TRUE)  # fmt: skip
    yield case("one-row", rows[:2], "known here|no time|one row")
    yield case("header-alone", rows[:1], "known here|no sample")
    yield case("text", ["Dear Sir,", "the power was high."], "known here")
    changes = [(0, 10), (30, 20), (31, 10), (32, 30), (60, 10), (61, 20), (62, 5)]
    yield case("on-change", ["time_s,power_w", *(f"{t},{w}" for t, w in changes)], "rule=hold")
    truth = sum((b - a) * p for (a, p), (b, _) in zip(changes, changes[1:], strict=False))
    yield case("on-change-hold", ["time_s,power_w", *(f"{t},{w}" for t, w in changes)], truth,
               columns="t=time_s,w=power_w,rule=hold")  # fmt: skip


SOURCE = {"name": "simulated", "sampling": "average", "rails": ["VDD_IN"], "total": ["VDD_IN"], "scope": "module",
          "real": False, "accuracy": {"gain": 0.02}, "recorder": {"period_s": 0.1, "mean_period_s": 0.1}}  # fmt: skip
OURS = (
    '# joulebird-power-log 1\n# source ' + json.dumps(SOURCE) + '\n'
    '# clock {"monotonic_s": 0.0, "wall_s": 1700000000.0, "boot_id": "b"}\n# units t_us: microseconds\n'
    "t_us,VDD_IN_mw,status\n"
    + "".join(f"{int(t * 1e6):16d},{round(w * 1e3):9d},{'ok':>12}\n" for t, w in zip(TIMES, WATTS, strict=True))
)  # fmt: skip
TRUE_OURS = mean([round(w * 1e3) / 1e3 for w in WATTS])


def copies():
    rows = OURS.splitlines()
    yield Case("ours", OURS.encode(), TRUE_OURS)
    yield Case("ours-bom", b"\xef\xbb\xbf" + OURS.encode(), TRUE_OURS)
    yield Case("ours-crlf", OURS.replace("\n", "\r\n").encode(), TRUE_OURS)
    yield Case("ours-blank-lines", ("\n" + OURS.replace("\n", "\n\n")).encode(), TRUE_OURS)
    trimmed = (
        "\n".join(",".join(map(str.strip, r.split(","))) if r[0] != "#" else r for r in rows) + "\n"
    )
    yield Case("ours-trimmed", trimmed.encode(), TRUE_OURS)
    yield Case("ours-utf-16", OURS.encode("utf-16"), TRUE_OURS)
    half = "".join(r + "\n" if i < 6 or i % 2 else r[:9] + "\n" for i, r in enumerate(rows))
    yield Case("ours-half-torn", half.encode(), "lines damaged or missing")
    yield Case("ours-sparse", ("\n".join([*rows[:5], *rows[5::120]]) + "\n").encode(), "recorded")


FAMILIES = (
    plain, volts_and_amperes, energies, without_units, decoys, moments, marks, tegrastats, origins, long_forms,
    broken, copies,
)  # fmt: skip
CASES = [case for family in FAMILIES for case in family()]
