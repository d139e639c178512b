"""The raw log holds the traffic to the byte, and gives the same readings again."""

import json
import os
import time

import pytest

from joulebird.devices.powerlog import PowerLog
from joulebird.devices.powerlog_read import read_log
from joulebird.devices.recorder.parent import Recorder
from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.rawlog import RawLog, escape
from joulebird.devices.serial_meter.repair import entries, redecode, rewrite, samples, unescape
from joulebird.devices.serial_meter.source import SerialMeterSource
from joulebird.harness.core.errors import HarnessError, SourceError
from tests.devices.serial_meter.fakes import FAMILIES, WATTS, Fake, quick
from tests.devices.serial_meter.faultpty import FaultPty


def run(folder, fake, meter, seconds=0.6, fault=None):
    """Read a fake meter for a while with a raw log.

    Gives the samples as they came, and the counts.
    """
    proxy = FaultPty(str(folder / "meter"), fake.port, seed=3)
    source = SerialMeterSource(port=proxy.link, meter=meter, raw_log=str(folder / "raw.log"))
    seen = []
    try:
        with source:
            if fault:
                proxy.flip = fault
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                try:
                    sample = source.read()
                    if not seen or sample.t_s != seen[-1].t_s:
                        seen.append(sample)
                except OSError:
                    pass
                time.sleep(0.002)
            counts = source._reader.inbox.counts
        return seen, counts
    finally:
        proxy.close()
        fake.close()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_decoding_again_gives_what_was_decoded_then(family, tmp_path):
    fake, meter = FAMILIES[family]
    seen, counts = run(tmp_path, fake(), meter, 1.0, fault=0.003)
    again = list(redecode(str(tmp_path / "raw.log")))
    kinds = [record.kind for _, record in again]
    for kind, word in (("reading", "readings"), ("flagged", "flagged"), ("damaged", "damaged")):
        assert kinds.count(kind) >= counts[word] > -1
        assert kinds.count(kind) - counts[word] <= 2
    found = {round(t_s * 1e6): record.power_w for t_s, record in again if record.kind == "reading"}
    alone = [s for s in seen if not s.error and round(s.t_s * 1e6) in found]
    assert alone
    assert all(found[round(s.t_s * 1e6)] == pytest.approx(list(s.watts.values())[0]) for s in alone)


def test_a_run_with_the_wrong_profile_is_repaired(tmp_path):
    """The board printed milliamperes.

    The profile said amperes, and no power: every number was a thousand times too large.
    """

    class Milliamperes(Fake):
        period_s = 0.02

        def push(self):
            return b"19.020,%d\r\n" % 631

    wrong = {
        "family": "line",
        "name": "mine",
        "interval_s": 0.05,
        "gates": {"max_w": 1e6, "max_a": 1e6},
        "settings": {"columns": "voltage_V,current_A"},
    }
    seen, _ = run(tmp_path, Milliamperes(), wrong)
    assert seen[-1].watts["DC_IN"] == pytest.approx(12001.62)
    right = dict(wrong, settings={"columns": "voltage_V,current_mA"})
    repaired = list(samples(str(tmp_path / "raw.log"), "DC_IN", right))
    assert len(repaired) >= len(seen) > 3
    assert all(s.watts["DC_IN"] == pytest.approx(WATTS, rel=1e-3) for s in repaired)
    assert [s.t_s for s in repaired] == sorted(s.t_s for s in repaired)
    assert abs(repaired[-1].t_s - seen[-1].t_s) < 0.5


@pytest.mark.slow
def test_a_power_log_is_written_anew_from_the_raw_log(tmp_path):
    """A stage's power.csv whose readings were a thousand times too large, with a gap in it.

    Another stage's stays what it is.
    """
    wrong = quick(
        "csv-vip",
        gates={"max_w": 1e5, "max_v": 1e5, "vi_rel": 0.0},
        settings={
            "forms": [{"form": "csv", "fields": "t_ms:int voltage_V current_A power_W*1000"}]
        },
    )
    fake = FAMILIES["line"][0]()
    proxy = FaultPty(str(tmp_path / "meter"), fake.port)
    raw, first, second, repaired = (
        str(tmp_path / name) for name in ("raw.log", "first.csv", "second.csv", "repaired.csv")
    )
    try:
        with Recorder("serial", {"port": proxy.link, "meter": wrong, "raw_log": raw}) as recorder:
            recorder.open(first)
            time.sleep(0.6)
            proxy.unplug()
            time.sleep(0.5)
            proxy.plug()
            time.sleep(1.5)
            recorder.open(second)
            time.sleep(0.3)
    finally:
        proxy.close()
        fake.close()
    count = rewrite(first, raw, repaired, FAMILIES["line"][1])
    before, after = read_log(first)[0], read_log(repaired)[0]
    good = [row for row in after.rows if row.status == "ok"]
    assert count == len(good) >= len([row for row in before.rows if row.status == "ok"]) > 10
    assert before.rows[0].watts["DC_IN"] == pytest.approx(1000 * WATTS, rel=1e-3)
    assert all(row.watts["DC_IN"] == pytest.approx(WATTS, rel=1e-3) for row in good)
    assert (after.clock, after.source, after.damaged) == (before.clock, before.source, 0)
    assert before.rows[0].t_s <= after.rows[0].t_s
    assert after.rows[-1].t_s <= before.rows[-1].t_s
    silent = [row.t_s for row in before.rows if row.status.startswith("E")]
    assert silent
    assert silent == [row.t_s for row in after.rows if row.status.startswith("E")]
    with pytest.raises(SourceError, match="exists"):
        rewrite(first, raw, repaired)  # an existing log is never overwritten


