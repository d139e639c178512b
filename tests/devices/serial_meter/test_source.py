"""The source: its options, several readings at once, another meter, a meter without a value, a late
answer; and the recorder.
"""

import hashlib
import json
import struct
import time

import pytest

from joulebird.devices.powerlog_read import read_log
from joulebird.devices.recorder.parent import Recorder
from joulebird.devices.serial_meter import meters
from joulebird.devices.serial_meter.decoders.checksums import crc
from joulebird.devices.serial_meter.inbox import Taken
from joulebird.devices.serial_meter.repair import entries, unescape
from joulebird.devices.serial_meter.source import SerialMeterSource
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.formats import SOURCE
from tests.devices.serial_meter.fakes import FAMILIES, WATTS, FakeLine, FakePzem, FakeWt310e, quick
from tests.devices.serial_meter.faultpty import FaultPty


@pytest.fixture
def bench(tmp_path):
    """Build a source on a fake behind the proxy; everything is closed at the end."""
    made = []

    def build(fake, meter, **options):
        proxy = FaultPty(str(tmp_path / (f"meter{len(made):d}")), fake.port)
        source = SerialMeterSource(port=proxy.link, meter=meter, **options)
        made.append((source, proxy, fake))
        return source, proxy

    yield build
    for closing in made:
        for part in closing:
            part.close()


def wait_for(condition, seconds=5.0):
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not come")


def failure(source):
    """The error of a read, or the word of a failed sample."""
    try:
        return source.read().error
    except (OSError, SourceError) as error:
        return error


def test_it_says_what_it_needs():
    for options in ({}, {"port": "/dev/ttyUSB0"}, {"meter": "wt310e"}):
        with pytest.raises(SourceError) as caught:
            SerialMeterSource(**options).open()
        assert "port=" in caught.value.message
        assert "um25c" in caught.value.hint


def test_an_unknown_meter_and_a_wrong_description():
    for meter, word in (
        ("wt310", "wt310e"),
        ("{not json", "um25c"),
        ({"family": "tarot"}, "line"),
        ('{"like": "um25c", "baudrate": 1}', "its keys are"),
        ({"like": "um25c", "colour": "red"}, "its keys are"),
        ({"family": "line"}, "columns"),
        ({"like": "um25c", "gates": {"max_k": 1}}, "its keys are"),
    ):
        with pytest.raises(SourceError) as caught:
            SerialMeterSource(port="/nowhere", meter=meter).open()
        assert word in caught.value.hint


def test_it_describes_the_meter_and_its_side(bench):
    source, _ = bench(FakeWt310e(), quick("wt310e"))
    with source:
        facts = source.describe()
    assert (facts["scope"], facts["sampling"], facts["rails"], facts["real"]) == (
        "dc",
        "average",
        ["DC_IN"],
        True,
    )
    assert facts["identity"] == {"text": "YOKOGAWA,WT310E,C2KH12345E,F1.04"}
    assert facts["meter"]["counter_step_j"] > 0
    assert facts["meter"]["gates"]["max_w"] == 90.0
    assert facts["meter"]["check"] == "v*i"
    assert facts["sensor"] == "wt310e C2KH12345E"
    assert facts["range_w"] == 84.0
    assert facts["accuracy"]["offset_mw"] == 120.0
    SOURCE.check(facts, "source")
    source, proxy = bench(FakePzem(), quick("pzem004t"), rail="BRICK")
    with source:
        assert (source.scope, source.sampling, source.rails, source.total) == (
            "wall",
            "snapshot",
            ("BRICK",),
            ("BRICK",),
        )
        assert source.read().watts["BRICK"] == WATTS
        assert source.describe()["meter"]["sampling_known"] is False
        assert source.describe()["sensor"] == f"pzem004t {proxy.link}"


def test_a_meters_own_file_is_in_the_record_by_its_hash(bench, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(dict(quick("csv-vip"), range_w=40.0, accuracy={"gain": 0.01})))
    source, _ = bench(FakeLine(), str(path))
    with source:
        facts = source.describe()
    assert facts["definition"] == hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    assert (facts["range_w"], facts["accuracy"]["gain"]) == (40.0, 0.01)
    SOURCE.check(facts, "source")
    source, _ = bench(FakeLine(), "csv-vip")
    with source:
        assert "definition" not in source.describe()


def test_several_readings_are_one_sample_and_nothing_new_is_the_same_sample(bench):
    source, proxy = bench(FakeLine(), quick("csv-vip"))
    with source:
        time.sleep(0.5)
        assert source.read().watts["DC_IN"] == pytest.approx(12.002)
        proxy.stall = True
        time.sleep(0.1)
        source.read()
        assert source.read() == source.read()


def test_the_mean_of_several_readings():
    """An averaging meter's mean stands for the time up to the last reading.

    That of snapshots for the middle of theirs.
    """
    source = SerialMeterSource(port="x", meter="y")
    source.rails = ("DC_IN",)
    taken = Taken([(1.0, 10.0), (2.0, 14.0)], 0.0, "")
    source.sampling = "average"
    assert source._sample(taken) == (2.0, {"DC_IN": 12.0}, None)
    source.sampling = "snapshot"
    assert source._sample(taken) == (1.5, {"DC_IN": 12.0}, None)
    assert source._sample(Taken([], 3.0, "damaged")) == (3.0, {}, "damaged")
    among = taken._replace(failure_s=1.5, failure="over_range")
    assert source._sample(among) == (1.5, {"DC_IN": 12.0}, None)  # while the port was opened
    source._last = source._sample(taken)
    assert source._sample(among) == (1.5, {"DC_IN": 12.0}, "over_range")
    assert source._sample(Taken([], 3.0, "")) is None


