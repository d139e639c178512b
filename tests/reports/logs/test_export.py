"""Exported logs: the same joules by the same rule, and all that goes with them."""

import csv
import random

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import parse_row
from joulebird.reports.columns import write
from joulebird.reports.logs.export import columns, write_log
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.logs.corpus import CASES
from tests.reports.write_logs import header, row
from tests.reports.write_logs import write_log as written

ROUNDED = 1e-4  # of joules of a foreign log, by milliwatts; the corpus has watts


def same(old, new, rounded=0.0):
    """Two traces have the same energies, and the same facts beside them."""
    assert (old.rails, old.total, old.scope, old.words) == (
        new.rails,
        new.total,
        new.scope,
        new.words,
    )
    for rail in (*([None] if old.total else []), *old.rails):
        for begin, end in ((None, None), (old.span_s[0] + 1.03, old.span_s[0] + 7.77)):
            if begin and (len(old.boots) > 1 or old.steps_back):
                continue
            first, second = old.energy(begin, end, rail), new.energy(begin, end, rail)
            assert float(second.measured_j) == pytest.approx(float(first.measured_j), rel=rounded)
            assert rounded or first.measured_j == second.measured_j
            for name in ("void_reason", "coverage", "worst_gap_s", "samples", "failed", "damaged"):
                assert getattr(first, name) == getattr(second, name), (rail, name)
            assert first.stated == second.stated
            assert first.u_gain_j == pytest.approx(second.u_gain_j, rel=1e-3)
            assert first.u_offset_j == pytest.approx(second.u_offset_j)


def test_every_readable_log_of_the_corpus_stays_the_same(tmp_path):
    count = 0
    for case in CASES:
        path = tmp_path / "log"
        path.write_bytes(case.data)
        try:
            trace = PowerTrace.load(str(path), **case.arguments)
            trace.energy()
        except HarnessError:
            continue
        write_log(trace, str(tmp_path / "out.csv"))
        same(trace, PowerTrace.load(str(tmp_path / "out.csv")), ROUNDED)
        count += 1
    assert count > 250


def our_log(path, seed, sampling):
    """Two boots, restarts with other periods, failed reads, holes and damaged lines."""
    draw, texts = random.Random(seed), []
    for boot in ("one", "two"):
        t_us = draw.randrange(10**9)
        for period in draw.choices((0.05, 1.0, None), k=3):
            more = {"recorder": {"mean_period_s": period}} if period else {}
            source = {"sampling": sampling, "rails": ["VDD_IN", "VDD_GPU"], **more}
            texts.append(header(source, boot))
            for _ in range(60):
                t_us += draw.randrange(1, 4_000_000 if draw.random() < 0.1 else 200_000)
                fail = draw.random()
                powers = [draw.randrange(20_000), None if fail < 0.1 else draw.randrange(9_000)]
                texts.append(row(t_us, *powers, status="EAGAIN" if fail < 0.1 else "ok"))
                texts += ["cut li\n"] * (draw.random() < 0.05)
    path.write_text("".join(texts))
    return PowerTrace.load(str(path))


@pytest.mark.parametrize("sampling", ["snapshot", "average", "counter"])
@pytest.mark.parametrize("seed", range(6))
def test_a_log_of_ours_stays_exactly_the_same(tmp_path, seed, sampling):
    trace = our_log(tmp_path / "power.csv", seed, sampling)
    assert write_log(trace, str(tmp_path / "out.csv")) == []
    again = PowerTrace.load(str(tmp_path / "out.csv"))
    same(trace, again)
    for boot in trace.boots:
        instants = random.Random(seed).choices(range(0, 2000), k=2)
        begin, end = (instant / 100 for instant in sorted(instants))
        old, new = (t.energy(begin, end, None, boot) for t in (trace, again))
        assert (old.measured_j, old.coverage) == (new.measured_j, new.coverage)
    assert [clock["boot_id"] for clock in again.clocks] == [c["boot_id"] for c in trace.clocks]
    assert trace.failures == again.failures


