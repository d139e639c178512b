"""A window in parts: they cover it, their recorded joules add exactly, and short ones say so."""

import json
import random
from fractions import Fraction

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.parts import UNMARKED, Part, energy_of, marks_of, split, windows_in
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.write_logs import header, row, write_log

WHOLE = [(None, None, None)]
RULES = ("snapshot", "average", "counter")


def random_log(path, seed, sampling):
    """A log with jitter, failed reads and, now and then, a gap; of a counter none is too long."""
    draw = random.Random(seed)
    t_us, rows = draw.randrange(10**9), []
    for _ in range(400):
        longest = 900_000 if sampling == "counter" else 3_000_000
        t_us += draw.randrange(1, longest if draw.random() < 0.05 else 90_000)
        rows.append((t_us, None if draw.random() < 0.02 else draw.randrange(20_000)))
    return PowerTrace.load(write_log(path, rows, {"sampling": sampling}))


def sums(trace, parts, rail=None):
    energies = [energy_of(trace, part, rail) for part in parts]
    joules = sum((energy.measured_j for energy in energies), Fraction(0))
    return joules, sum(round(1e6 * energy.covered_s) for energy in energies)


@pytest.mark.parametrize("sampling", RULES)
@pytest.mark.parametrize("seed", range(8))
def test_recorded_joules_and_seconds_add_exactly(tmp_path, seed, sampling):
    trace = random_log(tmp_path / "power.csv", seed, sampling)
    whole, draw = trace.energy(), random.Random(seed)
    (window,) = windows = windows_in(trace, WHOLE)
    instants = [draw.uniform(window.begin_s - 5, window.end_s + 5) for _ in range(12)]
    marks = [Part(f"mark {i}", *sorted(draw.sample(instants, 2))) for i in range(6)]
    for by in ("second", "minute", "mark"):
        parts = split(trace, windows, by, marks)
        assert [part.end_s for part in parts[:-1]] == [part.begin_s for part in parts[1:]]
        assert (parts[0].begin_s, parts[-1].end_s) == window[:2]
        assert sums(trace, parts) == (whole.measured_j, round(1e6 * whole.covered_s)), by


def test_only_the_last_part_of_a_window_is_short_and_says_so(tmp_path):
    trace = PowerTrace.load(write_log(tmp_path / "a.csv", [(k * 100_000, 5000) for k in range(26)]))
    parts = split(trace, windows_in(trace, WHOLE), "second", [])
    assert [part.note for part in parts] == ["", "", "partial: 0.5 of 1 s"]
    assert [part.name for part in parts] == ["1", "2", "3"]
    (part,) = split(trace, windows_in(trace, [(0.0, 2.0, None)]), "minute", [])
    assert part.note == "partial: 2 of 60 s"


def test_marks_are_cut_to_the_window_and_to_each_other(tmp_path):
    trace = PowerTrace.load(
        write_log(tmp_path / "a.csv", [(k * 100_000, 5000) for k in range(101)])
    )
    marks = [Part("b", 2.0, 5.0), Part("a", -1.0, 1.0), Part("c", 4.0, 6.0), Part("d", 11.0, 12.0)]
    parts = split(trace, windows_in(trace, WHOLE), "mark", marks)
    assert [(part.name, part.begin_s, part.end_s, part.note) for part in parts] == [
        ("a", 0.0, 1.0, "partial: 1 of 2 s"),
        (UNMARKED, 1.0, 2.0, ""),
        ("b", 2.0, 5.0, ""),
        ("c", 5.0, 6.0, "partial: 1 of 2 s"),
        (UNMARKED, 6.0, 10.0, ""),
    ]


def test_the_marks_of_another_boot_are_not_of_this_log(tmp_path):
    rows = "".join(row(k * 100_000, 5000) for k in range(101))
    log = tmp_path / "power.csv"
    log.write_text(header(boot_id="one") + rows + header(boot_id="two") + rows)
    events = []
    for done, boot in enumerate(("one", "two", "three")):
        epoch = {
            "event": "epoch",
            "epoch": done + 1,
            "begin_s": 2.0,
            "t_s": 3.0,
            "train_end_s": 3.0,
        }
        attempt = {"event": "attempt_begin", "t_s": 1.0, "boot_id": boot, "from_epoch": done}
        events += [attempt, {"event": "stage_begin", "t_s": 2.0}, epoch]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    trace = PowerTrace.load(str(log))
    marks = marks_of(trace, str(log))
    assert [(mark.name, mark.boot_id) for mark in marks] == [("epoch 1", "one"), ("epoch 2", "two")]
    parts = split(trace, windows_in(trace, WHOLE), "mark", marks)
    named = [(part.name, part.boot_id) for part in parts]
    rest = (UNMARKED, "one"), (UNMARKED, "two")
    assert named == [rest[0], ("epoch 1", "one"), rest[0], rest[1], ("epoch 2", "two"), rest[1]]


def test_a_log_without_marks_has_no_parts_by_mark(tmp_path):
    trace = PowerTrace.load(write_log(tmp_path / "a.csv", [(0, 5000), (1000, 5000)]))
    assert marks_of(trace, str(tmp_path / "a.csv")) == []
    with pytest.raises(HarnessError, match="this log has no marks") as caught:
        split(trace, windows_in(trace, WHOLE), "mark", [])
    assert "--events" in caught.value.hint


def test_marks_of_a_foreign_log_are_the_stretches_of_its_one_column_of_labels(tmp_path):
    log = tmp_path / "a.csv"
    rows = [f"{t},{5 + (t >= 10)},{'train' if t >= 10 else 'idle'}" for t in range(20)]
    log.write_text("\n".join(["time_s,power_w,phase", *rows, ""]))
    trace = PowerTrace.load(str(log))
    window = windows_in(trace, [(None, None, None)])
    parts = split(trace, window, "mark", marks_of(trace, str(log)))
    assert [(part.name, part.begin_s, part.end_s) for part in parts] == [
        ("idle", 0.0, 10.0),
        ("train", 10.0, 19.0),
    ]
    log.write_text(
        "\n".join(["time_s,power_w,phase,state", *(f"{row},x{len(row)}" for row in rows), ""])
    )
    trace = PowerTrace.load(str(log))
    assert len(trace.reading.stretches) == 2
    with pytest.raises(HarnessError, match="this log has no marks") as caught:
        split(trace, window, "mark", marks_of(trace, str(log)))
    assert "several columns: phase, state; " in caught.value.hint
