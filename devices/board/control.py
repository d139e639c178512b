"""Prepare a Jetson so that runs can be compared: power mode, locked clocks, fixed fan, temperature.

    board = Board()
    with board.prepared(mode=0):
        board.settle()
        train()

The state before is written down before anything is changed, so the next call puts it back if this
one is killed. Changing a board needs root: as another user only `sudo -n` is used, with the line in
`sudo_hint`.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

from joulebird.devices.board.note import BoardError, Note, state_folder
from joulebird.devices.board.state import (
    board_state,
    fan_folder,
    mode_names,
    tool_path,
    wait_settled,
)
from joulebird.devices.health.read import Health
from joulebird.devices.util.command import Runner, run_command, sudo_prefix, user_name

FAN_FULL = 255


class Board:
    """One Jetson, seen under `root`. `folder` keeps the note of its former state.

    `run` runs commands; `sudo` is put before those that need root (None: nothing for root, else
    `sudo -n`).
    """

    def __init__(
        self,
        root: str = "/",
        folder: Optional[str] = None,
        run: Runner = run_command,
        sudo: Optional[Sequence[str]] = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._root, self._run, self._clock, self._sleep = root, run, clock, sleep
        self._sudo = list(sudo_prefix() if sudo is None else sudo)
        self._note = Note(folder or state_folder())

    def state(self) -> Dict[str, Any]:
        """Return `joulebird.devices.board.state.board_state` of this board."""
        return board_state(self._root, self._run)

    def left_over(self) -> Optional[Dict[str, Any]]:
        """Return the note of a process that has not put the board back, or None.

        Raises BoardError when it cannot be read.
        """
        return self._note.read()

    def prepare(
        self,
        mode: Optional[int] = None,
        lock_clocks: bool = True,
        fan_pwm: Optional[int] = FAN_FULL,
    ) -> Dict[str, Any]:
        """Set the mode (None: keep it), lock the clocks, fix the fan (None: leave it).

        Returns the state verified afterwards.

        Changes of a killed process are put back first; this process puts back its own at `restore`
        or at exit. Raises BoardError, with everything put back, when a step fails.
        """
        self._note.hold()
        try:
            self._put_back()
            before = self.state()
            self._check(before, mode, lock_clocks)
            if lock_clocks:
                self._note.forget_clocks()
                self._as_root([self._tool("jetson_clocks"), "--store", self._note.clocks])
            self._note.write(before, lock_clocks, fan_pwm is not None)
            atexit.register(self._at_exit)
            self._change(before, mode, lock_clocks, fan_pwm)
            return self._verified(mode, lock_clocks, fan_pwm)
        except BaseException:
            self.restore()
            raise

    def restore(self) -> bool:
        """Put the board back as noted, and forget the note; False when there is none.

        Raises BoardError, and keeps the note, when it fails.
        """
        self._note.hold()
        try:
            return self._put_back()
        finally:
            self._note.release()
            atexit.unregister(self._at_exit)

    @contextlib.contextmanager
    def prepared(
        self,
        mode: Optional[int] = None,
        lock_clocks: bool = True,
        fan_pwm: Optional[int] = FAN_FULL,
    ) -> Iterator[Dict[str, Any]]:
        """Prepare, and restore at the end.

        The board is restored after an exception too, and when SIGTERM or SIGHUP would have killed
        this process.
        """
        taken = _end_on_signals()
        try:
            state = self.prepare(mode, lock_clocks, fan_pwm)
            try:
                yield state
            finally:
                self.restore()
        finally:
            for number, handler in taken.items():
                signal.signal(number, handler)

    def settle(self, limit_s: float = 900.0) -> Dict[str, Any]:
        """Wait until no zone's temperature has moved by 0.5 C within 60 s.

        Returns settled (true or false), waited_s, temps_c.
        """
        return wait_settled(Health(self._root), self._clock, self._sleep, limit_s)

    def sudo_hint(self) -> str:
        """Return the remedy for a refused root command: a line that lets this user prepare."""
        folder = fan_folder(self._root)
        fan = "/" + os.path.relpath(folder, self._root) if folder else "/sys/devices/pwm-fan"
        commands = ["/usr/sbin/nvpmodel", "/usr/bin/jetson_clocks"] + [
            f"/usr/bin/tee {fan}/{name}" for name in ("target_pwm", "temp_control")
        ]
        return (
            "as root, put this line into /etc/sudoers.d/joulebird (mode 0440, check with "
            f"visudo -cf): {user_name()} ALL=(root) NOPASSWD: {', '.join(commands)}"
        )

    # steps

    def _put_back(self) -> bool:
        note = self._note.read()
        if note is None:
            return False
        before, now = note["before"], self.state()
        same_boot = before["boot_id"] == now["boot_id"]  # clocks and fan do not survive a reboot
        former, present = before["power_mode"], now["power_mode"]
        if former and present and former["id"] != present["id"]:
            self._as_root([self._tool("nvpmodel"), "-m", str(former["id"])])
        if same_boot and note["clocks"] and os.path.exists(self._note.clocks):
            self._as_root([self._tool("jetson_clocks"), "--restore", self._note.clocks])
        if same_boot and note["fan"] and before["fan"]:
            self._set_fan(before["fan"])
        self._note.forget()
        return True

    def _check(self, before: Dict[str, Any], mode: Optional[int], lock_clocks: bool) -> None:
        if mode is not None and before["power_mode"] is None:
            raise BoardError(
                "nvpmodel does not show the power mode here",
                "run nvpmodel -q by hand and read its output",
            )
        known = mode_names(self._root)
        if mode is not None and known and mode not in known:
            raise BoardError(
                f"this board has no power mode {mode}",
                "it has " + ", ".join(f"{number} {name}" for number, name in sorted(known.items())),
            )
        if lock_clocks:
            self._tool("jetson_clocks")

    def _change(
        self, before: Dict[str, Any], mode: Optional[int], lock_clocks: bool, fan_pwm: Optional[int]
    ) -> None:
        if mode is not None and before["power_mode"]["id"] != mode:
            self._as_root([self._tool("nvpmodel"), "-m", str(mode)])
        if lock_clocks:  # after the mode, whose change undoes the lock
            self._as_root([self._tool("jetson_clocks")])
        if fan_pwm is not None and before["fan"] is not None:
            self._set_fan({"temp_control": 0, "target_pwm": fan_pwm})

    def _verified(
        self, mode: Optional[int], lock_clocks: bool, fan_pwm: Optional[int]
    ) -> Dict[str, Any]:
        now = self.state()
        if mode is not None and (now["power_mode"] or {}).get("id") != mode:
            raise BoardError(
                f"the power mode is {now['power_mode']} after nvpmodel -m {mode}",
                "some changes need a reboot first",
            )
        if lock_clocks and now["clocks_locked"] is not True:
            loose = [
                name for name, (low, high) in sorted(now["clock_limits_hz"].items()) if low != high
            ]
            raise BoardError(
                "jetson_clocks has not locked: %s" % (", ".join(loose) or "no clock is shown"),
                "see sudo jetson_clocks --show",
            )
        if (
            fan_pwm is not None
            and now["fan"] is not None
            and now["fan"].get("target_pwm") != fan_pwm
        ):
            raise BoardError(
                f"the fan does not keep the pulse width {fan_pwm}",
                "leave the fan alone with fan_pwm=None",
            )
        return now

    def _set_fan(self, wanted: Dict[str, int]) -> None:
        folder = fan_folder(self._root)
        for name in ("temp_control", "target_pwm"):
            if folder is not None and name in wanted and os.path.exists(os.path.join(folder, name)):
                self._as_root(["/usr/bin/tee", os.path.join(folder, name)], f"{wanted[name]}\n")

    def _tool(self, name: str) -> str:
        path = tool_path(self._root, name)
        if path is None:
            raise BoardError(
                f"{name} is not installed here",
                "it belongs to L4T: sudo apt install nvidia-l4t-tools nvidia-l4t-nvpmodel",
            )
        return path

    def _as_root(self, command: Sequence[str], text: str = "") -> None:
        ran = self._run(self._sudo + list(command), text)
        if ran.code != 0:
            refused = bool(self._sudo) and "password" in ran.err
            raise BoardError(
                "{} failed: {}".format(" ".join(command), ran.words),
                self.sudo_hint() if refused else "run it by hand as root and read its output",
            )

    def _at_exit(self) -> None:
        try:
            self.restore()
        except BoardError as error:
            sys.stderr.write(
                f"joulebird: the board could not be put back: {error.message}\n  {error.hint}\n"
            )


def _end_on_signals() -> Dict[int, Any]:
    """Let SIGTERM and SIGHUP raise SystemExit, so that `finally` clauses run.

    Signals with a handler keep it. Returns the former handlers.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    return {
        number: signal.signal(number, end)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    }
