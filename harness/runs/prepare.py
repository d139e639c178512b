"""`joulebird run --prepare`: keep a Jetson in one state for a session, and restore it after."""

import contextlib
from typing import Any, Callable, ContextManager, Dict, Iterator, Optional

from joulebird.devices.board.control import Board
from joulebird.devices.board.identify import identify
from joulebird.devices.board.state import mode_names
from joulebird.harness.core.errors import CHECK, HarnessError

Sleep = Callable[[float], None]
Prepare = Callable[[Sleep], ContextManager[Dict[str, Any]]]


def preparation(
    mode: str,
    say: Callable[[str], None],
    root: str = "/",
    make: Callable[..., Board] = Board,
) -> Prepare:
    """Return a Session's preparation of its board: power mode, clocks, fan, settled temperature.

    `mode` is a name or number ("" keeps the present one); `root` is where the board's files are;
    `make(root, sleep=...)` returns its control. Raises HarnessError, before anything is changed,
    for another machine than a Jetson or an unknown mode.
    """
    if not identify(root)["jetson"]:
        raise HarnessError(
            "--prepare: this machine is not a Jetson",
            "leave it out here; with --board it is done on the board",
            CHECK,
        )
    number = mode_number(mode, mode_names(root))
    return lambda sleep: _prepared(make(root, sleep=sleep), number, say)


def mode_number(mode: str, known: Dict[int, str]) -> Optional[int]:
    """Return the number of a mode given by name or number; None for "".

    Raises HarnessError for a mode that the board does not have.

    >>> mode_number("maxn", {0: "MAXN", 3: "MAXP_CORE_ARM"}), mode_number("3", {})
    (0, 3)
    """
    if not mode:
        return None
    numbers = {name.upper(): number for number, name in known.items()}
    number = int(mode) if mode.isdigit() else numbers.get(mode.upper())
    if number is None or (known and number not in known):
        modes = ", ".join(f"{number} {name}" for number, name in sorted(known.items()))
        hint = f"it has {modes}" if modes else "give its number"
        raise HarnessError(
            f"--prepare {mode}: this board has no such power mode",
            f"{hint}; a STUDY goes before --prepare",
        )
    return number


def restoration(
    former: Dict[str, Any],
    now: Dict[str, Any],
    say: Callable[[str], None],
    root: str = "/",
    make: Callable[..., Board] = Board,
) -> Optional[Prepare]:
    """Return the preparation that gives a board the mode and locked clocks of a former environment.

    None where they are the same, or unknown; clocks that are locked now are not unlocked.
    """
    keys = ("power_mode", "clocks_locked", "clock_limits_hz")
    before, present = ([facts.get(key) for key in keys] for facts in (former, now))
    numbers = {name: number for number, name in mode_names(root).items()}
    lock = former.get("clocks_locked") is True
    unlocks = not lock and now.get("clocks_locked") is True
    if before == present or former.get("power_mode") not in numbers or unlocks:
        return None
    number = numbers[former["power_mode"]]
    if former.get("prepared"):
        return lambda sleep: _prepared(make(root, sleep=sleep), number, say)
    say("putting the board back into the state of the killed attempt")
    return lambda sleep: make(root, sleep=sleep).prepared(number, lock, None)


@contextlib.contextmanager
def _prepared(
    board: Board, mode: Optional[int], say: Callable[[str], None]
) -> Iterator[Dict[str, Any]]:
    """Prepare the board; give the facts for the record. Restore it however the session ends."""
    with board.prepared(mode=mode) as state:
        name = (state["power_mode"] or {}).get("name", "unknown")
        fan = fan_text(state["fan"])
        say(f"board prepared: mode {name}, clocks locked, fan {fan}; waiting until it has settled")
        settled = board.settle()
        if not settled["settled"]:
            say(f"  its temperature has not settled in {settled['waited_s']:.0f} s")
        yield {
            "power_mode": name,
            "clocks_locked": state["clocks_locked"],
            "fan": state["fan"],
            "settled": settled["settled"],
            "waited_s": round(settled["waited_s"], 1),
            "temps_c": settled["temps_c"],
        }
        say("putting the board back as it was")


def fan_text(fan: Optional[Dict[str, int]]) -> str:
    """Return the fan's setting for people.

    >>> fan_text({"target_pwm": 255, "temp_control": 0}), fan_text(None)
    ('at 255 of 255', 'not found')
    """
    return f"at {fan['target_pwm']} of 255" if fan and "target_pwm" in fan else "not found"
