"""A meter on the desk, recorded on this machine's clock while stages are marked on the board's.

runs/meter/<session>/power.csv clock.csv: as recorded, never changed
runs/meter/<session>/signature.jsonl: load patterns that were played
runs/stages/<stage id>/power.csv: the meter's rows of the stage, moved to the board's clock
runs/stages/<stage id>/power-board.csv: the record of the board's own sensors, if there is one

The `# clock` line of a moved log has the error of the move, `u_s`: it joins the uncertainty of
every energy integrated from it.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from joulebird.harness.core import powerlog
from joulebird.harness.core import records as record
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.files import replacing
from joulebird.harness.host.boards.results import BOARD_LOG
from joulebird.harness.host.desk_meter.clock import Alignment, ClockWatch, align, read_log
from joulebird.harness.host.desk_meter.latency import SPAN_S, Curve, lag, latency_s, readings
from joulebird.harness.host.link.agent import Agent
from joulebird.harness.power.recorders import Recorders

CLOCK, SIGNATURE = "clock.csv", "signature.jsonl"
TELLING_LAG_S = 0.1
# Of the meter's rows before and after a stage: a slow meter's reading covers the time before it.
MARGIN_S = 10.0


class DeskMeter:
    """A context manager: records the meter and compares the clocks while the board works.

    With `chip_s` the board plays a load pattern before and after, that long a digit, which shows
    the meter's lag.
    """

    def __init__(
        self,
        agent: Agent,
        root: Path,
        meter: Recorders,
        say: Callable[[str], None],
        every_s: float = 30.0,
        chip_s: float = 0.0,
    ) -> None:
        self._agent, self._meter, self._say, self._chip_s = agent, meter, say, chip_s
        self.folder = root / "meter" / record.new_id()
        self._watch = ClockWatch(agent, self.folder / CLOCK, every_s)

    def __enter__(self) -> "DeskMeter":
        self._meter.start()
        self._agent.deployed  # noqa: B018 - put the code there before two threads ask for it
        self.folder.mkdir(parents=True)
        self._meter.open_logs(str(self.folder))
        self._watch.__enter__()
        self._play()
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._play()
        self._watch.__exit__(*error)
        self._meter.close_logs()
        self._meter.stop()

    def _play(self) -> None:
        """Have the board play the pattern, and keep its edges; a busy or lost board plays none."""
        if not self._chip_s:
            return
        self._say(
            f"{self._agent.board.name}: playing a load pattern of {14 * self._chip_s:.0f} s "
            "for the meter"
        )
        try:
            answer = self._agent.call("play", chip_s=self._chip_s)
        except HarnessError as error:
            self._say(f"  not played: {error.message}")
            return
        with open(self.folder / SIGNATURE, "a", encoding="ascii") as file:
            file.write(json.dumps(answer) + "\n")
        time.sleep(SPAN_S)  # a meter that lags must still see the last edge


def attach(root: Path, run_ids: Iterable[str], say: Callable[[str], None]) -> list[Path]:
    """Give the stages and idle measurements of these finished runs their part of the meters' logs.

    Return the folders that got one.

    A folder that has one already, or was worked on without a meter, stays as it is.
    """
    sessions = list(_sessions(root, say))
    lags = {session: played_lag_s(session, lines) for session, lines in sessions}
    done = []
    for folder in _folders(root, run_ids):
        if (folder / BOARD_LOG).exists() and (folder / record.POWER).exists():
            _state(root, folder)
            continue
        windows = _windows(folder)
        parts = _moved(sessions, windows, lags)
        if parts and all(lag is None for lag in lags.values()):
            lag_s = _compared(folder, parts)
            parts = _moved(sessions, windows, dict.fromkeys(lags, lag_s))
            if lag_s is not None and abs(lag_s) > TELLING_LAG_S:
                say(
                    f"  {folder.name}: the meter lags {lag_s:.2f} s behind the board's own "
                    "rails: its error counts it"
                )
        if parts:
            _put(folder, "".join(parts))
            _state(root, folder)
            done.append(folder)
    return done


def played_lag_s(session: Path, lines: dict[str, Alignment]) -> float | None:
    """Return the meter's lag in a session as the load patterns show it.

    Return None when none was played, or none can be seen in the log.
    """
    path = session / SIGNATURE
    found = []
    for text in path.read_text(encoding="ascii").splitlines() if path.exists() else ():
        played = json.loads(text)
        line = lines.get(played["boot_id"])
        if line is not None:
            edges = [(line.here(t_s), level) for t_s, level in played["edges"]]
            curve = Curve(
                [edges[0][0] - 2 * SPAN_S, *(t_s for t_s, _ in edges), edges[-1][0] + 2 * SPAN_S],
                [0.0, *(float(level) for _, level in edges), 0.0],
            )
            times_s, watts = readings(
                session / record.POWER, edges[0][0] - SPAN_S, edges[-1][0] + SPAN_S
            )
            found.append(lag(curve, times_s, watts))
    known = [one for one in found if one is not None]
    return sum(known) / len(known) if known else None


def _moved(
    sessions: list[tuple[Path, dict[str, Alignment]]],
    windows: dict[str, tuple[float, float]],
    lags: dict[Path, float | None],
) -> list[str]:
    """Return the segments of all sessions in the board's clock."""
    return [
        part
        for session, lines in sessions
        for part in moved(session, lines, windows, lags[session])
    ]


