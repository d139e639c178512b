"""What can measure here: every registered source tried, the best one, and how fast it can be read."""

import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from joulebird.devices import SOURCES
from joulebird.devices.registry import load
from joulebird.devices.source import Found, PowerSource
from joulebird.harness.core.errors import SourceError

# The board's own sensors before a workstation's; direct before through a service; those that nobody registered are passed over.
ORDER = ("ina3221", "jtop", "tegrastats", "nvml", "rapl")
FALLBACK = "simulated"


def names() -> List[str]:
    """All registered sources, the best first.

    >>> names()[0], names()[-1]
    ('ina3221', 'simulated')
    """
    rest = [name for name in SOURCES if name not in ORDER and name != FALLBACK]
    return [name for name in ORDER if name in SOURCES] + rest + [FALLBACK]


def available() -> List[Tuple[str, Found, Optional[Dict[str, Any]]]]:
    """Every registered source as (name, whether it is usable here and why, what it says of itself or None).

    The description of a usable source has `present_w` too: the watts of each rail now.
    """
    return [(name,) + survey(name) for name in names()]


def survey(name: str, **options: Any) -> Tuple[Found, Optional[Dict[str, Any]]]:
    """One source: whether it can be used with these options, and its description with `present_w` if so."""
    try:
        found = load(name).probe(**options)
    except SourceError as error:
        return Found(False, error.message, error.hint), None
    if not found.usable:
        return found, None
    source = load(name)(**options)
    try:
        source.open()
        sample = source.read()
        return found, dict(source.describe(), present_w=sample.watts)
    except (SourceError, OSError) as error:
        return Found(False, str(error), getattr(error, "hint", "")), None
    finally:
        source.close()


def usable_here() -> Iterator[str]:
    """The names of the sources with a real sensor that can be read now, the best first."""
    for name in names():
        try:
            source = load(name)
            if source.real and source.probe().usable:
                yield name
        except SourceError:
            continue  # what it needs is not installed, so it is not here


def best() -> str:
    """The best real source here, or "simulated"."""
    return next(usable_here(), FALLBACK)


def rate(
    source: PowerSource, seconds: float = 0.5, clock: Callable[[], float] = time.monotonic
) -> float:
    """How many new readings a second an open source gives when asked without pause; 0 when nothing new came."""
    begin_s = now_s = clock()
    seen, newest_s = 0, None
    while now_s - begin_s < seconds:
        try:
            sample = source.read()
        except (OSError, SourceError):
            sample = None
        if sample is not None and sample.t_s != newest_s:
            seen, newest_s = seen + (newest_s is not None), sample.t_s
        now_s = clock()
    return seen / (now_s - begin_s)
