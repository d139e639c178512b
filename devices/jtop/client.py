"""The child process that talks to the jtop service and prints one JSON object a line.

jtop can hang for ever while it connects, ends its loop without an error, and keeps a broken
connection for the life of a process. So it runs here, in a process of its own, which its parent
(`joulebird.devices.jtop.source`) watches and replaces. `jtop` is imported only in this file. It
ends when its stdin closes. Its output:

    {"hello": {"version": "4.3.2", "interval_s": 0.5}}
    {"t_s": 1.5, "watts": {"GPU": 6.8, ..., "VDD_IN": 14.0}}
    {"failed": {"status": "STOPPED", "message": "...", "hint": "..."}}
"""

import json
import os
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from joulebird.harness.core.process import python_command

CLOCK_BOOTTIME = 7  # time.CLOCK_BOOTTIME exists from Python 3.7
RESTART = "sudo systemctl restart jtop.service"
SAME = "install the same jetson-stats for this Python as the service has, then " + RESTART
OLDEST = (4, 2)  # before 4.2, jtop has another layout or no rule for VDD_IN
# a piece of the text of jtop's exception, its word in the log, and the remedy
FAILURES = (
    (
        "not active",
        "NO_SERVICE",
        "start the service: " + RESTART + " (jetson-stats 7: sudo jtop --install-service)",
    ),
    ("can't access", "EACCES", "join its group and log in again: sudo usermod -aG jtop $USER"),
    ("Mismatch version", "VERSION", SAME),
    (
        "Mismatch of Python",
        "VERSION",
        "install jetson-stats for this Python and the service's alike, then " + RESTART,
    ),
    ("Authentication", "VERSION", SAME),
)


class Failed(Exception):
    """Why the client cannot go on: its word in the log, a message and a hint."""

    def __init__(self, status: str, message: str, hint: str = RESTART) -> None:
        super().__init__(message)
        self.status, self.message, self.hint = status, message, hint


def boot_to_monotonic(
    uptime_s: float, now: Callable[[int], float] = time.clock_gettime
) -> Tuple[float, float]:
    """Return the CLOCK_MONOTONIC of an uptime (CLOCK_BOOTTIME) and its age, both in seconds.

    Both clocks run alike but for the time that the machine slept.

    >>> boot_to_monotonic(90.0, {CLOCK_BOOTTIME: 100.0, time.CLOCK_MONOTONIC: 60.0}.get)
    (50.0, 10.0)
    """
    boot_s = now(CLOCK_BOOTTIME)
    return uptime_s + now(time.CLOCK_MONOTONIC) - boot_s, boot_s - uptime_s


def explain(error: BaseException) -> Failed:
    """Turn an exception of jtop or its connection into a word, a message and a remedy."""
    text = str(error).strip()
    for piece, status, hint in FAILURES:
        if piece in text:
            return Failed(status, text.split("\n")[0].replace(" Please run:", ""), hint)
    if isinstance(error, (EOFError, BrokenPipeError, ConnectionError)) or "Lost connection" in text:
        return Failed(
            "LOST", "the jtop service closed the connection (%s)" % (text or type(error).__name__)
        )
    return Failed("UNREADABLE", f"jtop failed: {type(error).__name__}: {text}")


def power_message(power: Dict[str, Any], t_s: float) -> Dict[str, Any]:
    """Return one sample as a message: watts by rail, the rail that jtop takes for the total too.

    A total without a name is jtop's own sum of nested rails, and is left out. So is `avg`: it is a
    decaying half-and-half in integers, not a mean.

    >>> rails = {"VDD_SYS_GPU": {"power": 153, "avg": 160}}
    >>> power_message({"rail": rails, "tot": {"power": 15300}}, 1.5)
    {'t_s': 1.5, 'watts': {'VDD_SYS_GPU': 0.153}}
    """
    total = power.get("tot", {})
    named = {} if total.get("name") is None else {total["name"]: total}
    rails = {**power.get("rail", {}), **named}
    return {"t_s": t_s, "watts": {rail: rails[rail]["power"] / 1000.0 for rail in rails}}


def say(out: int, message: Dict[str, Any]) -> None:
    """Print one message as a line to a descriptor."""
    os.write(out, (json.dumps(message) + "\n").encode())


