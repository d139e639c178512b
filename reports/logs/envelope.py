"""Condense a power series for drawing: spikes survive, unlike in a thinned curve."""

from typing import NamedTuple

import numpy as np

from joulebird.reports.logs.integrate import Series


class Envelope(NamedTuple):
    """Power in buckets of time: begin of each in seconds, min, mean and max in watts.

    NaN stands in buckets without a reading.
    """

    t_s: np.ndarray
    min_w: np.ndarray
    mean_w: np.ndarray
    max_w: np.ndarray
    bucket_s: float


def envelope(series: Series, buckets: int, per_watt: int) -> Envelope:
    """Return min, mean and max of a series, whose powers are in 1/`per_watt` W, by bucket."""
    first, last = int(series.t_us[0]), int(series.t_us[-1])
    width = max((last - first) / buckets, 1.0)
    index = np.minimum(((series.t_us[series.read] - first) / width).astype(np.int64), buckets - 1)
    power = series.power[series.read] / per_watt
    low, mean, high = (np.full(buckets, np.nan) for _ in range(3))
    if len(power):
        starts = np.flatnonzero(np.diff(index, prepend=-1))
        filled, counts = index[starts], np.diff(np.append(starts, len(power)))
        low[filled] = np.minimum.reduceat(power, starts)
        high[filled] = np.maximum.reduceat(power, starts)
        mean[filled] = np.add.reduceat(power, starts) / counts
    return Envelope((first + width * np.arange(buckets)) / 1e6, low, mean, high, width / 1e6)
