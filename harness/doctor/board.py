"""Checks of the board itself: what it is, its mode, clocks, fan, heat, and what an earlier run left behind."""

import os
from typing import Optional

from joulebird.devices.board.control import Board
from joulebird.devices.board.note import BoardError
from joulebird.devices.board.state import power_mode
from joulebird.devices.health.read import Health
from joulebird.harness.doctor.check import BAD, OK, SKIP, WARN, Check, Context, Finding, jetson_only

WARM_C, HOT_C = 80.0, 95.0  # a TX2 begins to throttle at 95.5 C
ALARMS = ("OC ALARM", "under-voltage", "over-current", "System throttled")


def board_of(context: Context) -> Board:
    """Board control on the context's tree."""
    return Board(context.root, folder=context.state_folder, run=context.run, sudo=context.sudo)


def which(context: Context) -> Finding:
    """Which machine this is."""
    board = context.board
    if not context.jetson:
        return Finding(SKIP, "not a Jetson: the board's own checks do not apply")
    name = (
        "a Jetson TX2"
        if board["tx2"]
        else "a Jetson, but no TX2 (%s)" % (board["model"] or ", ".join(board["compatible"]))
    )
    if board["l4t"] is None:
        return Finding(
            WARN,
            name + ", without /etc/nv_tegra_release",
            "in a container, mount that file; else install JetPack",
        )
    release = "{}, L4T {}".format(name, board["l4t"]) + (
        ", JetPack " + board["jetpack"] if board["jetpack"] else ""
    )
    if board["tx2"] and board["jetpack"] is None:
        return Finding(
            WARN, release, "JetPack 4.6.1 (L4T 32.7.1) is the one all of this was made for"
        )
    return Finding(OK, release)


@jetson_only
def mode(context: Context) -> Finding:
    """The nvpmodel mode."""
    found = power_mode(context.root, context.run)
    if found is None:
        return Finding(
            BAD,
            "nvpmodel does not tell the power mode",
            "run `nvpmodel -q` by hand; older releases want `sudo nvpmodel -q`",
        )
    return Finding(OK, "%(id)d %(name)s" % found)


@jetson_only
def clocks(context: Context) -> Finding:
    """Whether the clocks are locked."""
    health = Health(context.root)
    locked = health.locked()
    if locked is None:
        return Finding(
            BAD,
            "no clock limits are shown under /sys",
            "without them nobody can tell whether the board throttled",
        )
    if locked:
        return Finding(
            OK,
            "locked: "
            + ", ".join(
                "%s %d MHz" % (name, high // 1000000)
                for name, (_, high) in sorted(health.clock_limits().items())
                if name in ("cpu0", "gpu")
            ),
        )
    return Finding(
        WARN,
        "not locked: frequency scaling moves them during a run",
        "sudo jetson_clocks, after the power mode is set",
    )


@jetson_only
def fan(context: Context) -> Finding:
    """Whether the fan is fixed: it sets the temperature, and that the leakage."""
    state = board_of(context).state()["fan"]
    if state is None:
        return Finding(SKIP, "no fan is shown")
    if state.get("temp_control") == 1:
        return Finding(
            WARN,
            "governed by the temperature (pulse width {} now)".format(state.get("target_pwm")),
            "fix it: echo 0 | sudo tee /sys/devices/pwm-fan/temp_control; echo 255 | sudo tee /sys/devices/pwm-fan/target_pwm",
        )
    return Finding(OK, "fixed at pulse width {}".format(state.get("target_pwm")))


@jetson_only
def root_access(context: Context) -> Finding:
    """Whether mode and clocks can be set without a password."""
    if not context.sudo:
        return Finding(OK, "this is root")
    ran = context.run(context.sudo + ["-l", "/usr/sbin/nvpmodel"], "")
    if ran.code == 0:
        return Finding(OK, "sudo may run nvpmodel without a password")
    return Finding(WARN, f"sudo wants a password ({ran.words})", board_of(context).sudo_hint())


def left_over(context: Context) -> Finding:
    """Whether an earlier run was killed before it could put the board back."""
    try:
        note = board_of(context).left_over()
    except BoardError as error:
        return Finding(BAD, error.message, error.hint)
    if note is None:
        return Finding(OK, "nothing to put back")
    if still_held(context, note["pid"]):
        return Finding(OK, "process %d has prepared the board, and still runs" % note["pid"])
    return Finding(
        BAD, "a killed run left the board in its own mode and clocks", "joulebird doctor --fix"
    )


def still_held(context: Context, pid: int) -> bool:
    """Whether the process that prepared the board is alive."""
    return os.path.exists(os.path.join(context.root, "proc", str(pid)))


def put_back(context: Context) -> str:
    """Put the board back as it was."""
    board_of(context).restore()
    return "the board is as it was before"


@jetson_only
def heat(context: Context) -> Finding:
    """How hot it is."""
    temps = Health(context.root).temperatures()
    if not temps:
        return Finding(WARN, "no temperatures are shown", "look at /sys/class/thermal")
    zone, value = max(temps.items(), key=lambda item: item[1])
    text = f"{value:.1f} C at most ({zone})"
    if value >= WARM_C:
        return Finding(
            BAD if value >= HOT_C else WARN,
            text,
            "cool the board: fan, air; it throttles at 95.5 C",
        )
    return Finding(OK, text)


@jetson_only
def throttling(context: Context) -> Finding:
    """Whether anything is held back now."""
    held = Health(context.root).sample()["cooling"]
    if held:
        return Finding(
            BAD,
            "held back now: {}".format(
                ", ".join("%s (state %d)" % item for item in sorted(held.items()))
            ),
            "cool the board, or take a lower power mode",
        )
    return Finding(OK, "nothing is held back")


@jetson_only
def kernel_log(context: Context) -> Finding:
    """Alarms of the supply in the kernel's log: they usually mean a voltage that is too low."""
    ran = context.run(["dmesg"], "")
    if ran.code != 0:
        return Finding(SKIP, "the kernel's log is closed to this user")
    line = last_alarm(ran.out)
    if line is None:
        return Finding(OK, "no alarm of the supply since boot")
    return Finding(
        WARN,
        "an alarm since boot: " + line,
        "use a stronger supply (19 V, 4.7 A) and a thicker cable, at the barrel jack",
    )


def last_alarm(text: str) -> Optional[str]:
    """The last line that tells of the supply.

    >>> last_alarm("a\\nsoctherm: OC ALARM 0x00000001\\nb")
    'soctherm: OC ALARM 0x00000001'
    """
    found = [line for line in text.splitlines() if any(alarm in line for alarm in ALARMS)]
    return found[-1] if found else None


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
