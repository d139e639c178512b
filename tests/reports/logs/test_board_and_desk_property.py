"""The board's reader and integrator and the desk's give the same, whatever the log."""

import os
import re
import tempfile
from fractions import Fraction
from functools import partial
from itertools import groupby

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from joulebird.devices import energy as board
from joulebird.devices.powerlog_read import read_log
from joulebird.harness.core.errors import HarnessError, SourceError
from joulebird.harness.core.integral import Sample, allowed_gap_s, in_order, integrate
from joulebird.harness.core.sensor import accuracy
from joulebird.reports.logs.integrate import Series
from joulebird.reports.logs.powerlog import read_chunks
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.logs import loads
from tests.reports.write_logs import header, row

RAILS = ["VDD_IN", "VDD_MUX"]
SAMPLINGS = ["snapshot", "average", "counter"]
steps = st.one_of(st.integers(0, 100_000), st.integers(0, 2_000_000), st.just(50_000_000))
readings = st.one_of(st.none(), st.integers(-500, 30_000))
rows = st.lists(st.tuples(steps, readings, readings), max_size=12)
segments = st.lists(
    st.tuples(st.sampled_from(["a", "a", "a", "b"]), st.integers(-3_000_000, 9_000_000), rows),
    min_size=1,
    max_size=4,
)
recorders = st.sampled_from([{}, {"mean_period_s": 0.02}, {"mean_period_s": 2.0}])


errors = st.one_of(st.none(), st.floats(0, 500))
accuracies = st.fixed_dictionaries(
    {
        "gain": st.sampled_from([None, 0.01, {"VDD_IN": 0.02}]),
        "offset_mw": st.one_of(errors, st.dictionaries(st.sampled_from(RAILS), errors)),
        "quantum_mw": errors,
    }
)


def text_of(parts, sampling, recorder, stated=None):
    """A log whose recorder is restarted, on the same clock or after a reboot."""
    source = {"sampling": sampling, "rails": RAILS, "total": RAILS, "recorder": recorder}
    source.update({"accuracy": stated} if stated else {})
    text, last = "", {}
    for boot, gap, samples in parts:
        text += header(source, boot_id=boot)
        t_us = last.get(boot, 0) + gap
        for step, one, other in samples:
            t_us += step
            text += row(t_us, one, other, status="EIO" if None in (one, other) else "ok")
        last[boot] = t_us
    return text


def segments_of(path, block_rows):
    """The chunks of each segment that has a row or a damaged line."""
    with open(path, "rb") as file:
        chunks = list(read_chunks(path, file, block_rows))
    groups = (list(group) for _, group in groupby(chunks, key=lambda chunk: chunk.segment))
    return [of for of in groups if any(len(chunk.rows.t_us) or chunk.torn for chunk in of)]


def edges_of(segments_read, data):
    """Two edges of a window: before, behind, at or between the samples."""
    times = [round(r.t_s * 1e6) for segment in segments_read for r in segment.rows]
    at = st.one_of(st.sampled_from(times), st.integers(min(times) - 10**6, max(times) + 10**6))
    return sorted((data.draw(at), data.draw(at)))


