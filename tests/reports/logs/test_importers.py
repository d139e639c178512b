"""Logs written by others, whole and broken."""

import gzip
import random

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers import streams
from joulebird.reports.logs.trace import PowerTrace

HUNDRED_S = [(i / 10, 10.0) for i in range(1001)]  # 1000 J


def write(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def table(rows, head="time,power"):
    return head + "\n" + "".join(f"{t:.3f},{w}\n" for t, w in rows)


def test_a_plain_csv(tmp_path):
    energy = PowerTrace.load(write(tmp_path, table(HUNDRED_S))).energy()
    assert energy.joules == pytest.approx(1000.0, rel=1e-9)
    assert energy.coverage == 1.0


@pytest.mark.parametrize(
    ("head", "scale_t", "scale_w"),
    [
        ("timestamp_ms,board_mw", 1e3, 1e3),
        ("t_us,power_uW", 1e6, 1e6),
        ("Time [s],Power [kW]", 1, 1e-3),
        ("elapsed,watts", 1, 1),
    ],
)
def test_units_are_read_from_the_names(tmp_path, head, scale_t, scale_w):
    rows = "".join(f"{t * scale_t!r},{w * scale_w!r}\n" for t, w in HUNDRED_S)
    assert PowerTrace.load(write(tmp_path, head + "\n" + rows)).energy().joules == pytest.approx(
        1000.0, rel=1e-9
    )


def test_columns_can_be_mapped_by_name_and_number(tmp_path):
    text = "when,a,b\n" + "".join(f"{t},1,{w}\n" for t, w in HUNDRED_S)
    path = write(tmp_path, text)
    assert PowerTrace.load(path, columns="t=when,w=b").energy().joules == pytest.approx(1000.0)
    assert PowerTrace.load(path, columns="t=1,w=2").energy().joules == pytest.approx(100.0)
    assert PowerTrace.load(path, columns="t=when,v=a,a=b").energy().joules == pytest.approx(1000.0)
    bare = write(
        tmp_path, "".join(f"{t};{w}\n".replace(".", ",") for t, w in HUNDRED_S), "bare.csv"
    )
    assert PowerTrace.load(bare, columns="t=1,w=2").energy().joules == pytest.approx(1000.0)


def test_voltage_and_current_make_power(tmp_path):
    text = "#time,current,voltage\n" + "".join(f"{t},2.0,5.0\n" for t, _ in HUNDRED_S)
    assert PowerTrace.load(write(tmp_path, text)).energy().joules == pytest.approx(1000.0)


def test_an_energy_counter_is_differenced(tmp_path):
    text = "t_s,total_j\n" + "".join(f"{t},{5000 + 10 * t}\n" for t, _ in HUNDRED_S)
    trace = PowerTrace.load(write(tmp_path, text), columns="t=t_s,j=total_j")
    assert trace.source["sampling"] == "counter"
    assert trace.energy().joules == pytest.approx(1000.0)
    assert trace.energy(10, 20).joules == pytest.approx(100.0)


def test_times_of_day_and_units_in_cells(tmp_path):
    text = "timestamp, name, power.draw [W]\n" + "".join(
        f"2024/01/02 00:00:{i:02d}.000, X, 10.00 W\n" for i in range(60)
    )
    assert PowerTrace.load(write(tmp_path, text)).energy().joules == pytest.approx(590.0)


def test_a_truncated_last_number_is_not_believed(tmp_path):
    text = table(HUNDRED_S)
    for lost in range(1, 8):
        trace = PowerTrace.load(write(tmp_path, text[:-lost]))
        assert trace.energy().joules == pytest.approx(999.0)
        assert trace.damaged == 1


@pytest.mark.parametrize(
    ("name", "damage", "lines_lost"),
    [
        ("header repeated", lambda rows: rows[:500] + ["time,power"] + rows[500:], 1),
        ("nul block", lambda rows: rows[:500] + ["\0" * 100] + rows[501:], 1),
        ("ragged row", lambda rows: rows[:500] + ["50.0"] + rows[501:], 1),
        ("comment", lambda rows: rows[:500] + ["# a remark, made later"] + rows[500:], 1),
    ],
)
def test_damaged_lines_are_counted_and_the_rest_is_right(tmp_path, name, damage, lines_lost):
    rows = damage([f"{t:.1f},{w}" for t, w in HUNDRED_S])
    trace = PowerTrace.load(write(tmp_path, "time,power\n" + "\n".join(rows) + "\n"))
    assert trace.energy().joules == pytest.approx(1000.0)
    assert trace.damaged == lines_lost


@pytest.mark.parametrize("cell", ["", "N/A", "nan", "inf", "-", "ERR"])
def test_an_unreadable_number_is_a_failed_read(tmp_path, cell):
    rows = [f"{t},{w}" for t, w in HUNDRED_S]
    rows[500] = f"50.0,{cell}"
    trace = PowerTrace.load(write(tmp_path, "time,power\n" + "\n".join(rows) + "\n"))
    energy = trace.energy()
    assert energy.joules == pytest.approx(1000.0)
    assert energy.failed == 1
    assert energy.coverage == pytest.approx(1.0)  # missed, as if the row were not there


def test_a_glitch_that_is_left_out_is_named(tmp_path):
    rows = [(t, 65000.0 if t == 50 else w) for t, w in HUNDRED_S]
    trace = PowerTrace.load(write(tmp_path, table(rows, "time,power_w")))
    assert trace.energy().joules == pytest.approx(1000.0)
    assert trace.problems() == ["1 failed reads (100 times the usual)"]


def test_a_clock_set_back_is_not_silent(tmp_path):
    rows = [(t if t < 50 else t - 30, w) for t, w in HUNDRED_S]
    trace = PowerTrace.load(write(tmp_path, table(rows)))
    assert trace.steps_back == 1
    assert trace.problems()[0].startswith("1 times the clock was set back")
    assert trace.energy().void
    assert trace.energy(0, 15).joules == pytest.approx(150.0)


def test_a_hole_and_duplicates_are_not_silent(tmp_path):
    rows = [row for row in HUNDRED_S if not 40 < row[0] < 60]
    assert PowerTrace.load(write(tmp_path, table(rows))).energy().void
    twice = sorted(HUNDRED_S + HUNDRED_S[100:110])
    trace = PowerTrace.load(write(tmp_path, table(twice)))
    assert trace.duplicates == 10
    assert trace.energy().joules == pytest.approx(1000.0)


STAMP = "01-26-2021 18:22:00 "
TEGRA = (
    "RAM 896/7859MB (lfb 26x4MB) SWAP 0/3929MB (cached 0MB) CPU [4%@2035,4%@345] EMC_FREQ 0% "
    "GR3D_FREQ 0% PLL@34.5C "
    "VDD_SYS_GPU 153/153 VDD_SYS_SOC 383/383 VDD_4V0_WIFI 0/0 VDD_IN {}/1840 "
    "VDD_SYS_CPU 306/306 VDD_SYS_DDR 269/269"
)


def test_tegrastats_without_times(tmp_path):
    text = "Tue Jan 26 18:22:31 UTC 2021\n" + "".join(
        TEGRA.format(1000 + i) + "\n" for i in range(11)
    )
    path = write(tmp_path, text, "tegra.txt")
    with pytest.raises(HarnessError, match="have no times") as caught:
        PowerTrace.load(path)
    assert "--interval 1s" in caught.value.hint
    trace = PowerTrace.load(path, interval_s=1.0)
    assert trace.energy().joules == pytest.approx(10.05)
    assert trace.energy(rail="VDD_SYS_GPU").joules == pytest.approx(1.53)
    assert "rows 1 s apart" in trace.reading.as_text()
    assert trace.damaged == 0
    assert PowerTrace.load(path, interval_s=0.1).energy().joules == pytest.approx(1.005)


def test_tegrastats_with_a_date_that_is_none(tmp_path):
    lines = [
        "01-26-2021 18:22:00 " + TEGRA.format(2000),
        "99-99-2021 18:22:01 " + TEGRA.format(2000),
    ]
    trace = PowerTrace.load(write(tmp_path, "\n".join(lines) + "\n", "tegra.txt"))
    assert trace.energy().void
    assert trace.problems() == ["1 damaged lines skipped (first: line 2)"]


def test_tegrastats_with_times_and_a_cut_line(tmp_path):
    lines = [
        f"01-26-2021 18:22:{2 * i:02d} " + TEGRA.format(2000).replace("/1840", "mW/1840mW")
        for i in range(11)
    ]
    lines[5] = lines[5][:-60]
    trace = PowerTrace.load(write(tmp_path, "\n".join(lines) + "\n", "tegra.txt"))
    assert trace.energy().joules == pytest.approx(40.0)
    assert trace.damaged == 1
    assert trace.reading.rows.lines == (6,)


def test_ptdaemon(tmp_path):
    text = "".join(
        f"Time,07-01-2020 10:00:{i:02d}.000,Watts,{10.0 if i != 7 else -1.0},Volts,230.0,Mark,run\n"
        for i in range(60)
    )
    energy = PowerTrace.load(write(tmp_path, text)).energy()
    assert energy.joules == pytest.approx(590.0)
    assert energy.failed == 1


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ("\n\n", None, "empty"),
        ("hello\nworld\n", None, "not a power log"),
        ("a,b\n1,2\n", None, "not a power log"),
        ("t,w\n1,2\n", "t=t,w=volts", "no column 'volts'"),
        ("t,w\n1,2\n", "t=t", "needs a time and a power"),
        ("t,w\n1,2\n", "t=t,q=w", "cannot read 'q=w'"),
        ("time,power\nx,y\n", None, "known here|no sample"),
        ("RAM 1/2MB VDD_SYS_GPU 1/1\n", None, "no input rail"),
        ("t,w\n0,1\n\n1,5000000000\n", None, "line 4: 5e[+]09 W"),
        ("t,w\n0,1e300\n1,1\n", None, "line 2: 1e[+]300 W"),
        ("t,w\n0,1\n1e300,1\n", None, "line 3: .* s cannot be"),
        ("t,volts,amps\n0,1e300,-1e300\n", None, "line 2: -inf W"),
        ("0,1\n1,1e8\n", "t=1,w=2", "line 2: 1e[+]08 W"),
        ("t_s,e_j\n0,0\n1,1e300\n", "t=t_s,j=e_j", "line 3: 1e[+]300 J"),
        ("t_s,e_j\n0,0\n1,1e9\n", "t=t_s,j=e_j", "line 3: 1e[+]09 W"),
        (
            STAMP + TEGRA.format(1) + "\n" + STAMP + TEGRA.format("9" * 30) + "\n",
            None,
            "line 2: 1e[+]27 W",
        ),
        ("Time,07-01-2020 10:00:00.000,Watts,1e300,Volts,230.0\n", None, "line 1: 1e[+]300 W"),
        ("t,w\n0,1\n1," + "5" * 200_000 + "\n", None, "line 3: this is no CSV"),
        ("t,w\n0,\r1\r2\n", None, "line 2: this is no CSV"),
    ],
)
def test_what_is_no_power_log_is_refused_with_a_remedy(tmp_path, text, columns, says):
    with pytest.raises(HarnessError, match=says) as caught:
        PowerTrace.load(write(tmp_path, text), columns=columns)
    assert caught.value.hint
    assert caught.value.message.isprintable()


