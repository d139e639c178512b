"""Declare the fields of a file format, and check values by it.

A `Schema` is a table with named fields; each `Field` has a kind. bool is rejected as a number, int
is accepted as float, NaN and infinity are rejected. docs/generate.py makes docs/formats.md and
docs/schemas from these declarations.
"""

import operator
import os
import re
import sys
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import nearest

UPDATE = "update joulebird"  # the remedy for a newer format
LARGEST = 2**63 - 1  # a larger integer is no count, and overflows where it is used
TYPES: Dict[str, Tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}
# keyword of JSON Schema -> (test, words)
BOUNDS: Dict[str, Tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "at least"),
    "exclusiveMinimum": (operator.gt, "above"),
    "maximum": (operator.le, "at most"),
    "exclusiveMaximum": (operator.lt, "below"),
}


class Kind:
    """The values that a field accepts.

    `type` is JSON Schema's ("" for any value) and `keywords` are its rules; `item` is the kind of a
    list's or a table's values; `rule` names the rule of a pattern; `rising` values increase.
    """

    def __init__(
        self,
        type_: str = "",
        words: str = "",
        plural: str = "",
        item: Optional["Kind"] = None,
        rule: str = "",
        rising: bool = False,
        **keywords: Any,
    ) -> None:
        self.type, self.words, self.plural, self.item = type_, words, plural, item
        self.keywords = {name: value for name, value in keywords.items() if value is not None}
        self.rising = rising
        given = [(words, self.keywords.get(key)) for key, (_, words) in BOUNDS.items()]
        bounds = [f"{words} {bound:.12g}" for words, bound in given if bound is not None]
        self.rule = rule or " and ".join(bounds)

    def fits(self, value: Any) -> bool:
        """Return whether the value, and each value in it, has the type."""
        if not self.type:
            return True
        types = TYPES[self.type]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            return False
        if isinstance(value, (int, float)):
            return abs(value) <= (LARGEST if isinstance(value, int) else sys.float_info.max)
        if isinstance(value, str):
            return not re.search("[\ud800-\udfff]", value)  # cannot be written as UTF-8
        return self.item is None or all(self.item.fits(part) for _, part in parts(value))

    def good(self, value: Any) -> bool:
        """Return whether a value of the type keeps the rules."""
        rules = self.keywords
        if isinstance(value, str):
            return bool(re.fullmatch(rules.get("pattern", ".*"), value, re.DOTALL))
        if isinstance(value, dict):
            pattern = rules.get("propertyNames", {}).get("pattern", ".*")
            return all(re.fullmatch(pattern, name, re.DOTALL) for name in value)
        if isinstance(value, (list, tuple)):
            long = len(value) >= rules.get("minItems", 0)
            return long and (not self.rising or all(map(operator.lt, value, value[1:])))
        return all(test(value, rules[key]) for key, (test, _) in BOUNDS.items() if key in rules)

    def check(self, value: Any, where: str, path: str = "", remedy: str = "") -> None:
        """Raise HarnessError that names the file (`where`) and the field (`path`)."""
        field = f"field {path!r} " if path else ""
        if not self.fits(value):
            wrong = f"has the wrong type (expected {self.words}, got {shown(value)})"
            raise HarnessError(f"{where}: {field}{wrong}", remedy)
        if not self.good(value):
            raise HarnessError(f"{where}: {field}must be {self.rule} (got {shown(value)})", remedy)
        if self.item is not None:
            for name, part in parts(value):
                self.item.check(part, where, path + name, remedy)


class Either(Kind):
    """A value of one of several kinds."""

    def __init__(self, *kinds: Kind) -> None:
        words = " or ".join(kind.words for kind in kinds)
        super().__init__("", words, " or ".join(kind.plural for kind in kinds))
        self.kinds = kinds

    def fits(self, value: Any) -> bool:
        """Return whether the value has one of the types."""
        return any(kind.fits(value) for kind in self.kinds)

    def check(self, value: Any, where: str, path: str = "", remedy: str = "") -> None:
        """Check by the kind that has the value's type."""
        own = next((kind for kind in self.kinds if kind.fits(value)), None)
        (own.check if own else super().check)(value, where, path, remedy)


class Field(NamedTuple):
    """One field: `optional` ones may be absent; `since` is the format version that brought it."""

    name: str
    kind: Kind
    doc: str
    unit: str = ""
    optional: bool = False
    example: str = ""
    since: int = 1


def may(name: str, kind: Kind, doc: str, unit: str = "", example: str = "") -> Field:
    """Return an optional field."""
    return Field(name, kind, doc, unit, True, example)


class Schema(Kind):
    """A table with named fields.

    Unknown fields are kept, so that a file of a newer writer stays readable, or refused with the
    nearest name (`extra`: "keep" or "refuse"). `version` is the newest format that can be read, 0
    where the table has no format field.
    """

    def __init__(
        self,
        name: str,
        doc: str,
        fields: Iterable[Field],
        extra: str = "keep",
        version: int = 0,
        remedy: str = "",
    ) -> None:
        super().__init__("object", "a table", "tables")
        self.name, self.doc, self.fields = name, doc, {field.name: field for field in fields}
        self.extra, self.version, self.remedy = extra, version, remedy

    def check(self, value: Any, where: str, path: str = "", remedy: str = "") -> None:
        """Raise HarnessError of one line for the first field that is missing, unknown or wrong."""
        remedy = remedy or self.remedy
        super().check(value, where, path, remedy)
        prefix, version = path + "." if path else "", self.version
        if version and (self.extra == "keep" or "format" in value):
            version = check_format(value.get("format"), where, version)
        for name in value if self.extra == "refuse" else ():
            if name not in self.fields and not (self.version and name == "format"):
                raise HarnessError(
                    f"{where}: unknown field {prefix + str(name)!r}", nearest(name, self.fields)
                )
        for name, field in self.fields.items():
            help_ = f"for instance {name} = {field.example}" if field.example else remedy
            if name in value:
                field.kind.check(value[name], where, prefix + name, help_)
            elif not field.optional and field.since <= max(version, 1):
                raise HarnessError(f"{where}: lacks the field {prefix + name!r}", help_)

    def typed(self, values: Dict[str, Any]) -> Dict[str, Any]:
        """Return the known fields of checked values: a number as a float, a list as a tuple."""
        types = {"number": float, "array": tuple}
        return {
            name: types.get(field.kind.type, lambda value: value)(values[name])
            for name, field in self.fields.items()
            if values.get(name) is not None
        }


