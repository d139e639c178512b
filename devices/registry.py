"""Find power sources: by a name of `devices.SOURCES`, a dotted path to a class, or trying them."""

import inspect
from typing import Any, Dict, Iterator, List, Sequence, Tuple, Type, Union, get_type_hints

from joulebird.devices import SOURCES
from joulebird.devices.source import Found, PowerSource
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.registry import find, nearest

# The board's own sensors before a workstation's, direct ones before those of a service.
# Unregistered names are passed over.
ORDER = ("ina3221", "jtop", "tegrastats", "nvml", "rapl")
SIMULATED = "simulated"  # taken only by name
# origin of an annotation -> class; Python 3.6 has List where later ones have list
SEQUENCES: Dict[Any, Type[Sequence[Any]]] = {list: list, List: list, tuple: tuple, Tuple: tuple}


def load(name: str) -> Type[PowerSource]:
    """Return the class of a source; raises SourceError with the nearest name when there is none.

    >>> load("ina3221").name
    'ina3221'
    """
    source = find(SOURCES, "source", name, SourceError)
    if not (inspect.isclass(source) and issubclass(source, PowerSource)):
        raise SourceError(
            f"{name} is no power source", "derive it from joulebird.devices.source.PowerSource"
        )
    return source


def make(name: str, options: Dict[str, Any]) -> PowerSource:
    """Return a source, not opened yet.

    Raises SourceError for an unknown name or option, or a wrong value.
    """
    source = load(name)
    known = [option for option in inspect.signature(source).parameters if option != "clock"]
    try:
        kinds = get_type_hints(source.__init__)
    except NameError:  # a class of the user's own, annotated with names it does not import
        kinds = {}
    values = {}
    for option, value in options.items():
        if option not in known:
            raise SourceError(
                f"the source {name} has no option {option!r}",
                nearest(option, known) or "it has no options",
            )
        values[option] = checked(name, option, value, kinds.get(option, Any))
    try:
        return source(**values)
    except (TypeError, ValueError) as error:
        raise SourceError(
            f"bad options for the source {name}: {error}", f"its options: {', '.join(known)}"
        ) from error
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"the source {name} cannot be made: {type(error).__name__}: {error}",
            "a bug of that source, unless one of its options is wrong",
        ) from error


def checked(source: str, option: str, value: Any, kind: Any) -> Any:
    """Return the value of an option if it is of the annotated type.

    A number becomes text where text is wanted. Raises SourceError.

    >>> checked("nvml", "gpus", 0, str)         # NAME=0 on the command line is JSON for a number
    '0'
    """
    if fits(value, kind):
        return value
    if fits("", kind) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise SourceError(
        f"the source {source} cannot have {option}={value!r}",
        f"its type is {inspect.formatannotation(kind)}",
    )


def fits(value: Any, kind: Any) -> bool:
    """Return whether a JSON value is of an annotated type.

    Types without a JSON form accept every value.

    >>> fits([1.0, 2], List[float]), fits(True, int), fits(None, Union[None, str])
    (True, False, True)
    """
    origin, inside = getattr(kind, "__origin__", None), getattr(kind, "__args__", None) or (Any,)
    if origin is Union:
        return any(fits(value, choice) for choice in inside)
    if origin in (dict, Dict):
        return isinstance(value, dict)
    if origin in SEQUENCES:
        return isinstance(value, SEQUENCES[origin]) and all(fits(item, inside[0]) for item in value)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind) if kind in (str, bool, type(None)) else True


def names() -> List[str]:
    """Return all registered sources, the best first.

    >>> names()[0], names()[-1]
    ('ina3221', 'simulated')
    """
    rest = [name for name in SOURCES if name not in ORDER and name != SIMULATED]
    return [name for name in ORDER if name in SOURCES] + rest + [SIMULATED]


def findings() -> Iterator[Tuple[str, Found]]:
    """Try the sources with a real sensor, the best first, and yield each with the finding."""
    for name in names():
        try:
            source = load(name)
            if source.real:
                yield name, source.probe()
        except SourceError:
            continue  # a package that it needs is not installed


def best() -> str:
    """Return the best real source here.

    Raises SourceError where there is none, and where a sensor is found that is closed to this user:
    another source, or a simulated one, is used only if it is named.
    """
    for name, found in findings():
        if found.refused:
            raise SourceError(f"{name}: {found.reason}", found.hint)
        if found.usable:
            return name
    raise SourceError(
        "no power sensor can be read here (`joulebird sources` has the reasons)",
        f"connect a meter, or name a source: --source {SIMULATED} (measures nothing), "
        "or --source none to `run` without energies",
    )
