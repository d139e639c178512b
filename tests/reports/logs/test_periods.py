"""The median of a log's periods is that of all of them at once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from joulebird.reports.logs.periods import SHORT_US, Periods

steps = st.lists(
    st.one_of(st.integers(1, 60_000), st.integers(SHORT_US - 2, SHORT_US + 2), st.just(10**10)),
    max_size=30,
)


@given(st.lists(steps, max_size=5), st.integers(0, 5))
def test_the_median_is_exact_whatever_the_portions(portions, split):
    one, other = Periods(), Periods()
    for k, portion in enumerate(portions):
        (one if k < split else other).add(np.array(portion, dtype=np.int64))
    every = [step for portion in portions for step in portion]
    assert (one + other).median_us() == (float(np.median(every)) if every else 0.0)
