"""From the name of a source to the source: a name of `devices.SOURCES`, or a dotted path to a class of the user's own."""
import difflib
import importlib
import inspect
from typing import Any, Dict, List, Type

from devices import SOURCES
from devices.base import PowerSource, SourceError


def load(name: str) -> Type[PowerSource]:
    """The class of a source; raises SourceError with the nearest name when there is none.

    >>> load("ina3221").name
    'ina3221'
    """
    path = SOURCES.get(name, name)
    module, _, attribute = path.partition(":")
    if not attribute:
        near = difflib.get_close_matches(name, SOURCES, 1)
        raise SourceError("no power source is called %s" % name, "did you mean %s?" % near[0] if near else
                          "there are %s, or a class of yours as package.module:Class" % ", ".join(sorted(SOURCES)))
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SourceError("the power source %s cannot be loaded: %s" % (name, error),
                          "check the spelling, and that its package is installed for this Python") from error
    if not (inspect.isclass(found) and issubclass(found, PowerSource)):
        raise SourceError("%s is no power source" % path, "derive it from devices.base.PowerSource")
    return found


def options_of(source: Type[PowerSource]) -> List[str]:
    """The names of a source's options."""
    return [name for name in inspect.signature(source).parameters if name != "clock"]


def make(name: str, options: Dict[str, Any]) -> PowerSource:
    """A source, not opened yet; raises SourceError for an unknown name or option, or a value that cannot be."""
    found = load(name)
    known = options_of(found)
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            raise SourceError("the source %s has no option %s" % (name, option), "did you mean %s?" % near[0] if near else
                              "its options: %s" % (", ".join(known) or "none"))
    try:
        return found(**options)
    except (TypeError, ValueError) as error:
        raise SourceError("bad options for the source %s: %s" % (name, error), "its options: %s" % ", ".join(known)) from error
