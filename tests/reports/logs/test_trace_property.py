"""Properties of integration: additive over adjacent windows, the same whatever the chunking."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from joulebird.reports.logs.trace import PowerTrace
from tests.reports.write_logs import header, row

samples = st.lists(
    st.tuples(st.integers(1, 3_000_000), st.one_of(st.none(), st.integers(-200, 99_999))),
    min_size=2,
    max_size=60,
)


def build(steps, sampling, damage=()):
    t_us, text = 0, header({"sampling": sampling})
    for i, (step, mw) in enumerate(steps):
        t_us += step
        line = row(t_us, mw, status="ok" if mw is not None else "EIO")
        text += line[:11] + "\n" if i in damage else line
    return text, t_us


def load(text, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "power.csv"
        path.write_text(text)
        return PowerTrace.load(path, **options)


@settings(max_examples=80, deadline=None)
@given(samples, st.sampled_from(["snapshot", "average", "counter"]), st.data())
def test_adjacent_windows_add_up_exactly(steps, sampling, data):
    text, last = build(steps, sampling)
    trace = load(text)
    a, b, c = sorted(data.draw(st.integers(-1_000_000, last + 1_000_000)) for _ in range(3))
    first, second, both = (trace.energy(x / 1e6, y / 1e6) for x, y in ((a, b), (b, c), (a, c)))
    if sampling != "counter":  # a counter's long interval is known only as a whole
        assert first.measured_j + second.measured_j == both.measured_j
        assert abs(first.covered_s + second.covered_s - both.covered_s) < 1e-6
    assert both.covered_s <= both.seconds + 1e-9
    assert first.worst_gap_s <= max(both.worst_gap_s, both.seconds) + 1e-9 or sampling == "counter"


@settings(max_examples=60, deadline=None)
@given(samples, st.sets(st.integers(0, 40), max_size=5), st.integers(1, 9))
def test_chunking_changes_nothing(steps, damage, block_rows):
    damage = {i for i in damage if i < len(steps) - 1 and i > 0}
    text, _ = build(steps, "snapshot", damage)
    whole, chunked = load(text), load(text, block_rows=block_rows)
    assert chunked.energy() == whole.energy()
    assert (chunked.damaged, chunked.samples, chunked.failures) == (
        whole.damaged,
        whole.samples,
        whole.failures,
    )
    assert whole.damaged == len(damage)


@settings(max_examples=40, deadline=None)
@given(samples, st.integers(0, 3000))
def test_any_prefix_is_readable(steps, size):
    text, _ = build(steps, "snapshot")
    start = len(header())
    kept = text[: start + len(row(0, 0)) + size]
    assert load(kept).samples <= len(steps)
