"""What reading costs, of one core: python tests/benchmarks/bench_reader_cost.py [--seconds 20]

The recorder reads a fake TX2 through sysfs: VDD_IN alone at 20 Hz, then the six rails of the module
at 50 Hz; beside it, in the same run, jtop through the real service on the same tree, at the
shortest interval that it keeps. A file tree answers at once where a board waits for its I2C bus,
but waiting costs no processor time.
"""

import argparse
import json
import os
import sys
import tempfile
import time

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from joulebird.devices.recorder.parent import Recorder
from joulebird.harness.core.errors import SourceError
from tests.devices.fake_tx2_tree import FakeTX2
from tests.devices.jtop_service import JtopService

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
INTERVALS_S = (0.02, 0.05, 0.1, 0.2, 0.5)  # of jtop, tried in this order
KEPT = 0.8  # the share of readings that must come for a pace to count as kept


def family(pid):
    """A process and all that descend from it."""
    found = [pid]
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            for child in file.read().split():
                found += family(int(child))
    return found


def cpu_s(pids):
    """Processor time of some processes so far, to the nanosecond, and of their children that have
    ended, to a tick of 10 ms.
    """
    total_s = 0.0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            total_s += TICK_S * sum(
                int(word) for word in file.read().rpartition(") ")[2].split()[13:15]
            )
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total_s += 1e-9 * int(file.read().split()[0])
    return total_s


def share_of(pid, seconds):
    """The share of one core that a process and its descendants use."""
    begin_s, before = time.monotonic(), cpu_s(family(pid))
    time.sleep(seconds)
    return (cpu_s(family(pid)) - before) / (time.monotonic() - begin_s)


def recorded(source, options, period_s, seconds, folder):
    """(share of one core, readings a second) of a recorder."""
    with Recorder(source, options, period_s) as recorder:
        recorder.open(os.path.join(folder, "power.csv"))
        time.sleep(0.5)
        share = share_of(recorder.pid, seconds)
        rows = recorder.close_log()["rows"]
    return share, rows / (seconds + 0.5)


def jtop_at(service, interval_s, seconds, folder):
    """The rows of jtop at one interval, of our reader and of the service that it needs, and whether
    it kept that pace without a failure.
    """
    options = {"socket": service.socket, "interval_s": interval_s}
    with Recorder("jtop", options, interval_s / 2) as recorder:
        recorder.open(os.path.join(folder, "jtop.csv"))
        time.sleep(0.5)
        pids = [recorder.pid, service.process.pid]
        begin_s, before = time.monotonic(), [cpu_s(family(pid)) for pid in pids]
        time.sleep(seconds)
        shares = [
            (cpu_s(family(pid)) - was) / (time.monotonic() - begin_s)
            for pid, was in zip(pids, before)
        ]
        log = recorder.close_log()
    rate_hz = log["rows"] / (seconds + 0.5)
    rows = [
        {
            "what": f"jtop, 12 rails at {interval_s:g} s: {who}",
            "share": share,
            "rate_hz": rate_hz,
        }
        for who, share in (("our reader", shares[0]), ("reader and service", sum(shares)))
    ]
    return rows, not log["failed"] and rate_hz > KEPT / interval_s


def jtop_rows(tree, seconds, folder):
    """The rows of jtop at the shortest interval that it keeps."""
    for interval_s in INTERVALS_S:
        service = JtopService(
            tree.root, folder
        ).start()  # a new one: its reading thread may have died of the pace before
        try:
            rows, kept = jtop_at(service, interval_s, seconds, folder)
        except (SourceError, OSError):
            kept = False
        finally:
            service.stop()
        if kept:
            return rows
    return []


def measure(seconds=20.0, folder=None):
    """Every row: the thing read, its share of one core, and its readings a second."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        tree = FakeTX2(os.path.join(work, "tree"), state="train").build()
        rows = []
        for what, options, period_s in (
            ("sysfs, VDD_IN at 20 Hz", {"rails": ["VDD_IN"]}, 0.05),
            ("sysfs, the module's six rails at 50 Hz", {}, 0.02),
        ):
            share, rate_hz = recorded(
                "ina3221", dict(options, root=tree.root), period_s, seconds, work
            )
            rows.append({"what": what, "share": share, "rate_hz": rate_hz})
        rows += jtop_rows(tree, seconds, work)
        tree.close()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = measure(options.seconds)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['what']:<48} {100 * row['share']:6.2f} % of one core   {row['rate_hz']:6.1f} "
            "readings a second"
        )


if __name__ == "__main__":
    main()
