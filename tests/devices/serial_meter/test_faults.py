"""Each family through the fault proxy: the source lives on, the gap is seen, it goes on by itself,
and no wrong number comes out.
"""

import time

import pytest

from joulebird.devices.serial_meter.source import SerialMeterSource
from joulebird.harness.core.errors import SourceError
from tests.devices.serial_meter.fakes import FAMILIES, WATTS
from tests.devices.serial_meter.faultpty import FaultPty

REPLUG_S = 5.0  # what the project promises


def counts(bench):
    """Readings, faults and openings of a bench's meter."""
    return bench.source._reader.inbox.counts


class Bench:
    """A fake meter, the proxy and the source that reads it."""

    def __init__(self, family, folder):
        fake, meter = FAMILIES[family]
        self.family = family
        self.fake = fake()
        self.proxy = FaultPty(str(folder / "usb-meter"), self.fake.port, seed=7)
        self.source = SerialMeterSource(port=self.proxy.link, meter=meter)
        self.watts, self.errors = [], []
        self.times = []
        self.last_s = None

    def close(self):
        self.source.close()
        self.proxy.close()
        self.fake.close()

    def read(self):
        """Read once, as the recorder does: a new number, a new failure, or nothing new."""
        try:
            sample = self.source.read()
            if sample.t_s != self.last_s:
                self.last_s = sample.t_s
                (self.errors if sample.error else self.watts).append(
                    sample.error or sample.watts[self.source.rails[0]]
                )
                self.times.append(sample.t_s)
        except (OSError, SourceError) as error:
            self.errors.append(error)


class Lab:
    """A bench for each family.

    They are faulted and watched side by side, because most of a test's time is waiting.
    """

    def __init__(self, folder):
        self.benches = []
        for family in sorted(FAMILIES):
            (folder / family).mkdir()
            self.benches.append(Bench(family, folder / family))

    def __enter__(self):
        for bench in self.benches:
            bench.source.open()
        return self

    def __exit__(self, *exc):
        for bench in self.benches:
            bench.close()

    def set(self, knob, value):
        for bench in self.benches:
            setattr(bench.proxy, knob, value(bench) if callable(value) else value)

    def watch(self, seconds, until=lambda bench: False):
        """Read all for a time, or until all are so far.

        Every number that comes must be right, and time must not go back.
        """
        for bench in self.benches:
            bench.watts, bench.errors, bench.times = [], [], []
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s and not all(until(bench) for bench in self.benches):
            for bench in self.benches:
                bench.read()
            time.sleep(0.005)
        for bench in self.benches:
            assert all(abs(w - WATTS) <= 0.02 * WATTS for w in bench.watts), (
                bench.family,
                bench.watts,
            )
            assert bench.times == sorted(bench.times)

    def go_on(self, count=3):
        """New readings come again, everywhere, in the time that is promised."""
        self.watch(REPLUG_S, until=lambda bench: len(bench.watts) >= count)
        assert {b.family: b.errors[-3:] for b in self.benches if len(b.watts) < count} == {}

    def all_are_gaps(self):
        """What came was failures only."""
        assert {
            b.family: (b.watts, b.errors[:3]) for b in self.benches if b.watts or not b.errors
        } == {}


def test_a_clean_line_gives_readings_and_no_failure(tmp_path):
    with Lab(tmp_path) as lab:
        lab.watch(1.0)
        for bench in lab.benches:
            assert len(bench.watts) >= 3, bench.family
            assert not bench.errors, bench.family
            assert bench.source.describe()["meter"]["family"] == bench.family.split("-")[0]


def test_bytes_that_dribble_in_are_put_together(tmp_path):
    with Lab(tmp_path) as lab:
        lab.set("dribble", 0.001)  # every frame comes in pieces of one byte
        lab.go_on(2)
        lab.set("dribble", 0.0)
        lab.go_on()


def test_garbage_costs_a_reading_at_most(tmp_path):
    with Lab(tmp_path) as lab:
        for _ in range(4):
            lab.set("extra", b"\xff\x00\xf8,7.1\x09#\x01\x04")
            lab.go_on()
        assert {counts(b)["opened"] for b in lab.benches} == {1}


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["drop", "flip"])
def test_lost_and_changed_bytes_never_give_a_wrong_number(fault, tmp_path):
    with Lab(tmp_path) as lab:
        lab.set(
            fault, lambda bench: 0.003 if bench.family == "um" else 0.01
        )  # for about a third of the frames
        lab.watch(
            10.0,
            until=lambda b: counts(b)["readings"] >= 30 and len(b.errors) >= 2,
        )
        assert {b.family for b in lab.benches if counts(b)["readings"] < 3 or not b.errors} == set()
        lab.set(fault, 0.0)
        lab.go_on()


@pytest.mark.slow
def test_a_stall_is_a_gap_and_ends_by_itself(tmp_path):
    with Lab(tmp_path) as lab:
        lab.go_on()
        lab.set("stall", True)
        lab.watch(0.2)  # what was on its way
        lab.watch(1.5)
        lab.all_are_gaps()
        lab.set("stall", False)
        lab.go_on()


@pytest.mark.slow
def test_a_wrong_baud_rate_in_a_run_is_a_gap(tmp_path):
    with Lab(tmp_path) as lab:
        lab.go_on()
        lab.set("baud", 1200)
        lab.watch(0.2)
        lab.watch(1.5)
        lab.all_are_gaps()
        lab.set("baud", None)
        lab.go_on()


@pytest.mark.slow
def test_a_replugged_meter_goes_on_under_its_new_name(tmp_path):
    with Lab(tmp_path) as lab:
        for _ in range(2):
            lab.go_on()
            for bench in lab.benches:
                bench.proxy.unplug()
            lab.watch(0.2)
            lab.watch(1.0)
            lab.all_are_gaps()
            for bench in lab.benches:
                bench.proxy.plug()
            lab.go_on()  # within REPLUG_S
        assert {len(set(bench.proxy.names)) for bench in lab.benches} == {3}


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_wrong_baud_rate_at_the_start_is_named(family, tmp_path):
    bench = Bench(family, tmp_path)
    bench.proxy.baud = 1200
    try:
        with pytest.raises(SourceError) as caught:
            bench.source.open()
        assert "wrong baud rate" in caught.value.hint
        assert str(bench.source.meter.bauds[0]) in caught.value.hint
    finally:
        bench.close()


@pytest.mark.parametrize("family", ["line", "scpi"])
def test_the_right_baud_rate_is_found_among_the_meters(family, tmp_path):
    bench = Bench(family, tmp_path)
    bench.source.spec = dict(bench.source.spec, bauds=[19200, 57600])
    bench.proxy.baud = 57600
    try:
        bench.source.open()
        assert bench.source.describe()["baud"] == 57600
    finally:
        bench.close()


def test_reading_returns_at_once_even_when_the_meter_hangs(tmp_path):
    """Compared with how long the meter keeps silent: no read waits for it."""
    bench = Bench("scpi", tmp_path)
    try:
        bench.source.open()
        bench.proxy.stall = True
        slowest, begin_s = 0.0, time.monotonic()
        while time.monotonic() - begin_s < 1.0:
            before_s = time.monotonic()
            bench.read()
            slowest = max(slowest, time.monotonic() - before_s)
            time.sleep(0.01)
        assert slowest < 0.5 * (time.monotonic() - begin_s)
    finally:
        bench.close()
