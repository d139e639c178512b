"""One byte lost or changed, at every place of every frame: never a power outside the gates, and
hardly ever another one.

How far a changed frame can still mislead depends on what the protocol offers: not at all past a
checksum, by the slack of volts x amperes where a meter gives all three, and within the gates where
it gives nothing to compare (`check` "none").
"""

import random

import pytest

from joulebird.devices.serial_meter import meters
from tests.devices.serial_meter.vectors import frame, replies, spec

FRAMES = [v for v in replies() if v["decoded"] is not None]
LEAST = 100000


def most_wrong(meter, power_w):
    """How far a damaged frame's power may be off, in watts."""
    if meter.check == "none":
        return float("inf")
    if meter.family == "wattsup":  # whole points of power factor, of twice the power at most
        return 0.2 + 0.05 * 2 * power_w
    return (
        0.0
        if meter.check == "checksum"
        else meter.gates.vi_abs_w + 1.2 * meter.gates.vi_rel * abs(power_w)
    )


def damaged(data, rng, others):
    """Every drop, every flip of one bit, and some other value at each place."""
    for at, byte in enumerate(data):
        yield data[:at] + data[at + 1 :]
        values = (
            {byte ^ 1 << bit for bit in range(8)}
            | {rng.randrange(256) for _ in range(others)}
            | set(b"0123456789.,-;#\n*")
        )
        for value in values - {byte}:
            yield data[:at] + bytes([value]) + data[at + 1 :]


def powers(meter, data):
    return [r.power_w for r in meters.decoder(meter).feed(data) if r.kind == "reading"]


def judge_damage(vector, rng, others):
    """How many damaged frames of a vector were tried.

    Each that is still read must be near the truth.
    """
    meter = meters.meter(spec(vector))
    true = powers(meter, frame(vector))
    tried = 0
    for data in damaged(frame(vector), rng, others):
        tried += 1
        for power_w in powers(meter, data):
            assert meter.gates.min_w <= power_w <= meter.gates.max_w, data
            assert not true or min(abs(power_w - w) - most_wrong(meter, w) for w in true) <= 1e-9, (
                data,
                power_w,
            )
    return tried


@pytest.mark.slow
def test_a_damaged_frame_never_gives_a_power_outside_its_gates():
    rng = random.Random(20)
    assert sum(judge_damage(vector, rng, 24) for vector in FRAMES) >= LEAST


@pytest.mark.slow
def test_a_damaged_frame_costs_at_most_the_one_after_it():
    """A decoder finds its feet again by itself: of two good frames after a damaged one, the second
    is always read.
    """
    rng = random.Random(21)
    for vector in FRAMES:
        spec_of = meters.meter(spec(vector))
        spec_of.settings.pop("increasing", None)  # the same frame comes again
        true = powers(spec_of, frame(vector))
        if not true:
            continue
        for data in damaged(frame(vector), rng, 0):
            assert powers(spec_of, data + 2 * frame(vector))[-1:] == true[-1:], data
