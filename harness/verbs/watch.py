"""joulebird watch: live power of every rail. Ctrl-C ends it.

On a terminal the rails stay in place, with a small history; elsewhere one line a second is printed
(--every). Each value is the mean since the line before. Readings taken here load the board a
little: do not watch while a run is measured, follow the run instead.
"""

import contextlib
import json
import math
import os
import sys
import time
from collections import deque
from functools import partial
from typing import Any, Callable, Deque, Dict, List, Mapping, NamedTuple, Optional, Sequence, TextIO

from joulebird.devices import registry
from joulebird.devices.recorder.sampler import bounds_of, within
from joulebird.devices.registry import make
from joulebird.devices.source import PowerSource
from joulebird.harness.cli.arguments import (
    Namespace,
    count,
    known_rail,
    own,
    period,
    seconds,
    single,
)
from joulebird.harness.core.errors import SourceError
from joulebird.harness.core.terminal import can_move
from joulebird.harness.power.sources import parse_options

EXAMPLES = """examples:
  joulebird watch                               the best source here, until Ctrl-C
  joulebird watch -n 10 --every 0.5 --json      ten lines of JSON
"""
HISTORY = 40
READ_S = 0.05  # between two readings inside a period
BLOCKS, ASCII_BLOCKS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"


class Reading(NamedTuple):
    """The means of one period.

    Its end on CLOCK_MONOTONIC, watts by rail, the number of readings, and the reason of the last
    failed one ("" if none failed).
    """

    t_s: float
    watts: Dict[str, float]
    readings: int
    problem: str


class Shown(NamedTuple):
    """The rails of a source that are shown, and those of its total."""

    name: str
    real: bool
    rails: Sequence[str]
    total: Sequence[str]


ARGUMENTS = (
    own(
        "--every",
        type=period,
        default=1.0,
        metavar="S",
        help="seconds between two lines (default: 1)",
    ),
    *("--source", "--source-option", "--period", "--rail", "--board", "--form", "--json"),
    own("-n", "--count", type=count, metavar="N", help="stop after N lines"),
    own("--seconds", type=seconds, metavar="S", help="stop after that time"),
)


def main(args: Namespace) -> int:
    """Watch until the count, the time or Ctrl-C; return 0."""
    name = single(args.source, "--source") or registry.best()
    with make(name, parse_options(args.source_option)) as source:
        known_rail(args.rail, name, source.rails)
        one = [args.rail] if args.rail else None
        shown = Shown(source.name, source.real, one or source.rails, one or source.total)
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            watch(source, display(shown, args.form), args)
    return 0


def display(shown: Shown, form: str) -> Callable[[Reading], None]:
    """Return the function that shows a reading on stdout in a form."""
    return (
        partial(json_line, sys.stdout, shown)
        if form == "json"
        else screen(shown, sys.stdout, os.environ)
    )


def watch(source: PowerSource, show: Any, args: Namespace) -> None:
    """Show one reading every `every` seconds, `count` times or for `seconds`."""
    begin_s = next_s = time.monotonic()
    end_s = begin_s + (math.inf if args.seconds is None else args.seconds)
    shown = 0
    while (args.count is None or shown < args.count) and time.monotonic() < end_s:
        next_s = max(next_s + args.every, time.monotonic())
        reading = take(source, next_s, args.period or READ_S)
        watts = {rail: w for rail, w in reading.watts.items() if args.rail in (None, rail)}
        show(reading._replace(watts=watts))
        shown += 1


def take(source: PowerSource, until_s: float, period_s: float = READ_S) -> Reading:
    """Return the mean of the new readings until a time; at least one is tried."""
    sums: Dict[str, List[float]] = {}
    problem, newest_s, readings = "", None, 0
    bounds = bounds_of(source.describe())
    while True:
        try:
            sample = within(bounds, source.read())
            problem = sample.error or problem
            if sample.t_s != newest_s:
                newest_s, readings = sample.t_s, readings + 1
                for rail, watts in sample.watts.items():
                    sums.setdefault(rail, []).append(watts)
        except (SourceError, OSError) as error:
            problem = str(error)
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            break
        time.sleep(min(left_s, period_s))
    means = {rail: sum(values) / len(values) for rail, values in sums.items()}
    return Reading(until_s, means, readings, problem)


def json_line(out: TextIO, shown: Shown, reading: Reading) -> None:
    """Print a reading and its source as a JSON object."""
    facts = {"source": shown.name, "real": shown.real, "total": list(shown.total)}
    out.write(json.dumps(dict(facts, **reading._asdict()), sort_keys=True) + "\n")
    out.flush()


class PlainLines:
    """One line a reading: the total first, then the rails."""

    def __init__(self, source: Shown, out: TextIO) -> None:
        self._source, self._out = source, out
        out.write(
            "# {}, mean watts{}: {}\n".format(
                source.name, "" if source.real else ", not measured", " ".join(source.rails)
            )
        )

    def __call__(self, reading: Reading) -> None:
        """Print a reading; an unreadable rail is a dash, and the reason ends the line."""
        values = " ".join(
            f"{reading.watts[rail]:9.3f}" if rail in reading.watts else "        -"
            for rail in self._source.rails
        )
        self._out.write(values + ("  # " + reading.problem if reading.problem else "") + "\n")
        self._out.flush()


class Screen:
    """The rails in place on a terminal, each with its history since the beginning."""

    def __init__(self, source: Shown, out: TextIO, colour: bool) -> None:
        self._source, self._out, self._colour = source, out, colour
        encoding = (getattr(out, "encoding", None) or "ascii").lower().replace("-", "")
        self._blocks = BLOCKS if encoding == "utf8" else ASCII_BLOCKS
        self._history: Dict[str, Deque[Optional[float]]] = {
            rail: deque(maxlen=HISTORY) for rail in source.rails
        }
        self._drawn = 0

    def __call__(self, reading: Reading) -> None:
        """Draw a reading over the one before."""
        lines = [
            f"{self._source.name}{'' if self._source.real else ' (not measured)'}   "
            f"{reading.readings} readings"
        ]
        width = max(len(rail) for rail in self._source.rails)
        for rail in self._source.rails:
            watts = reading.watts.get(rail)
            self._history[rail].append(watts)
            shown = "-" if watts is None else f"{watts:.3f}"
            text = f"{rail.ljust(width)} {shown:>9} W  {self.spark(self._history[rail])}"
            lines.append(
                f"\x1b[1m{text}\x1b[0m" if self._colour and rail in self._source.total else text
            )
        lines.append(reading.problem)
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._out.write(up + "".join(f"\r{line}\x1b[K\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines)

    def spark(self, values: Any) -> str:
        """Return the history as blocks from zero to its highest value, with blanks for failures."""
        top = max([value for value in values if value is not None] + [1e-9])
        last = len(self._blocks) - 1
        return "".join(
            " "
            if value is None
            else self._blocks[max(1, min(last, int(round(last * value / top))))]
            for value in values
        )


def screen(source: Shown, out: TextIO, environ: Mapping[str, str]) -> Any:
    """Return the display for a stream: in place on a terminal, else line by line."""
    if not can_move(out, environ):
        return PlainLines(source, out)
    return Screen(source, out, colour=not environ.get("NO_COLOR"))
