"""Processor time of a process tree, by /proc and by ps."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from joulebird.devices.util.processes import ProcessLoad

BURN = "import time\nt = time.time()\nwhile time.time() - t < %f: pass"


@pytest.fixture(params=["proc", "ps"])
def where(request, tmp_path):
    if request.param == "proc":
        if not os.path.exists("/proc/self/stat"):
            pytest.skip("LOUD: no /proc here; only the way of ps is tested")
        return "/proc"
    if shutil.which("ps") is None:
        pytest.skip("LOUD: no ps here; only the way of /proc is tested")
    return str(tmp_path)  # where there is no /proc


def test_it_counts_children_that_come_later(where):
    now = [0.0]
    load = ProcessLoad(os.getpid(), proc=where, clock=lambda: now[0])
    load.seconds()
    child = subprocess.Popen([sys.executable, "-c", BURN % 30.0])
    try:
        limit = time.monotonic() + 60.0
        while load.seconds() < 1.0 and time.monotonic() < limit:  # ps may count in whole seconds
            now[0] += 1.0
            time.sleep(0.1)
        assert load.seconds() >= 1.0
    finally:
        child.kill()
        child.wait()


def test_it_leaves_out_what_it_is_told(where):
    child = subprocess.Popen([sys.executable, "-c", BURN % 30.0])
    try:
        now = [0.0]
        load = ProcessLoad(os.getpid(), without=child.pid, proc=where, clock=lambda: now[0])
        load.seconds()
        begin, limit = time.process_time(), time.monotonic() + 3.0
        while time.monotonic() < limit:
            now[0] += 1.0
            time.sleep(0.2)
            used = load.seconds()
        assert used <= time.process_time() - begin + 1.01  # ours alone, in ps's whole seconds
    finally:
        child.kill()
        child.wait()


def test_a_process_that_ends_stands_still(where):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    now = [0.0]
    load = ProcessLoad(child.pid, proc=where, clock=lambda: now[0])
    load.seconds()
    child.wait()
    now[0] = 10.0
    assert load.seconds() == load.seconds() >= 0.0
