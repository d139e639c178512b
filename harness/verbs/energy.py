"""joulebird energy LOG: energy of a window of a power log.

LOG is ours or foreign (any CSV, tegrastats, nvidia-smi and others: docs/formats.md). How a foreign
log was read stands under the result; an ambiguous one is refused with the maps to choose from.

A window that was recorded for less than 95 % has no number: it is void, and the exit code is 6.
"""

import contextlib
import os
import re
from typing import Any, Dict, List, Optional, Tuple, Union

from joulebird.harness.cli.arguments import Namespace, form, own
from joulebird.harness.cli.output import answer, plural
from joulebird.harness.cli.values import instant, period, word
from joulebird.harness.core import exit_codes
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import attempts
from joulebird.harness.core.files import write_json
from joulebird.harness.core.jsonfile import load
from joulebird.harness.core.records import STAGE, is_done, read_events, read_stage
from joulebird.harness.core.sensor import ALIASED, parts_text
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.importers.cells import UNITS
from joulebird.reports.logs.trace import PowerTrace

Window = Tuple[Optional[float], Optional[float], Optional[str]]  # begin, end, boot
LOADED = "foreign load"
_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?"
EXAMPLES = """examples:
  joulebird energy power.csv
  joulebird energy log.csv --from 10 --to 70 --map 't=Time[ms],w=P[mW]'
  joulebird energy log.csv --map 't=Time,w=cpu[mW],w=gpu[mW],total=cpu+gpu' --reading lab.json
  joulebird energy tegrastats.txt --interval 100ms --from 10:20 --to 10:25:30
  joulebird energy runs/stages/ID/power.csv --events runs/stages/ID/events.jsonl
"""


def moment(text: str) -> Union[float, str]:
    """Return seconds, or a time of day as it is written: HH:MM or HH:MM:SS."""
    return text if re.fullmatch(_CLOCK, text) else instant(text)


def spacing(text: str) -> float:
    """Return a time between two rows in seconds; "100ms" and "0.1s" are understood too."""
    number, unit = re.fullmatch(r"(.*?)\s*(ms|s)?", text).groups()  # type: ignore[union-attr]
    return period(number) * (1e-3 if unit == "ms" else 1.0)


ARGUMENTS = (
    own("logs", metavar="LOG", nargs="+", help="a power log, or several: each by itself"),
    own(
        "--from",
        dest="begin",
        type=moment,
        metavar="S",
        help="begin of the window: seconds after the log's first row, or HH:MM[:SS] of its clock",
    ),
    own(
        "--to",
        dest="end",
        type=moment,
        metavar="S",
        help="end of the window: seconds after the log's first row, or HH:MM[:SS] of its clock",
    ),
    own("--clock", action="store_true", help="--from and --to are times of the log's own clock"),
    own("--events", metavar="FILE", help="take the windows from a stage's events.jsonl"),
    own(
        "--map",
        type=word,
        metavar="t=COL[ms],w=COL[mW]",
        help="name the columns of a foreign CSV and their units: t, w, v and a, j (counter), dj "
        "(joules of a row), by (device), total=A+B, rule=line|mean|hold",
    ),
    own(
        "--interval",
        type=spacing,
        metavar="S",
        help="time between the rows of a log without times, or with too coarse ones: 100ms, 1s",
    ),
    own(
        "--reading",
        type=word,
        metavar="FILE",
        help="read the log as FILE says; where there is no FILE, keep there how it was read",
    ),
    *("--rail", "--output"),
    *form("text", "json"),
)


def main(args: Namespace) -> int:
    """Integrate and print."""
    if args.events is not None and (args.begin is not None or args.end is not None):
        raise HarnessError(
            "--events and --from/--to both say which window is meant", "give one of them"
        )
    found = [measured(Namespace(**vars(args), log=log)) for log in args.logs]
    table, text = found[0][0], "\n\n".join(shown for _, shown, _ in found)
    answer(args, table if len(found) == 1 else {"logs": [each for each, _, _ in found]}, text)
    for problem in (problem for _, _, problem in found if problem):
        raise problem
    return 0


def measured(args: Namespace) -> Tuple[Dict[str, Any], str, Optional[HarnessError]]:
    """Integrate one log: the result as JSON values and for people, and the reason of a void."""
    trace, words = loaded(args), stage_words(args.log)
    rails = (
        [args.rail]
        if args.rail is not None
        else [None] + [rail for rail in trace.rails if (rail,) != trace.total]
    )
    windows = windows_of(args, trace)
    results = {
        rail or "total": total_energy(
            [trace.energy(begin, end, rail, boot) for begin, end, boot in windows]
        ).worded(*words)
        for rail in rails
    }
    first = next(iter(results.values()))
    cure = (
        "sort the rows by time and leave doubled ones out, or choose a window (--from, --to)"
        if trace.steps_back
        else "choose a window without the gap (--from, --to), or record again"
    )
    reason = f"{args.log}: this window has no energy: {first.void_reason}"
    void = HarnessError(reason, cure, exit_codes.CHECK) if first.void else None
    text = as_text(args, trace, windows, results)
    return facts(args, trace, windows, results), text, void


