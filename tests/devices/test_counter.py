"""From energy counters to samples."""

import pytest

from joulebird.devices.counter import CounterMeter
from joulebird.harness.core.errors import SourceError


def feed(meter, readings):
    """The samples that readings of one counter give, each new one once."""
    samples = []
    for t_s, joules in readings:
        sample = meter.take(t_s, {"A": joules})
        if sample is not None and (not samples or sample.t_s != samples[-1].t_s):
            samples.append(sample)
    return samples


def stepped_joules(samples, begin_s):
    """The energy of samples that each hold since the one before."""
    total, before = 0.0, begin_s
    for sample in samples:
        total += sample.watts["A"] * (sample.t_s - before)
        before = sample.t_s
    return total


def test_steps_give_back_the_joules_of_the_counter():
    readings = [(0.0, 10.0), (0.1, 11.0), (0.4, 11.5), (0.45, 11.5), (2.0, 30.0)]
    samples = feed(CounterMeter(), readings)
    assert [sample.t_s for sample in samples] == [0.1, 0.4, 2.0]
    assert stepped_joules(samples, 0.0) == pytest.approx(20.0, rel=1e-12)


def test_a_counter_that_wraps_loses_nothing():
    samples = feed(CounterMeter({"A": 64.0}), [(0.0, 60.0), (1.0, 2.0), (2.0, 63.0), (3.0, 1.0)])
    assert stepped_joules(samples, 0.0) == pytest.approx(6.0 + 61.0 + 2.0)


def test_one_counter_that_has_not_moved_holds_back_the_sample():
    meter = CounterMeter()
    meter.take(0.0, {"A": 0.0, "B": 0.0})
    assert meter.take(1.0, {"A": 1.0, "B": 0.0}) is None
    assert meter.take(2.0, {"A": 2.0, "B": 6.0}).watts == {"A": 1.0, "B": 3.0}


def test_a_counter_that_goes_back_is_said_and_begins_anew():
    meter = CounterMeter()
    feed(meter, [(0.0, 50.0), (1.0, 60.0)])
    with pytest.raises(SourceError, match="went back by 59"):
        meter.take(2.0, {"A": 1.0})
    meter.take(3.0, {"A": 2.0})
    assert meter.take(4.0, {"A": 7.0}).watts == {"A": 5.0}