def _compared(folder: Path, parts: list[str]) -> float | None:
    """Return the meter's lag behind the board's own rails, if there is a log, in one stage."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / record.POWER
        path.write_text("".join(parts), encoding="utf-8")
        own = folder / (BOARD_LOG if (folder / BOARD_LOG).exists() else record.POWER)
        return latency_s(own, path)


def moved(
    session: Path,
    lines: dict[str, Alignment],
    windows: dict[str, tuple[float, float]],
    lag_s: float | None = None,
) -> Iterator[str]:
    """Give the segments of a meter's log in the board's clock, one for each boot in `windows`.

    `windows` is boot_id -> begin, end on the board.

    A known lag is recorded and counted as an error of the times, not taken out.
    """
    path = session / record.POWER
    data = path.read_bytes()
    for boot, (begin_s, end_s) in windows.items():
        line = lines.get(boot)
        if line is None:
            continue
        for head, begin, end in powerlog.segments(str(path), data, HarnessError):
            rows = [
                row._replace(t_s=line.there(row.t_s))
                for row in powerlog.rows(data, begin, end, head.rails)
                if row is not None
            ]
            kept = [row for row in rows if begin_s - MARGIN_S <= row.t_s <= end_s + MARGIN_S]
            if kept:
                facts = line.facts(begin_s, end_s)
                if lag_s is not None:
                    late_s = round(abs(lag_s), 3)
                    facts.update(lag_s=round(lag_s, 3), u_s=max(facts["u_s"], late_s))
                clock = {
                    **head.clock,
                    **facts,
                    "boot_id": boot,
                    "moved_from": head.clock.get("boot_id", ""),
                    "monotonic_s": line.there(head.clock["monotonic_s"]),
                }
                text = [powerlog.format_row(r.t_s, r.watts, head.rails, r.status) for r in kept]
                yield b"".join([powerlog.format_header(head.source, clock), *text]).decode("utf-8")


def _sessions(
    root: Path, say: Callable[[str], None]
) -> Iterator[tuple[Path, dict[str, Alignment]]]:
    """Give every session of a meter that has a log and probes, with an alignment for each boot."""
    for folder in sorted((root / "meter").glob("*")):
        if (folder / record.POWER).exists() and (folder / CLOCK).exists():
            try:
                lines = {boot: align(probes) for boot, probes in read_log(folder / CLOCK).items()}
            except HarnessError as error:
                say(f"{folder}: {error.message}")
            else:
                yield folder, lines


def _folders(root: Path, run_ids: Iterable[str]) -> list[Path]:
    """Return the folders of all stages and idle measurements of these runs, each once."""
    runs = [record.read_run(str(root), run_id) for run_id in run_ids]
    names = [
        name
        for run in runs
        for name in (
            *(record.stage_dir(str(root), stage) for stage in run.stages),
            *record.idle_dirs(str(root), run.sessions),
        )
    ]
    return [Path(name) for name in dict.fromkeys(names) if os.path.isdir(name)]


def _windows(folder: Path) -> dict[str, tuple[float, float]]:
    """Return the time from the first to the last event under each boot of the board."""
    windows: dict[str, tuple[float, float]] = {}
    boot = ""
    for event in record.read_events(str(folder / record.EVENTS)):
        boot = event.get("boot_id", boot) or boot
        begin_s, end_s = windows.get(boot, (event["t_s"], event["t_s"]))
        windows[boot] = (min(begin_s, event["t_s"]), max(end_s, event["t_s"]))
    return windows


def _state(root: Path, folder: Path) -> None:
    """Write the digests of both logs into stage.json, if it states the board's log alone."""
    if (folder / record.STAGE).exists():
        stage = record.read_stage(str(root), folder.name)
        own = stage.digests.get(record.POWER, hashlib.sha256().hexdigest())  # of no log
        if stage.digests and own == record.digests(str(folder)).get(BOARD_LOG):
            record.write_stage(str(root), stage)


def _put(folder: Path, text: str) -> None:
    """Set the board's own log aside, then put the meter's in its place.

    A kill between the two is completed by the next call.
    """
    own = folder / record.POWER
    with replacing(str(own)) as part:
        Path(part).write_text(text, encoding="utf-8")
        if not (folder / BOARD_LOG).exists():
            if own.exists():
                os.replace(own, folder / BOARD_LOG)
            else:
                (folder / BOARD_LOG).write_text("")