def test_any_prefix_of_a_raw_log_is_readable(tmp_path):
    run(tmp_path, FAMILIES["line-checked"][0](), FAMILIES["line-checked"][1])
    whole = (tmp_path / "raw.log").read_bytes()
    all_of_it = list(redecode(str(tmp_path / "raw.log")))
    first = whole.index(b"\n", whole.index(b"# {")) + 1
    for length in range(first, len(whole), 37):
        (tmp_path / "cut.log").write_bytes(whole[:length])
        found = list(redecode(str(tmp_path / "cut.log")))
        assert found == all_of_it[: len(found)]


def test_a_second_run_is_another_segment(tmp_path):
    meter = meters.meter("csv-vip")
    for watts in (b"1", b"2"):
        log = RawLog(str(tmp_path / "raw.log"), meter, "/dev/null")
        log.put(1.0, "<", b"1,1.000,%s.000,%s.000\r\n" % (watts, watts))
        log.put(1.1, "<", b"unfinished")
        log.close()
        log.close()
    assert [record.power_w for _, record in redecode(str(tmp_path / "raw.log"))] == [1.0, 2.0]


def test_a_repair_keeps_silences_and_doubles_no_reading_beside_a_failed_one(tmp_path):
    log, raw = str(tmp_path / "power.csv"), str(tmp_path / "raw.log")
    written = PowerLog(log, {"rails": ["DC_IN"], "total": ["DC_IN"]})
    for t_s, watts, status in ((1.0, 9.0, "ok"), (2.0, 9.0, "ETIMEDOUT"), (3.0, None, "ENODEV")):
        written.row(t_s, {} if watts is None else {"DC_IN": watts}, status)
    written.close()
    pieces = RawLog(raw, meters.meter("csv-vip"), "/dev/null")
    for t_s in (1.0, 2.0):
        pieces.put(t_s, "<", b"1,1.000,4.000,4.000\r\n")
    pieces.close()
    assert rewrite(log, raw, str(tmp_path / "new.csv")) == 2
    rows = read_log(str(tmp_path / "new.csv"))[0].rows
    assert [(row.t_s, row.watts.get("DC_IN"), row.status) for row in rows] == [
        (1.0, 4.0, "ok"),
        (2.0, 4.0, "ok"),
        (3.0, None, "ENODEV"),
    ]


def test_what_was_thrown_away_is_kept_but_not_decoded(tmp_path):
    log = RawLog(str(tmp_path / "raw.log"), meters.meter("csv-vip"), "/dev/null")
    log.put(1.0, "x", b"1,1.000,3.000,3.000\r\n")
    log.close()
    assert [entry.letter for entry in entries(str(tmp_path / "raw.log"))] == ["x"]
    assert list(redecode(str(tmp_path / "raw.log"))) == []


def test_a_full_disk_stops_no_reading(tmp_path):
    (tmp_path / "raw.log").symlink_to("/dev/full")
    log = RawLog(str(tmp_path / "raw.log"), meters.meter("um25c"), "/dev/x")
    log.put(1.0, "<", b"more")
    assert log.lost == 2
    log.close()


def test_a_line_that_was_cut_short_stands_alone(tmp_path):
    """A run that was killed in the middle of a line, and another that goes on in the same file."""
    path = tmp_path / "raw.log"
    path.write_bytes(b"# joulebird-serial-log 1\n         1000000 < 1,1.0")
    log = RawLog(str(path), meters.meter("csv-vip"), "/dev/x")
    log.put(2.0, "<", b"2,1.000,2.000,2.000\r\n")
    log.close()
    assert [t_s for t_s, _ in redecode(str(path))] == [2.0]


def test_all_bytes_survive():
    data = bytes(range(256))
    assert unescape(escape(data)) == data
    assert "\n" not in escape(data)


