"""What random intervals are for: energies of training-like waves in virtual time.

Benchmarks/bench_sampling_error.py has the table.
"""

import pytest

from joulebird.devices.simulated.source import SimulatedSource
from tests.benchmarks.bench_sampling_error import errors, rms, worst

RUNS = 12  # seeded: the same waves and the same intervals everywhere
BOUNDS = {False: 0.012, True: 0.003}  # of a minute's energy: snapshots, averages
ITERATIONS_S = (0.1, 0.12, 0.5)


def usual_period_s(averaging):
    """Return the recorder's default period."""
    with SimulatedSource(profile=[[1.0, 5.0]], averaging=averaging) as source:
        return source.usual_period_s


@pytest.mark.parametrize("averaging", [False, True])
@pytest.mark.parametrize("iteration_s", ITERATIONS_S)
def test_at_the_usual_period_a_minute_is_right(iteration_s, averaging):
    found = errors(iteration_s, averaging, usual_period_s(averaging), True, RUNS)
    assert worst(found) <= BOUNDS[averaging]
    assert rms(found) <= 0.35 * BOUNDS[averaging]


@pytest.mark.slow
@pytest.mark.parametrize("averaging", [False, True])
@pytest.mark.parametrize("iteration_s", ITERATIONS_S)
def test_at_the_usual_period_none_of_fifty_minutes_is_wrong(iteration_s, averaging):
    assert (
        worst(errors(iteration_s, averaging, usual_period_s(averaging), True, 50))
        <= BOUNDS[averaging]
    )


@pytest.mark.slow
@pytest.mark.parametrize(("averaging", "iteration_s"), [(False, 0.12), (True, 0.1)])
def test_at_50_ms_one_in_fifty_would_be_wrong(averaging, iteration_s):
    """Why the usual period is shorter."""
    assert worst(errors(iteration_s, averaging, 0.05, True, 50)) > BOUNDS[averaging]


@pytest.mark.parametrize(
    ("iteration_s", "averaging", "period_s", "at_least"),
    [
        (0.1, False, 0.1, 0.30),
        (0.1, False, 1.0, 0.25),
        (0.5, False, 1.0, 0.35),
        (0.5, True, 1.0, 0.30),
    ],
)
def test_a_fixed_period_in_step_with_the_iteration_is_wrong(
    iteration_s, averaging, period_s, at_least
):
    """Without which the test above would show nothing."""
    assert at_least <= worst(errors(iteration_s, averaging, period_s, False, RUNS)) <= 0.55


@pytest.mark.slow
def test_jitter_is_what_helps():
    """At the same mean period."""
    fixed, jittered = (rms(errors(0.1, False, 0.1, how, RUNS)) for how in (False, True))
    assert fixed > 8.0 * jittered
