"""joulebird sources: the power sources that can be read here, and why the others cannot."""

import contextlib
import time
from typing import Any, Dict, List

from joulebird.devices import SOURCES, registry
from joulebird.devices.recorder.sampler import bounds_of, within
from joulebird.devices.registry import make
from joulebird.devices.source import PowerSource
from joulebird.harness.cli.arguments import Namespace, single
from joulebird.harness.cli.output import answer
from joulebird.harness.core.errors import DONE, SOURCE, HarnessError, SourceError
from joulebird.harness.core.registry import dotted
from joulebird.harness.power.sources import parse_options

EXAMPLES = """examples:
  joulebird sources                                              every kind of source, tried
  joulebird sources --source ina3221 --source-option root=/      one source, with its options
"""
RATE_S = 0.5  # how long each source is read to find its best rate


ARGUMENTS = ("--source", "--source-option", "--board", "--form", "--json", "--output")


def main(args: Namespace) -> int:
    """Try the sources and print the results; 4 when the one that was named cannot be used."""
    wanted = single(args.source, "--source")
    names = [wanted] if wanted else registry.names()
    for name in names:
        dotted(SOURCES, "source", name, SourceError)
    options = parse_options(args.source_option)
    if options and not wanted:
        raise HarnessError(
            "--source-option without --source",
            "name the source of the option: --source ina3221, for instance",
        )
    sources = [facts_of(name, options) for name in names]
    answer(args, {"sources": sources}, as_text(sources))
    return SOURCE if wanted and not sources[0]["usable"] else DONE


def facts_of(name: str, options: Dict[str, Any]) -> Dict[str, Any]:
    """Describe one source: its name, and whether it is usable.

    An unusable one has a reason and a hint; a usable one its identity, present watts and best rate.
    """
    try:
        with make(name, options) as source:
            return dict(
                source.identity(),
                usable=True,
                present_w=source.whole(within(bounds_of(source.describe()), source.read())).watts,
                rate_hz=round(rate(source, RATE_S), 1),
                describe=source.describe(),
            )
    except (SourceError, OSError) as error:
        return {
            "name": name,
            "usable": False,
            "reason": str(error),
            "hint": getattr(error, "hint", ""),
        }
    except Exception as error:  # a driver's bug must not keep the other sources from being listed
        return {
            "name": name,
            "usable": False,
            "reason": f"it failed: {type(error).__name__}: {error}",
            "hint": "a bug of that source, unless one of its options is wrong",
        }


def rate(source: PowerSource, seconds: float) -> float:
    """Return how many new readings a second an open source gives when read without pause."""
    begin_s = now_s = time.monotonic()
    times = set()
    while now_s - begin_s < seconds:
        with contextlib.suppress(OSError, SourceError):
            times.add(source.read().t_s)
        now_s = time.monotonic()
    return max(0, len(times) - 1) / (now_s - begin_s)


def as_text(sources: List[Dict[str, Any]]) -> str:
    """Return the sources for people: the usable ones with their rails, then the others."""
    ordered = sorted(sources, key=lambda facts: not facts["usable"])
    return "\n".join(line for facts in ordered for line in source_text(facts))


def source_text(facts: Dict[str, Any]) -> List[str]:
    """Return one source in a few lines."""
    if not facts["usable"]:
        line = f"{facts['name']}: not usable here: {facts['reason']}"
        return [line, f"    {facts['hint']}"] if facts["hint"] else [line]
    kind = facts["sampling"] if facts["real"] else "no sensor behind it: not a measurement"
    rate = f"up to {facts['rate_hz']:g} readings a second"
    width = max(len(rail) for rail in facts["rails"])
    present = facts["present_w"].items()
    shown = {rail: f"{watts:9.3f} W" for rail, watts in present if watts is not None}
    total = dict.fromkeys(facts["total"], "   (total)")
    return [f"{facts['name']}: {facts['scope']} ({kind}), {rate}"] + [
        f"    {rail.ljust(width)}  {shown.get(rail, 'unreadable')}{total.get(rail, '')}"
        for rail in facts["rails"]
    ]
