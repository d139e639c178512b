"""Loading logs of ours: whole, cut, damaged, resumed; and their energies."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.write_logs import header, row, write_log

TEN_W = [(i * 50_000, 10_000) for i in range(1201)]  # 60 s at 10 W


def test_a_whole_log(tmp_path):
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", TEN_W))
    energy = trace.energy()
    assert (energy.joules, energy.seconds, energy.coverage, energy.samples) == (
        600.0,
        60.0,
        1.0,
        1201,
    )
    assert (energy.rail, energy.worst_gap_s, energy.watts) == ("VDD_IN", 0.05, 10.0)
    assert trace.problems() == []
    assert trace.period_s == 0.05
    assert trace.scope == "module"


@pytest.mark.parametrize(
    "edit", ["\n".join, "\r\n".join, lambda lines: "\ufeff" + "\n".join(lines)]
)
def test_an_edited_copy_of_several_segments_reads_as_the_log(tmp_path, edit):
    """With three segments it once ended in a TypeError."""
    parts = (header() + "".join(row(k * 10**6 + t, mw) for t, mw in TEN_W[:20]) for k in range(4))
    text = "".join(parts) + row(4 * 10**6, None, status="EIO")
    (tmp_path / "power.csv").write_text(text)
    lines = [",".join(map(str.strip, line.split(","))) for line in text.split("\n")]
    (tmp_path / "copy.csv").write_bytes(edit(lines).encode())
    whole, copy = (PowerTrace.load(tmp_path / name) for name in ("power.csv", "copy.csv"))
    assert copy.energy(max_gap_s=1.0) == whole.energy(max_gap_s=1.0)
    assert copy.energy(max_gap_s=1.0).joules > 0
    assert copy.failures == whole.failures == {"EIO": 1}
    assert copy.problems() == whole.problems()


def test_nested_rails_are_not_added_up(tmp_path):
    source = {"rails": ["VDD_IN", "VDD_GPU"], "total": ["VDD_IN"]}
    trace = PowerTrace.load(
        write_log(tmp_path / "power.csv", [(t, mw, 4_000) for t, mw in TEN_W], source)
    )
    assert trace.energy().joules == 600.0
    assert trace.energy(rail="VDD_GPU").joules == 240.0
    with pytest.raises(HarnessError, match="no rail named VDD_CPU") as caught:
        trace.energy(rail="VDD_CPU")
    assert caught.value.hint == "did you mean 'VDD_GPU'?"


def test_a_board_without_a_total_needs_a_rail(tmp_path):
    source = {"rails": ["VDD_CPU", "VDD_GPU"], "total": []}
    trace = PowerTrace.load(
        write_log(tmp_path / "power.csv", [(t, mw, 4_000) for t, mw in TEN_W], source)
    )
    with pytest.raises(HarnessError, match="no rail as the total") as caught:
        trace.energy()
    assert "VDD_CPU, VDD_GPU" in caught.value.hint
    assert trace.energy(rail="VDD_GPU").joules == 240.0


def test_a_total_of_two_rails_needs_both(tmp_path):
    source = {"rails": ["VDD_IN", "VDD_MUX"], "total": ["VDD_IN", "VDD_MUX"], "scope": "board"}
    path = tmp_path / "power.csv"
    path.write_text(
        header(source)
        + "".join(
            row(i * 100_000, 10_000, 2_000 if not 500 < i < 520 else None) for i in range(1001)
        )
    )
    energy = PowerTrace.load(path).energy()
    assert energy.failed == 19
    assert energy.coverage == pytest.approx(0.98)
    assert energy.joules == pytest.approx(1200.0)
    assert PowerTrace.load(path).energy(rail="VDD_IN").coverage == 1.0


@pytest.mark.parametrize("bytes_lost", range(1, 41))
def test_a_cut_last_row_is_seen_wherever_it_is_cut(tmp_path, bytes_lost):
    path = tmp_path / "power.csv"
    write_log(path, TEN_W)
    path.write_bytes(path.read_bytes()[:-bytes_lost])
    trace = PowerTrace.load(path)
    whole = bytes_lost == 1  # without its newline alone, a row of a fixed width is complete
    assert trace.samples == (1201 if whole else 1200)
    assert trace.energy().joules == pytest.approx(600.0 if whole else 599.5)
    assert trace.damaged == (1 if 1 < bytes_lost < 40 else 0)


def test_every_prefix_is_readable_or_refused_with_a_remedy(tmp_path):
    whole = (header() + "".join(row(t, mw) for t, mw in TEN_W[:3])).encode()
    refused = []
    for size in range(1, len(whole)):
        path = tmp_path / "power.csv"
        path.write_bytes(whole[:size])
        try:
            samples = PowerTrace.load(path).samples
        except HarnessError as error:
            refused.append(error)
        else:
            assert samples == (size + 1 - len(header())) // 40
    assert refused
    assert all(error.hint for error in refused)


def test_damage_in_the_middle_costs_only_its_lines(tmp_path):
    text = write_log(tmp_path / "power.csv", TEN_W)
    data = bytearray(Path(text).read_bytes())
    first = len(header())
    data[first + 40 * 100 : first + 40 * 103 + 7] = (
        b"\0" * 127
    )  # a block of NUL, as after a power cut
    data[first + 40 * 600 + 20] = ord("x")
    (tmp_path / "power.csv").write_bytes(data)
    trace = PowerTrace.load(tmp_path / "power.csv")
    assert trace.samples == 1201 - 4 - 1
    assert trace.damaged == 2
    assert trace.energy().joules == pytest.approx(600.0)


def test_a_restart_appends_a_segment_of_the_same_clock(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text(
        header()
        + "".join(row(t, mw) for t, mw in TEN_W[:600])
        + row(0, 0)[:13]
        + "\n"
        + header()
        + "".join(row(t, mw) for t, mw in TEN_W[640:])
    )
    trace = PowerTrace.load(path)
    assert len(trace.pieces) == 1
    assert trace.damaged == 1
    assert trace.energy().joules == pytest.approx(600.0)
    assert trace.energy(max_gap_s=1.0).coverage < 1.0
    assert trace.energy().worst_gap_s == pytest.approx(2.05)


def test_a_reboot_begins_another_clock(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text(
        header(boot_id="a")
        + "".join(row(t, mw) for t, mw in TEN_W)
        + header(boot_id="b")
        + "".join(row(t, mw) for t, mw in TEN_W)
    )
    trace = PowerTrace.load(path)
    assert trace.boots == ("a", "b")
    assert trace.energy().joules == 1200.0
    assert trace.energy(10, 20, boot_id="b").joules == 100.0
    with pytest.raises(HarnessError, match="2 boots"):
        trace.energy(10, 20)
    other = trace.energy(10, 20, boot_id="c")
    assert other.void
    assert other.joules is None
    assert "boot" in other.void_reason


def test_a_long_hole_is_void_and_never_a_smaller_number(tmp_path):
    samples = [(t, mw) for t, mw in TEN_W if not 20_000_000 < t < 40_000_000]
    energy = PowerTrace.load(write_log(tmp_path / "power.csv", samples)).energy()
    assert energy.void
    assert energy.joules is None
    assert energy.u_joules is None
    assert energy.watts is None
    assert energy.worst_gap_s == pytest.approx(20.0)
    assert "void" in str(energy)
    assert energy.as_dict()["joules"] is None


def test_a_short_hole_is_filled_with_the_mean_and_widens_the_uncertainty(tmp_path):
    wave = [(t, 14_000 if t // 5_000_000 % 2 else 6_000) for t, _ in TEN_W]
    whole = PowerTrace.load(write_log(tmp_path / "whole.csv", wave)).energy()
    holed = PowerTrace.load(
        write_log(tmp_path / "holed.csv", [s for s in wave if not 24_000_000 < s[0] < 26_000_000])
    ).energy()
    assert holed.coverage == pytest.approx(58 / 60)
    assert abs(holed.joules - whole.joules) <= holed.u_joules
    assert holed.u_holes_j == pytest.approx(2 * 4, rel=0.1)
    assert holed.u_joules > 1.5 * whole.u_joules


def test_isolated_failed_reads_are_counted_and_cost_no_coverage(tmp_path):
    samples = [(t, None if t % 1_000_000 == 0 else mw) for t, mw in TEN_W]
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", samples))
    energy = trace.energy(0.5, 59.5)
    assert energy.failed == 59
    assert energy.coverage == 1.0
    assert energy.joules == pytest.approx(590.0)
    assert trace.failures == {"EAGAIN": 61}
    assert "61 failed reads (EAGAIN)" in trace.problems()


def test_failed_reads_in_a_row_are_counted_against_coverage(tmp_path):
    samples = [(t, None if t % 20_000_000 < 1_500_000 else mw) for t, mw in TEN_W]
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", samples))
    energy = trace.energy(0.5, 59.5)
    assert energy.coverage == pytest.approx(1 - (1.0 + 2 * 1.55) / 59)
    assert energy.void


def test_the_clock_set_back_inside_a_window_is_void(tmp_path):
    samples = TEN_W[:600] + [(t - 5_000_000, mw) for t, mw in TEN_W[600:]]
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", samples))
    assert trace.steps_back == 1
    assert trace.energy().void
    assert trace.energy().joules is None
    assert "counted twice" in trace.energy().void_reason
    assert trace.energy(10, 50).void_reason == "the times of the log go back inside this window"
    assert trace.energy(5, 15).joules == pytest.approx(100.0)


@pytest.mark.parametrize("order", [TEN_W[::-1], TEN_W[:900] + TEN_W[300:], TEN_W + TEN_W])
def test_rows_turned_round_or_pasted_twice_have_no_energy(tmp_path, order):
    energy = PowerTrace.load(write_log(tmp_path / "power.csv", order)).energy()
    assert energy.void
    assert energy.joules is None
    assert energy.seconds == 60.0


@pytest.mark.parametrize(
    ("first", "second"),
    [(TEN_W[:900], TEN_W[600:]), (TEN_W[600:], TEN_W[:900]), (TEN_W, TEN_W), (TEN_W[::2], TEN_W)],
)
def test_segments_of_one_boot_that_overlap_count_once(tmp_path, first, second):
    """A restarted recorder repeats the last reading of a slow meter; both are of one clock."""
    path = tmp_path / "power.csv"
    path.write_text(
        "".join(header() + "".join(row(t, mw) for t, mw in rows) for rows in (first, second))
    )
    trace = PowerTrace.load(path)
    assert (len(trace.pieces), trace.steps_back, trace.samples) == (
        1,
        0,
        1201,
    )
    assert trace.duplicates == len(first) + len(second) - 1201
    assert trace.energy().joules == 600.0
    assert trace.energy(10, 50).joules == 400.0


@pytest.mark.parametrize("unknown", ["", None])
def test_segments_of_unknown_boots_are_not_put_on_one_clock(tmp_path, unknown):
    path = tmp_path / "power.csv"
    path.write_text(
        "".join(
            header(boot_id=unknown) + "".join(row(t, mw) for t, mw in rows)
            for rows in (TEN_W, TEN_W)
        )
    )
    assert PowerTrace.load(path).energy().void


def test_one_row_spans_no_time_and_has_no_energy(tmp_path):
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", TEN_W[:1]))
    for energy in (trace.energy(), trace.energy(start_s=0.0)):
        assert energy.void
        assert energy.joules is None
        assert energy.coverage == 0.0
        assert "no time" in energy.void_reason
    path = tmp_path / "two.csv"  # beside another boot that was recorded, one row weighs nothing
    path.write_text(
        header(boot_id="a")
        + row(0, 1)
        + header(boot_id="b")
        + "".join(row(t, mw) for t, mw in TEN_W)
    )
    assert PowerTrace.load(path).energy().joules == 600.0


def test_repeated_times_are_dropped_and_counted(tmp_path):
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", sorted(TEN_W + TEN_W[5:10])))
    assert trace.duplicates == 5
    assert trace.energy().joules == 600.0


@pytest.mark.parametrize(
    ("content", "says", "remedy"),
    [
        (b"", "empty", "record again"),
        (header(version=2).encode(), "format 2", "update joulebird"),
        (header().encode(), "holds no sample", "record again"),
        (header().replace("# clock", "# clok").encode() + row(0, 1).encode(), "header", "restore"),
        (header().replace('{"name"', "{").encode() + row(0, 1).encode(), "damaged", "repair"),
        (header().encode() + b"garbage\n" * 5, "5 damaged lines", "record again"),
    ],
)
def test_unusable_logs_say_what_to_do(tmp_path, content, says, remedy):
    path = tmp_path / "power.csv"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match=says) as caught:
        PowerTrace.load(path)
    assert remedy in caught.value.hint
    assert str(path) in caught.value.message


def test_a_missing_file_and_mixed_sources_are_refused(tmp_path):
    with pytest.raises(HarnessError, match="No such file"):
        PowerTrace.load(tmp_path / "nothing.csv")
    path = tmp_path / "power.csv"
    path.write_text(header() + row(0, 1) + header({"name": "wattsup"}) + row(100, 1))
    with pytest.raises(HarnessError, match="mixes power sources"):
        PowerTrace.load(path)
    one, other, unknown = (header({"sensor": name}) for name in ("0x40", "0x41", ""))
    path.write_text(one + row(0, 1) + other + row(100, 1))
    with pytest.raises(HarnessError, match="different sensor"):
        PowerTrace.load(path)
    path.write_text(header() + row(0, 1) + unknown + row(100, 1) + one + row(200, 1))
    assert PowerTrace.load(path).samples == 3


def test_a_window_that_ends_before_it_begins(tmp_path):
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", TEN_W))
    with pytest.raises(HarnessError, match="before it begins") as caught:
        trace.energy(20, 10)
    assert "0 s to 60 s" in caught.value.hint
    assert trace.energy(20, 20).void


def test_words_follow_the_source(tmp_path):
    simulated = PowerTrace.load(
        write_log(tmp_path / "a.csv", TEN_W, {"name": "simulated", "real": False})
    )
    replayed = PowerTrace.load(
        write_log(tmp_path / "b.csv", TEN_W, {"name": "replay", "real": False})
    )
    assert simulated.energy().words == ("simulated",)
    assert "(simulated)" in str(simulated.energy())
    assert replayed.words == ("replayed",)
    assert json.loads(json.dumps(simulated.energy().as_dict()))["words"] == ["simulated"]


def test_the_envelope_keeps_spikes(tmp_path):
    samples = [(t, 50_000 if t == 30_000_000 else mw) for t, mw in TEN_W]
    (envelope,) = PowerTrace.load(write_log(tmp_path / "power.csv", samples)).envelope(100)
    assert np.nanmax(envelope.max_w) == 50.0
    assert np.nanmin(envelope.min_w) == 10.0
    assert np.nanargmax(envelope.max_w) == 50
    assert envelope.bucket_s == pytest.approx(0.6)
    (sparse,) = PowerTrace.load(write_log(tmp_path / "power.csv", TEN_W[:3])).envelope(1000)
    assert np.isfinite(sparse.mean_w).sum() == 3


@pytest.mark.parametrize("wrong_mw", [-101_000, -5_000, 100_001])
def test_a_reading_beyond_its_sensors_range_counts_as_failed(tmp_path, wrong_mw):
    """Its number stays in the trace; a rail beside it is not touched."""
    source = {"rails": ["VDD_IN", "CPU"], "range_w": {"VDD_IN": 100}}
    rows = [
        (t_us, wrong_mw if t_us == 500_000 else 10_000, 900_000) for t_us in range(0, 10**7, 50_000)
    ]
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", rows, source))
    assert trace.failures == {"RANGE": 1}
    assert trace.problems() == ["1 failed reads (RANGE)"]
    assert trace.energy().failed == 1
    assert trace.energy().watts == pytest.approx(10.0)
    assert trace.energy(rail="CPU").watts == pytest.approx(900.0)
    assert wrong_mw in trace.pieces[0].samples().power[:, 0]


def test_a_slow_segment_hides_no_hole_of_a_fast_one(tmp_path):
    """A killed attempt with a long period stands before one with a short period and a hole."""
    slow, fast = ({"recorder": {"mean_period_s": period_s}} for period_s in (1.5, 0.02))
    first = [(k * 1_500_000, 10_000) for k in range(3)]
    second = [(t, 10_000) for t in range(4_000_000, 44_000_000, 20_000)]
    kept = [(t, mw) for t, mw in second if not 20_000_000 < t < 27_300_000]
    path = tmp_path / "power.csv"
    path.write_text(
        "".join(
            header(source) + "".join(row(*sample) for sample in samples)
            for source, samples in ((slow, first), (fast, kept))
        )
    )
    trace = PowerTrace.load(str(path))
    energy = trace.energy(4.0, 43.9)
    assert energy.void
    assert energy.coverage == pytest.approx(1 - 7.3 / 39.9)
    assert trace.energy(0.0, 19.0).joules == pytest.approx(190.0)
    assert not trace.energy(4.0, 43.9, max_gap_s=8.0).void


def test_a_log_of_ours_takes_no_map(tmp_path):
    """Read as a foreign log, it would lose its words, its range and its accuracy."""
    path = write_log(tmp_path / "power.csv", TEN_W, {"simulated": True, "real": False})
    with pytest.raises(HarnessError, match="names its own columns") as caught:
        PowerTrace.load(path, "t=t_us,w=VDD_IN_mw")
    assert "--rail" in caught.value.hint


def test_a_window_that_spans_no_time_is_void(tmp_path):
    trace = PowerTrace.load(write_log(tmp_path / "power.csv", TEN_W))
    energy = trace.energy(5.0, 5.0)
    assert energy.void
    assert energy.void_reason == "the window spans no time"


def test_a_frame_has_seconds_watts_and_boots(tmp_path):
    path = tmp_path / "power.csv"
    path.write_text(header(boot_id="a") + row(500_000, None, status="EIO") + row(1_000_000, 2500))
    frame = PowerTrace.load(path).to_frame()
    assert list(frame.columns) == ["t_s", "VDD_IN", "boot_id"]
    assert frame["t_s"].tolist() == [0.5, 1.0]
    assert frame["VDD_IN"].fillna(-1.0).tolist() == [-1.0, 2.5]
    assert frame["boot_id"].tolist() == ["a", "a"]


def test_reading_a_log_and_printing_a_table_import_no_frames(tmp_path):
    path = write_log(tmp_path / "power.csv", TEN_W)
    program = (
        "import sys; from joulebird.harness.cli.main import main; "
        "code = main(sys.argv[1:]); "
        "print(code, sorted({'pandas', 'scipy', 'polars'} & set(sys.modules)))"
    )
    for words in (["energy", str(path)], ["table", "2", str(tmp_path)]):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True, check=True
        )
        assert done.stdout.splitlines()[-1].endswith(" []"), done.stdout
