"""Compare two samples of a board's health: throttling, mode changes, swapping, a weak supply.

    before = health.sample(); train(); warnings = compare(before, health.sample())

`Diary` compares all samples of a stage; `joulebird.devices.health.log` takes one a second.
"""

from typing import Any, Dict, Iterator, List, Optional, Tuple

# names of joulebird.harness.runs.warnings, and their facts
Warnings = List[Tuple[str, Dict[str, Any]]]
SAG = 0.04  # a supply that falls by more than this share under load is weak
BUSY = 0.9  # a GPU with at least this load and under this share of its locked clock is throttled
# warning of `compare` -> its event; a reboot has ended this process
EVENTS = {
    "throttled": "throttle",
    "mode_changed": "mode_change",
    "limits_changed": "limits_change",
    "swapped": "swap",
    "supply_sagged": "supply_sag",
}
SELDOM = ("boot_id", "limits", "clocks_locked", "swap")  # written only when they have changed


class Diary:
    """Turn samples into events.

    Slow-changing fields are written only when they change; each fault is logged when it starts.
    """

    def __init__(self) -> None:
        self._first: Optional[Dict[str, Any]] = None
        self._last: Dict[str, Any] = {}
        self._present: List[str] = []

    def events(self, sample: Dict[str, Any]) -> Iterator[Tuple[str, Dict[str, Any]]]:
        """Return the events of one sample of `Health`, by name and facts; `t_s` is among them.

        >>> sample = {"t_s": 1.0, "boot_id": "a", "temps_c": {"GPU-therm": 40.5}, "cooling": {},
        ...           "limits": {}, "volts": {}, "power_mode": 0, "swap": {}, "clocks_hz": {},
        ...           "clocks_locked": True, "gpu_load": 0.5}
        >>> diary = Diary()
        >>> [name for name, _ in diary.events(sample)]
        ['health']
        >>> [name for name, _ in diary.events(dict(sample, cooling={"gpu-balanced 2": 3}))]
        ['health', 'throttle']
        """
        self._first = self._first or sample
        last, self._last = self._last, sample
        unchanged = [name for name in SELDOM if last.get(name) == sample.get(name)]
        yield "health", {name: sample[name] for name in sample if name not in unchanged}
        warnings = compare(self._first, sample)
        for name, facts in warnings:
            if name in EVENTS and name not in self._present:
                yield EVENTS[name], dict(facts, t_s=sample["t_s"])
        self._present = [name for name, _ in warnings]


def compare(before: Dict[str, Any], after: Dict[str, Any]) -> Warnings:
    """Return the warnings, by name and facts, that two samples of `Health` give rise to.

    >>> calm = {"boot_id": "a", "cooling": {}, "limits": {"online": "0-5"}, "power_mode": 0,
    ...         "swap": {"pages_in": 5, "pages_out": 9}, "volts": {"VDD_IN": 19.1},
    ...         "clocks_hz": {}, "clocks_locked": True, "gpu_load": 0.0}
    >>> compare(calm, calm)
    []
    >>> compare(calm, dict(calm, swap={"pages_in": 5, "pages_out": 12}))
    [('swapped', {'pages': 3})]
    """
    if before["boot_id"] != after["boot_id"]:  # nothing else compares
        boots = {"boot_id_before": before["boot_id"], "boot_id_after": after["boot_id"]}
        return [("rebooted", boots)]
    warnings: Warnings = []
    throttles = _throttles(after)
    if throttles:
        warnings.append(("throttled", {"by": ", ".join(throttles)}))
    modes = {"before": before["power_mode"], "after": after["power_mode"]}
    if modes["before"] != modes["after"]:
        warnings.append(("mode_changed", modes))
    elif before["limits"] != after["limits"]:
        what = ", ".join(_changes(before["limits"], after["limits"]))
        warnings.append(("limits_changed", {"what": what}))
    moved = ("pages_in", "pages_out")
    pages = sum(after["swap"].get(name, 0) - before["swap"].get(name, 0) for name in moved)
    if pages > 0:
        warnings.append(("swapped", {"pages": pages}))
    rails = sorted(set(before["volts"]) & set(after["volts"]))
    sags = (_sag(rail, before["volts"][rail], after["volts"][rail]) for rail in rails)
    return warnings + [("supply_sagged", sag) for sag in sags if sag is not None]


def _throttles(sample: Dict[str, Any]) -> List[str]:
    """Return the causes of throttling: active cooling devices, a GPU below its locked clock."""
    throttles = [f"{name} (state {state})" for name, state in sorted(sample["cooling"].items())]
    allowed, now = sample["limits"].get("gpu_max_hz"), sample["clocks_hz"].get("gpu")
    busy = sample["clocks_locked"] and (sample["gpu_load"] or 0) >= BUSY
    if busy and allowed and now and now < BUSY * allowed:
        mhz = now // 1000000, allowed // 1000000
        throttles.append(f"gpu at {mhz[0]} of {mhz[1]} MHz under load")
    return throttles


def _changes(before: Dict[str, Any], after: Dict[str, Any]) -> List[str]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name} {before.get(name)} -> {after.get(name)}" for name in sorted(names)]


def _sag(rail: str, before_v: float, after_v: float) -> Optional[Dict[str, Any]]:
    """Return the facts of a rail that fell too far, or None."""
    drop = 1.0 - after_v / before_v if before_v > 0 else 0.0
    if drop <= SAG:
        return None
    percent = round(100 * drop, 1)
    return {"rail": rail, "before_v": before_v, "after_v": after_v, "percent": percent}
