"""Which power sources a session records: those that were named, or the best one that is here."""

import json
from typing import Any, Dict, List, NamedTuple, Optional, Union

from joulebird.harness import registries
from joulebird.harness.core import registry
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.power.meter import Meter
from joulebird.harness.power.meters import Meters, labels

NONE = "none"


class Choice(NamedTuple):
    """A source's name, dotted path and constructor options, and whether a sensor stands behind it."""

    name: str
    path: str
    options: Dict[str, Any]
    real: bool


def choose(
    name: Optional[str] = None, options: Optional[Dict[str, Any]] = None
) -> Optional[Choice]:
    """The named source, or the best real one that can be read here, or else the simulated board, which follows this process.

    "none" gives None: nothing is measured. Raises HarnessError for an unknown name.
    """
    if name == NONE:
        return None
    options = dict(options or {})
    if name in (None, "auto"):
        name = registry.resolve("joulebird.devices.registry:best")()
    source = registries.load("source", name)
    return Choice(
        name, registries.dotted("source", name), options, bool(getattr(source, "real", True))
    )


def choose_all(
    names: Optional[List[str]] = None, words: Optional[List[str]] = None
) -> List[Choice]:
    """The named sources in order, the first being the one whose energy counts; without names the best one here. [] measures nothing.

    `words` are options, NAME=VALUE of the first source and SOURCE.NAME=VALUE of another. Raises HarnessError for an unknown name.
    """
    names = list(names or ["auto"])
    if NONE in names and len(names) > 1:
        raise HarnessError("--source none stands beside other sources", "leave one of them out")
    options = [parse_options(own) for own in split_options(words or [], names)]
    found = [choose(name, own) for name, own in zip(names, options)]
    return [one for one in found if one is not None]


def split_options(words: List[str], names: List[str]) -> List[List[str]]:
    """The words of each source: those that begin with its name and a dot, and for the first one all others too.

    >>> split_options(["total=board", "serial.port=/dev/ttyUSB0"], ["ina3221", "serial"])
    [['total=board'], ['port=/dev/ttyUSB0']]
    """
    found = [[] for _ in names]  # type: List[List[str]]
    for word in words:
        index = next(
            (index for index, name in enumerate(names) if word.startswith(name + ".")), None
        )
        if index is None:
            found[0].append(word)
        else:
            found[index].append(word[len(names[index]) + 1 :])
    return found


def meter_for(choice: Optional[Choice], period_s: Optional[float] = None) -> Meter:
    """The meter that records a choice at this mean period (None: the source's own); for None, one that measures nothing."""
    if choice is None:
        return Meter(None)
    recorder = registry.resolve("joulebird.devices.recorder.parent:Recorder")
    return Meter(lambda: recorder(source=choice.path, options=choice.options, period_s=period_s))


def meters_for(choices: List[Choice], period_s: Optional[float] = None) -> Union[Meter, Meters]:
    """The meter that records some choices, the first one's log being power.csv, the others' power-<name>.csv."""
    if len(choices) < 2:
        return meter_for(choices[0] if choices else None, period_s)
    others = choices[1:]
    return Meters(
        meter_for(choices[0], period_s),
        {
            label: meter_for(one, period_s)
            for label, one in zip(labels(one.name for one in others), others)
        },
    )


def parse_options(words: List[str]) -> Dict[str, Any]:
    """Options of a source from NAME=VALUE words; a value is JSON where it can be, else text. Raises HarnessError without an "=".

    >>> parse_options(["root=/", "period_s=0.5"]) == {"root": "/", "period_s": 0.5}
    True
    """
    options = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise HarnessError(
                f"--source-option {word}: not NAME=VALUE", "for instance --source-option root=/"
            )
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text
    return options