def check_format(version: Any, where: str, newest: int) -> int:
    """Return a version of this format or an older one; raises HarnessError for any other."""
    if not isinstance(version, int) or isinstance(version, bool):
        raise HarnessError(
            f"{where}: has no format version", "it is not a file of joulebird, or it is damaged"
        )
    if version > newest:
        raise HarnessError(
            f"{where}: format {version}, and this joulebird reads up to {newest}",
            UPDATE,
        )
    return version


def parts(value: Any) -> List[Tuple[str, Any]]:
    """Return the values of a list (counted from 1) or a table with the paths to them.

    >>> parts(["a"]), parts({"lr": 1})
    ([(' #1', 'a')], [('.lr', 1)])
    """
    if isinstance(value, dict):
        return [(f".{name}", part) for name, part in value.items()]
    return [(f" #{number}", part) for number, part in enumerate(value, 1)]


def shown(value: Any) -> str:
    """Return a value as an error shows it: on one line, not too long.

    >>> shown("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ..."
    """
    if isinstance(value, int) and abs(value) > LARGEST:
        return "a huge integer"
    return brief("null" if value is None else repr(value))


def brief(text: str) -> str:
    """Return a text of at most 60 letters; more are cut."""
    return text if len(text) <= 60 else text[:49] + " ..."


def contrast(*values: Any) -> Tuple[str, ...]:
    """Return two values on a line each as an error shows them: of long ones the part that differs.

    >>> shunts = {"VDD_IN": "20 mohm", "VDD_CPU": "10 mohm", "VDD_GPU": "10 mohm", "VDD_DDR": "10"}
    >>> contrast(shunts, dict(shunts, VDD_CPU="5 mohm")), contrast(None, 2)
    (('... VDD_CPU 10 mohm ...', '... VDD_CPU 5 mohm ...'), ('none', '2'))
    """
    lists = [
        [f"{name} {part}" for name, part in value.items()]
        if isinstance(value, dict)
        else ("none" if value is None else str(value)).split(", ")
        for value in values
    ]
    texts = tuple(map(", ".join, lists))
    if max(map(len, texts)) < 50:
        return texts
    same = len(os.path.commonprefix(lists))
    ends = len(os.path.commonprefix([parts[same:][::-1] for parts in lists]))
    return tuple(
        "... " * (same > 0)
        + brief(", ".join(parts[same : len(parts) - ends]) or "without")
        + " ..." * (ends > 0)
        for parts in lists
    )


def integer(low: Optional[int] = 0, high: Optional[int] = None) -> Kind:
    """Return the kind of integers within bounds."""
    return Kind("integer", "an integer", "integers", minimum=low, maximum=high)


def number(
    low: Optional[float] = None,
    high: Optional[float] = None,
    above: Optional[float] = None,
    below: Optional[float] = None,
) -> Kind:
    """Return the kind of finite numbers within bounds; `low` and `high` are allowed themselves."""
    return Kind(
        "number",
        "a number",
        "numbers",
        minimum=low,
        maximum=high,
        exclusiveMinimum=above,
        exclusiveMaximum=below,
    )


def text(pattern: Optional[str] = None, rule: str = "") -> Kind:
    """Return the kind of strings; the whole of one must match the pattern, which `rule` words."""
    whole = None if pattern is None else f"^(?:{pattern})$"
    return Kind("string", "a string", "strings", rule=rule, pattern=whole)


def choice(*words: str) -> Kind:
    """Return the kind of strings that are one of these."""
    return text("|".join(map(re.escape, words)), "one of " + ", ".join(map(repr, words)))


def list_of(item: Kind, least: int = 0, rising: bool = False) -> Kind:
    """Return the kind of lists with at least `least` entries, which increase when `rising`."""
    rule = "increasing" if rising else "a list with at least one entry" if least else ""
    words = f"a list of {item.plural}", f"lists of {item.plural}"
    return Kind("array", *words, item=item, rule=rule, rising=rising, minItems=least)


def map_of(item: Kind, name: Optional[Kind] = None) -> Kind:
    """Return the kind of tables with free names, or with names of a kind."""
    words = f"a table of {item.plural}", f"tables of {item.plural}"
    names = name.keywords if name else None
    return Kind("object", *words, item=item, rule=name.rule if name else "", propertyNames=names)


def nullable(kind: Kind) -> Either:
    """Return the kind whose values may also be null."""
    return Either(kind, Kind("null", "null", "nulls"))


ANY, FLAG = Kind("", "any value", "values"), Kind("boolean", "true or false", "booleans")
TEXT, NUMBER, TABLE = text(), number(), map_of(ANY)