def test_binary_files_are_refused_whatever_their_bytes_packed_or_not(tmp_path):
    bits = random.Random(1)
    for size in range(10, 4000, 130):
        plain = bits.randbytes(size)
        for data in (plain, gzip.compress(plain, mtime=0)):
            (tmp_path / "log.csv").write_bytes(data)
            with pytest.raises(HarnessError) as caught:
                PowerTrace.load(tmp_path / "log.csv")
            assert caught.value.hint
            assert caught.value.message.isprintable()


def test_a_column_without_one_time_is_refused(tmp_path):
    with pytest.raises(HarnessError, match="holds no sample .3 damaged lines.") as caught:
        PowerTrace.load(write(tmp_path, "when,watts\nx,1\ny,2\nz,3\n"), columns="t=1,w=2")
    assert caught.value.hint


def test_ptdaemon_without_a_number_is_a_failed_read(tmp_path):
    lines = [
        f"Time,07-01-2020 10:00:{i:02d}.000,Watts,{'nan' if i == 7 else 10.0},Volts,230.0\n"
        for i in range(60)
    ]
    energy = PowerTrace.load(write(tmp_path, "".join(lines))).energy()
    assert energy.joules == pytest.approx(590.0)
    assert energy.failed == 1


def test_an_estimated_power_says_so(tmp_path):
    rows = "".join(f"{1.7e12 + 1e3 * t:.0f},rapl,all,10\n" for t in range(60))
    trace = PowerTrace.load(write(tmp_path, "timestamp,sensor,target,power\n" + rows))
    assert trace.energy().joules == pytest.approx(590)
    assert trace.energy().words == ("estimated",)


