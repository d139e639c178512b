"""`joulebird run --prepare`: a Jetson in one state from the first measurement to the last, and back as it was."""

import contextlib
from typing import Any, Callable, ContextManager, Dict, Iterator, Optional

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.registry import resolve

Prepare = Callable[
    [Callable[[float], None]], ContextManager[Dict[str, Any]]
]  # given a way to sleep


def preparation(
    mode: str,
    say: Callable[[str], None],
    root: str = "/",
    make: Optional[Callable[..., Any]] = None,
) -> Prepare:
    """What a Session is given to prepare its board: power mode `mode` (a name or number; "" keeps the present one), clocks, fan, settling.

    `root` is where the board's files are; `make(root, sleep=...)` gives a `joulebird.devices.board.control.Board`. Raises HarnessError, before anything is
    touched, for a machine that is no Jetson or a mode that it does not have.
    """
    if not resolve("joulebird.devices.board.identify:identify")(root)["jetson"]:
        raise HarnessError(
            "--prepare: this machine is no Jetson",
            "leave it out here; with --board it is done on the board",
            6,
        )
    number = mode_number(mode, resolve("joulebird.devices.board.state:mode_names")(root))
    return lambda sleep: _prepared(
        (make or resolve("joulebird.devices.board.control:Board"))(root, sleep=sleep), number, say
    )


def mode_number(mode: str, known: Dict[int, str]) -> Optional[int]:
    """The number of a mode given by name or number; None for "". Raises HarnessError for one that the board does not have.

    >>> mode_number("maxn", {0: "MAXN", 3: "MAXP_CORE_ARM"}), mode_number("3", {}), mode_number("", {})
    (0, 3, None)
    """
    if not mode:
        return None
    numbers = {name.upper(): number for number, name in known.items()}
    number = int(mode) if mode.isdigit() else numbers.get(mode.upper())
    if number is None or (known and number not in known):
        has = (
            "it has " + ", ".join("%d %s" % item for item in sorted(known.items()))
            if known
            else "give its number"
        )
        raise HarnessError(
            f"--prepare {mode}: this board has no such power mode",
            has + "; a STUDY goes before --prepare",
        )
    return number


@contextlib.contextmanager
def _prepared(
    board: Any, mode: Optional[int], say: Callable[[str], None]
) -> Iterator[Dict[str, Any]]:
    """The board prepared: gives what a record holds of it. Put back however the session ends."""
    with board.prepared(mode=mode) as state:
        name = (state["power_mode"] or {}).get("name", "unknown")
        say(
            "board prepared: mode {}, clocks locked, fan {}; waiting until its temperature has settled".format(
                name, fan_text(state["fan"])
            )
        )
        settled = board.settle()
        if not settled["settled"]:
            say("  it has not settled in {:.0f} s".format(settled["waited_s"]))
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
    """The fan in words.

    >>> fan_text({"target_pwm": 255, "temp_control": 0}), fan_text(None)
    ('at 255 of 255', 'not found')
    """
    return "at %d of 255" % fan["target_pwm"] if fan and "target_pwm" in fan else "not found"
