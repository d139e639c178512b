"""power.csv: the bytes on disk, prefixes, restarts, a full disk."""

import errno
import json
import os
import subprocess
import sys

import pytest

from joulebird.devices.powerlog import PowerLog
from joulebird.devices.powerlog_read import read_log, read_rows
from joulebird.harness.core.boot import boot_id
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.powerlog import format_row, row_width

TWO = {
    "name": "test",
    "rails": ["VDD_IN", "VDD_SYS_GPU"],
    "total": ["VDD_IN"],
    "sampling": "snapshot",
}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "power.csv")


def write(path, rows, describe=TWO):
    log = PowerLog(path, describe, clock=lambda: 12.3, wall=lambda: 1700000000.1)
    for t_s, watts, status in rows:
        log.row(t_s, watts, status)
    log.close()


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def test_the_file_is_what_architecture_says(path):
    write(
        path,
        [
            (12.3, {"VDD_IN": 3.056, "VDD_SYS_GPU": 0.076}, "ok"),
            (12.349, {"VDD_SYS_GPU": 0.076}, "EAGAIN"),
        ],
    )
    lines = read_bytes(path).decode("ascii").split("\n")
    assert lines[0] == "# joulebird-power-log 1"
    assert json.loads(lines[1][len("# source ") :]) == TWO
    assert json.loads(lines[2][len("# clock ") :]) == {
        "monotonic_s": 12.3,
        "wall_s": 1700000000.1,
        "boot_id": boot_id(),
    }
    assert lines[3].startswith("# units ")
    assert lines[4] == "t_us,VDD_IN_mw,VDD_SYS_GPU_mw,status"
    assert lines[5] == "        12300000,     3056,       76,          ok"
    assert lines[6] == "        12349000,         ,       76,      EAGAIN"
    assert lines[7:] == [""]


@pytest.mark.parametrize(
    ("watts", "text", "status"),
    [
        ({"VDD_IN": -0.153, "VDD_SYS_GPU": 0.0}, "     -153,        0", "ok"),
        ({"VDD_IN": float("nan"), "VDD_SYS_GPU": 1.0}, "         ,     1000", "RANGE"),
        ({"VDD_IN": float("inf"), "VDD_SYS_GPU": 1.0}, "         ,     1000", "RANGE"),
        ({"VDD_IN": 1e6, "VDD_SYS_GPU": 1.0}, "         ,     1000", "RANGE"),
        ({"VDD_IN": 1.0}, "     1000,         ", "MISSING"),
        ({}, "         ,         ", "MISSING"),
    ],
)
def test_every_row_has_one_width_and_no_value_is_made_up(watts, text, status):
    row = format_row(1.0, watts, ("VDD_IN", "VDD_SYS_GPU"))
    assert row == f"{1000000:16d},{text},{status:>12}\n".encode()
    assert len(row) == row_width(2)


@pytest.mark.parametrize(
    "status", ["a,b\nc", "much longer than twelve characters", "", "caf\u00e9 au lait"]
)
def test_a_status_never_breaks_the_row(status):
    row = format_row(1.0, {}, ("VDD_IN",), status)
    assert len(row) == row_width(1)
    assert row.count(b",") == 2
    assert row.count(b"\n") == 1


def test_any_prefix_is_readable(path):
    """A kill may cut the file at any byte: no error once the header stands, no wrong row."""
    rows = [(i * 0.05, {"VDD_IN": 3.0 + i, "VDD_SYS_GPU": 0.1}, "ok") for i in range(5)]
    write(path, rows)
    whole = read_bytes(path)
    header = whole.index(b"status\n") + len(b"status\n")
    expected = read_log(path)[0].rows
    for cut in range(header, len(whole) + 1):
        with open(path, "wb") as file:
            file.write(whole[:cut])
        (segment,) = read_log(path)
        rows, rest = divmod(cut - header + 1, row_width(2))  # a last newline may be missing
        assert segment.rows == expected[:rows]
        assert segment.damaged == int(rest > 1)


def test_a_restart_completes_the_cut_line_and_begins_a_segment(path):
    write(
        path,
        [
            (1.0, {"VDD_IN": 1.0, "VDD_SYS_GPU": 0.1}, "ok"),
            (2.0, {"VDD_IN": 2.0, "VDD_SYS_GPU": 0.1}, "ok"),
        ],
    )
    whole = read_bytes(path)
    for cut, kept, damaged in ((len(whole) - 10, 1, 1), (len(whole) - 1, 2, 0), (len(whole), 2, 0)):
        with open(path, "wb") as file:
            file.write(whole[:cut])
        write(path, [(3.0, {"VDD_IN": 3.0, "VDD_SYS_GPU": 0.1}, "ok")])
        first, second = read_log(path)
        assert ([row.t_s for row in first.rows], first.damaged) == ([1.0, 2.0][:kept], damaged)
        assert [row.watts["VDD_IN"] for row in second.rows] == [3.0]