def test_a_meter_without_a_value_is_a_blank_and_never_a_number(bench):
    class OverRange(FakeWt310e):
        def answer(self, data):
            out = FakeWt310e.answer(self, data)
            return out.replace(b"0.6310E+00,12.002E+00", b"INF,INF") if self.over else out

        over = False

    fake = OverRange()
    source, _ = bench(fake, quick("wt310e"))
    with source:
        fake.over = True
        wait_for(lambda: source.read().error == "over_range")
        assert source.read().watts == {}
        fake.over = False
        wait_for(lambda: source.read().error is None)
        assert source._reader.inbox.counts["flagged"] >= 1
        assert source._reader.inbox.counts["opened"] == 1


def test_another_instrument_is_named(bench):
    class Rigol(FakeWt310e):
        def answer(self, data):
            return FakeWt310e.answer(self, data).replace(
                b"YOKOGAWA,WT310E", b"RIGOL TECHNOLOGIES,DP832"
            )

    source, _ = bench(Rigol(), quick("wt310e", bauds=[9600]))
    with pytest.raises(SourceError) as caught:
        source.open()
    assert "this is not a Yokogawa" in caught.value.message
    assert "DP832" in caught.value.message


def test_another_meter_of_the_same_kind_is_refused_until_the_right_one_is_back(bench):
    class Swapped(FakeWt310e):
        serial = b"C2KH12345E"

        def answer(self, data):
            return FakeWt310e.answer(self, data).replace(b"C2KH12345E", self.serial)

    fake = Swapped()
    source, proxy = bench(fake, quick("wt310e", bauds=[9600]))
    with source:
        proxy.unplug()
        fake.serial = b"C2KH99999E"
        proxy.plug()
        wait_for(lambda: "another meter" in str(failure(source)))
        fake.serial = b"C2KH12345E"
        wait_for(lambda: failure(source) is None)


def test_a_refused_setting_is_told(bench):
    class Refuses(FakeWt310e):
        def answer(self, data):
            return FakeWt310e.answer(self, data).replace(
                b'0,"No error"', b'-222,"Data out of range"'
            )

    source, _ = bench(Refuses(), quick("wt310e", bauds=[9600]))
    with pytest.raises(SourceError) as caught:
        source.open()
    assert "Data out of range" in caught.value.message
    assert caught.value.hint


def test_a_late_answer_is_not_taken_for_the_next_ones(bench, tmp_path):
    """Some answers come only after the time is up.

    Each counts the questions so far, so that it shows which one it answers.
    """

    class Late(FakePzem):
        count = 0
        slow = False

        def answer(self, data):
            replies = b""
            for _ in range(0, len(data), 8):
                self.count += 1
                body = struct.pack(
                    ">BBB10H", 1, 4, 20, 2301, 87, 0, 120, 0, self.count, 0, 500, 61, 0
                )
                replies += body + crc(body)
            time.sleep(0.6 if self.slow and self.count % 4 == 0 else 0.0)
            return replies

    fake = Late()
    source, _ = bench(fake, quick("pzem004t", timeout_s=0.4), raw_log=str(tmp_path / "raw.log"))
    with source:
        fake.slow = True
        wait_for(lambda: fake.count >= 24, 20.0)
    asked, answers = 0, []
    decoder = meters.decoder(source.meter)
    for entry in entries(str(tmp_path / "raw.log")):
        asked += entry.letter == ">"
        if entry.letter == "<":
            answers += [
                (asked, record.fields["energy_Wh"]) for record in decoder.feed(unescape(entry.text))
            ]
    assert len(answers) > 12
    assert all(number == answered for number, answered in answers), answers
    assert source.meter.name == "pzem004t"
    assert asked - len(answers) >= 4


def test_a_bug_in_the_thread_is_shown_and_not_swallowed(bench, monkeypatch):
    source, _ = bench(FakeLine(), quick("csv-vip"))
    with source:
        monkeypatch.setattr(source._reader._setup.decoder, "feed", lambda data: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            wait_for(lambda: source.read() and False)


@pytest.mark.slow
def test_the_recorder_lives_through_an_unplugged_meter(bench, tmp_path):
    """The whole way: meter, proxy, source in the recorder's process, power.csv with a marked gap,
    and numbers again.
    """
    family = FAMILIES["scpi"]
    source, proxy = bench(family[0](), family[1])
    path = str(tmp_path / "power.csv")
    with Recorder(
        "serial", {"port": proxy.link, "meter": family[1], "raw_log": str(tmp_path / "raw.log")}
    ) as recorder:
        recorder.open(path)
        time.sleep(1.0)
        proxy.unplug()
        unplugged_s = time.monotonic()
        time.sleep(1.5)
        plugged_s = time.monotonic()
        proxy.plug()
        wait_for(
            lambda: (
                read_log(path)[0].rows[-1].t_s > plugged_s
                and read_log(path)[0].rows[-1].status == "ok"
            )
        )
        recorder.sample()
        assert recorder.alive
        assert recorder.close_log()["failed"] > 0
    (segment,) = read_log(path)
    assert segment.source["meter"]["name"] == "wt310e"
    assert segment.source["scope"] == "dc"
    good = [row for row in segment.rows if row.status == "ok"]
    assert len(good) > 5
    assert all(row.watts["DC_IN"] == pytest.approx(WATTS, rel=0.01) for row in good)
    assert not [row for row in good if unplugged_s + 0.3 < row.t_s < plugged_s]
    gap = {row.status for row in segment.rows if unplugged_s + 0.3 < row.t_s < plugged_s}
    assert gap
    assert "ok" not in gap
    assert min(row.t_s for row in good if row.t_s > plugged_s) < plugged_s + 5.0
