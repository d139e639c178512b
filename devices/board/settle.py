"""Wait for a settled temperature: leakage grows with heat, so runs begin equally warm."""

from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, Tuple

from joulebird.devices.health.read import Health

SLOPE_C = 0.5  # settled: no zone has moved by as much as this
SLOPE_S = 60.0  # within this long
LOOK_S = 2.0


def wait_settled(
    health: Health,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    limit_s: float = 900.0,
) -> Dict[str, Any]:
    """Wait until no zone has moved by 0.5 C within 60 s, or for `limit_s`.

    Returns settled (true or false), waited_s, temps_c.

    A machine that shows no temperatures is not settled, and is not waited for.
    """
    begin_s = clock()
    seen: Deque[Tuple[float, Dict[str, float]]] = deque()
    while True:
        now_s, temps = clock(), health.temperatures()
        seen.append((now_s, temps))
        while len(seen) > 1 and now_s - seen[1][0] >= SLOPE_S:  # keep one that is at least so old
            seen.popleft()
        whole = now_s - seen[0][0] >= SLOPE_S
        settled = bool(temps) and whole and all(spread(zone, seen) < SLOPE_C for zone in temps)
        if settled or not temps or now_s - begin_s >= limit_s:
            return {"settled": settled, "waited_s": now_s - begin_s, "temps_c": temps}
        sleep(LOOK_S)


def spread(zone: str, seen: Iterable[Tuple[float, Dict[str, float]]]) -> float:
    """Return the degrees between the hottest and the coolest reading of a zone.

    >>> spread("GPU-therm", [(0, {"GPU-therm": 40.0}), (1, {}), (2, {"GPU-therm": 40.5})])
    0.5
    """
    values = [temps[zone] for _, temps in seen if zone in temps]
    return max(values) - min(values)
