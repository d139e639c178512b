"""Loads whose energy is known, and the readings that sensors of each kind take of them."""

from typing import NamedTuple

import numpy as np

from joulebird.reports.logs.integrate import Integrator

STEP_S = 0.001  # between the corners of a load
GAIN, OFFSET_W, QUANTUM_W = 0.005, 0.076, 0.038  # VDD_IN of a TX2 by the INA3221's datasheet
LAG_S = 0.05376  # its usual averaging window


class Load:
    """A polygon of power with a corner at each step, and its exact energy."""

    def __init__(self, watts: np.ndarray) -> None:
        self._watts = watts
        self._middles = (watts[1:] + watts[:-1]) / 2.0
        self._joules = np.concatenate([[0.0], np.cumsum(self._middles) * STEP_S])
        self.seconds = len(self._middles) * STEP_S

    def joules(self, at_s):
        """Return the energy from the begin to some instants."""
        place = np.asarray(at_s) / STEP_S
        index = np.minimum(place.astype(int), len(self._middles) - 1)
        mean = (self._watts[index] + self.at(at_s)) / 2.0
        return self._joules[index] + mean * (place - index) * STEP_S

    def at(self, at_s):
        """Return the power at some instants."""
        return np.interp(np.asarray(at_s) / STEP_S, np.arange(len(self._watts)), self._watts)

    def lagged(self, at_s, lag_s=LAG_S):
        """Return the register of a first-order lag at some instants."""
        keep = np.exp(-STEP_S / lag_s)
        length = int(14.0 * lag_s / STEP_S)
        kernel = keep ** np.arange(length)
        before = np.full(length, self._watts[0])
        size = 1 << int(np.ceil(np.log2(len(self._watts) + 2 * length)))
        padded = np.concatenate([before, self._middles])
        product = np.fft.rfft(padded, size) * np.fft.rfft(kernel / kernel.sum(), size)
        register = np.fft.irfft(product, size)[length - 1 : length - 1 + len(self._watts)]
        return np.interp(np.asarray(at_s) / STEP_S, np.arange(len(register)), register)

    def means(self, at_s):
        """Return the mean since the instant before, of the first one since the begin."""
        times = np.concatenate([[0.0], at_s])
        return np.diff(self.joules(times)) / np.diff(times)


def _levels(rng):
    low = rng.uniform(2.0, 7.0)
    return low, low + rng.uniform(1.0, 8.0)


def _wander(rng, count, sigma, seconds):
    """Return a random walk that is drawn back within `seconds`, in steps of 5 ms."""
    keep = np.exp(-0.005 / seconds)
    noise = rng.normal(size=int(count * STEP_S / 0.005) + 2)
    walk, at = [], 0.0
    for value in noise * sigma * np.sqrt(1.0 - keep * keep):
        at = keep * at + value
        walk.append(at)
    return np.interp(np.arange(count) * STEP_S, np.arange(len(walk)) * 0.005, walk)