def loaded(args: Namespace) -> PowerTrace:
    """Load the log, by the reading kept in --reading where there is one; else keep it there."""
    kept = args.reading is not None and os.path.exists(args.reading)
    if kept and args.map is not None:
        raise HarnessError("--map and --reading both say how to read the log", "give one of them")
    if not kept:
        every = args.rail is None
        trace = PowerTrace.load(args.log, args.map, interval_s=args.interval, every_rail=every)
        if args.reading is not None and trace.reading:
            write_json(args.reading, trace.reading.as_dict())
        return trace
    wanted = load(args.reading, "let --reading write a new file")
    if not isinstance(wanted, dict) or not isinstance(wanted.get("map"), str):
        raise HarnessError(f"{args.reading}: holds no reading", "let --reading write a new file")
    generic = wanted.get("origin") == "csv"
    step = args.interval or wanted.get("interval_s")
    trace = PowerTrace.load(args.log, wanted["map"] if generic else None, interval_s=step)
    if trace.reading is None or trace.reading.as_map() != wanted["map"]:
        raise HarnessError(
            f"{args.log}: is of another form than {args.reading}", "read it without --reading"
        )
    return trace


def windows_of(args: Namespace, trace: PowerTrace) -> List[Window]:
    """Return the windows asked for: (begin, end, boot) in the log's clock, None for open ends."""
    if args.events is not None:
        if not os.path.isfile(args.events):
            raise HarnessError(
                f"{args.events}: no such file",
                "name the events.jsonl that stands beside the stage's power.csv",
            )
        found = [one.useful for one in attempts(read_events(args.events)) if one.useful]
        if not found:
            raise HarnessError(
                f"{args.events}: no stage marks in it",
                "name the events.jsonl of a stage that trained at least one epoch",
            )
        return [
            (one.begin_s, one.end_s, one.boot_id if len(trace.boots) > 1 else None) for one in found
        ]
    begin = in_log(args.begin, trace, trace.span_s[0], args.clock)
    return [(begin, in_log(args.end, trace, begin or trace.span_s[0], args.clock), None)]


def in_log(
    when: Union[float, str, None], trace: PowerTrace, after_s: float, own_clock: bool
) -> Optional[float]:
    """Return a time of the log's clock: a time of day is the first one from `after_s` on."""
    if not isinstance(when, str):
        return when if when is None or own_clock else trace.span_s[0] + when
    clock = trace.clocks[0]
    offset_s = clock.get("wall_s", 0.0) - clock.get("monotonic_s", 0.0)
    if trace.reading and trace.reading.zone in ("", "counted rows", *UNITS["t"]):
        raise HarnessError(
            f"{trace.name}: its times are no clock, so {when} is not in it",
            "give seconds after its first row: --from 10",
        )
    hour, minute, second = re.fullmatch(_CLOCK, when).groups("0")  # type: ignore[union-attr]
    of_day = int(hour) * 3600 + int(minute) * 60 + float(second)
    return float(after_s + (of_day - (after_s + offset_s)) % 86400.0)


def stage_words(log: str) -> List[str]:
    """Return the words that the record of a log's stage adds; [] for any other log."""
    folder = os.path.dirname(os.path.abspath(log))
    with contextlib.suppress(HarnessError):
        if is_done(folder, STAGE):
            root = os.path.dirname(os.path.dirname(folder))
            stage = read_stage(root, os.path.basename(folder))
            warned = {warning.get("name") for warning in stage.warnings}
            estimated = (stage.work or {}).get("precision", "fp32") != "fp32"
            return ["estimated"] * estimated + [LOADED] * ("foreign_load" in warned)
    return []


def facts(
    args: Namespace, trace: PowerTrace, windows: List[Window], results: Dict[str, Energy]
) -> Dict[str, Any]:
    """Return the result as JSON values."""
    return {
        "log": args.log,
        "source": trace.source.get("name"),
        "scope": trace.scope,
        "words": words_of_all(results),
        "windows": [{"begin_s": begin, "end_s": end} for begin, end, _ in windows],
        "problems": trace.problems(),
        "notes": list(trace.reading.because) if trace.reading else [],
        "reading": trace.reading.as_dict() if trace.reading else None,
        "energies": {name: one.as_dict() for name, one in results.items()},
    }


def words_of_all(results: Dict[str, Energy]) -> List[str]:
    """Return the words of some energies, each once."""
    return list(dict.fromkeys(word for one in results.values() for word in one.words))


def as_text(
    args: Namespace, trace: PowerTrace, windows: List[Window], results: Dict[str, Energy]
) -> str:
    """Return the result for people."""
    words = "".join(f" ({word})" for word in words_of_all(results))
    first = next(iter(results.values()))
    source = trace.source.get("name") or "foreign log"
    lines = [
        f"{args.log}: {plural(trace.samples, 'row')}, {source}{words}",
        f"window   {first.seconds:.6g} s"
        + (f" in {len(windows)} parts" if len(windows) > 1 else "")
        + f", {100 * first.coverage:.1f} % recorded, longest gap {first.worst_gap_s:.3g} s",
    ]
    width = max(len(name) for name in results)
    rows = (
        f"{name:{width}}   {one}"
        + ("" if one.void else f"   mean {one.watts:.4g} W, peak {one.peak_w:.4g} W")
        for name, one in results.items()
    )
    known = parts_text(first.u_sensor_joules, first.own_u_joules)
    parts = [] if first.void else [f"uncertainty (95 %): {known}"]
    doubts = [f"{ALIASED}: {first.doubt}"] if first.doubt else []
    notes = (f"note: {text}" for text in doubts + trace.problems())
    reading = [trace.reading.as_text()] if trace.reading else []
    return "\n".join([*lines, *rows, *parts, *reading, *notes])
