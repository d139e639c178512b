"""Reading and integrating a long power log, beside other readers: python
tests/benchmarks/bench_energy.py [--rows 20000000] [--rounds 3]

On one log of three rails, each in a process of its own, alternating: processor time and peak memory
with imports.

* ours: PowerTrace.load and energy, every row checked, exact integers, uncertainty; without a
  sidecar, with one, with each rail too; and 60 s of it with a sidecar
* numpy: one column's digits, unchecked, added up
* pandas.read_csv in blocks, and polars' streaming scan where it is installed: trapezoids as floats,
  of the same data as a plain CSV
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RAILS = ["VDD_IN", "VDD_SYS_GPU", "VDD_SYS_CPU"]
SOURCE = {
    "name": "ina3221",
    "sampling": "snapshot",
    "scope": "module",
    "total": ["VDD_IN"],
    "rails": RAILS,
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
WINDOW = """
import sys, time
from joulebird.reports.logs.trace import PowerTrace
begin = time.process_time()
energy = PowerTrace.load(sys.argv[1]).energy(100.5, 160.5)
print(time.process_time() - begin, energy.samples)
"""
NUMPY = """
import sys
import numpy as np
total = rows = 0
with open(sys.argv[1], "rb") as file:
    for _ in range(5):
        file.readline()
    while block := file.read(60 * 65536):
        digits = np.frombuffer(block, np.uint8).reshape(-1, 60)[:, 17:26] & 15
        total += int((digits.astype(np.int64) @ 10 ** np.arange(8, -1, -1)).sum())
        rows += len(digits)
print(total, rows)
"""
PANDAS = """
import sys
import numpy, pandas
joules, rows = 0.0, 0
for log in pandas.read_csv(sys.argv[1], chunksize=500_000):
    t, w = log["t_us"].to_numpy() / 1e6, log["VDD_IN_mw"].to_numpy() / 1e3
    joules += float(((w[1:] + w[:-1]) / 2 * numpy.diff(t)).sum())
    rows += len(log)
print(joules, rows)
"""
POLARS = """
import sys
import polars as pl
t, w = pl.col("t_us"), pl.col("VDD_IN_mw")
found = pl.scan_csv(sys.argv[1]).select(
    ((w + w.shift()) / 2 * t.diff()).sum() / 1e9, pl.len().alias("rows")
).collect(engine="streaming")
print(found.item(0, 0), found.item(0, 1))
"""
MEASURE = """
import os, resource, subprocess, sys
command = [sys.executable, "-c", *sys.argv[1:]]
done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, *done.stdout.split())
"""


def digits(values, width, blank=32):
    """The decimal digits of numbers, right-aligned, as an array of bytes."""
    out = np.full((len(values), width), blank, np.uint8)
    for column in range(width - 1, -1, -1):
        shown = (values > 0) | (column == width - 1)
        out[:, column] = np.where(shown, 48 + values % 10, blank)
        values = values // 10
    return out


def write(path, plain, rows):
    """Write a log of three rails, 100 rows a second with jitter, and a plain CSV of it."""
    widths = (16, 9, 9, 9)
    with open(path, "wb") as log, open(plain, "wb") as csv:
        log.write((HEADER + COLUMNS).encode())
        csv.write(COLUMNS.encode())
        for begin in range(0, rows, 200_000):
            i = np.arange(begin, min(begin + 200_000, rows), dtype=np.int64)
            values = 10_000 * i + i * 7919 % 3000, 6000 + i * 31 % 8000, i * 17 % 5000, i * 13 % 900
            comma = np.full((len(i), 1), ord(","), np.uint8)
            cells = [part for v, n in zip(values, widths) for part in (digits(v, n), comma)]
            status = np.tile(np.frombuffer(b"          ok\n", np.uint8), (len(i), 1))
            text = np.hstack([*cells, status]).tobytes()
            log.write(text)
            csv.write(text.replace(b" ", b""))


def measure(program, path, cache):
    """(seconds of the processor, peak MB, the two numbers printed) of one program on one log."""
    env = dict(os.environ, PYTHONPATH=ROOT, XDG_CACHE_HOME=cache)
    command = [sys.executable, "-c", MEASURE, program, path]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    return [float(word) for word in done.stdout.split()]


def programs(path, plain, folder):
    """Every program by name: its text, its log, the folder of its sidecars."""
    every = OURS.replace("sys.argv[1]", "sys.argv[1], every_rail=True")
    found = {
        "ours": (OURS, path, os.devnull),
        "ours, each rail": (every, path, os.devnull),
        "ours, sidecar": (OURS, path, folder),
        "ours, 60 s": (WINDOW, path, folder),
        "numpy, unchecked": (NUMPY, path, os.devnull),
        "pandas, blocks": (PANDAS, plain, os.devnull),
    }
    if importlib.util.find_spec("polars"):
        found["polars, streaming"] = (POLARS, plain, os.devnull)
    return found


def main(argv=None):
    """Run it and print the table; return the rows by name."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        path, plain = (os.path.join(folder, name) for name in ("power.csv", "plain.csv"))
        write(path, plain, args.rows)
        megabytes = os.path.getsize(path) / 1e6
        wanted = programs(path, plain, folder)
        os.utime(path, (1.0e9, 1.0e9))
        measure(OURS, path, folder)  # leaves the sidecar
        found = {name: [] for name in wanted}
        for _ in range(args.rounds):
            for name, program in wanted.items():
                found[name].append(measure(*program))
    print(f"{args.rows} rows, {megabytes:.0f} MB, {args.rounds} rounds")
    table = {}
    for name, runs in found.items():
        least, most = min(run[0] for run in runs), max(run[0] for run in runs)
        peak = max(run[1] for run in runs)
        table[name] = {"cpu_s": least, "peak_mb": peak, "answer": runs[0][2]}
        print(f"{name:18} {least:6.2f} s of CPU (to {most:.2f})  peak {peak:4.0f} MB  {runs[0][2]}")
    window_ms = 1e3 * min(run[2] for run in found["ours, 60 s"])
    print(f"60 s of it, with a sidecar: {window_ms:.1f} ms of CPU, without imports")
    for other in list(wanted)[4:]:
        pairs = zip(found["ours"], found[other], strict=True)
        ratio = statistics.median(one[0] / two[0] for one, two in pairs)
        print(f"ours / {other}: median {ratio:.2f}")
    return table


if __name__ == "__main__":
    main()
