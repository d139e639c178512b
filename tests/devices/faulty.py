"""Power sources that misbehave as real ones do, named by dotted path as a user's own would be:
tests.devices.faulty:Script.
"""

import os
import time

from joulebird.devices.source import PowerSample, PowerSource, Unread
from joulebird.harness.core.errors import SourceError


class Faulty(PowerSource):
    """A source of one rail at a watt; the others add a fault."""

    name = "faulty"
    rails = total = ("A",)

    def open(self):
        pass

    def read(self):
        return PowerSample(time.monotonic(), {"A": 1.0})

    def close(self):
        pass

    def describe(self):
        return self.identity()


class Odd(Faulty):
    """Describes itself with these facts; "NaN" and "set" stand for those."""

    def __init__(self, facts):
        self._facts = facts

    def describe(self):
        odd = {"NaN": float("nan"), "set": set()}
        facts = {
            name: odd.get(value, value) if isinstance(value, str) else value
            for name, value in self._facts.items()
        }
        return dict(self.identity(), **facts)


class Script(Faulty):
    """Does what each word of `script` says, over and over: ok, an errno's name, SOURCE, BUG, SILENT
    (nothing new), PAST, FUTURE, OLD.
    """

    def __init__(self, script=("ok",)):
        self._script, self._at, self._last = (
            list(script),
            0,
            PowerSample(time.monotonic(), {"A": 1.0}),
        )

    def read(self):
        word = self._script[self._at % len(self._script)]
        self._at += 1
        now = time.monotonic()
        shift = {"ok": 0.0, "PAST": -0.2, "FUTURE": 30.0, "OLD": -60.0}
        if word in shift:
            sample = PowerSample(now + shift[word], {"A": 1.0})
            self._last = sample if word == "ok" else self._last
            return sample
        if word == "SILENT":
            return self._last
        if word == "SOURCE":
            raise SourceError("the meter said nonsense", "look at its cable")
        if word == "BUG":
            raise ZeroDivisionError("a driver's bug")
        import errno

        raise OSError(getattr(errno, word), os.strerror(getattr(errno, word)))


class Chatty(Faulty):
    """Prints, as some libraries do."""

    def open(self):
        print("hello from a driver")
        os.write(1, b"and from C\n")

    def read(self):
        print("reading")
        return super().read()


class Refusing(Faulty):
    """Cannot be opened."""

    def open(self):
        raise SourceError("no meter at /dev/ttyUSB7", "plug it in")


class Closed(Faulty):
    """Is here, but not for this user."""

    def open(self):
        raise Unread("EACCES", "reading /dev/meter was refused", "sudo chmod a+r /dev/meter")


class Broken(Faulty):
    """Fails to open in a way its author did not foresee."""

    def open(self):
        raise KeyError("firmware")


class Hanging(Faulty):
    """Never comes back from a reading, or from opening."""

    def __init__(self, where="read"):
        self._where = where

    def open(self):
        if self._where == "open":
            time.sleep(600)

    def read(self):
        if self._where == "read":
            time.sleep(600)
        return super().read()


class Rare(Faulty):
    """Pushes a reading every 0.2 s, as a serial meter does."""

    min_period_s = 0.2

    def read(self):
        return PowerSample(time.monotonic() // 0.2 * 0.2, {"A": 1.0})


class Dying(Faulty):
    """Takes its process with it."""

    def read(self):
        os.write(2, b"the driver crashed\n")
        os._exit(9)
