"""Split windows of a log into parts: by time, or by the marks of a stage's events."""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import Window, attempts
from joulebird.harness.core.records import EVENTS, read_events
from joulebird.reports.logs.energy import Energy
from joulebird.reports.logs.rows import span
from joulebird.reports.logs.trace import PowerTrace

UNMARKED = "unmarked"
STEPS_S = {"second": 1.0, "minute": 60.0}
BY = (*STEPS_S, "mark")
MOST = 1_000_000  # parts of a window: eleven days of seconds
Given = tuple[float | None, float | None, str | None]  # begin, end (None: open), boot


class Part(NamedTuple):
    """A mark, or a part of a window, in seconds of the clock of a boot (None: of any).

    `note` has how much of it is there.
    """

    name: str
    begin_s: float
    end_s: float
    boot_id: str | None = None
    note: str = ""


def windows_in(trace: PowerTrace, given: Iterable[Given]) -> list[Window]:
    """Return windows with both ends and a boot: an open end is that of the boot's record."""
    return [
        Window(
            span(trace, boot_id)[0] if begin_s is None else begin_s,
            span(trace, boot_id)[1] if end_s is None else end_s,
            boot_id,
        )
        for begin_s, end_s, boot in given
        for boot_id in ([boot] if boot is not None else trace.boots)
    ]


def marks_of(trace: PowerTrace, log: str, events: str | None = None) -> list[Part]:
    """Return the marks of a log: the epochs in the events that are named, or that stand beside it.

    A stage without epochs is one mark. Marks of a foreign log, whose clock is another than that of
    events, are the stretches of its one column of labels. An empty list is a log without marks.
    """
    if trace.reading:
        labelled = list(trace.reading.stretches.values())
        return [Part(*one) for one in labelled[0]] if len(labelled) == 1 else []
    path = events or os.path.join(os.path.dirname(os.path.abspath(log)), EVENTS)
    marks = []
    for attempt in attempts(read_events(path) if os.path.isfile(path) else []):
        boot = attempt.begin.boot_id
        for event in attempt.epochs:
            marks.append(Part(f"epoch {event['epoch']}", event["begin_s"], event["t_s"], boot))
        if attempt.useful and not attempt.epochs:
            marks.append(Part("stage", attempt.useful.begin_s, attempt.useful.end_s, boot))
    return [mark for mark in marks if mark.boot_id in (None, *trace.boots) or trace.boots == ("",)]


def split(trace: PowerTrace, windows: list[Window], by: str, marks: list[Part]) -> list[Part]:
    """Return the parts of some windows, which cover them without overlapping.

    `by` is one of BY. Raises HarnessError for a log without marks, or too many parts.
    """
    if by in STEPS_S:
        return [part for window in windows for part in _by_time(window, STEPS_S[by])]
    if not marks:
        remedy = "give --events FILE for a log of joulebird, or split it --by second or minute"
        if trace.reading and trace.reading.stretches:
            remedy = "marks in several columns: " + ", ".join(trace.reading.stretches)
            remedy += "; take the windows of one: --mark COLUMN=VALUE"
        raise HarnessError(f"{trace.name}: this log has no marks", remedy)
    return [part for window in windows for part in _by_mark(window, marks)]


def _by_time(window: Window, step_s: float) -> Iterator[Part]:
    """Yield parts of one length; the last one may be shorter, and says so."""
    begin, end, step = (round(1e6 * time_s) for time_s in (*window[:2], step_s))
    if end - begin > MOST * step:
        raise HarnessError(
            f"{window.seconds:.6g} s make more than {MOST} parts of {step_s:g} s",
            "choose a shorter window (--from, --to), or longer parts (--by minute)",
        )
    for number, at in enumerate(range(begin, end, step), 1):
        stop = min(at + step, end)
        note = "" if stop - at == step else f"partial: {(stop - at) / 1e6:g} of {step_s:g} s"
        yield Part(str(number), at / 1e6, stop / 1e6, str(window.boot_id), note)


def _by_mark(window: Window, marks: list[Part]) -> Iterator[Part]:
    """Yield the marks in a window, in order, and the time between them."""
    at_s, boot = window.begin_s, str(window.boot_id)
    own = [mark for mark in marks if mark.boot_id in (None, boot) or not boot]
    for mark in sorted(own, key=lambda mark: (mark.begin_s, mark.end_s)):
        begin_s, end_s = max(mark.begin_s, at_s), min(mark.end_s, window.end_s)
        if begin_s >= end_s:
            continue
        if at_s < begin_s:
            yield Part(UNMARKED, at_s, begin_s, boot)
        whole_s = mark.end_s - mark.begin_s
        note = f"partial: {end_s - begin_s:.6g} of {whole_s:.6g} s"
        yield Part(mark.name, begin_s, end_s, boot, note if end_s - begin_s < whole_s else "")
        at_s = end_s
    if at_s < window.end_s:
        yield Part(UNMARKED, at_s, window.end_s, boot)


def energy_of(trace: PowerTrace, part: Part, rail: str | None) -> Energy:
    """Return the energy of a part; the boot of a log with one boot need not be named."""
    boot = part.boot_id if len(trace.boots) > 1 else None
    return trace.energy(part.begin_s, part.end_s, rail, boot)