@settings(max_examples=400, deadline=None)
@given(segments, st.sampled_from(SAMPLINGS), recorders, accuracies, st.data())
def test_both_integrate_alike(parts, sampling, recorder, stated, data):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "power.csv")
        with open(path, "w") as file:
            file.write(text_of(parts, sampling, recorder, stated))
        read = [segment for segment in read_log(path) if segment.rows]
        if not read:
            return
        trace = PowerTrace.load(path)
    begin_us, end_us = edges_of(read, data)
    if begin_us == end_us:
        return
    allowed_s = allowed_gap_s(trace.source, trace.period_s)
    assert allowed_s == trace.allowed_gap_s
    for boot in trace.boots:
        own = [r for segment in read if segment.clock["boot_id"] == boot for r in segment.rows]
        window = begin_us / 1e6, end_us / 1e6
        for name, rails in ((None, RAILS), *((rail, [rail]) for rail in RAILS)):
            theirs = trace.energy(*window, rail=name, boot_id=boot)
            sensor = accuracy(trace.source, rails)
            ours = board.energy(board.samples(own, rails), *window, trace.source, allowed_s, sensor)
            assert ours.joules == theirs.joules
            assert ours.mean_w == theirs.watts
            assert (ours.joules is None) == theirs.void
            assert ours.seconds == theirs.seconds
            assert ours.coverage == theirs.coverage
            assert ours.worst_gap_s == theirs.worst_gap_s
            if theirs.samples:
                assert ours.peak_w == theirs.peak_w
            near = partial(pytest.approx, rel=1e-6, abs=1e-9)  # numpy adds in another order
            assert (ours.u_joules is None) == theirs.void
            assert (ours.u_joules or 0.0) == near(theirs.u_joules or 0.0)
            assert (ours.u_sensor_j is None) == (theirs.u_sensor_joules is None)
            assert (ours.u_sensor_j or 0.0) == near(theirs.u_sensor_joules or 0.0)
            assert (ours.u_sampling_j or 0.0) == near(theirs.own_u_joules or 0.0)
            assert ours.doubt == ("" if theirs.void else theirs.doubt)


def test_the_counters_hole_across_an_edge_is_void_on_both():
    """On the board this was once 3000 J."""
    parts = [("a", 0, [(100_000, 30_000, 0)] * 12), ("a", 199_000_000, [(100_000, 30_000, 0)] * 9)]
    parts = [("a", 0, [*parts[0][2], (199_000_000, 30_000, 0), *parts[1][2]])]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "power.csv")
        with open(path, "w") as file:
            file.write(text_of(parts, "counter", {"mean_period_s": 0.1}))
        ((_, _, own, _),) = read_log(path)
        trace = PowerTrace.load(path)
    ours = board.energy(board.samples(own, RAILS), 100.0, 200.2, {"sampling": "counter"})
    assert ours.joules is None
    assert trace.energy(100.0, 200.2).void
    assert ours.coverage == trace.energy(100.0, 200.2).coverage == 0.0
    assert (
        board.energy(board.samples(own, RAILS), 0.1, 200.2, {"sampling": "counter"}).joules
        is not None
    )


damage = st.lists(st.tuples(st.integers(0), st.sampled_from(b" 0123456789-+_,.\n\r\0x\xff#")))


@settings(max_examples=400, deadline=None)
@given(segments, damage, st.integers(0, 60), st.integers(1, 9))
@example([("a", 0, [(1, 1, 1)] * 3)], [(60, ord("_"))], 0, 3)
def test_both_read_alike_whatever_was_damaged(parts, changes, cut, block_rows):
    text = bytearray(text_of(parts, "snapshot", {}).encode())
    first = text.index(b"status\n") + len(b"status\n")
    for at, byte in changes:
        if first < len(text):
            text[first + at % (len(text) - first)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "power.csv")
        with open(path, "wb") as file:
            file.write(text[: max(first, len(text) - cut)])
        try:
            theirs = segments_of(path, block_rows)
        except HarnessError as refusal:
            with pytest.raises(SourceError, match=re.escape(refusal.message)):
                read_log(path)
            return
        ours = [segment for segment in read_log(path) if segment.rows or segment.damaged]
    assert [(s.source, s.clock, s.damaged) for s in ours] == [
        (of[0].head.source, of[0].head.clock, sum(len(chunk.torn) for chunk in of)) for of in theirs
    ]
    for mine, chunks in zip(ours, theirs, strict=True):
        rails = chunks[0].head.rails
        others = [chunk.rows for chunk in chunks]
        assert [round(r.t_s * 1e6) for r in mine.rows] == [
            t_us for rows in others for t_us in rows.t_us.tolist()
        ]
        assert [[r.watts.get(rail) for rail in rails] for r in mine.rows] == [
            [mw / 1e3 if good else None for mw, good in zip(*pair, strict=True)]
            for rows in others
            for pair in zip(rows.mw.tolist(), rows.read.tolist(), strict=True)
        ]
        failed = [r.status for r in mine.rows if r.status != "ok"]
        assert sorted(failed) == sorted(word for rows in others for word in rows.words)