def test_the_evidence_for_each_choice_is_printed(tmp_path):
    rows = "".join(f"{t},5.0,{w / 5}\n" for t, w in HUNDRED_S)
    trace = PowerTrace.load(write(tmp_path, "time,voltage,current\n" + rows))
    assert trace.reading.because == (
        "'time' in s: no unit is stated, and its rows are 0.1 apart",
        "'voltage' in V, 'current' in A: the only plausible units",
    )
    rows = "".join(f"{t},{5e5 + 10 * t}\n" for t, _ in HUNDRED_S)
    trace = PowerTrace.load(write(tmp_path, "time_s,energy_J\n" + rows))
    assert "'energy_J' counts up: no interval has" in trace.reading.as_text()
    rows = "".join(f"{t};gpu{k};10,5\n" for t in range(60) for k in (0, 1))
    trace = PowerTrace.load(write(tmp_path, "Time [s];gpu;P [W]\n" + rows))
    assert trace.reading.because == ("decimal comma in 'P [W]'", "devices by 'gpu': the sum of all")


def test_a_device_without_readings_voids_the_total_alone(tmp_path):
    rows = "".join(
        f"2026/03/01 10:{t // 60:02d}:{t % 60:02d}.000, {gpu}, {'[N/A]' if gpu else '10 W'}\n"
        for t in range(100)
        for gpu in (0, 1)
    )
    text = "timestamp, index, power.draw [W]\n" + rows
    trace = PowerTrace.load(write(tmp_path, text))
    assert trace.energy().void
    assert trace.energy(rail="0").joules == pytest.approx(990)