def end_with_parent() -> None:
    """End this process as soon as its stdin closes, whatever jtop is waiting for."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def load_jtop(socket: str) -> Any:
    """Import jtop and point it at the service's socket (empty: where it usually is)."""
    try:
        import jtop
        import jtop.service
    except ImportError as error:
        raise Failed(
            "NO_JTOP",
            f"jetson-stats is not installed for this Python ({error})",
            "sudo -H pip3 install -U jetson-stats%s, then log in again"
            % ("==4.3.2" if sys.version_info < (3, 7) else ""),
        ) from None
    version = tuple(int(part) for part in jtop.__version__.split(".")[:2])
    if version < OLDEST:
        raise Failed(
            "VERSION",
            f"jetson-stats {jtop.__version__} is too old: its total is not VDD_IN",
            "sudo -H pip3 install -U 'jetson-stats>=4.2,<5', then " + RESTART,
        )
    if socket:
        jtop.service.JTOP_PIPE = socket
    return jtop


class Client:
    """Follow the service and print each new sample once, to the descriptor `out`.

    `slowest_s` is the longest interval that will do.
    """

    def __init__(self, jtop: Any, out: int, interval_s: float, slowest_s: float) -> None:
        self._jtop, self._out = jtop, out
        self._interval_s, self._slowest_s = interval_s, slowest_s
        self._last_uptime: Optional[float] = None
        self._accepted = False

    def sample(self, jetson: Any) -> None:
        """Print the new data of jtop (called by jtop with its data held still).

        The same pass is not printed twice.
        """
        uptime_s = jetson.uptime.total_seconds()
        if not self._accepted or uptime_s == self._last_uptime:
            return
        self._last_uptime = uptime_s
        t_s, age_s = boot_to_monotonic(uptime_s)
        if not -1.0 < age_s < max(2.0, 3 * self._slowest_s):
            raise Failed(
                "STALE",
                f"the newest data of the jtop service is {age_s:.1f} s old: "
                "its reading thread is dead, or it runs on another clock",
            )
        say(self._out, power_message(jetson.power, t_s))

    def run(self) -> float:
        """Connect and follow the service until it stops, which is an exception.

        Return the service's pace in seconds at once where it is slower: connect again at that pace.
        """
        jetson = self._jtop.jtop(interval=self._interval_s)
        jetson.attach(self.sample)  # before start: jtop's thread walks the observers
        jetson.start()
        server_s = jetson.interval
        if server_s > self._slowest_s:
            raise Failed(
                "SLOW",
                f"the jtop service reads every {server_s:g} s, {self._slowest_s:g} s are needed: "
                "the first client sets the pace",
                "close the other jtop clients, wait 4 s and try again",
            )
        if server_s > self._interval_s:
            return float(server_s)
        say(self._out, {"hello": {"version": self._jtop.__version__, "interval_s": server_s}})
        self._accepted = True
        while jetson.ok():
            pass
        raise Failed(
            "STOPPED",
            f"the jtop service gave nothing for {3 * self._interval_s:.1f} s: "
            "it is stuck, overloaded, or its reading thread is dead",
        )


def client_command(interval_s: float, slowest_s: float, socket: str) -> List[str]:
    """Return the command line of this process: its arguments are those of `main`."""
    target = "joulebird.devices.jtop.client:main"
    return python_command(target, repr(interval_s), repr(slowest_s), socket)


def main() -> None:
    """Follow the jtop service until it fails or the parent goes.

    Its arguments: the interval and the slowest one in seconds, the socket (empty: the usual one).
    """
    interval_s, slowest_s, socket = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    end_with_parent()
    out = os.dup(1)
    os.dup2(2, 1)  # whatever jtop prints must not mix with the messages
    try:
        pace_s = Client(load_jtop(socket), out, interval_s, slowest_s).run()
        os.dup2(out, 1)  # a second connection in one process would reuse the first one's
        os.execv(sys.executable, client_command(pace_s, slowest_s, socket))
    except Exception as error:  # whatever jtop raises must reach the parent as one message
        failed = error if isinstance(error, Failed) else explain(error)
        say(out, {"failed": vars(failed)})
    os._exit(1)  # jtop's threads must not hold us back