def test_the_tail_of_a_log_can_be_read_alone(path):
    write(path, [(float(i), {"VDD_IN": float(i), "VDD_SYS_GPU": 0.1}, "ok") for i in range(20)])
    size = os.path.getsize(path)
    for back in range(3 * row_width(2) + 1):
        rows = read_rows(path, TWO["rails"], size - back)
        assert [row.t_s for row in rows] == [float(i) for i in range(20 - back // row_width(2), 20)]
    assert len(read_rows(path, TWO["rails"], 0)) == 20


def test_folders_are_made_and_rail_names_stay_columns(tmp_path):
    path = str(tmp_path / "a" / "b" / "power.csv")
    write(path, [(1.0, {"out, 1": 2.0}, "ok")], {"rails": ["out, 1"]})
    assert b"\nt_us,out__1_mw,status\n" in read_bytes(path)
    assert read_log(path)[0].rows[0].watts == {"out, 1": 2.0}


@pytest.mark.parametrize(
    ("content", "said", "hint"),
    [
        (b"", "is empty", "record again"),
        (b"time,power\n1,2\n", "not a power log", "joulebird energy"),
        (b"# joulebird-power-log 2\n", "newer", "update joulebird"),
        (
            b"# joulebird-power-log 1\n# source {\n# clock {}\nt_us,A_mw,status\n",
            "`# source` line",
            "repair",
        ),
    ],
)
def test_what_is_no_log_is_refused_with_a_remedy(path, content, said, hint):
    with open(path, "wb") as file:
        file.write(content)
    with pytest.raises(SourceError, match=said) as caught:
        read_log(path)
    assert hint in caught.value.hint


def test_a_log_that_is_not_there(path):
    with pytest.raises(SourceError, match="cannot read the power log"):
        read_log(path)


# a full disk


@pytest.mark.skipif(
    not os.path.exists("/dev/full"),
    reason="LOUD: no /dev/full here, so no file that is always full",
)
def test_a_full_disk_is_said_at_once():
    with pytest.raises(SourceError, match="No space left") as caught:
        PowerLog("/dev/full", TWO)
    assert "make room" in caught.value.hint


FULL = """
import resource, signal, sys
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.powerlog import format_row, row_width
from joulebird.devices.powerlog import PowerLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = PowerLog(sys.argv[1], {"rails": ["VDD_IN"]})
log.row(1.0, {"VDD_IN": 1.0})
import os
size = os.path.getsize(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
for t_s in (2.0, 3.0):
    try:
        log.row(t_s, {"VDD_IN": 9.0})
    except SourceError as error:
        print("refused", flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
log.row(4.0, {"VDD_IN": 4.0})
log.close()
"""


def test_a_row_that_fits_only_in_part_spoils_nothing(path):
    """The kernel writes the part that fits; the next row that can be written stands whole."""
    done = subprocess.run([sys.executable, "-c", FULL, path], stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert done.stdout.split() == [b"refused", b"refused"]
    (segment,) = read_log(path)
    assert [(row.t_s, row.watts["VDD_IN"]) for row in segment.rows] == [(1.0, 1.0), (4.0, 4.0)]
    assert segment.damaged == 1


def test_a_folder_that_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(SourceError, match="cannot write the power log") as caught:
        PowerLog(str(blocked / "power.csv"), TWO)
    assert "permissions" in caught.value.hint


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EIO, "check the disk or card"),
        (errno.EROFS, "mount it for writing"),
        (errno.EFBIG, "raise the limit"),
        (errno.EBADF, "permissions"),
    ],
)
def test_a_fault_of_the_disk_has_its_own_remedy(path, monkeypatch, number, hint):
    def fails(handle, data):
        raise OSError(number, os.strerror(number))

    log = PowerLog(path, TWO)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fails)
        with pytest.raises(SourceError, match=os.strerror(number)) as caught:
            log.row(1.0, {})
    assert hint in caught.value.hint
    log.row(2.0, {})
    log.close()
    assert [row.t_s for row in read_log(path)[0].rows] == [2.0]


def test_two_recorders_never_write_one_log(tmp_path):
    path = str(tmp_path / "power.csv")
    first = PowerLog(path, TWO)
    with pytest.raises(SourceError, match="another recorder writes this log"):
        PowerLog(path, TWO)
    first.row(1.0, {})
    first.close()
    PowerLog(path, TWO).close()  # a new segment
