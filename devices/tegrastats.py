"""tegrastats as a power source: a stop-gap where neither sysfs nor jtop can be read.

    --source tegrastats

Its lines carry no time, so a sample has the time at which its line was read here, later than the
truth by up to the recorder's period. Of its `current/average` pairs only the current value is used:
the average runs since tegrastats was started.
"""

import re
import time
from typing import Any, Callable, Dict, List

from joulebird.devices.child_source import ChildSource

RAIL = re.compile(r"\b([A-Z][A-Z0-9_]*) (-?\d+)(?:mW)?/-?\d+(?:mW)?(?=\s|$)")


def parse_line(line: str) -> Dict[str, float]:
    """Return watts by rail from one line of tegrastats, of JetPack 3 to 6; {} where it has none.

    >>> parse_line("RAM 1004/7852MB thermal@33C VDD_IN 1876/1876 NVENC 716 VDD_SYS_GPU 153mW/154mW")
    {'VDD_IN': 1.876, 'VDD_SYS_GPU': 0.153}
    """
    return {name: int(now) / 1000.0 for name, now in RAIL.findall(line) if name != "NC"}


class TegrastatsSource(ChildSource):
    """The rails that tegrastats prints, one line every `interval_s`.

    `tool` is its command, `total` "module" or "board".

    `start_timeout_s`: after so long without a first line it is given up. `root`: where the board's
    file system begins, for the shunts behind the rails.
    """

    name = "tegrastats"
    sampling = "snapshot"
    restart_hint = (
        "run tegrastats by hand and read its output; it belongs to L4T (/usr/bin/tegrastats)"
    )

    def __init__(
        self,
        interval_s: float = 0.1,
        total: str = "module",
        tool: str = "tegrastats",
        start_timeout_s: float = 4.5,
        root: str = "/",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(interval_s, total, start_timeout_s, root, clock)
        self._tool = tool
        self._mute = 0  # lines without any rail, in a row

    def command(self) -> List[str]:
        """Return tegrastats at our interval."""
        return [self._tool, "--interval", str(round(self.pace_s * 1000))]

    def take(self, line: str) -> None:
        """Interpret one line.

        A line without a rail is a mark in the log; as the first lines it makes the source unusable.
        """
        watts = parse_line(line)
        if not watts and not self.rails:
            self._mute += 1
            if self._mute > 3:  # the first line may be cut short, or a date
                self._mute = 0
                self.fail(
                    "UNREADABLE",
                    "tegrastats prints no power rails on this machine",
                    self.restart_hint,
                )
        else:
            self.arrived(self._clock(), watts)

    def describe(self) -> Dict[str, Any]:
        """Return the command, and the quality of its times."""
        return dict(
            self.identity(),
            command=self.command(),
            interval_s=self.pace_s,
            time="arrival of the line, late by up to the recorder's period",
        )
