"""The median of a log's periods is that of all of them at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from joulebird.reports.logs.periods import periods_of

steps = st.lists(
    st.one_of(st.integers(1, 60_000), st.integers(2**18 - 2, 2**18 + 2), st.just(10**10)),
    max_size=30,
)


@given(st.lists(steps, max_size=5), st.integers(0, 5))
def test_the_median_is_exact_whatever_the_portions(portions, split):
    one = other = periods_of(np.zeros(0, np.int64))
    for k, portion in enumerate(portions):
        found = periods_of(np.array(portion, dtype=np.int64))
        one, other = (one + found, other) if k < split else (one, other + found)
    every = [step for portion in portions for step in portion]
    assert (one + other).median_us() == (float(np.median(every)) if every else 0.0)
