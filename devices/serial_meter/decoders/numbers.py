"""Read numbers as meters print them: no locale, and no spelling that only Python knows."""

import math
import re
from typing import Any, Tuple

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\Z")
NO_NUMBER = re.compile(r"[+-]?(nan|inf)\Z", re.IGNORECASE)
WORDS = {
    "NAN": float("nan"),
    "INF": float("inf"),
    "+INF": float("inf"),
    "-INF": float("-inf"),
    "----": float("nan"),
}
HEADER = re.compile(r"(:[A-Z:\d]+) (.*)\Z", re.IGNORECASE)
PAIR = re.compile(r"([A-Z]+) +(\S+)\Z", re.IGNORECASE)


def number(text: str, decimal: str = ".") -> float:
    """Read a decimal number as a meter prints it; raises ValueError for anything else.

    "nan" and "inf" are themselves.

    >>> number("19,02", ",")
    19.02
    """
    if decimal != ".":
        if "." in text:
            raise ValueError(f"{text!r} has a point where a {decimal!r} was agreed")
        text = text.replace(decimal, ".", 1)
    if NUMBER.match(text) or NO_NUMBER.match(text):
        return float(text)
    raise ValueError(f"{text!r} is not a number")


def scpi_number(text: str, over: float = 9.9e37, units: bool = False) -> float:
    """Read one number of an instrument; no value is NaN and over range is infinite.

    9.91E37 is "not a number" and 9.9E37 "infinite" in SCPI; `over` is where over-range begins on
    this instrument. With `units`, a V, A or W may follow. Raises ValueError for other text.

    >>> scpi_number("9.91E37"), scpi_number("9.9E37"), scpi_number("19.02V", units=True)
    (nan, inf, 19.02)
    """
    text = text.strip()
    if units and text[-1:] in "VAW":
        text = text[:-1]
    if text.upper() in WORDS:
        return WORDS[text.upper()]
    if not NUMBER.match(text):
        raise ValueError(f"{text!r} is not a number")
    number = float(text)
    if abs(number) >= 9.905e37:
        return float("nan")
    return math.copysign(float("inf"), number) if abs(number) >= over else number


def scpi_numbers(text: str, over: float = 9.9e37, units: bool = False) -> Tuple[Any, str]:
    """Read an answer: the list of its numbers, or a mapping when it names them.

    And the header, if there is one.

    >>> scpi_numbers("104.75E+00,-0.38E+00"), scpi_numbers("U +019.02E+0;I +0.6312E+0")
    (([104.75, -0.38], ''), ({'U': 19.02, 'I': 0.6312}, ''))
    """
    header = HEADER.match(text)
    if header:
        return scpi_numbers(header.group(2), over, units)[0], header.group(1)
    named = [PAIR.match(part) for part in text.split(";")]
    if all(named):
        named_values = {m.group(1): scpi_number(m.group(2), over, units) for m in named if m}
        if len(named_values) != len(named):
            raise ValueError(f"a quantity is named twice in {text!r}")
        return named_values, ""
    return [scpi_number(part, over, units) for part in re.split("[,;]", text)], ""
