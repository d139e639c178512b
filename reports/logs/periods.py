"""The times between the rows of a log: how often each occurs, for an exact median."""

import numpy as np

from joulebird.reports.logs.sampling import Integers


class Periods:
    """A histogram: periods in microseconds, in order, and how often each occurs.

    Memory grows with their variety, not their number.
    """

    def __init__(self, us: Integers, counts: Integers) -> None:
        self.us, where = np.unique(us, return_inverse=True)
        self.counts = np.zeros(len(self.us), np.int64)
        np.add.at(self.counts, where, counts)

    def __add__(self, other: "Periods") -> "Periods":
        return Periods(np.append(self.us, other.us), np.append(self.counts, other.counts))

    def median_us(self) -> float:
        """Return the median, exactly; 0 without any.

        >>> periods_of(np.array([5, 7_000_000, 8, 5])).median_us()
        6.5
        """
        ends = np.cumsum(self.counts)
        if not len(ends):
            return 0.0
        middle = np.array([ends[-1] - 1, ends[-1]]) // 2
        return float(self.us[np.searchsorted(ends, middle, "right")].sum() / 2)


def periods_of(steps: Integers) -> Periods:
    """Return the histogram of some periods."""
    return Periods(*np.unique(steps, return_counts=True))


NO_PERIODS = periods_of(np.zeros(0, np.int64))
