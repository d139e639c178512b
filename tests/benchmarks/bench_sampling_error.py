"""How far sampling alone puts a 60 s energy off: python tests/benchmarks/bench_sampling_error.py
[--runs 12]

A training-like power, 14 W for 70 % of an iteration and 6 W for the rest, with iterations that
differ by 2 %, is played in virtual time through the simulated chip, the driver, the sampler, the
log and the integrator, and compared with its exact energy. The table shows the worst of some runs
by period, and the root mean square beside it. Lock-step between a fixed period and the iteration is
the danger; jitter removes it, and leaves a random error: of many single runs about one in twenty is
off by more than twice the root mean square.
"""

import argparse
import math
import os
import random
import sys
import tempfile

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from joulebird.devices.energy import energy, samples
from joulebird.devices.powerlog_read import read_log
from joulebird.devices.recorder.sampler import Sampler
from joulebird.devices.simulated.source import SimulatedSource

HIGH_W, LOW_W, DUTY, SPREAD, WINDOW_S, SETTLE_S = 14.0, 6.0, 0.7, 0.02, 60.0, 1.0
COLUMNS = (
    (1.0, False),
    (0.1, False),
    (0.05, False),
    (0.1, True),
    (0.05, True),
    (0.033, True),
    (0.02, True),
)  # period, jittered
ROWS = (
    (0.12, False),
    (0.1, False),
    (0.1, True),
    (0.5, False),
    (0.5, True),
)  # iteration, averaging chip


class Clock:
    """Virtual time."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


class Even(random.Random):
    """No jitter: every interval is the period."""

    def uniform(self, a, b):
        return 0.5 * (a + b)


def waveform(iteration_s, seconds, generator):
    """Return [[seconds, watts], ...] that last at least `seconds`.

    The list begins at a random instant of an iteration.
    """
    steps, total_s = [], 0.0
    while total_s < seconds + 2.0 * iteration_s:
        length_s = iteration_s * max(0.5, generator.gauss(1.0, SPREAD))
        steps += [[DUTY * length_s, HIGH_W], [(1.0 - DUTY) * length_s, LOW_W]]
        total_s += length_s
    skip_s = generator.uniform(0.0, iteration_s)
    while skip_s > 0.0:
        cut_s = min(skip_s, steps[0][0])
        skip_s -= cut_s
        steps[0][0] -= cut_s
        if steps[0][0] <= 1e-9:
            steps.pop(0)
    return steps


def truth(steps, begin_s, end_s):
    """The exact energy of a waveform between two instants since its begin."""
    parts, at_s = [], 0.0
    for seconds, watts in steps:
        parts.append(watts * max(0.0, min(at_s + seconds, end_s) - max(at_s, begin_s)))
        at_s += seconds
    return math.fsum(parts)


def error(iteration_s, averaging, period_s, jittered, seed, window_s=WINDOW_S):
    """The relative error of one window's energy, as the product gives it; readings at both edges,
    as at the edges of a stage.
    """
    # The same waveforms in every column, and other intervals in each.
    steps, clock = (
        waveform(
            iteration_s,
            window_s + SETTLE_S + 1.0,
            random.Random(f"wave {iteration_s:g} {seed}"),
        ),
        Clock(),
    )
    intervals = (
        random.Random(f"intervals {iteration_s:g} {period_s:g} {seed}") if jittered else Even()
    )
    simulated = SimulatedSource(profile=steps, rails=["VDD_IN"], averaging=averaging, clock=clock)
    with tempfile.TemporaryDirectory() as folder, simulated as source:
        origin_s, path = clock.now_s, os.path.join(folder, "power.csv")
        clock.now_s += SETTLE_S
        sampler = Sampler(source, period_s, clock, intervals)
        sampler.open(path, source.describe())
        begin_s, _ = sampler.take()
        while sampler.next_s < origin_s + SETTLE_S + window_s:
            clock.now_s = sampler.next_s
            sampler.tick()
        clock.now_s = origin_s + SETTLE_S + window_s
        end_s, _ = sampler.take()
        sampler.close()
        found = energy(
            samples(read_log(path)[0].rows, ["VDD_IN"]), begin_s, end_s, source.describe()
        )
    if found.joules is None:  # at 1 s the log has gaps as long as are allowed, and no failed rows
        raise AssertionError(f"no energy: coverage {found.coverage!r}")
    return found.joules / truth(steps, begin_s - origin_s, end_s - origin_s) - 1.0


def errors(iteration_s, averaging, period_s, jittered, runs):
    """The errors of some runs, seeded 0, 1, 2, ..."""
    return [error(iteration_s, averaging, period_s, jittered, seed) for seed in range(runs)]


def worst(values):
    """The largest error, without its sign."""
    return max(abs(value) for value in values)


def rms(values):
    """The root mean square of errors."""
    return math.sqrt(math.fsum(value * value for value in values) / len(values))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=12)
    runs = parser.parse_args().runs
    print(f"worst (root mean square) of {runs} runs of {WINDOW_S:g} s, % of the energy")
    print(
        f"{'iteration':<10} {'chip':<16} "
        + " ".join(f"{'{:g} s {}'.format(p, 'jittered' if j else 'fixed'):>14}" for p, j in COLUMNS)
    )
    for iteration_s, averaging in ROWS:
        cells = []
        for period_s, jittered in COLUMNS:
            found = errors(iteration_s, averaging, period_s, jittered, runs)
            cells.append(f"{f'{100.0 * worst(found):.2f} ({100.0 * rms(found):.2f})':>14}")
        chip = "averaging 54 ms" if averaging else "snapshot"
        print(f"{f'{1e3 * iteration_s:g} ms':<10} {chip:<16} " + " ".join(cells), flush=True)


if __name__ == "__main__":
    main()
