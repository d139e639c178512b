"""The jtop source against the real jetson-stats service on a fake TX2."""

import json
import os
import signal
import socket as sockets
import subprocess
import sys
import time

import pytest

from joulebird.devices.ina3221.source import Ina3221Source
from joulebird.devices.jtop.client import power_message
from joulebird.devices.jtop.source import JtopSource
from joulebird.devices.recorder.parent import Recorder
from joulebird.harness.core.errors import SourceError
from tests.devices.fake_tx2_tree import FakeTX2
from tests.devices.jtop_service import JtopService
from tests.devices.refusal import refused_run

pytest.importorskip(
    "jtop", reason="jetson-stats is a test requirement: pip install -r tests/requirements*.txt"
)
SOON_S = 5.0  # every failure must be known by then; a promise to the user, not a benchmark


@pytest.fixture
def board(tmp_path):
    tree = FakeTX2(str(tmp_path / "tree"), state="train")
    tree.build()
    yield tree
    tree.close()


@pytest.fixture
def service(board, tmp_path):
    running = JtopService(board.root, tmp_path)
    yield running
    running.stop()


@pytest.fixture
def open_source(service):
    """A source on the running service; closed at the end."""
    opened = []

    def make(**options):
        source = JtopSource(**dict({"interval_s": 0.2, "socket": service.socket}, **options))
        opened.append(source)
        source.open()
        return source

    yield make
    for source in opened:
        source.close()


def failure_of(call):
    """The SourceError that `call` raises, which must come soon and carry a remedy."""
    begin = time.monotonic()
    with pytest.raises(SourceError) as caught:
        call()
    assert time.monotonic() - begin < SOON_S
    assert caught.value.hint
    return caught.value