def _log_uniform(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def iterations(rng, t, seconds=None):
    """Training-like: two levels, iterations that differ by some percent."""
    low, high = _levels(rng)
    length = seconds or _log_uniform(rng, 0.08, 1.2)
    duty = rng.uniform(0.3, 0.85)
    lengths = length * np.maximum(
        0.5, rng.normal(1.0, rng.uniform(0.01, 0.08), int(2 * t[-1] / length) + 20)
    )
    begins = np.cumsum(lengths) - lengths - rng.uniform(0.0, length)
    index = np.maximum(np.searchsorted(begins, t, "right") - 1, 0)
    return np.where(t - begins[index] < duty * lengths[index], high, low)


def steps(rng, t):
    """Stages of different powers."""
    low, high = _levels(rng)
    dwell = _log_uniform(rng, 0.3, 8.0)
    ends = np.cumsum(rng.exponential(dwell, int(3 * t[-1] / dwell) + 20))
    return rng.uniform(low, high, len(ends) + 1)[np.searchsorted(ends, t)]


def telegraph(rng, t):
    """Switch between two levels at random."""
    dwell = _log_uniform(rng, 0.02, 0.5)
    ends = np.cumsum(rng.exponential(dwell, int(2 * t[-1] / dwell) + 50))
    return np.where(np.searchsorted(ends, t) % 2, *_levels(rng))


def ramps(rng, t):
    """Rise and fall over seconds."""
    ends = np.cumsum(rng.uniform(0.5, 6.0, int(2 * t[-1]) + 5))
    return np.interp(t, ends, rng.uniform(*_levels(rng), len(ends)))


def idle(rng, t):
    """One level with a small fast unrest."""
    return _levels(rng)[0] + _wander(rng, len(t), rng.uniform(0.02, 0.1), 0.02)


def spikes(rng, t):
    """Short bursts at random."""
    low, high = _levels(rng)
    rate, width = _log_uniform(rng, 0.7, 4.0), rng.uniform(0.03, 0.15)
    begins = np.cumsum(rng.exponential(1.0 / rate, int(2 * t[-1] * rate) + 30))
    index = np.searchsorted(begins, t, "right") - 1
    return np.where((index >= 0) & (t - begins[index] < width), high, low)


def drift(rng, t):
    """Warm up: a slow rise with a slow unrest."""
    low, high = _levels(rng)
    rise = (high - low) * (1.0 - np.exp(-t / rng.uniform(5.0, 60.0)))
    wave = rng.uniform(0.0, 0.5) * np.sin(t / rng.uniform(1.0, 8.0))
    return low + rise + wave + _wander(rng, len(t), rng.uniform(0.0, 0.3), 1.0)


LOADS = (iterations, steps, telegraph, ramps, idle, spikes, drift)


class Kind(NamedTuple):
    """How a sensor samples; `edges` is whether it is read at the window's edges."""

    sampling: str
    period_s: float
    jitter: float = 0.5
    lag_s: float = 0.0
    edges: bool = True

    def source(self):
        """Return the fields of the source's description that say so."""
        chips = {"chips": [{"averaging_window_s": self.lag_s}]} if self.lag_s else {}
        return {"sampling": self.sampling, **chips}


KINDS = {
    "snapshots, 20 ms": Kind("snapshot", 0.02),
    "snapshots, 50 ms": Kind("snapshot", 0.05),
    "snapshots, 0.1 s, cut anywhere": Kind("snapshot", 0.1, edges=False),
    "chip window, 33 ms": Kind("average", 0.033, lag_s=LAG_S),
    "chip window, 0.1 s": Kind("average", 0.1, lag_s=LAG_S),
    "means of 0.1 s": Kind("average", 0.1, jitter=0.0, edges=False),
    "counter, 50 ms": Kind("counter", 0.05, edges=False),
}


class Errors(NamedTuple):
    """A sensor's own: gain, offset in watts, step in watts."""

    gain: float = 0.0
    offset_w: float = 0.0
    quantum_w: float = 0.0


def drawn(rng):
    """Draw the errors of a sensor within its limits."""
    return Errors(rng.uniform(-GAIN, GAIN), rng.uniform(-OFFSET_W, OFFSET_W), QUANTUM_W)


def readings(rng, load, kind, begin_s, end_s, errors):
    """Return a window's samples as rows of microseconds and milliwatts."""
    gaps = rng.uniform(1.0 - kind.jitter, 1.0 + kind.jitter, int(2 * load.seconds / kind.period_s))
    times = rng.uniform(0.1, 1.0) * kind.period_s + np.cumsum(gaps) * kind.period_s
    times = times[times < load.seconds]
    if kind.edges:
        inner = times[(times > begin_s) & (times < end_s)]
        times = np.concatenate([[begin_s], inner, [end_s]])
    t_us = np.unique(np.rint(times * 1e6).astype(np.int64))
    at_s = t_us / 1e6
    if kind.sampling == "snapshot":
        watts = load.at(at_s)
    else:
        watts = load.lagged(at_s, kind.lag_s) if kind.lag_s else load.means(at_s)
    watts = watts * (1.0 + errors.gain) + errors.offset_w
    if errors.quantum_w and kind.sampling != "counter":
        watts = np.rint(watts / errors.quantum_w) * errors.quantum_w
    return list(zip(t_us.tolist(), np.rint(watts * 1e3).astype(int).tolist(), strict=True))


def integrate(part, begin_us, end_us, rule, allowed_us):
    """Integrate all samples at once."""
    whole = Integrator(rule, begin_us, end_us, allowed_us)
    whole.add(part)
    return whole.result()
