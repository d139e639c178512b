"""Logs in pipes and packages, and copies of them."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import zipfile

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs import opening
from joulebird.reports.logs.trace import PowerTrace
from tests.reports.write_logs import header, row

OURS = (header() + "".join(row(50_000 * k, 10_000) for k in range(20_001))).encode()
FOREIGN = ("time_s,power_w\n" + "".join(f"{k},10\n" for k in range(20_001))).encode()


def zipped(*contents):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, content in enumerate(contents):
                archive.writestr(f"logs/{number}.csv", content)
        return file.getvalue()


PACKERS = [gzip.compress, bz2.compress, lzma.compress, zipped, lambda data: data]
LOGS = [(OURS, 10_000.0), (FOREIGN, 200_000.0), (FOREIGN.decode().encode("utf-16"), 200_000.0)]


@pytest.mark.parametrize(("log", "joules"), LOGS, ids=["ours", "foreign", "utf-16"])
@pytest.mark.parametrize("pack", PACKERS, ids=["gzip", "bzip2", "xz", "zip", "plain"])
def test_a_packed_log_is_read_whatever_its_name(tmp_path, pack, log, joules):
    (tmp_path / "log").write_bytes(pack(log))
    assert PowerTrace.load(tmp_path / "log").energy().joules == pytest.approx(joules)


@pytest.mark.parametrize(("log", "joules"), LOGS[:2], ids=["ours", "foreign"])
@pytest.mark.parametrize("pack", PACKERS[:1] + PACKERS[-1:], ids=["gzip", "plain"])
def test_a_pipe_is_read_once_and_whole(tmp_path, pack, log, joules):
    os.mkfifo(tmp_path / "pipe")
    data = pack(log)
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(data,))
    writer.start()
    trace = PowerTrace.load(tmp_path / "pipe")
    writer.join()
    assert trace.energy().joules == pytest.approx(joules)
    program = (
        "import sys; from joulebird import PowerTrace as P; print(P.load('-').energy().joules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=data, stdout=subprocess.PIPE, check=True
    )
    assert float(done.stdout) == pytest.approx(joules)


def test_an_archive_of_several_files_is_refused_with_their_names(tmp_path):
    (tmp_path / "logs.zip").write_bytes(zipped(OURS, FOREIGN))
    with pytest.raises(HarnessError, match="holds 2 files: logs/0.csv, logs/1.csv"):
        PowerTrace.load(tmp_path / "logs.zip")


@pytest.mark.parametrize(("at", "value"), [(6, 1), (8, 99)], ids=["password", "method"])
def test_an_archive_that_this_python_cannot_unpack_is_refused(tmp_path, at, value):
    """Bit 0 of the flags: the member has a password; 99 is no method that zipfile knows."""
    data = bytearray(zipped(OURS))
    data[at] = data[data.index(b"PK\x01\x02") + at + 2] = value
    (tmp_path / "log.zip").write_bytes(data)
    with pytest.raises(HarnessError, match="log.zip: cannot be unpacked"):
        PowerTrace.load(tmp_path / "log.zip")


@pytest.mark.parametrize("pack", PACKERS[:4], ids=["gzip", "bzip2", "xz", "zip"])
@pytest.mark.parametrize("damage", ["cut", "byte"])
def test_a_damaged_package_is_refused(tmp_path, pack, damage):
    data = bytearray(pack(OURS))
    middle = len(data) // 2
    if damage == "cut":
        del data[middle:]
    else:
        data[middle : middle + 8] = bytes(byte ^ 0x55 for byte in data[middle : middle + 8])
    (tmp_path / "log").write_bytes(data)
    with pytest.raises(HarnessError, match="log: cannot be (unpacked|read)") as caught:
        PowerTrace.load(tmp_path / "log")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("at", "value", "problem"),
    [(6, 0x01, "encrypted"), (6, 0x20, "patched"), (8, 99, "compression method")],
    ids=["encrypted", "patched", "method"],
)
def test_a_zip_that_python_does_not_unpack_is_refused(tmp_path, at, value, problem):
    data = bytearray(zipped(OURS))
    data[at] = data[data.rfind(b"PK\x01\x02") + at + 2] = value  # local and central header
    (tmp_path / "log.zip").write_bytes(data)
    with pytest.raises(HarnessError, match=f"log.zip: cannot be unpacked.*{problem}"):
        PowerTrace.load(tmp_path / "log.zip")


def test_zstd_is_read_where_a_library_is_there(tmp_path, monkeypatch):
    (tmp_path / "log.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"packed")
    monkeypatch.setattr(opening, "_ZSTD", ("no_such_library",))
    with pytest.raises(HarnessError, match="packed with zstd") as caught:
        PowerTrace.load(tmp_path / "log.zst")
    assert "zstd -d" in caught.value.hint

    class Library:
        @staticmethod
        def open(file, mode):
            assert (file.read(4), mode) == (b"\x28\xb5\x2f\xfd", "rb")
            return io.BytesIO(OURS)

    monkeypatch.setitem(sys.modules, "some_zstd", Library)
    monkeypatch.setattr(opening, "_ZSTD", ("no_such_library", "some_zstd"))
    assert PowerTrace.load(tmp_path / "log.zst").energy().joules == pytest.approx(10_000.0)
