"""The plain fields that describe a training: types, bounds and one check. Needs no torch."""

import re
import sys
from typing import Any, NamedTuple, Optional

from joulebird.harness.core.errors import SpecError
from joulebird.harness.core.registry import nearest

KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


class Field(NamedTuple):
    """The type and the bounds of a field; `above` and `below` exclude the bound itself."""

    kind: type
    at_least: Optional[float] = None
    above: Optional[float] = None
    at_most: Optional[float] = None
    below: Optional[float] = None
    optional: bool = False
    rising: bool = False  # a list of such values, each above the one before
    pattern: str = ""

    @property
    def wanted(self) -> str:
        """The valid values in words.

        >>> Field(float, at_least=0, below=1).wanted, Field(int, at_least=0, rising=True).wanted
        ('a number, at least 0 and below 1', 'a list of rising whole numbers, at least 0')
        """
        if self.pattern:
            return f"a text that matches {self.pattern}"
        bounds = [
            f"{name.replace('_', ' ')} {getattr(self, name)}"
            for name in ("at_least", "above", "at_most", "below")
            if getattr(self, name) is not None
        ]
        kind = "a list of rising whole numbers" if self.rising else KINDS[self.kind]
        return f"{kind}, {' and '.join(bounds)}" if bounds else kind

    def accepts(self, value: Any) -> bool:
        """Whether a value is of the field's type and within its bounds.

        >>> Field(float, above=0).accepts(1), Field(float).accepts(True), Field(int).accepts(1.0)
        (True, False, False)
        """
        if value is None:
            return self.optional
        if self.rising:
            single = self._replace(rising=False)
            return (
                isinstance(value, (list, tuple))
                and all(single.accepts(item) for item in value)
                and list(value) == sorted(set(value))
            )
        kinds: Any = (int, float) if self.kind is float else self.kind
        if not isinstance(value, kinds) or isinstance(value, bool) != (self.kind is bool):
            return False
        if self.kind is str:
            return not self.pattern or re.fullmatch(self.pattern, value) is not None
        return (
            abs(value) <= sys.float_info.max  # neither NaN nor infinity
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


COUNT = Field(int, at_least=1)
WEIGHT = Field(float, at_least=0)
SHARE = Field(float, at_least=0, below=1)
SCHEDULE = {
    "epochs": COUNT,
    "milestones": Field(int, at_least=0, rising=True),
    "gamma": Field(float, above=0, at_most=1),
    "lr": Field(float, above=0),
    "momentum": SHARE,
    "weight_decay": WEIGHT,
    "batch": COUNT,
}
FIELDS = dict(
    SCHEDULE,
    model=Field(str),
    dataset=Field(str),
    data_dir=Field(str, optional=True),
    download=Field(bool),
    width=Field(float, above=0, at_most=8),
    prune_ratio=SHARE,
    sparsity=WEIGHT,
    seed=Field(int, at_least=0, at_most=2**31 - 1),
    device=Field(str, pattern=r"auto|cpu|cuda(:\d+)?"),
    micro_batch=COUNT._replace(optional=True),
)


def check(name: str, value: Any) -> Any:
    """Return the value of a field in the field's own type. Raises SpecError for every other value.

    >>> check("lr", 1), check("milestones", [80, 120])
    (1.0, (80, 120))
    """
    if name not in FIELDS:
        raise SpecError(f"unknown field {name!r}", nearest(name, FIELDS))
    field = FIELDS[name]
    if not field.accepts(value):
        raise SpecError(f"field {name!r} must be {field.wanted} (got {value!r})")
    if field.rising:
        return tuple(value)
    return None if value is None else field.kind(value)
