"""Reading and integrating a long power log, beside what most people write: python
tests/benchmarks/bench_energy.py [--rows 2000000]

Ours (PowerTrace.load and energy: every row checked, exact integers, uncertainty) and
pandas.read_csv with a trapezoid in numpy, on the same log of three rails, in processes of their
own, alternating: wall time with imports, and peak memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = {
    "name": "ina3221",
    "sampling": "snapshot",
    "scope": "module",
    "total": ["VDD_IN"],
    "rails": ["VDD_IN", "VDD_SYS_GPU", "VDD_SYS_CPU"],
}
HEADER = (
    "# joulebird-power-log 1\n# source "
    + json.dumps(SOURCE)
    + '\n# clock {"monotonic_s": 1.0, "wall_s": 1.7e9, "boot_id": "b"}\n# units t_us: '
    "microseconds; *_mw: milliwatts\n"
)
COLUMNS = "t_us,VDD_IN_mw,VDD_SYS_GPU_mw,VDD_SYS_CPU_mw,status\n"
OURS = """
import sys
from joulebird.reports.logs.trace import PowerTrace
energy = PowerTrace.load(sys.argv[1]).energy()
print(energy.joules, energy.samples)
"""
PANDAS = """
import sys
import numpy, pandas
log = pandas.read_csv(sys.argv[1], comment="#")
t, w = log["t_us"].to_numpy() / 1e6, log["VDD_IN_mw"].to_numpy() / 1e3
print(float(((w[1:] + w[:-1]) / 2 * numpy.diff(t)).sum()), len(log))
"""
MEASURE = """
import resource, subprocess, sys, time
begin = time.monotonic()
command = [sys.executable, "-c", sys.argv[1], sys.argv[2]]
done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(time.monotonic() - begin, peak, *done.stdout.split())
"""


def write(path, rows):
    """A log of so many rows, 100 a second with some jitter, three rails."""
    with open(path, "w") as file:
        file.write(HEADER + COLUMNS)
        block = []
        for i in range(rows):
            t_us = 10_000 * i + i * 7919 % 3000
            rails = 6000 + i * 31 % 8000, i * 17 % 5000, i * 13 % 900
            block.append(f"{t_us:16d},{rails[0]:9d},{rails[1]:9d},{rails[2]:9d},          ok\n")
            if len(block) == 100_000:
                file.write("".join(block))
                block = []
        file.write("".join(block))


def measure(program, path):
    """(seconds, peak MB, joules, rows) of one program on one log, in a process of its own."""
    env = dict(os.environ, PYTHONPATH=ROOT)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, program, path],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=env,
    )
    return [float(word) for word in done.stdout.split()]


def main(argv=None):
    """Run it and print the table; gives (ours, pandas) medians in seconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "power.csv")
        write(path, args.rows)
        megabytes = os.path.getsize(path) / 1e6
        found = {"ours": [], "pandas": []}
        for _ in range(args.rounds):
            for name, program in (("ours", OURS), ("pandas", PANDAS)):
                found[name].append(measure(program, path))
    print(f"{args.rows} rows, {megabytes:.0f} MB, {args.rounds} rounds")
    for name, runs in found.items():
        seconds = statistics.median(run[0] for run in runs)
        spread = f"{min(run[0] for run in runs):.2f} to {max(run[0] for run in runs):.2f}"
        peak = max(run[1] for run in runs)
        print(
            f"{name:8} {seconds:6.2f} s ({spread})  {megabytes / seconds:5.0f} MB/s  peak "
            f"{peak:5.0f} MB  {runs[0][2]:.6f} J"
        )
    ratios = [one[0] / two[0] for one, two in zip(found["ours"], found["pandas"], strict=True)]
    print(
        f"ours / pandas: median {statistics.median(ratios):.2f} ({min(ratios):.2f} to "
        f"{max(ratios):.2f})"
    )
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
