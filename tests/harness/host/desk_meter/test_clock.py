"""The clocks of board and desk: injected offset and drift are found through a jittery link, and
the stated error covers what is left.
"""

import contextlib
import os
import random
import subprocess
import sys
import threading
import time

import pytest

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.host.desk_meter import clock
from joulebird.harness.host.desk_meter.clock import Alignment, Probe, align
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.onboard.machine import echo

OFFSET_S, DRIFT = 5.0, 20e-6


def board_clock(here_s):
    """A board that is 5 s ahead and 20 ppm fast."""
    return here_s + OFFSET_S + DRIFT * here_s


def jittery(moments, random_source, mean_s=0.008, least_s=0.001):
    """Probes over a link whose two ways each take a least time and an exponential wait, and now
    and then a long one.
    """
    for here_s in moments:
        there, back = (
            least_s
            + random_source.expovariate(1 / mean_s)
            + (0.2 if random_source.random() < 0.02 else 0.0)
            for _ in range(2)
        )
        yield Probe(here_s, board_clock(here_s + there), here_s + there + back)


def moments(length_s):
    """20 before, one each 30 s, 20 after."""
    burst = [0.05 * index for index in range(20)]
    during = [30.0 * index for index in range(1, int(length_s // 30))]
    return burst + during + [length_s + one for one in burst]


@pytest.mark.parametrize("length_s", [10.0, 60.0, 3600.0, 40_000.0])
def test_stage_edges_land_within_10_ms_and_the_stated_error_covers_them(length_s):
    good = 0
    for trial in range(100):
        line = align(list(jittery(moments(length_s), random.Random(trial))))
        errors, stated = [], []
        for share in (0.0, 0.1, 0.5, 0.9, 1.0):
            here_s = 1.0 + share * (length_s - 1.0)
            errors.append(abs(line.here(board_clock(here_s)) - here_s))
            stated.append(line.error_s(board_clock(here_s)))
        good += max(errors) < 0.010 and all(error <= bound for error, bound in zip(errors, stated))
    assert good >= 95


def test_the_stated_error_is_not_a_blanket():
    """On a good link it is small: half the best round trips, not the worst."""
    line = align(list(jittery(moments(600.0), random.Random(1), mean_s=0.0003, least_s=0.0002)))
    assert line.error_s(board_clock(300.0)) < 0.001
    assert line.facts(board_clock(0.0), board_clock(600.0))["drift_ppm"] == pytest.approx(
        -20, abs=2
    )


def test_a_clock_that_changes_its_rate_is_covered_too():
    def bent(here_s):
        return here_s + 5.0 + 20e-6 * max(0.0, here_s - 2000.0)

    probes = [Probe(t, bent(t + 0.0005), t + 0.001) for t in moments(4000.0)]
    line = align(probes)
    for here_s in range(0, 4000, 100):
        assert abs(line.here(bent(here_s)) - here_s) <= line.error_s(bent(here_s)) + 0.001


def test_there_and_back():
    line = Alignment(10.0, 5.0, 1.00002, (Probe(0, 1, 2),))
    assert line.there(line.here(123.0)) == pytest.approx(123.0, abs=1e-9)


def test_no_probes_is_an_error():
    with pytest.raises(HarnessError, match="not compared"):
        align([])


def test_the_log_is_read_back_by_boot_and_a_cut_line_is_left_out(tmp_path):
    path = tmp_path / "clock.csv"
    log = clock.ClockLog(path)
    first, second = Probe(1.0, 2.0, 3.000000001), Probe(4.0, 5.0, 6.0)
    log.add("a", [first])
    log.add("a", [second])
    log.add("b", [first])
    with open(path, "a") as file:
        file.write("123,45")
    assert clock.read_log(path) == {"a": [first, second], "b": [first]}
    path.write_text("# joulebird-clock-log 2\n")
    with pytest.raises(HarnessError, match="newer"):
        clock.read_log(path)


def test_a_real_echo_through_pipes_finds_the_offset():
    """The board's own code answers, its clock shifted; this machine's scheduling is the jitter."""
    asked, ask = os.pipe()
    answer, answered = os.pipe()
    thread = threading.Thread(
        target=echo, args=(asked, answered, lambda: board_clock(time.monotonic()))
    )
    thread.start()
    with open(ask, "wb", 0) as stdin, open(answer, "rb") as stdout:
        probes = []
        for _ in range(60):
            probes.append(clock.ask(stdin, stdout))
            time.sleep(0.01)
    thread.join()
    os.close(asked)
    os.close(answered)
    line, now = align(probes), time.monotonic()
    error = abs(line.here(board_clock(now)) - now)
    assert error < 0.010
    assert error <= line.error_s(board_clock(now))


def test_watching_a_real_board(alpha, link, tmp_path):
    """The loopback board shares this machine's clock: the offset is nought, within the stated
    error.
    """
    with clock.ClockWatch(Agent(link), tmp_path / "clock.csv", every_s=0.2):
        time.sleep(1.0)
        alpha.cut()
        time.sleep(2.0)
    ((boot, probes),) = clock.read_log(tmp_path / "clock.csv").items()
    assert boot == (alpha.root / "boot_id").read_text().strip()
    assert len(probes) >= 3 * clock.BURST
    now = time.monotonic()
    assert abs(align(probes).here(now) - now) <= align(probes).error_s(now)


def test_asking_a_dead_channel_is_the_end():
    process = subprocess.Popen(
        [sys.executable, "-c", "pass"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.wait()
    with pytest.raises((EOFError, OSError)):
        clock.ask(process.stdin, process.stdout)
    process.stdout.close()
    with contextlib.suppress(OSError):
        process.stdin.close()