kinds = st.sampled_from(
    [
        {"sampling": "snapshot"},
        {"sampling": "average"},
        {"sampling": "average", "chips": [{"averaging_window_s": 0.054}]},
        {"sampling": "average", "chips": [{}]},
        {"sampling": "counter"},
    ]
)
many = st.lists(
    st.tuples(st.sampled_from([50_000] * 9 + [300_000]), st.sampled_from([0, 1, 2, 500, 9_000])),
    min_size=12,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(many, kinds, st.integers(0, 600_000), st.booleans(), st.data())
def test_both_bound_the_error_of_many_readings_alike(samples, kind, cut_us, jittered, data):
    """Long enough for a locked grid, a chip's window, a long interval and equal readings."""
    shift = data.draw(st.lists(st.integers(0, 40_000 * jittered), min_size=60, max_size=60))
    t_us = np.cumsum([step + more for (step, _), more in zip(samples, shift, strict=False)])
    pairs = [(int(t), 5_000 + mw) for t, (_, mw) in zip(t_us, samples, strict=True)]
    bound_alike(pairs, kind, cut_us)


def test_both_bound_the_error_of_a_short_window_alike():
    """The desk's sums were once rounded too coarsely for that."""
    pairs = [(k * 50_000, 5_000 + (k == 12)) for k in range(1, 13)]
    kind = {"sampling": "average", "chips": [{"averaging_window_s": 0.054}]}
    bound_alike(pairs, kind, 500_001)


def bound_alike(pairs, kind, cut_us):
    text = header(kind) + "".join(row(*pair) for pair in pairs)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "power.csv")
        with open(path, "w") as file:
            file.write(text)
        trace, (segment,) = PowerTrace.load(path), read_log(path)
    window = min(pairs[0][0] + cut_us, pairs[-1][0] - 1) / 1e6, pairs[-1][0] / 1e6
    theirs = trace.energy(*window)
    series = board.samples(segment.rows, ["VDD_IN"])
    ours = board.energy(series, *window, trace.source, trace.allowed_gap_s)
    assert ours.u_joules == pytest.approx(theirs.u_joules, rel=1e-6, abs=1e-9)
    assert ours.doubt == theirs.doubt


@settings(max_examples=300, deadline=None)
@given(rows, st.sampled_from(["trapezoids", "steps", "counter"]), st.data())
def test_the_integrals_are_the_same_fraction(samples, rule, data):
    if not samples:
        return
    t_us = np.cumsum([step for step, _, _ in samples])
    starts = data.draw(st.lists(st.booleans(), min_size=len(samples), max_size=len(samples)))
    kept = in_order(
        Sample(int(t), power, start)
        for t, (_, power, _), start in zip(t_us, samples, starts, strict=True)
    )
    begin, end = sorted(data.draw(st.integers(-(10**5), int(t_us[-1]) + 10**5)) for _ in range(2))
    allowed_us = data.draw(st.sampled_from([50_000, 10**6, 10**8]))
    part = Series(
        np.array([s.t_us for s in kept]),
        np.array([s.power or 0 for s in kept]),
        np.array([s.power is not None for s in kept]),
        np.array([s.start for s in kept]),
        np.zeros(len(kept), np.int64),
    )
    ours = integrate(kept, begin, end, rule, allowed_us)
    theirs = loads.integrate(part, begin, end, rule, allowed_us)
    assert ours == (Fraction(theirs.total), theirs.covered_us, theirs.worst_gap_us)
