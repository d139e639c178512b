"""What happens to a board while it is measured: heat, throttling, mode changes, swapping, a sagging supply. No root, no fork.

    health = Health(); before = health.sample(); train(); warnings = compare(before, health.sample())
    witness = Witness(Health()); ...; for name, facts in witness.poll(): ...       # at every epoch's end

`joulebird.devices.health.log` writes it down once a second.
"""

from typing import Any, Dict, List, Tuple

from joulebird.devices.health.read import Health

Warnings = List[
    Tuple[str, Dict[str, Any]]
]  # names of joulebird.harness.runs.warnings, and their facts
SAG = 0.04  # a supply that falls by more than this share under load is weak
BUSY = 0.9  # a GPU with at least this load and under this share of its locked clock is held back


def compare(before: Dict[str, Any], after: Dict[str, Any]) -> Warnings:
    """What happened between two samples that a reader of the numbers must know: [(warning, facts), ...].

    >>> calm = {"boot_id": "a", "cooling": {}, "limits": {"online": "0-5"}, "power_mode": 0, "swap": {"pages_in": 5, "pages_out": 9},
    ...         "volts": {"VDD_IN": 19.1}, "clocks_hz": {}, "clocks_locked": True, "gpu_load": 0.0}
    >>> compare(calm, calm)
    []
    >>> compare(calm, dict(calm, swap={"pages_in": 5, "pages_out": 12}))
    [('swapped', {'pages': 3})]
    """
    if before["boot_id"] != after["boot_id"]:
        return [
            ("rebooted", {"boot_id_before": before["boot_id"], "boot_id_after": after["boot_id"]})
        ]  # nothing else compares
    found: Warnings = []
    held = _held_back(after)
    if held:
        found.append(("throttled", {"by": ", ".join(held)}))
    if before["power_mode"] != after["power_mode"]:
        found.append(
            ("mode_changed", {"before": before["power_mode"], "after": after["power_mode"]})
        )
    elif before["limits"] != after["limits"]:
        names = sorted(
            name
            for name in set(before["limits"]) | set(after["limits"])
            if before["limits"].get(name) != after["limits"].get(name)
        )
        found.append(
            (
                "limits_changed",
                {
                    "what": ", ".join(
                        "{} {} -> {}".format(
                            name, before["limits"].get(name), after["limits"].get(name)
                        )
                        for name in names
                    )
                },
            )
        )
    pages = sum(
        after["swap"].get(key, 0) - before["swap"].get(key, 0) for key in ("pages_in", "pages_out")
    )
    if pages > 0:
        found.append(("swapped", {"pages": pages}))
    for rail in sorted(set(before["volts"]) & set(after["volts"])):
        drop = (
            1.0 - after["volts"][rail] / before["volts"][rail] if before["volts"][rail] > 0 else 0.0
        )
        if drop > SAG:
            found.append(
                (
                    "supply_sagged",
                    {
                        "rail": rail,
                        "before_v": before["volts"][rail],
                        "after_v": after["volts"][rail],
                        "percent": round(100 * drop, 1),
                    },
                )
            )
    return found


def _held_back(sample: Dict[str, Any]) -> List[str]:
    held = ["%s (state %d)" % item for item in sorted(sample["cooling"].items())]
    allowed, now = sample["limits"].get("gpu_max_hz"), sample["clocks_hz"].get("gpu")
    if (
        sample["clocks_locked"]
        and allowed
        and now
        and (sample["gpu_load"] or 0) >= BUSY
        and now < BUSY * allowed
    ):
        held.append("gpu at %d of %d MHz under load" % (now // 1000000, allowed // 1000000))
    return held


class Witness:
    """Compares, at every `poll`, the present with the beginning, and tells each kind of trouble once.

    It has no thread: poll it where it suits, such as at the end of every epoch.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._told: List[str] = []
        self._first = health.sample()
        self._hottest: Dict[str, float] = dict(self._first["temps_c"])
        self._lowest: Dict[str, float] = dict(self._first["volts"])
        self._samples = 1

    def poll(self) -> Warnings:
        """The warnings, by name and facts, that were not told before."""
        sample = self._health.sample()
        self._samples += 1
        for zone, value in sample["temps_c"].items():
            self._hottest[zone] = max(value, self._hottest.get(zone, value))
        for rail, value in sample["volts"].items():
            self._lowest[rail] = min(value, self._lowest.get(rail, value))
        news = [
            (name, facts) for name, facts in compare(self._first, sample) if name not in self._told
        ]
        self._told += [name for name, _ in news]
        return news

    def summary(self) -> Dict[str, Any]:
        """What the record may hold: the first sample, the hottest temperatures, the lowest voltages, and how often it was looked."""
        return {
            "first": self._first,
            "hottest_c": self._hottest,
            "lowest_v": self._lowest,
            "samples": self._samples,
        }
