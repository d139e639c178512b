"""What random intervals are for: energies of training-like waves in virtual time; benchmarks/bench_sampling_error.py has the table."""
import pytest

from tests.benchmarks.bench_sampling_error import errors, rms, worst

RUNS = 12           # seeded: the same waves and the same intervals everywhere


@pytest.mark.parametrize("iteration_s, averaging, bound", [
    (0.1, False, 0.012), (0.5, False, 0.012), (0.12, False, 0.016), (0.1, True, 0.003), (0.5, True, 0.003),
])
def test_jittered_at_50_ms_a_minute_is_right(iteration_s, averaging, bound):
    found = errors(iteration_s, averaging, 0.05, True, RUNS)
    assert worst(found) <= bound
    assert rms(found) <= 0.65 * bound


@pytest.mark.parametrize("iteration_s, averaging, period_s, at_least", [
    (0.1, False, 0.1, 0.30), (0.1, False, 1.0, 0.25), (0.5, False, 1.0, 0.35), (0.5, True, 1.0, 0.30),
])
def test_a_fixed_period_in_step_with_the_iteration_is_wrong(iteration_s, averaging, period_s, at_least):
    """Without which the test above would show nothing."""
    assert at_least <= worst(errors(iteration_s, averaging, period_s, False, RUNS)) <= 0.55


@pytest.mark.slow
def test_jitter_is_what_helps():
    """At the same mean period."""
    fixed, jittered = (rms(errors(0.1, False, 0.1, how, RUNS)) for how in (False, True))
    assert fixed > 8.0 * jittered
