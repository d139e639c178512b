"""Define a power source: rails, a total, and a way to read one sample."""

from abc import ABC, abstractmethod
from typing import Any, Dict, NamedTuple, Optional, Tuple, Union

from joulebird.harness.core.errors import SourceError

# Default mean seconds between two readings, by the kind of reading.
# tests/benchmarks/bench_sampling_error.py has the errors: a snapshot's falls with the period; an
# average over 54 ms, read at intervals up to 50 ms, misses nothing.
USUAL_PERIODS_S = {"snapshot": 0.02, "average": 0.033}
OTHER_PERIOD_S = 0.05  # a counter misses nothing


class PowerSample(NamedTuple):
    """One instant: seconds of CLOCK_MONOTONIC on the machine that reads, and watts by rail.

    A rail that could not be read this time is absent from `watts`, and `error` says why (an errno
    name or one word).
    """

    t_s: float
    watts: Dict[str, float]
    error: Optional[str] = None


class Found(NamedTuple):
    """Whether a source can be used here, the reason, and the remedy if it is unusable.

    `refused` marks a sensor that is here, but closed to this user.
    """

    usable: bool
    reason: str
    hint: str = ""
    refused: bool = False


class Unread(SourceError):
    """A source that cannot be opened or read, with its word in the log: an errno's name or such."""

    def __init__(self, status: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.status = status


class PowerSource(ABC):
    """Something that yields power samples; a context manager.

    The constructor stores options and touches nothing; `open` finds the hardware and fills `rails`
    and `total`.
    """

    name = ""  # its name in devices.SOURCES
    sampling = "snapshot"  # "average" over the interval, "snapshot", "counter" or "simulated"
    scope = "module"  # of the total: module, board, dc, wall, gpu, package
    rails: Tuple[str, ...] = ()
    total: Tuple[str, ...] = ()  # the rails whose sum is the scope; rails nest, so never all
    real = True  # False for numbers that no sensor measured (simulated, replayed)
    min_period_s = 0.0  # reading faster than this gives nothing new
    sensor = ""  # identity of the physical sensor: chips and shunts, serial number, UUID
    range_w: Union[None, float, Dict[str, float]] = None  # largest true power; by rail in a map
    # largest errors: gain, offset_mw, quantum_mw (numbers, or maps of rails; None: not stated)
    # and reference, the line of the datasheet
    accuracy: Dict[str, Any] = {}

    @property
    def usual_period_s(self) -> float:
        """Default mean seconds between two readings of an open source."""
        return USUAL_PERIODS_S.get(self.sampling, OTHER_PERIOD_S)

    @abstractmethod
    def open(self) -> None:
        """Find the hardware and get ready to read; raises SourceError with a remedy."""

    @abstractmethod
    def read(self) -> PowerSample:
        """Return the newest sample; the same `t_s` twice means no new one.

        Raises OSError or SourceError.
        """

    def whole(self, sample: PowerSample) -> PowerSample:
        """Return a sample that has every rail of the total; raises SourceError for another."""
        lacking = [rail for rail in self.total if rail not in sample.watts]
        if lacking:
            raise SourceError(
                f"{', '.join(lacking)} cannot be read ({sample.error})",
                "see dmesg, or name other rails",
            )
        return sample

    @abstractmethod
    def close(self) -> None:
        """Let go of the hardware; harmless when called twice."""

    @abstractmethod
    def describe(self) -> Dict[str, Any]:
        """Return the facts for the record as JSON values: paths, shunts, ranges, accuracy.

        Always has the fields of `identity`.
        """

    @classmethod
    def probe(cls, **options: Any) -> Found:
        """Try to open and read once, and return the finding."""
        source = cls(**options)
        try:
            source.open()
            source.read()
            return Found(True, f"{len(source.rails)} rails")
        except (SourceError, OSError) as error:
            refused = isinstance(error, PermissionError) or getattr(error, "status", "") == "EACCES"
            return Found(False, str(error), getattr(error, "hint", ""), refused)
        finally:
            source.close()

    def identity(self) -> Dict[str, Any]:
        """Return the part of `describe` that is the same for every source."""
        return {
            "name": self.name,
            "sampling": self.sampling,
            "scope": self.scope,
            "rails": list(self.rails),
            "total": list(self.total),
            "real": self.real,
            "sensor": self.sensor,
            "range_w": self.range_w,
            "accuracy": self.accuracy,
        }

    def __enter__(self) -> "PowerSource":
        self.open()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
