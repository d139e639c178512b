"""The part of a Jetson's state that a fair comparison fixes: power mode, clocks, fan, temperature.

Read without root. Leakage grows with heat, so runs begin at a settled temperature.
"""

import os
import re
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, Optional, Tuple

from joulebird.devices.board.identify import identify
from joulebird.devices.health.read import Health
from joulebird.devices.util.command import Runner
from joulebird.devices.util.sysfs import text_or_none

FANS = ("sys/devices/pwm-fan", "sys/kernel/debug/tegra_fan")  # L4T 32; L4T 28 (root only)
SLOPE_C = 0.5  # settled: no zone has moved by as much as this
SLOPE_S = 60.0  # within this long
LOOK_S = 2.0


def board_state(root: str, run: Runner) -> Dict[str, Any]:
    """Return the state of a board.

    Its keys are power_mode {"id", "name"}, clocks_locked, clock_limits_hz, fan {"target_pwm",
    "temp_control"}, temps_c, boot_id, board.

    A fact that the board lacks, or hides from this user, is None or empty.
    """
    health = Health(root)
    return {
        "board": identify(root),
        "power_mode": power_mode(root, run),
        "clocks_locked": health.locked(),
        "clock_limits_hz": {name: list(ends) for name, ends in health.clock_limits().items()},
        "fan": fan_state(root),
        "temps_c": health.temperatures(),
        "boot_id": text_or_none(os.path.join(root, "proc/sys/kernel/random/boot_id")),
    }


def power_mode(root: str, run: Runner) -> Optional[Dict[str, Any]]:
    """Return the present nvpmodel mode, or None.

    It is None where there is no nvpmodel, or it refuses this user.
    """
    tool = tool_path(root, "nvpmodel")
    return parse_nvpmodel(run([tool, "-q"], "").out) if tool else None


def parse_nvpmodel(text: str) -> Optional[Dict[str, Any]]:
    r"""Return the mode from the output of `nvpmodel -q`.

    >>> mode = parse_nvpmodel("NVPM WARN: no fan mode\nNV Power Mode: MAXP_CORE_ARM\n3\n")
    >>> mode["id"], mode["name"]
    (3, 'MAXP_CORE_ARM')
    """
    match = re.search(r"NV Power Mode: *(\S+)\s+(\d+)\s*$", text, re.MULTILINE)
    return {"id": int(match.group(2)), "name": match.group(1)} if match else None


def mode_names(root: str) -> Dict[int, str]:
    """Return the modes of /etc/nvpmodel.conf, by number; empty where there is no such file."""
    text = text_or_none(os.path.join(root, "etc/nvpmodel.conf")) or ""
    return {
        int(number): name
        for number, name in re.findall(r"< *POWER_MODEL +ID=(\d+) +NAME=(\S+) *>", text)
    }


def fan_state(root: str) -> Optional[Dict[str, int]]:
    """Return the fan's target_pwm (0 to 255) and temp_control (0 or 1); None without a fan."""
    folder = fan_folder(root)
    if folder is None:
        return None
    texts = {
        name: text_or_none(os.path.join(folder, name)) for name in ("target_pwm", "temp_control")
    }
    return {
        name: int(text)
        for name, text in texts.items()
        if text is not None and text.strip().isdigit()
    }


def fan_folder(root: str) -> Optional[str]:
    """Return the folder of the fan's files, or None."""
    folders = [os.path.join(root, folder) for folder in FANS]
    return next(
        (folder for folder in folders if os.path.exists(os.path.join(folder, "target_pwm"))), None
    )


def tool_path(root: str, name: str) -> Optional[str]:
    """Return the path of one of NVIDIA's tools, which a bare PATH may not hold.

    None where it is not installed.
    """
    paths = [os.path.join(root, folder, name) for folder in ("usr/sbin", "usr/bin")]
    return next((path for path in paths if os.access(path, os.X_OK)), None)


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