def test_other_files_and_newer_logs_are_refused(tmp_path):
    (tmp_path / "power.csv").write_text("# joulebird-power-log 1\n")
    (tmp_path / "new.log").write_text("# joulebird-serial-log 2\n# {}\n", encoding="utf-8")
    for name, word in (("power.csv", "not a raw log"), ("new.log", "newer")):
        with pytest.raises(SourceError) as caught:
            list(redecode(str(tmp_path / name)))
        assert word in caught.value.message
    with pytest.raises(SourceError):
        RawLog(str(tmp_path / "no" / "folder" / "raw.log"), meters.meter("um25c"), "x")


HEAD = '# {"meter": {"like": "csv-vip"}, "port": "x", "clock": {"boot_id": "b"}}\n'
PIECE = "         2000000 < 2,1.000,2.000,2.000\\r\\n\n"


def test_a_log_cut_in_its_header_is_one_line(tmp_path):
    path = tmp_path / "raw.log"
    RawLog(str(path), meters.meter("csv-vip"), "/dev/x").close()
    whole = path.read_bytes()
    for length in range(len(whole) - 2):
        path.write_bytes(whole[:length])
        with pytest.raises(HarnessError, match="raw log|header") as caught:
            list(redecode(str(path)))
        assert "\n" not in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    "head",
    [
        "# not JSON\n",
        "# [1, 2]\n",
        "# {}\n",
        '# {"meter": 5, "clock": {"boot_id": "b"}}\n',
        '# {"meter": {"like": "nothing"}, "clock": {"boot_id": "b"}}\n',
        f'# {{"meter": {{"like": "um25c", "interval_s": {"9" * 5000}}}, "clock": {{}}}}\n',
        '# {"meter": {"like": "um25c"}, "clock": "now"}\n',
        "# " + "[" * 3000 + "\n",
        '# {"a":' * 3000 + "\n",
        "",
    ],
)
def test_a_header_that_is_none_is_one_line(tmp_path, head):
    path = tmp_path / "raw.log"
    for text in (head, head + PIECE):
        path.write_text("# joulebird-serial-log 1\n" + text)
        with pytest.raises(HarnessError, match="header") as caught:
            list(redecode(str(path)))
        assert "\n" not in caught.value.message


def test_a_segment_cut_in_its_header_keeps_the_one_before(tmp_path):
    path = tmp_path / "raw.log"
    good = "# joulebird-serial-log 1\n" + HEAD + PIECE
    path.write_text(good + "# joulebird-serial-log 1\n" + HEAD[:20])
    assert [t_s for t_s, _ in redecode(str(path))] == [2.0]
    path.write_text(good + "# joulebird-serial-log 1\n" + HEAD[:20] + "\n" + PIECE)
    with pytest.raises(HarnessError, match="header"):
        list(redecode(str(path)))


@pytest.mark.parametrize("format_line", ["# joulebird-serial-log x\n", "# joulebird-serial-log "])
def test_a_format_that_is_no_number_is_one_line(tmp_path, format_line):
    (tmp_path / "raw.log").write_text(format_line)
    with pytest.raises(HarnessError, match="damaged|not a raw log"):
        list(redecode(str(tmp_path / "raw.log")))


def test_a_raw_log_that_cannot_be_read_and_a_piece_that_is_damaged(tmp_path):
    with pytest.raises(HarnessError, match="cannot read"):
        list(redecode(str(tmp_path / "nothing.log")))
    path = tmp_path / "raw.log"
    path.write_text("# joulebird-serial-log 1\n" + HEAD + "         2000000 < 2\\x\n")
    with pytest.raises(HarnessError, match="damaged"):
        list(redecode(str(path)))


def test_a_power_log_that_is_none_is_not_repaired(tmp_path):
    with pytest.raises(HarnessError, match="cannot read"):
        rewrite(str(tmp_path / "none.csv"), str(tmp_path / "raw.log"), str(tmp_path / "new.csv"))
    describe = {"name": "serial", "rails": ["DC_IN"], "total": ["DC_IN"]}
    log = PowerLog(str(tmp_path / "power.csv"), describe)
    log.row(1.0, {"DC_IN": 1.0})
    log.close()
    (tmp_path / "raw.log").write_text("# joulebird-serial-log 1\n# [\n")
    arguments = [str(tmp_path / name) for name in ("power.csv", "raw.log", "new.csv")]
    with pytest.raises(HarnessError, match="header"):
        rewrite(*arguments)
    assert sorted(os.listdir(str(tmp_path))) == ["power.csv", "raw.log"]


def test_the_header_holds_the_whole_meter(tmp_path):
    meter = meters.meter(quick("wt310e"))
    RawLog(str(tmp_path / "raw.log"), meter, "/dev/x").close()
    head = json.loads((tmp_path / "raw.log").read_text().splitlines()[2][2:])
    assert meters.meter(head["meter"]) == meter
    assert head["port"] == "/dev/x"
    assert head["clock"]["wall_s"] > 1e9
