"""The facts that may not differ within a stage, and the power source of a study."""

import os
from typing import Any, Callable, Dict, Iterable, Set, Tuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Attempt, attempts
from joulebird.harness.core.records import (
    STAGE,
    Event,
    is_done,
    read_stage,
    stage_dir,
    stage_events,
)
from joulebird.harness.core.schema import contrast
from joulebird.harness.runs.spec import digest

Facts = Dict[str, Any]
MACHINE = ("power_mode", "clocks_locked", "clock_limits_hz", "code")
PROCESS = ("threads", "omp_wait_policy", "openblas_coretype")
CUDA = ("cuda", "cuda_device")
SOURCE = ("name", "sensor", "sampling", "scope", "rails", "total", "real", "definition")
UNKNOWN: Tuple[Any, ...] = (None, "", {}, [])


def identity(source: Facts) -> Facts:
    """Return the part of a source's description that may not differ within a stage."""
    return {name: source[name] for name in SOURCE if source.get(name) not in UNKNOWN}


def conditions(begun: Event) -> Facts:
    """Return the conditions of an attempt from its first event: environment, source, device.

    Facts that are unknown are left out. Of the packages torch counts: others are imported later.
    """
    machine, device = begun.get("environment", {}), begun.get("device", "")
    cuda = CUDA if device.startswith("cuda") else ()
    facts = {name: machine.get(name) for name in (*MACHINE, *PROCESS, *cuda)}
    facts.update(
        torch=machine.get("packages", {}).get("torch"), board=board(machine), device=device
    )
    source = identity(begun.get("source", {}))
    facts.update({f"source's {name}": value for name, value in source.items()})
    return {name: value for name, value in facts.items() if value not in UNKNOWN}


def board(environment: Facts) -> str:
    """Return the identity of the machine of an environment; "" when it is unknown."""
    return str(environment.get("board_serial") or environment.get("host") or "")


def fingerprint(begun: Event) -> str:
    """Return twelve digits of the hash of an attempt's conditions."""
    return digest(conditions(begun), 12)


def fingerprints(tries: Iterable[Attempt]) -> Set[str]:
    """Return those of the epochs that count; older versions wrote none."""
    kept = [attempt for attempt in tries if attempt.epochs]
    events = [event for attempt in kept for event in (attempt.first, *attempt.epochs)]
    return {event["conditions"] for event in events if event.get("conditions")}


def differences(before: Facts, now: Facts) -> Dict[str, str]:
    """Return "before -> now" of each condition that differs, by its name.

    >>> differences({"threads": 2, "device": "cpu"}, {"threads": 1, "device": "cpu"})
    {'threads': '2 -> 1'}
    """
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return {name: " -> ".join(contrast(before.get(name), now.get(name))) for name in names}


def changes(begun: Event, present: Callable[[], Event]) -> Tuple[str, str]:
    """Return the present fingerprint, and in words all that has changed since the attempt began."""
    now = present()
    other = differences(conditions(begun), conditions(now))
    return fingerprint(now), ", ".join(f"{name} {change}" for name, change in other.items())


def last_begun(root: str, stage_id: str) -> Event:
    """Return the first event of the last attempt whose epochs count, {} without one."""
    kept = [attempt.first for attempt in attempts(stage_events(root, stage_id)) if attempt.epochs]
    return kept[-1] if kept else {}


def check_source(root: str, stage_ids: Iterable[str], source: Facts, here: Facts) -> None:
    """Raise HarnessError when a stage of the study was measured by another source than this.

    `source` is a description, {} for none, and `here` the environment. Sensors compare on one
    machine only: boards that share a study have one each.
    """
    now = identity(source)
    for stage_id in stage_ids:
        begun = last_begun(root, stage_id)
        if is_done(stage_dir(root, stage_id), STAGE):
            begun = read_stage(root, stage_id)._asdict()
        before = identity(begun.get("source", {}))
        if board(begun.get("environment", {})) != board(here):
            before.pop("sensor", None)
        other = [name for name in before if name in now and now[name] != before[name]]
        if before and (other or not now):
            unlike = [(name, contrast(before[name], now[name])) for name in other if name != "name"]
            was, present = (
                _named(source, ", ".join(f"{name} {texts[side]}" for name, texts in unlike))
                for side, source in enumerate((before, now))
            )
            raise HarnessError(
                f"stage {stage_id} was recorded by {was}; now the power source is {present}",
                f"name the same source (--source) or another folder (--runs), or delete "
                f"{os.path.join(root, 'stages')} to record all anew",
            )


def _named(source: Facts, words: str) -> str:
    """Return a source in words: its name, and the facts by which it differs."""
    name = str(source.get("name", "none"))
    return f"{name} ({words})" if words else name
