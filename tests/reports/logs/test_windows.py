"""Windows by a log's own evidence: a found load, and its idle."""

import random

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.logs.windows import find_load, idle_of, net


def trace(tmp_path, watts, step=0.5):
    path = tmp_path / "log.csv"
    path.write_text("t_s,w_W\n" + "".join(f"{i * step},{w:.4f}\n" for i, w in enumerate(watts)))
    return PowerTrace.load(str(path))


def levels(bits, *parts, noise=0.2):
    return [bits.gauss(level, noise) for count, level in parts for _ in range(count)]


@pytest.mark.parametrize("seed", range(20))
def test_a_load_is_found_with_its_net_energy(tmp_path, seed):
    bits = random.Random(seed)
    idle_w, load_w = bits.uniform(1, 5), bits.uniform(9, 30)
    before, rows, after = (bits.randrange(8, 400) for _ in range(3))
    watts = levels(bits, (before, idle_w), (rows, load_w), (after, idle_w * 1.05), noise=0.1)
    log = trace(tmp_path, watts)
    found = find_load(log)
    (begin, end, _), (_, first, _), (last, _, _) = *found.load, *found.idle
    assert (begin, end) == (first, last)
    assert begin == pytest.approx(0.5 * (before - 1), abs=0.5)
    assert end == pytest.approx(0.5 * (before + rows), abs=0.5)
    energy = net(log.energy(begin, end), idle_of(log, found.idle, None))
    true = 0.5 * rows * (load_w - idle_w)
    assert energy.joules == pytest.approx(true, rel=0.03)
    assert abs(energy.joules - true) < energy.u_joules + 0.5 * load_w
    assert energy.words == ("net",)
    assert found.why.startswith("load found from ")


def test_a_dip_within_a_load_and_a_spike_in_its_idle_belong_to_them(tmp_path):
    bits = random.Random(3)
    parts = ((150, 2), (1, 20), (150, 2), (200, 20), (2, 3), (200, 20), (300, 2))
    found = find_load(trace(tmp_path, levels(bits, *parts)))
    assert found.load[0][0] == pytest.approx(150, abs=0.6)
    assert found.load[0][1] == pytest.approx(351.5, abs=0.6)


RAMP = [1 + i / 50 for i in range(500)]


@pytest.mark.parametrize(
    ("name", "watts"),
    [
        ("two loads", levels(random.Random(1), *((100, 2), (100, 20)) * 2, (100, 2))),
        ("no idle behind", levels(random.Random(1), (100, 2), (200, 20))),
        ("no idle before", levels(random.Random(1), (200, 20), (100, 2))),
        ("noise", levels(random.Random(1), (500, 10), noise=3)),
        ("constant", [5.0] * 500),
        ("triangle", RAMP + RAMP[::-1]),
        ("three levels", levels(random.Random(1), (200, 2), (200, 10), (200, 20), (200, 2))),
        ("idle that moved", levels(random.Random(1), (200, 2), (200, 20), (200, 9))),
        ("short", [1.0, 5.0, 1.0]),
    ],
)
def test_without_two_clear_levels_it_is_refused(tmp_path, name, watts):
    with pytest.raises(HarnessError, match="no load stands out") as caught:
        find_load(trace(tmp_path, watts))
    assert "--from" in caught.value.hint
