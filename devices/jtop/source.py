"""Read power from jtop (jetson-stats 4.2 and later), for boards where the user cannot read sysfs.

    --source jtop

The service reads about every half second, so this is right for long runs only; `ina3221` reads the
same chip fifty times a second without it. jetson-stats is AGPL and is not part of joulebird: `sudo
-H pip3 install -U jetson-stats==4.3.2` on JetPack 4, then log in again. It is read in a child
process (`joulebird.devices.jtop.client`), which is replaced when it fails, hangs, or loses the
service.
"""

import json
import time
from typing import Any, Callable, Dict, List

from joulebird.devices.child_source import ChildSource
from joulebird.devices.jtop.client import RESTART, client_command


class JtopSource(ChildSource):
    """The rails as the jtop service reads them.

    Every rail is one conversion of the chip, about every `interval_s`.

    `interval_s`: the pace asked for; `slowest_s`: the slowest pace of the service (its first client
    sets it) that will do. `total`: "module" (VDD_IN) or "board" (VDD_IN + VDD_MUX). `socket`: where
    the service listens, if not in /run (a container). `start_timeout_s`: jtop may hang for ever
    while it connects; after this long it is given up. `root`: where the board's
    file system begins, for the shunts behind the rails.
    """

    name = "jtop"
    sampling = "snapshot"
    restart_hint = RESTART

    def __init__(
        self,
        interval_s: float = 0.5,
        slowest_s: float = 1.0,
        total: str = "module",
        socket: str = "",
        start_timeout_s: float = 4.5,
        root: str = "/",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(interval_s, total, start_timeout_s, root, clock)
        self._asked, self._version = (interval_s, slowest_s, socket), ""

    def command(self) -> List[str]:
        """Return the command line of the child that talks to jtop."""
        return client_command(*self._asked)

    def take(self, line: str) -> None:
        """Interpret one message of the child."""
        message = json.loads(line)
        if "failed" in message:
            self.fail(**message["failed"])
        elif "hello" in message:
            self._version, self.pace_s = message["hello"]["version"], message["hello"]["interval_s"]
        else:
            self.arrived(message["t_s"], message["watts"])

    def describe(self) -> Dict[str, Any]:
        """Return the version of jtop, the pace it reads at, and the clock of its samples."""
        return dict(
            self.identity(),
            jetson_stats=self._version,
            interval_s=self.pace_s,
            time="uptime of the service (CLOCK_BOOTTIME, 10 ms) as CLOCK_MONOTONIC",
        )
