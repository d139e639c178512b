"""`joulebird export`: a power.csv anew from the raw log of a serial meter."""

import json

import pytest

from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.rawlog import RawLog
from joulebird.harness.core.boot import boot_id
from tests.harness.command import joulebird, refused

HEAD = """# joulebird-power-log 1
# source {source}
# clock {clock}
# units t_us: microseconds
t_us,DC_IN_mw,status
"""


@pytest.fixture
def recorded(tmp_path):
    """A raw log of ten readings (12 V, 0.5 A, 6 W), and a power.csv that was decoded a thousand
    times too high.
    """
    raw = RawLog(str(tmp_path / "raw.log"), meters.meter("csv-vip"), "/dev/null")
    for k in range(10):
        raw.put(1.0 + k / 10, "<", b"1,12.000,0.500,6.000\r\n")
    raw.close()
    source = {"name": "serial", "sampling": "snapshot", "rails": ["DC_IN"], "total": ["DC_IN"]}
    source.update(scope="dc", real=True)
    clock = {"monotonic_s": 0.0, "wall_s": 1.0, "boot_id": boot_id()}
    rows = "".join(f"{1000000 + 100000 * k:16d},{6000000:9d},{'ok':>12}\n" for k in range(10))
    text = HEAD.format(source=json.dumps(source), clock=json.dumps(clock)) + rows
    (tmp_path / "power.csv").write_text(text)
    return tmp_path


def test_the_readings_are_decoded_again(recorded):
    out = recorded / "fixed.csv"
    assert joulebird("export", recorded / "raw.log", "-o", out) == (0, "", "")
    code, text, _ = joulebird("energy", out, "--json")
    assert code == 0
    assert json.loads(text)["energies"]["total"]["mean_w"] == pytest.approx(6.0, rel=0.05)
    assert out.read_text().startswith("# joulebird-power-log 1\n")
    given = ["export", recorded / "raw.log", "--meter", "csv-vip", "--log", recorded / "power.csv"]
    assert joulebird(*given, "-o", "-") == (0, out.read_text(), "")


def test_an_input_is_never_overwritten(recorded):
    (recorded / "link").symlink_to(recorded / "raw.log")
    before = [(recorded / name).read_bytes() for name in ("raw.log", "power.csv")]
    for name in ("raw.log", "power.csv", "link"):
        refused(2, ["export", recorded / "raw.log", "-o", recorded / name], "would be overwritten")
    assert before == [(recorded / name).read_bytes() for name in ("raw.log", "power.csv")]


def test_mistakes(recorded):
    raw, out = recorded / "raw.log", recorded / "fixed.csv"
    refused(2, ["export", recorded / "none.log", "-o", out], "none.log: no such file")
    refused(2, ["export", raw, "--log", recorded / "x.csv", "-o", out], "x.csv: no such file")
    refused(4, ["export", raw, "--meter", "um25d", "-o", out], "'um25d'", "'um25c'")
    refused(4, ["export", raw, "--meter", "{", "-o", out], "cannot read the description")
    refused(2, ["export", raw, "-o", recorded / "none" / "x.csv"], "there is no folder")
    assert not out.exists()