@pytest.mark.parametrize("boot", ["one", ""])
def test_times_that_go_back_in_a_segment_still_do(tmp_path, boot):
    times = [*range(0, 5_000_001, 100_000), *range(3_050_000, 9_000_001, 100_000)]
    log = written(tmp_path / "power.csv", [(t_us, 5000) for t_us in times], boot_id=boot)
    trace = PowerTrace.load(log)
    write_log(trace, str(tmp_path / "out.csv"))
    again = PowerTrace.load(str(tmp_path / "out.csv"))
    assert again.energy().void_reason == trace.energy().void_reason
    assert "times of the log go back" in again.energy().void_reason
    assert again.steps_back == trace.steps_back == 1


def test_words_accuracy_and_origin_stay(tmp_path):
    facts = {"simulated": True, "real": False, "accuracy": {"gain": 0.01, "offset_mw": 76}}
    log = written(tmp_path / "power.csv", [(k * 50_000, 5000) for k in range(100)], facts)
    write_log(PowerTrace.load(log), str(tmp_path / "out.csv"), ["estimated", "foreign load"])
    again = PowerTrace.load(str(tmp_path / "out.csv"))
    assert again.words == ("simulated", "estimated", "foreign load")
    assert again.energy().words == tuple(sorted(again.words))
    assert again.energy().u_offset_j == pytest.approx(4.95 * 0.076)


def test_a_log_too_small_for_milliwatts_is_refused(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("t_s,power_w\n" + "".join(f"{k},0.0024\n" for k in range(60)))
    trace = PowerTrace.load(str(path), "t=t_s,w=power_w")
    with pytest.raises(HarnessError, match="too coarse for it: power_w: 0.118 J for 0.1416 J") as e:
        write_log(trace, str(tmp_path / "out.csv"))
    assert "--form csv" in e.value.hint


def test_rounding_is_said(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("t_s,power_w\n" + "".join(f"{k},5.0004\n" for k in range(61)))
    notes = write_log(PowerTrace.load(str(path)), str(tmp_path / "out.csv"))
    assert notes == ["rounded to milliwatts: power_w: 300 J for 300.024 J"]


def test_columns_have_every_reading(tmp_path):
    trace = our_log(tmp_path / "power.csv", 1, "snapshot")
    write(str(tmp_path / "out.csv"), columns(trace, ["estimated"]), "csv", {})
    with open(tmp_path / "out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["t_s", "wall_s", "boot_id", "VDD_IN_w", "VDD_GPU_w", "status", "words"]
    assert list(rows[0]) == names
    count = {status: sum(one["status"] == status for one in rows) for status in ("ok", "failed")}
    assert sum(count.values()) == trace.samples
    assert count["failed"] == trace.failures["EAGAIN"]
    assert len(rows) - trace.samples == trace.damaged
    assert {one["words"] for one in rows} == {"estimated"}
    lines = (tmp_path / "power.csv").read_bytes().split(b"\n")
    known = [parse_row(line, trace.rails) for line in lines]
    exact = [(one.watts["VDD_IN"], one.watts.get("VDD_GPU")) for one in known if one]
    got = [
        (float(one["VDD_IN_w"]), float(one["VDD_GPU_w"]) if one["VDD_GPU_w"] else None)
        for one in rows
        if one["status"] != "damaged"
    ]
    assert got == exact
    assert float(rows[0]["wall_s"]) == pytest.approx(float(rows[0]["t_s"]) + 1.7e9 - 1.0)


def test_times_that_are_no_clock_have_no_wall_time(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("t_s,power_w\n0,5\n1,5\n2,5\n")
    (block,) = columns(PowerTrace.load(str(path)))
    assert block["wall_s"] == [None] * 3
    write_log(PowerTrace.load(str(path)), str(tmp_path / "out.csv"))
    (block,) = columns(PowerTrace.load(str(tmp_path / "out.csv")))
    assert block["wall_s"] == [None] * 3