def until(source, wanted, limit_s=SOON_S):
    """Read until `wanted(sample or SourceError)`; fail if that does not come soon."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        try:
            seen = source.read()
        except SourceError as error:
            seen = error
        if wanted(seen):
            return seen
        time.sleep(0.02)
    raise AssertionError(f"last seen: {seen!r}")


def failed(seen):
    return isinstance(seen, SourceError)


def empty(path):
    """What the service sees when the chip answers EAGAIN: a file without text."""
    os.chmod(path, 0o644)
    with open(path, "w"):
        pass


def test_it_reads_every_rail_with_the_total_of_the_module(open_source, service, board):
    service.start()
    source = open_source()
    sample = source.read()
    assert source.total == ("VDD_IN",)
    assert set(sample.watts) == set(source.rails) == set(board.rails)
    shown = board.set_rails({"VDD_IN": 14.025})["VDD_IN"][2] / 1000.0
    assert sample.watts["VDD_IN"] == shown
    assert sample.error is None
    assert source.describe()["interval_s"] == 0.2


def test_it_states_the_sensor_and_the_errors_of_the_chip_that_it_reads(open_source, service, board):
    """The same chip: not +-0.004 % here and +-0.76 % by sysfs."""
    with Ina3221Source(root=board.root, rails="all") as direct:
        expected = direct.describe()
    service.start()
    facts = open_source(root=board.root).describe()
    assert facts["accuracy"] == expected["accuracy"]
    assert facts["range_w"] == expected["range_w"]
    assert facts["sensor"] == expected["sensor"]


def test_the_board_is_the_module_and_its_carrier(open_source, service):
    service.start()
    assert open_source(total="board").total == ("VDD_IN", "VDD_MUX")


def test_a_sample_carries_the_time_at_which_the_service_read_it(open_source, service):
    service.start()
    source = open_source()
    times = []
    while len(times) < 5:
        times.append(until(source, lambda seen: not failed(seen) and seen.t_s not in times).t_s)
        assert -0.05 < time.monotonic() - times[-1] < 1.0
    steps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert sum(steps) / len(steps) == pytest.approx(0.2, rel=0.4)


def test_a_change_of_power_is_seen_at_once_and_not_averaged(open_source, service, board):
    service.start()
    source = open_source()
    source.read()
    low = board.set_rails({"VDD_IN": 2.0})["VDD_IN"][2] / 1000.0
    changed = until(
        source,
        lambda seen: not failed(seen) and seen.watts["VDD_IN"] != pytest.approx(14.0, abs=0.1),
    )
    assert changed.watts["VDD_IN"] == low


def test_no_service(service):
    error = failure_of(JtopSource(socket=service.socket).open)
    assert "not active" in error.message
    assert "systemctl restart jtop" in error.hint


def test_a_socket_left_behind_by_a_dead_service(service):
    left = sockets.socket(sockets.AF_UNIX)
    left.bind(service.socket)
    left.close()
    assert "not active" in failure_of(JtopSource(socket=service.socket).open).message


def test_a_user_who_may_not_use_the_socket(service):
    service.start()
    script = (
        "from joulebird.devices.jtop.source import JtopSource\n"
        f"print(*JtopSource.probe(socket={service.socket!r}))"
    )
    said = refused_run(script, [service.socket])
    assert "can't access" in said
    assert "usermod -aG jtop" in said


def test_another_version_of_the_service(board, tmp_path):
    other = JtopService(board.root, tmp_path, version="6.1.0").start()
    try:
        error = failure_of(JtopSource(socket=other.socket).open)
        assert "6.1.0" in error.message
        assert "same jetson-stats" in error.hint
    finally:
        other.stop()


def test_a_server_that_is_stuck_when_we_come(service):
    service.start()
    service.signal_server(signal.SIGSTOP)
    assert (
        "does not answer"
        in failure_of(JtopSource(socket=service.socket, start_timeout_s=2.0).open).message
    )


def test_a_server_that_gets_stuck_and_recovers(open_source, service):
    service.start()
    source = open_source()
    service.signal_server(signal.SIGSTOP)
    error = until(source, failed)
    assert "stuck" in error.message
    assert "systemctl" in error.hint
    service.signal_server(signal.SIGCONT)
    assert until(source, lambda seen: not failed(seen), limit_s=2 * SOON_S).watts["VDD_IN"] > 0


def test_a_service_set_to_a_slower_pace_by_another_client(open_source, service):
    service.start()
    first = open_source(interval_s=0.6)
    second = open_source(interval_s=0.2)
    assert second.describe()["interval_s"] == 0.6
    assert second.read().watts["VDD_IN"] == first.read().watts["VDD_IN"]
    error = failure_of(JtopSource(interval_s=0.2, slowest_s=0.3, socket=service.socket).open)
    assert "every 0.6 s" in error.message
    assert "close the other" in error.hint


def test_a_service_that_is_stopped_and_started_again(open_source, service):
    service.start()
    source = open_source()
    before = source.read()
    service.stop()
    until(source, failed)
    service.start()
    again = until(source, lambda seen: not failed(seen), limit_s=2 * SOON_S)
    assert again.t_s > before.t_s


def test_the_log_of_a_recorder_marks_the_gap_and_goes_on(service, tmp_path):
    service.start()
    path = str(tmp_path / "power.csv")
    with Recorder("jtop", {"socket": service.socket, "interval_s": 0.2}) as recorder:
        recorder.open(path)
        statuses_until(path, lambda words: words.count("ok") >= 3)
        service.stop()
        words = statuses_until(path, lambda words: "ok" not in words[-3:])
        assert set(words) <= {"ok", "LOST", "STOPPED", "UNREADABLE", "NO_SERVICE"}
        service.start()
        words = statuses_until(path, lambda words: words[-2:] == ["ok", "ok"], limit_s=2 * SOON_S)
        assert recorder.alive
    with open(path) as log:
        times = [int(line.split(",")[0]) for line in log if line[0] == " "]
    assert times == sorted(times)
    assert len(times) == len(set(times))


def statuses_until(path, wanted, limit_s=SOON_S):
    """The status words of a log, once they are as wanted."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with open(path) as log:
            words = [line.rstrip("\n").rpartition(",")[2].strip() for line in log if line[0] == " "]
        if words and wanted(words):
            return words
        time.sleep(0.05)
    raise AssertionError(words[-20:])


def test_a_server_killed_beside_its_living_manager(open_source, service):
    service.start()
    source = open_source()
    service.signal_server(signal.SIGKILL)
    assert until(source, failed).hint


