"""Windows of logs that are read in small blocks, against exact fractions over all rows at once."""

import os
import tempfile
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from joulebird.devices import energy as board
from joulebird.devices.powerlog_read import read_log
from joulebird.harness.core.integral import Sample, in_order, integrate, rule_of
from joulebird.reports.logs.integrate import Integrator
from joulebird.reports.logs.sampling import UNITS, Series, exact_sum
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.write_logs import header, row

MICRO = 1_000_000
power = st.one_of(st.none(), st.integers(-200, 99_999))
steps = st.one_of(st.integers(0, 90_000), st.integers(1, 3_000_000))
segments = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(0, 2_000_000),  # after the last one of its boot
        st.lists(st.tuples(steps, power, power), min_size=1, max_size=40),
    ),
    min_size=1,
    max_size=3,
)
damages = st.lists(st.integers(0, 119), max_size=4, unique=True)


def written(parts, sampling, recorder, total, damage):
    """The text of a log of two rails; the damaged ones of its rows are cut short."""
    source = {"sampling": sampling, "rails": ["A", "B"], "total": total, "recorder": recorder}
    text, at, count = "", {}, 0
    for boot, pause, rows in parts:
        at[boot] = at.get(boot, 0) + pause
        text += header(source, boot_id=boot)
        for step, one, other in rows:
            at[boot] += step
            status = "ok" if None not in (one, other) else "EIO"
            line = row(at[boot], one, other, status=status)
            text += line[:17] + "\n" if count in damage else line
            count += 1
    return text


@settings(max_examples=300, deadline=None)
@given(
    segments,
    st.sampled_from(["snapshot", "average", "counter"]),
    st.sampled_from([{}, {"mean_period_s": 0.05}, {"mean_period_s": 0.6}]),
    st.sampled_from([["A"], ["A", "B"]]),
    damages,
    st.integers(1, 9),
    st.data(),
)
def test_windows_are_exact_whatever_the_blocks(
    parts, sampling, recorder, total, damage, block_rows, data
):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "power.csv")
        with open(path, "w") as file:
            file.write(written(parts, sampling, recorder, total, damage))
        read = [segment for segment in read_log(path) if segment.rows]
        if not read:
            return
        trace = PowerTrace.load(path, block_rows=block_rows, every_rail=data.draw(st.booleans()))
        whole = PowerTrace.load(path)
    assert trace.energy() == whole.energy()
    allowed_us = round(trace.allowed_gap_s * MICRO)
    for boot in trace.boots:
        own = [r for segment in read if segment.clock["boot_id"] == boot for r in segment.rows]
        samples = in_order(board.samples(own, total))
        first, last = samples[0].t_us - MICRO, samples[-1].t_us + MICRO
        edges = st.one_of(st.integers(first, last), st.sampled_from([s.t_us for s in samples]))
        begin, middle, end = sorted(data.draw(edges) for _ in range(3))
        if begin == end:
            continue
        energy = trace.energy(begin / 1e6, end / 1e6, boot_id=boot)
        assert energy == whole.energy(begin / 1e6, end / 1e6, boot_id=boot)
        truth = integrate(samples, begin, end, rule_of(sampling), allowed_us)
        assert energy.measured_j == Fraction(truth.total) / 10**9
        assert round(energy.covered_s * MICRO) == truth.covered_us
        assert round(energy.worst_gap_s * MICRO) == truth.worst_gap_us
        inside = [s.power for s in samples if begin <= s.t_us <= end]
        known = [watts for watts in inside if watts is not None]
        assert (energy.samples, energy.failed) == (len(known), len(inside) - len(known))
        if known:
            assert (energy.low_w, energy.peak_w) == (min(known) / 1000, max(known) / 1000)
        if begin < middle < end and sampling != "counter":
            halves = [
                trace.energy(a / 1e6, b / 1e6, boot_id=boot)
                for a, b in ((begin, middle), (middle, end))
            ]
            assert sum(half.measured_j for half in halves) == energy.measured_j
            assert sum(round(half.covered_s * MICRO) for half in halves) == truth.covered_us


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 400_000), st.integers(-9, 20_000), st.booleans()), max_size=60
    ),
    st.sampled_from(["trapezoids", "steps", "counter"]),
    st.lists(st.integers(0, 12), min_size=1, max_size=20),
    st.data(),
)
def test_an_integrator_takes_its_samples_in_any_portions(rows, rule, portions, data):
    t_us = np.cumsum([step for step, _, _ in rows], dtype=np.int64)
    watts = np.array([mw for _, mw, _ in rows], dtype=np.int64)
    read = np.array([good for _, _, good in rows], dtype=bool)
    starts = np.array([data.draw(st.booleans()) for _ in rows], dtype=bool)
    series = Series(t_us, watts, read, starts, np.zeros_like(t_us))
    last = int(t_us[-1]) if rows else 0
    begin, end = sorted(data.draw(st.integers(-1000, last + 1000)) for _ in range(2))
    whole, parts = (Integrator(rule, begin, end, 300_000) for _ in range(2))
    whole.add(series)
    at = 0
    for size in [*portions, len(rows)]:
        parts.add(series.cut(slice(at, at + size)))
        at += size
    assert parts.result() == whole.result()
    samples = [
        Sample(int(t), int(mw) if good else None, bool(start))
        for t, mw, good, start in zip(t_us, watts, read, starts, strict=True)
    ]
    truth = integrate(samples, begin, end, rule, 300_000)
    assert whole.result()[:3] == (Fraction(truth.total), truth.covered_us, truth.worst_gap_us)


def test_a_failed_start_is_remembered_over_an_empty_portion():
    read = np.array([True, False, True])
    series = Series(np.arange(3), np.arange(3), read, ~read, np.zeros(3, np.int64))
    parts = Integrator("counter", 0, 2, 10)
    for begin, end in ((0, 2), (2, 2), (2, 3)):
        parts.add(series.cut(slice(begin, end)))
    assert parts.result().covered_us == 0


@given(st.lists(st.floats(-(2.0**190), 2.0**190), max_size=50))
def test_floats_are_added_exactly_to_a_unit_each(values):
    total = sum((Fraction(round(Fraction(value) * UNITS)) for value in values), Fraction(0))
    assert exact_sum(np.array(values)) == total
    assert exact_sum(np.array(values[::-1])) == exact_sum(np.array(values))


def test_a_long_log_uses_what_is_known_of_its_blocks(tmp_path):
    """The joules of a window are those of reading all of it, holes and failures too."""
    rows, at = [], 0
    for k in range(3000):
        at += 3_000_000 if k in (700, 2000) else 40_000 + k % 7000
        rows.append(row(at, None if k % 97 == 0 else 5000 + k % 613, status="ok"))
    path = tmp_path / "power.csv"
    path.write_text(header({"recorder": {"mean_period_s": 0.05}}) + "".join(rows))
    trace, plain = (PowerTrace.load(path, block_rows=n) for n in (50, 5000))
    assert len(trace.pieces[0].blocks) == 60
    assert len(plain.pieces[0].blocks) == 1
    for begin_s, end_s in ((None, None), (1.0, 100.5), (20.02, 60.0), (0.5, 120.0)):
        for gap_s in (None, 10.0, 0.041):
            assert trace.energy(begin_s, end_s, max_gap_s=gap_s) == plain.energy(
                begin_s, end_s, max_gap_s=gap_s
            )
    part = trace.between(10.0, 90.0)
    assert part.energy() == plain.between(10.0, 90.0).energy()
    assert part.energy(12.0, 80.0) == plain.energy(12.0, 80.0)
