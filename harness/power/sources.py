"""Choose the power sources that a session records: the named ones, or the best sensor here."""

import hashlib
import json
import os
from functools import partial
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from joulebird.devices import SOURCES, registry
from joulebird.devices.recorder.parent import Recorder
from joulebird.harness.core.errors import HarnessError, SourceError
from joulebird.harness.core.files import file_hash
from joulebird.harness.core.registry import dotted, find, own_sources
from joulebird.harness.power.recorders import Recorders, labels

NONE = "none"


class Choice(NamedTuple):
    """A source's name, dotted path and constructor options; `real` if it has a sensor.

    `definition` is the hash of the user's own files behind it: a class, a meter; "" for ours.
    """

    name: str
    path: str
    options: Dict[str, Any]
    real: bool
    definition: str = ""


def choose(
    name: Optional[str] = None, options: Optional[Dict[str, Any]] = None
) -> Optional[Choice]:
    """Return the named source, or the best real one here.

    "none" gives None: nothing is measured. Raises HarnessError for an unknown name, and without a
    sensor.
    """
    if name == NONE:
        return None
    if name is None or name == "auto":
        name = registry.best()
    return Choice(
        name,
        dotted(SOURCES, "source", name, SourceError),
        dict(options or {}),
        bool(getattr(find(SOURCES, "source", name, SourceError), "real", True)),
        definition_of(dotted(SOURCES, "source", name, SourceError), options or {}),
    )


def definition_of(path: str, options: Dict[str, Any]) -> str:
    """Return twelve digits of a hash of the user's own class and of files that options name.

    Those are TOML and JSON files: a meter. "" without any.
    """
    parts = list(own_sources(path).values())
    for value in options.values():
        if str(value).endswith((".json", ".toml")) and os.path.isfile(str(value)):
            parts.append(file_hash(value))
    return hashlib.sha256("".join(parts).encode("ascii")).hexdigest()[:12] if parts else ""


def choose_all(
    names: Optional[List[str]] = None, words: Optional[List[str]] = None
) -> List[Choice]:
    """Return the named sources in order; the energy of the first one counts.

    Without names it is the best source here; [] measures nothing. `words` are options: NAME=VALUE
    of the first source, SOURCE.NAME=VALUE of another. Raises HarnessError for an unknown name.
    """
    names = list(names or ["auto"])
    if NONE in names and len(names) > 1:
        raise HarnessError("--source none with other sources", "leave one of them out")
    owned = zip(names, split_options(words or [], names))
    choices = [choose(name, parse_options(own)) for name, own in owned]
    return [choice for choice in choices if choice is not None]


def split_options(words: List[str], names: List[str]) -> List[List[str]]:
    """Return the words of each source.

    These begin with its name and a dot; the first source gets all others too.

    >>> split_options(["total=board", "serial.port=/dev/ttyUSB0"], ["ina3221", "serial"])
    [['total=board'], ['port=/dev/ttyUSB0']]
    """
    parts: List[List[str]] = [[] for _ in names]
    for word in words:
        owners = [index for index, name in enumerate(names) if word.startswith(name + ".")]
        owner, prefix = (owners[0], names[owners[0]] + ".") if owners else (0, "")
        parts[owner].append(word[len(prefix) :])
    return parts


def recorders_for(choices: Sequence[Choice], period_s: Optional[float] = None) -> Recorders:
    """Return recorders of the chosen sources at this mean period (None: each source's own)."""
    names = [""] + labels(choice.name for choice in choices[1:])
    return Recorders(
        {
            name: partial(Recorder, choice.path, choice.options, period_s)
            for name, choice in zip(names, choices)
        },
        {name: choice.definition for name, choice in zip(names, choices)},
    )


def parse_options(words: List[str]) -> Dict[str, Any]:
    """Return a source's options from NAME=VALUE words; a value is JSON if it can be, else text.

    Raises HarnessError without an "=".

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
