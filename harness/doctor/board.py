"""Checks of the board itself: its model, mode, clocks, fan, heat, and leftovers of a killed run."""

import os
from typing import Optional

from joulebird.devices.board.control import Board
from joulebird.devices.board.note import BoardError
from joulebird.devices.board.state import power_mode
from joulebird.devices.health.read import Health
from joulebird.harness.doctor.check import (
    BAD,
    OK,
    SKIP,
    WARN,
    Check,
    Context,
    Verdict,
    first_of,
    jetson_only,
)

WARM_C, HOT_C = 80.0, 95.0  # a TX2 begins to throttle at 95.5 C
ALARMS = ("OC ALARM", "under-voltage", "over-current", "System throttled")


def board_of(context: Context) -> Board:
    """Return the control of the context's board."""
    return Board(context.root, folder=context.state_folder, run=context.run, sudo=context.sudo)


def which(context: Context) -> Verdict:
    """Name this machine and its release of JetPack."""
    board = context.board
    if not context.jetson:
        return Verdict(SKIP, "not a Jetson: the board's own checks do not apply")
    model = board["model"] or ", ".join(board["compatible"])
    name = "a Jetson TX2" if board["tx2"] else f"a Jetson, but not a TX2 ({model})"
    jetpack = ", JetPack " + board["jetpack"] if board["jetpack"] else ""
    release = f"{name}, L4T {board['l4t']}{jetpack}"
    mount = "in a container, mount that file; else install JetPack"
    return first_of(
        (board["l4t"] is None, WARN, name + ", without /etc/nv_tegra_release", mount),
        (
            board["tx2"] and not jetpack,
            WARN,
            release,
            "joulebird is made for JetPack 4.6.1 (L4T 32.7.1)",
        ),
        (True, OK, release),
    )


@jetson_only
def mode(context: Context) -> Verdict:
    """Name the nvpmodel mode."""
    present = power_mode(context.root, context.run)
    if present:
        return Verdict(OK, f"{present['id']} {present['name']}")
    remedy = "run `nvpmodel -q` by hand; older releases want `sudo nvpmodel -q`"
    return Verdict(BAD, "nvpmodel does not say the power mode", remedy)


@jetson_only
def clocks(context: Context) -> Verdict:
    """Check that the clocks are locked."""
    health = Health(context.root)
    locked = health.locked()
    highest = {name: high // 1000000 for name, (_, high) in health.clock_limits().items()}
    shown = [f"{name} {highest[name]} MHz" for name in ("cpu0", "gpu") if name in highest]
    return first_of(
        (locked, OK, "locked: " + ", ".join(shown)),
        (
            locked is None,
            BAD,
            "no clock limits are shown under /sys",
            "without them throttling of the board cannot be seen",
        ),
        (
            True,
            WARN,
            "not locked: frequency scaling moves them during a run",
            "sudo jetson_clocks, after the power mode is set",
        ),
    )


@jetson_only
def fan(context: Context) -> Verdict:
    """Check that the fan is fixed: it sets the temperature, and that the leakage."""
    state = board_of(context).state()["fan"]
    if state is None:
        return Verdict(SKIP, "no fan is shown")
    width = f"pulse width {state.get('target_pwm')}"
    return first_of(
        (
            state.get("temp_control") == 1,
            WARN,
            f"governed by the temperature ({width} now)",
            "fix it: echo 0 | sudo tee /sys/devices/pwm-fan/temp_control; "
            "echo 255 | sudo tee /sys/devices/pwm-fan/target_pwm",
        ),
        (True, OK, f"fixed at {width}"),
    )


@jetson_only
def root_access(context: Context) -> Verdict:
    """Check that mode and clocks can be set without a password."""
    if not context.sudo:
        return Verdict(OK, "this is root")
    ran = context.run(context.sudo + ["-l", "/usr/sbin/nvpmodel"], "")
    return first_of(
        (ran.code == 0, OK, "sudo may run nvpmodel without a password"),
        (True, WARN, f"sudo wants a password ({ran.words})", board_of(context).sudo_hint()),
    )


def left_over(context: Context) -> Verdict:
    """Check that no earlier run was killed before it could restore the board."""
    try:
        note = board_of(context).left_over()
    except BoardError as error:
        return Verdict(BAD, error.message, error.hint)
    if note is None:
        return Verdict(OK, "nothing to put back")
    if os.path.exists(os.path.join(context.root, "proc", str(note["pid"]))):
        return Verdict(OK, f"process {note['pid']} has prepared the board, and still runs")
    found = "a killed run left the board in its own mode and clocks"
    return Verdict(BAD, found, "joulebird doctor --fix")


def put_back(context: Context) -> str:
    """Restore the board."""
    board_of(context).restore()
    return "the board is as it was before"


@jetson_only
def heat(context: Context) -> Verdict:
    """Check that the board is not too hot."""
    temps = Health(context.root).temperatures()
    if not temps:
        return Verdict(WARN, "no temperatures are shown", "look at /sys/class/thermal")
    zone, value = max(temps.items(), key=lambda item: item[1])
    return Verdict(
        BAD if value >= HOT_C else WARN if value >= WARM_C else OK,
        f"{value:.1f} C at most ({zone})",
        "cool the board: fan, air; it throttles at 95.5 C",
    )


@jetson_only
def throttling(context: Context) -> Verdict:
    """Check that the board does not throttle now."""
    cooling = Health(context.root).sample()["cooling"]
    active = ", ".join(f"{name} (state {state})" for name, state in sorted(cooling.items()))
    remedy = "cool the board, or take a lower power mode"
    return first_of((cooling, BAD, f"throttled now: {active}", remedy), (True, OK, "not throttled"))


@jetson_only
def kernel_log(context: Context) -> Verdict:
    """Look for alarms of the supply in the kernel's log: they usually mean too low a voltage."""
    ran = context.run(["dmesg"], "")
    line = last_alarm(ran.out)
    return first_of(
        (ran.code != 0, SKIP, "the kernel's log is closed to this user"),
        (line is None, OK, "no alarm of the supply since boot"),
        (
            True,
            WARN,
            f"an alarm since boot: {line}",
            "use a stronger supply (19 V, 4.7 A) and a thicker cable, at the barrel jack",
        ),
    )


def last_alarm(text: str) -> Optional[str]:
    r"""Return the last line about the supply.

    >>> last_alarm("a\nsoctherm: OC ALARM 0x00000001\nb")
    'soctherm: OC ALARM 0x00000001'
    """
    alarms = [line for line in text.splitlines() if any(alarm in line for alarm in ALARMS)]
    return alarms[-1] if alarms else None


CHECKS = [
    Check("board", which),
    Check("left over", left_over, put_back),
    Check("power mode", mode),
    Check("clocks", clocks),
    Check("fan", fan),
    Check("sudo", root_access),
    Check("temperature", heat),
    Check("throttling", throttling),
    Check("kernel log", kernel_log),
]
