"""The conditions of a stage: the facts that all its attempts and epochs must share."""

from collections.abc import Iterable, Sequence
from typing import Any

from joulebird.harness.core.events import Window
from joulebird.harness.core.records import Event

PASSING = ("boot_id", "packages", "fan", "prepared")  # may differ between two attempts
OF_HEALTH = ("power_mode", "clocks_locked", "limits")
LISTED = 4  # of the facts that differ, in a reason


def stated_changes(
    begun: Sequence[Event], epochs: Sequence[Event], warnings: Iterable[dict[str, Any]]
) -> list[str]:
    """Return the facts that differ, in words, by the fingerprints of attempts and epochs.

    `begun` are the first events of the attempts that count, `epochs` the epochs that count.
    """
    marks = [event.get("conditions") for event in (*begun, *epochs)]
    known = dict.fromkeys(filter(None, marks))
    if len(known) < 2:
        return []
    warned = [w["what"] for w in warnings if w.get("name") == "conditions_changed" and "what" in w]
    return differences([_facts(first) for first in begun]) or warned or list(known)


def health_changes(health: Iterable[Event], windows: Sequence[Window]) -> list[str]:
    """Return the power modes and clock limits in which attempts differ, in words.

    They are those of the first health event in the window of each attempt.
    """
    begins: dict[Window, dict[str, Any]] = {}
    state: dict[str, Any] = {}
    for event in health:
        state = {**state, **event}
        for window in windows:
            here = window.boot_id in (None, state.get("boot_id"))
            if here and window.begin_s <= event["t_s"] <= window.end_s:
                begins.setdefault(window, state)
    return differences([{name: begin.get(name) for name in OF_HEALTH} for begin in begins.values()])


def differences(sides: Sequence[dict[str, Any]]) -> list[str]:
    """Return the facts in which some sides differ, in words.

    >>> differences([{"threads": 1, "device": "cpu"}, {"threads": 2, "device": "cpu"}])
    ['threads 1 / 2']
    """
    names = dict.fromkeys(name for side in sides for name in side)
    shown = {name: dict.fromkeys(str(side.get(name)) for side in sides) for name in names}
    return [
        f"{name.replace('_', ' ')} {' / '.join(texts)}"
        for name, texts in shown.items()
        if len(texts) > 1
    ]


def _facts(first: Event) -> dict[str, Any]:
    """Return the facts in the first event of an attempt that its conditions are made of."""
    environment, source = first.get("environment") or {}, first.get("source") or {}
    facts = {"torch": (environment.get("packages") or {}).get("torch")}
    facts.update((name, value) for name, value in environment.items() if name not in PASSING)
    for clock, limits in (facts.pop("clock_limits_hz", None) or {}).items():
        facts[f"limits of {clock}"] = limits
    facts.update((f"source's {name}", value) for name, value in source.items())
    return {**facts, "device": first.get("device")}