def test_the_rest_of_a_divided_line_is_no_row(tmp_path):
    rows = ["12.50   3.00"] * 300
    rows[17] = "12.\n50   3.00"
    path = write(tmp_path, "PkgWatt CorWatt\n" + "\n".join(rows) + "\n")
    trace = PowerTrace.load(path, interval_s=1.0)
    assert trace.energy().peak_w == 12.5
    assert trace.energy().joules == pytest.approx(299 * 12.5, rel=0.01)
    assert trace.reading.rows.lines == (19, 20)


def test_a_torn_line_costs_one_row_where_rows_have_times(tmp_path):
    rows = [f"{t:g},{w}" for t, w in HUNDRED_S]
    rows[-2] = "99"
    trace = PowerTrace.load(write(tmp_path, "time_s,power_w\n" + "\n".join(rows) + "\n"))
    assert trace.energy().joules == pytest.approx(1000)
    assert trace.damaged == 1


def test_a_map_overrides_the_doubt_about_devices(tmp_path):
    rows = "".join(f"{t},10\n{t + 0.003:.3f},10\n" for t, _ in HUNDRED_S)
    path = write(tmp_path, "time_s,power_w\n" + rows)
    with pytest.raises(HarnessError, match="several devices"):
        PowerTrace.load(path)
    assert PowerTrace.load(path, columns="t=time_s,w=power_w").energy().joules > 999


def test_a_wide_table_is_not_looked_through_once_for_each_column(tmp_path, monkeypatch):
    looks = []
    real = streams.is_number
    monkeypatch.setattr(streams, "is_number", lambda cell: looks.append(cell) or real(cell))
    names = [f"rail{k} [W]" for k in range(100)]
    rows = [",".join([str(second), *["5.5"] * 100]) for second in range(5)]
    (tmp_path / "wide.csv").write_text("\n".join([",".join(["time_s", *names]), *rows]))
    trace = PowerTrace.load(tmp_path / "wide.csv")
    assert len(trace.rails) == 100
    assert len(looks) <= 100