def test_a_reading_thread_that_died_of_an_unreadable_value(open_source, service, board):
    service.start()
    source = open_source()
    folder, channel = board.rails["VDD_SYS_GPU"][:2]
    empty(board.p(f"{folder}/in_power{channel}_input"))
    error = until(source, failed)
    assert "reading thread is dead" in error.message
    assert "systemctl restart" in error.hint
    time.sleep(
        2.0
    )  # the service still answers, with what it read last: that must never pass as new
    assert failed(until(source, failed))


def test_a_rail_that_vanishes_under_way_is_a_marked_gap(open_source, service, board):
    service.start()
    source = open_source()
    folder, channel = board.rails["VDD_IN"][:2]
    path = board.p(f"{folder}/in_power{channel}_input")
    os.rename(path, path + ".gone")
    os.mkdir(path)  # opening it fails with an OSError, as a chip that does not answer does
    sample = until(source, lambda seen: not failed(seen) and "VDD_IN" not in seen.watts)
    assert sample.error == "MISSING"
    assert "VDD_SYS_GPU" in sample.watts
    os.rmdir(path)
    os.rename(path + ".gone", path)
    assert until(source, lambda seen: not failed(seen) and "VDD_IN" in seen.watts).error is None


def test_a_board_whose_total_is_a_sum_of_nested_rails_is_refused(service, board):
    service.start()  # it looks for the files once, when it starts
    folder, channel = board.rails["VDD_IN"][:2]
    path = board.p(f"{folder}/in_power{channel}_input")
    os.unlink(path)
    os.mkdir(path)
    error = failure_of(JtopSource(socket=service.socket).open)
    assert "rails nest" in error.message
    assert "ina3221" in error.hint


def test_a_board_without_the_carrier_of_the_kit(tmp_path):
    tree = FakeTX2(str(tmp_path / "tree"), carrier=False)
    tree.build()
    service = JtopService(tree.root, tmp_path).start()
    try:
        assert (
            "VDD_MUX" in failure_of(JtopSource(total="board", socket=service.socket).open).message
        )
    finally:
        service.stop()
        tree.close()


def test_nothing_is_left_running_after_close(open_source, service):
    service.start()
    source = open_source()
    child = source._child._process
    source.close()
    source.close()
    assert child.poll() is not None


def test_the_child_ends_when_its_parent_is_killed(service):
    service.start()
    script = (
        "import sys, time\nfrom joulebird.devices.jtop.source import JtopSource\n"
        f"source = JtopSource(interval_s=0.2, socket={service.socket!r})\nsource.open()\n"
        "print(source._child._process.pid)\nsys.stdout.flush()\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, universal_newlines=True
    )
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + SOON_S
    while os.path.exists(f"/proc/{child}") and time.monotonic() < deadline:
        with open(f"/proc/{child}/stat") as stat:
            if stat.read().split(") ")[1][0] == "Z":
                break
        time.sleep(0.05)
    else:
        assert not os.path.exists(f"/proc/{child}")


@pytest.mark.parametrize("tot", [{"name": "VDD_IN"}, {"name": "VDD_IN", "power": None}])
def test_a_total_without_a_power_is_never_zero_watts(tot):
    with pytest.raises((KeyError, TypeError)):
        power_message({"rail": {"VDD_SYS_GPU": {"power": 153}}, "tot": tot}, 1.5)


def jtop_line(total, **rails_mw):
    """A line of the child, for rails of which jtop takes one for the total."""
    rails = {rail: {"power": mw} for rail, mw in rails_mw.items()}
    tot = dict(rails.pop(total), name=total)
    return json.dumps(power_message({"rail": rails, "tot": tot}, 1.5))


def test_the_input_of_a_carrier_board_is_not_the_module():
    """jetson-stats 7 takes the carrier board's VIN for the total where there is one."""
    source = JtopSource()
    source.take(jtop_line("VIN", VIN=21000, VDD_IN=14000, VDD_GPU=6000))
    assert (source.scope, source.total) == ("module", ("VDD_IN",))
    assert set(source.rails) == {"VDD_IN", "VIN", "VDD_GPU"}
    alone = JtopSource()
    alone.take(jtop_line("VIN", VIN=21000, VDD_GPU=6000))
    assert (alone.total, alone.rails) == ((), ())
    assert "no rail of the whole module" in alone._failure.message


def test_an_unknown_total():
    with pytest.raises(SourceError):
        JtopSource(total="planet")
