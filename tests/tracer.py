"""Trace the files of the product whose functions are called, and those that hold a value."""

import sys
import threading
from fractions import Fraction

from tests.test_layers import FOLDERS

FUNCTION = 1  # CO_OPTIMIZED: the code of a module or class body lacks it
DEEPEST = 5


class Reached(BaseException):
    """The traced work has called the function at which it ends."""


def file_of(module, path):
    """Return the file of a module in one of the rooms, such as devices/powerlog.py, or None."""
    package, *parts = module.split(".")
    ours = package == "joulebird" and parts and parts[0] in FOLDERS
    if not ours or not path.endswith(".py"):  # a named tuple's methods have no file
        return None
    return "/".join(parts) + ("/__init__.py" if path.endswith("__init__.py") else ".py")


def parts_of(value):
    """Return the values inside a value: items, or attributes of an object of ours."""
    if isinstance(value, dict):
        return [*list(value)[:100], *list(value.values())[:100]]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)[:100]
    if type(value).__module__ == "numpy" and getattr(value, "size", 1000) < 1000:
        return [value.tolist()]
    if type(value).__module__.partition(".")[0] in ("joulebird", "tests"):
        return list(getattr(value, "__dict__", {}).values())
    return []


def holds(value, wanted, depth=DEEPEST):
    """Return whether `wanted` is true of a value or of one inside it."""
    if wanted(value):
        return True
    return depth > 0 and any(holds(part, wanted, depth - 1) for part in parts_of(value))


class Trace:
    """A context manager: `entered` files by a call, and those that are `holding` the value.

    `wanted` is true of the value; `until` is a function at whose call the work ends.
    Functions that an import calls do not count.
    """

    def __init__(self, wanted=lambda value: False, until=None):
        self.entered, self.holding = set(), set()
        self._wanted = wanted
        self._until = until and until.__code__
        self._importing = threading.local()
        self._files = {}

    def __enter__(self):
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, kind, error, trace):
        sys.setprofile(None)
        threading.setprofile(None)
        return kind is Reached

    def _note(self, frame, event, result):
        if event not in ("call", "return"):
            return
        code = frame.f_code
        if code not in self._files:
            self._files[code] = file_of(frame.f_globals.get("__name__", ""), code.co_filename)
        path = self._files[code]
        if path is None:
            return
        here = self._importing
        if code.co_name == "<module>":
            here.depth = getattr(here, "depth", 0) + (1 if event == "call" else -1)
        if getattr(here, "depth", 0) or not code.co_flags & FUNCTION:
            return
        self.entered.add(path)
        if path not in self.holding:
            values = [*frame.f_locals.values(), result if event == "return" else None]
            if holds(values, self._wanted):
                self.holding.add(path)
        if code is self._until:
            raise Reached


def number(*known):
    """Return a test for one of some numbers, to six digits."""

    def is_known(value):
        plain = isinstance(value, (int, float, Fraction)) and not isinstance(value, bool)
        return plain and any(abs(value - one) <= 1e-6 * abs(one) for one in known)

    return is_known


def text(*known):
    """Return a test for a text or bytes that contains one of some texts."""

    def contains(value):
        value = value.decode("latin-1") if isinstance(value, bytes) else value
        return isinstance(value, str) and any(one in value for one in known)

    return contains


def either(*tests):
    """Return a test that is true where one of some tests is."""
    return lambda value: any(test(value) for test in tests)
