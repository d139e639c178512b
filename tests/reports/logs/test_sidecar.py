"""What is kept of a long log's reading: used for the same file alone, and never needed."""

import os

import pytest

from joulebird.reports.logs import blocks, sidecar
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.write_logs import header, row


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A log of two boots that settled long ago, and is long enough for a sidecar."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sidecar, "LEAST_BYTES", 1)
    monkeypatch.setattr(sidecar, "SETTLED_NS", -1)
    path = tmp_path / "power.csv"
    text = header({"sampling": "average"}) + "damaged\n"
    text += "".join(row(50_000 * k, 5000 + k % 9) for k in range(2000))
    text += header(boot_id="b", source={"sampling": "average"})
    text += "".join(row(50_000 * k, 7000 if k % 50 else None, status="ok") for k in range(2000))
    path.write_text(text)
    return path


def facts(trace):
    whole = [trace.energy(2.0, 90.0, boot_id=boot) for boot in trace.boots]
    return [
        *whole,
        trace.energy(),
        trace.samples,
        trace.problems(),
        trace.period_s,
        trace.span_s,
        trace.source,
        trace.clocks,
        trace.rails,
    ]


def only_windows(monkeypatch):
    """Refuse to read a whole log."""

    def read_chunks(*args):
        raise AssertionError("read again")

    monkeypatch.setattr(blocks, "read_chunks", read_chunks)


def test_a_second_reader_finds_the_same_without_reading_all(log, monkeypatch):
    first = facts(PowerTrace.load(log, block_rows=100))
    only_windows(monkeypatch)
    assert facts(PowerTrace.load(log, block_rows=100)) == first


def changed(log):
    """Change one reading; size and time of modification stay."""
    before = os.stat(log)
    log.write_bytes(log.read_bytes().replace(b"5003,", b"9003,", 1))
    os.utime(log, ns=(before.st_atime_ns, before.st_mtime_ns))


def grown(log):
    with open(log, "a") as file:
        file.write(row(50_000 * 2000, 9000))


def replaced(log):
    other = log.with_name("other.csv")
    other.write_bytes(log.read_bytes().replace(b"5003,", b"9003,"))
    os.replace(other, log)


@pytest.mark.parametrize("change", [changed, grown, replaced])
def test_a_log_that_changed_is_read_again(log, change):
    before = facts(PowerTrace.load(log, block_rows=100))
    change(log)
    after = PowerTrace.load(log, block_rows=100)
    assert facts(after) != before
    assert after.energy().peak_w == 9.003 or after.samples == 4001


@pytest.mark.parametrize("damage", [b"", b"{}", b"\0" * 500, None])
def test_a_damaged_sidecar_is_not_believed(log, damage):
    before = facts(PowerTrace.load(log, block_rows=100))
    (kept,) = sidecar.folder().glob("*.json")
    text = kept.read_bytes()
    kept.write_bytes(text.replace(b"5", b"6") if damage is None else damage)
    assert facts(PowerTrace.load(log, block_rows=100)) == before
    assert kept.read_bytes() == text


def test_a_folder_that_cannot_be_written_is_no_error(log, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert PowerTrace.load(log).samples == 4000


def test_another_program_reads_again(log, monkeypatch):
    before = facts(PowerTrace.load(log, block_rows=100))
    monkeypatch.setattr(sidecar, "_READERS", sidecar._READERS[1:])
    reads = []
    original = blocks.read_chunks
    monkeypatch.setattr(blocks, "read_chunks", lambda *a: reads.append(a) or original(*a))
    assert facts(PowerTrace.load(log, block_rows=100)) == before
    assert len(reads) == 1


def test_short_young_and_unnamed_logs_have_none(log, tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "LEAST_BYTES", 10**9)
    PowerTrace.load(log)
    monkeypatch.setattr(sidecar, "LEAST_BYTES", 1)
    monkeypatch.setattr(sidecar, "SETTLED_NS", 10**15)
    PowerTrace.load(log)
    assert not sidecar.folder().exists()


def test_the_oldest_sidecars_are_deleted(log, tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "MOST_FILES", 3)
    data = log.read_bytes()
    for k in range(5):
        (tmp_path / f"{k}.csv").write_bytes(data)
        PowerTrace.load(tmp_path / f"{k}.csv")
    assert len(list(sidecar.folder().glob("*.json"))) == 3


def test_each_kind_of_pass_has_its_own(log, monkeypatch):
    both = [PowerTrace.load(log, every_rail=every).energy() for every in (False, True)]
    only_windows(monkeypatch)
    assert [PowerTrace.load(log, every_rail=every).energy() for every in (False, True)] == both
