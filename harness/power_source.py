"""Which power source a session records: the one that was named, or the best that is here."""
import json
from typing import Any, Dict, List, NamedTuple, Optional

from harness import registry
from harness.errors import HarnessError
from harness.meter import Meter

NONE = "none"


class Choice(NamedTuple):
    """A source's name, dotted path and constructor options, and whether a sensor stands behind it."""

    name: str
    path: str
    options: Dict[str, Any]
    real: bool


def choose(name: Optional[str] = None, options: Optional[Dict[str, Any]] = None) -> Optional[Choice]:
    """The named source, or the best real one that can be read here, or else the simulated board, which follows this process.

    "none" gives None: nothing is measured. Raises HarnessError for an unknown name.
    """
    if name == NONE:
        return None
    options = dict(options or {})
    if name in (None, "auto"):
        name = registry.resolve("devices.discover:best")()
    source = registry.load("source", name)
    return Choice(name, registry.dotted("source", name), options, bool(getattr(source, "real", True)))


def meter_for(choice: Optional[Choice]) -> Meter:
    """The meter that records a choice; for None, one that measures nothing."""
    if choice is None:
        return Meter(None)
    recorder = registry.resolve("devices.recorder:Recorder")
    return Meter(lambda: recorder(source=choice.path, options=choice.options))


def parse_options(words: List[str]) -> Dict[str, Any]:
    """Options of a source from NAME=VALUE words; a value is JSON where it can be, else text. Raises HarnessError without an "=".

    >>> parse_options(["root=/", "period_s=0.5"]) == {"root": "/", "period_s": 0.5}
    True
    """
    options = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise HarnessError("--source-option %s: not NAME=VALUE" % word, "for instance --source-option root=/")
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options
