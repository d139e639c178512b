"""Several power sources at once: the first is the session's, each of the others has a recorder and a log of its own."""

import os
import re
from typing import Any, Callable, Dict, Iterable, List

from joulebird.harness.core.records import POWER
from joulebird.harness.power.meter import Failure, Meter


class Meters:
    """A `Meter` (the first source) with others beside it, each writing `power-<label>.csv` beside the first one's `power.csv`.

    An other one that fails, at its start too, is a warning in every stage that lacks it, and is left alone for the rest of the session.
    """

    def __init__(self, first: Meter, others: Dict[str, Meter]) -> None:
        """`others` by label (`labels`)."""
        self._first = first
        self._others = others
        self._lost = {}  # type: Dict[str, Failure]
        self._failures = []  # type: List[Failure]

    @property
    def description(self) -> Dict[str, Any]:
        """What the first source says of itself, with `others`: what each of the others says, by label."""
        found = {
            label: other.description for label, other in self._others.items() if other.description
        }
        return dict(self._first.description, others=found) if self._first.description else {}

    def start(self) -> None:
        """Start all recorders; raises SourceError when the first source cannot be used, before anything is trained."""
        self._first.start()
        for label in self._going_on():
            try:
                self._others[label].start()
            except Exception as error:
                self._lose(
                    label,
                    {
                        "reason": getattr(error, "message", None)
                        or str(error)
                        or type(error).__name__
                    },
                )

    def open_log(self, path: str) -> None:
        """Write the first source's samples to this file from now on, the others' beside it."""
        self._first.open_log(path)
        self._failures = list(self._lost.values())  # every stage tells which log it lacks
        self._each(lambda label: self._others[label].open_log(other_log(path, label)))

    def sample(self) -> None:
        """One sample of each now, at a stage's edge; the first source's first."""
        self._first.sample()
        self._each(lambda label: self._others[label].sample())

    def keep_alive(self) -> None:
        """Start recorders again that have died."""
        self._first.keep_alive()
        self._each(lambda label: self._others[label].keep_alive())

    def close_log(self) -> Dict[str, Any]:
        """End the present logs; gives what the first recorder counted, and under `others` what each of the others did, by label."""
        counted = self._first.close_log()
        others = {}  # type: Dict[str, Any]
        self._each(lambda label: others.update({label: self._others[label].close_log()}))
        return dict(counted, others=others) if counted and others else counted

    def take_failures(self) -> List[Failure]:
        """The warnings since the last call: names and facts."""
        failures, self._failures = self._failures, []
        return self._first.take_failures() + failures

    def stop(self) -> None:
        """Stop all recorders; harmless when there are none."""
        for one in [self._first] + list(self._others.values()):
            one.stop()

    def _going_on(self) -> List[str]:
        return [label for label in self._others if label not in self._lost]

    def _each(self, action: Callable[[str], Any]) -> None:
        """Do something with each of the others that goes on, and take note of what went wrong."""
        for label in self._going_on():
            action(label)
            for name, facts in self._others[label].take_failures():
                if name == "recorder_failed":
                    self._lose(label, facts)
                else:
                    self._failures.append(("second_" + name, dict(facts, source=label)))

    def _lose(self, label: str, facts: Dict[str, Any]) -> None:
        self._others[label].stop()
        self._lost[label] = ("second_recorder_failed", dict(facts, source=label))
        self._failures.append(self._lost[label])


def labels(names: Iterable[str]) -> List[str]:
    """A short name for each source, good in a file's name; a second one of the same name gets a number.

    >>> labels(["serial", "serial", "my.meters:Bench"])
    ['serial', 'serial-2', 'my-meters-Bench']
    """
    found = []  # type: List[str]
    for name in names:
        plain = re.sub("[^A-Za-z0-9]+", "-", name).strip("-") or "source"
        same = [
            one for one in found if one == plain or re.match(re.escape(plain) + "-[0-9]+$", one)
        ]
        found.append("%s-%d" % (plain, len(same) + 1) if same else plain)
    return found


def other_log(path: str, label: str) -> str:
    """The log of another source beside the first one's.

    >>> other_log("runs/stages/ab/power.csv", "serial")
    'runs/stages/ab/power-serial.csv'
    """
    stem, dot, ending = POWER.partition(".")
    return os.path.join(os.path.dirname(path), f"{stem}-{label}{dot}{ending}")
