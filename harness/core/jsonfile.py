"""Read JSON that may be damaged or hostile: every fault is one ValueError or HarnessError.

`plain` makes values fit for writing.
"""

import json
import math
from typing import Any, Dict, List, Tuple, Union

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import refuse_endless

DEEPEST = 100  # tables and lists within each other
UNREADABLE = "check the permissions of the file"
LONGEST = 19  # digits of an integer: those of 64 bits


def parse(text: Union[str, bytes]) -> Any:
    """Return the value of a JSON text.

    Raises ValueError also for a field that stands twice in an object, NaN, an infinite or very
    long number, and deep nesting: nothing here writes them, and nothing could use them.

    >>> parse('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: 'a' stands twice in one object
    """
    try:
        value = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_table,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refused,
        )
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    _check_depth(value, DEEPEST)
    return value


def load(path: str, remedy: str) -> Any:
    """Return the value in a JSON file; raises HarnessError with the remedy for a damaged one."""
    try:
        with open(path, "rb") as file:
            refuse_endless(file)
            return parse(file.read())
    except FileNotFoundError:
        raise HarnessError(f"{path}: no such file", "check the path") from None
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read ({error.strerror})", UNREADABLE) from None
    except ValueError as error:
        raise HarnessError(f"{path}: not valid JSON ({error})", remedy) from None


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: NaN and infinity become null, a tuple becomes a list.

    >>> plain({"loss": float("nan"), "widths": (1, 2)})
    {'loss': None, 'widths': [1, 2]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


TOO_DEEP = f"nested more than {DEEPEST} deep"


def _table(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    table: Dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise ValueError(f"{name!r} stands twice in one object")
        table[name] = value
    return table


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > LONGEST:
        raise ValueError(f"an integer of {len(digits.lstrip('-'))} digits")
    return int(digits)


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refused(text)


def _refused(text: str) -> float:
    raise ValueError(f"{text[:20]} is not a finite number")


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, (dict, list)):
        if left == 0:
            raise ValueError(TOO_DEEP)
        for part in value.values() if isinstance(value, dict) else value:
            _check_depth(part, left - 1)
