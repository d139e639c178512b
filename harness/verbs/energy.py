"""joulebird energy LOG: energy of a window of a power log.

LOG is ours or foreign (any CSV, tegrastats, nvidia-smi and others: docs/formats.md). How a foreign
log was read stands under the result; an ambiguous one is refused with the maps to choose from.

A window that was recorded for less than 95 % has no number: it is void, and the exit code is 6.
With --by, a part of it may be void while the window is not, and the other way round.
"""

import contextlib
import os
import re
import time
from datetime import datetime, timedelta
from typing import Any, Dict, List, Optional, Tuple, Union

from joulebird.harness.cli.arguments import Namespace, form, instant, own, period, word
from joulebird.harness.cli.output import answer, plural, put
from joulebird.harness.core.errors import CHECK, HarnessError
from joulebird.harness.core.events import attempts
from joulebird.harness.core.files import write_json
from joulebird.harness.core.jsonfile import load
from joulebird.harness.core.records import STAGE, is_done, read_events, read_stage
from joulebird.harness.core.sensor import ALIASED, parts_text
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.importers.cells import STAMPED
from joulebird.reports.logs.parts import BY, Given, Part, energy_of, marks_of, split, windows_in
from joulebird.reports.logs.rows import has_clock, span
from joulebird.reports.logs.trace import PowerTrace
from joulebird.reports.logs.windows import Found, find_load, idle_of, marked, net, on_wall_clock
from joulebird.reports.tables.parts import Split, parts_table

LOADED = "foreign load"
TITLE = "Energy of parts"
_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?"
EXAMPLES = """examples:
  joulebird energy power.csv
  joulebird energy log.csv --from 10 --to 70 --map 't=Time[ms],w=P[mW]'
  joulebird energy log.csv --map 't=Time,w=cpu[mW],w=gpu[mW],total=cpu+gpu' --reading lab.json
  joulebird energy tegrastats.txt --interval 100ms --from 10:20 --to 10:25:30
  joulebird energy runs/stages/ID/power.csv --events runs/stages/ID/events.jsonl
  joulebird energy runs/stages/ID/power.csv --by mark --format csv
  joulebird energy log.csv --find-load --net
  joulebird energy log.csv --mark phase=train --net --idle-mark phase=idle
"""


def moment(text: str) -> Union[float, str]:
    """Return seconds, or a time of day as it is written: HH:MM or HH:MM:SS."""
    return text if re.fullmatch(_CLOCK, text) else instant(text)


def spacing(text: str) -> float:
    """Return a time between two rows in seconds; "100ms" and "0.1s" are understood too."""
    for unit, factor in (("ms", 1e-3), ("s", 1.0)):
        if text.endswith(unit):
            return period(text[: -len(unit)].rstrip()) * factor
    return period(text)


WINDOWS = (  # by the log's own evidence
    own(
        "--zone",
        type=instant,
        metavar="H",
        help="hours ahead of UTC of a foreign log's stamps, for --events: 2, -5, 5.5",
    ),
    own(
        "--mark",
        type=word,
        metavar="COLUMN=VALUE",
        help="take the windows in which a column of a foreign log holds a value",
    ),
    own(
        "--find-load",
        action="store_true",
        help="take the one load between two stretches of idle; refused where there is no such",
    ),
    own(
        "--idle-mark",
        type=word,
        metavar="COLUMN=VALUE",
        help="where it was idle: --net needs this, or --find-load",
    ),
    "--net",
)
READING = (  # how a foreign log is read
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
)
ARGUMENTS = (
    own("logs", metavar="LOG", nargs="+", help="a power log, or several: each by itself"),
    *WINDOWS,
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
    own(
        "--events",
        metavar="FILE",
        help="take the windows from a stage's events.jsonl; the pause after a kill is no hole then",
    ),
    *READING,
    own(
        "--by",
        choices=BY,
        help="a row for each second or minute of the window, or for each mark",
    ),
    *("--rail", "--output"),
    *form("text", "json", "csv"),
)


def main(args: Namespace) -> int:
    """Integrate and print."""
    if args.logs.count("-") > 1:
        raise HarnessError("- is the standard input, which is read once", "give - once")
    found = [measured(Namespace(**vars(args), log=log)) for log in args.logs]
    facts, texts, problems, splits = zip(*found)
    if args.form == "csv":
        put(parts_table([parts for parts in splits if parts], TITLE).render("csv"), args.output)
    else:
        answer(args, facts[0] if len(facts) == 1 else {"logs": facts}, "\n\n".join(texts))
    for problem in filter(None, problems):
        raise problem
    return 0


def measured(
    args: Namespace,
) -> Tuple[Dict[str, Any], str, Optional[HarnessError], Optional[Split]]:
    """Integrate one log: the result as JSON values and for people, a void's reason, the parts.

    The parts are None where neither --by nor a CSV needs them.
    """
    trace, words = loaded(args), stage_words(args.log)
    others = [rail for rail in trace.rails if (rail,) != trace.total]
    rails = [args.rail] if args.rail is not None else [None, *others]
    windows, idle, args.evidence = windows_of(args, trace)
    results = {
        rail or "total": total_energy(
            [trace.energy(begin, end, rail, boot) for begin, end, boot in windows]
        ).worded(*words)
        for rail in rails
    }
    if args.net:
        powers = {name: idle_of(trace, idle, rail) for name, rail in zip(results, rails)}
        results = {name: net(energy, powers[name]) for name, energy in results.items()}
        args.evidence += [f"net of {w:.4g} +- {2 * u:.2g} W ({n})" for n, (w, u) in powers.items()]
    first = next(iter(results.values()))
    cure = (
        "sort the rows by time and leave doubled ones out, or choose a window (--from, --to)"
        if trace.steps_back
        else "choose a window without the gap (--from, --to), or record again"
    )
    reason = f"{args.log}: this window has no energy: {first.void_reason}"
    void = HarnessError(reason, cure, CHECK) if first.void else None
    text, table = as_text(args, trace, windows, results), facts(args, trace, windows, results)
    if args.by is None and args.form != "csv":
        return table, text, void, None
    parts = divided(args, trace, windows, results)
    if args.by is not None:
        text += "\n\n" + parts_table([parts], f"{TITLE} (by {args.by})").render().rstrip("\n")
        table.update(parts.facts)
    return table, text, void, parts


def divided(
    args: Namespace, trace: PowerTrace, windows: List[Given], results: Dict[str, Energy]
) -> Split:
    """Return the windows in the parts that --by asks for, with their energies."""
    whole = windows_in(trace, windows)
    parts = [Part("whole", begin, end, str(boot)) for begin, end, boot, _ in whole]
    if args.by is not None:
        parts = split(trace, whole, args.by, marks_of(trace, args.log, args.events))
    words = words_of_all(results)
    energies = [
        {
            name: energy_of(trace, part, None if name == "total" else name).worded(*words)
            for name in results
        }
        for part in parts
    ]
    zeros_s = {boot: span(trace, boot)[0] for boot in trace.boots}
    return Split(args.log, parts, energies, results, zeros_s)


def loaded(args: Namespace) -> PowerTrace:
    """Load the log, by the reading kept in --reading where there is one; else keep it there."""
    kept = args.reading is not None and os.path.exists(args.reading)
    if kept and args.map is not None:
        raise HarnessError("--map and --reading both say how to read the log", "give one of them")
    if not kept:
        every = args.rail is None
        trace = PowerTrace.load(args.log, args.map, interval_s=args.interval, every_rail=every)
        if args.reading is not None and trace.reading:
            try:
                write_json(args.reading, trace.reading.as_dict())
            except OSError as error:
                problem = f"{args.reading}: cannot be written ({error.strerror})"
                raise HarnessError(problem, "name another file for --reading") from None
        return trace
    wanted = load(args.reading, "let --reading write a new file")
    if not isinstance(wanted, dict) or not isinstance(wanted.get("map"), str):
        raise HarnessError(f"{args.reading}: holds no reading", "let --reading write a new file")
    generic = wanted.get("origin") == "csv"
    kept_s = wanted.get("interval_s")
    if kept_s is not None and not (type(kept_s) in (int, float) and kept_s > 0):
        raise HarnessError(
            f"{args.reading}: an interval of {kept_s!r} s", "let --reading write a new file"
        )
    step = args.interval or kept_s
    trace = PowerTrace.load(args.log, wanted["map"] if generic else None, interval_s=step)
    if trace.reading is None or trace.reading.as_map() != wanted["map"]:
        raise HarnessError(
            f"{args.log}: is of another form than {args.reading}", "read it without --reading"
        )
    return trace


def opened(args: Namespace, log: str) -> Tuple[PowerTrace, List[str]]:
    """Return a log of several and the words that the record of its stage adds."""
    return loaded(Namespace(**dict(vars(args), log=log))), stage_words(log)


def windows_of(args: Namespace, trace: PowerTrace) -> Tuple[List[Given], List[Given], List[str]]:
    """Return the windows asked for, those of idle, and the evidence for both.

    A window is (begin, end, boot) in the log's clock, None for open ends.
    """
    span = args.begin is not None or args.end is not None
    ways = {"--events": args.events, "--mark": args.mark, "--find-load": args.find_load or None}
    given = [name for name, value in ways.items() if value is not None]
    given += ["--from/--to"] * span
    if len(given) > 1:
        raise HarnessError(
            f"{' and '.join(given)} both say which window is meant", "give one of them"
        )
    if args.net and (args.by is not None or args.form == "csv"):
        raise HarnessError("--by and --form csv give gross energies", "leave --net out")
    if args.net and not args.find_load and args.idle_mark is None:
        raise HarnessError(
            "--net needs an idle power", "add --find-load, or --idle-mark COLUMN=VALUE of a mark"
        )
    begin = in_log(args.begin, trace, trace.span_s[0], args.clock)
    end = in_log(args.end, trace, begin or trace.span_s[0], args.clock)
    found = Found([(begin, end, None)], [], "")
    if args.events is not None:
        found = of_events(args, trace)
    elif args.mark is not None:
        found = marked(trace, args.mark)
    elif args.find_load:
        found = find_load(trace, args.rail)
    idle = marked(trace, args.idle_mark).load if args.idle_mark is not None else found.idle
    return found.load, idle, [found.why] * bool(found.why)


def of_events(args: Namespace, trace: PowerTrace) -> Found:
    """Return the windows of a stage's useful work, in the log's clock."""
    if not os.path.isfile(args.events):
        raise HarnessError(
            f"{args.events}: no such file",
            "name the events.jsonl that stands beside the stage's power.csv",
        )
    tries = [one for one in attempts(read_events(args.events)) if one.useful]
    if not tries:
        raise HarnessError(
            f"{args.events}: no stage marks in it",
            "name the events.jsonl of a stage that trained at least one epoch",
        )
    if trace.reading and trace.reading.zone.startswith(("UTC", "not stated")):
        return on_wall_clock(trace, trace.reading, tries, args.zone)
    useful = [one.useful for one in tries if one.useful]
    boots = len(trace.boots) > 1
    return Found(
        [(one.begin_s, one.end_s, one.boot_id if boots else None) for one in useful], [], ""
    )


def in_log(
    when: Union[float, str, None], trace: PowerTrace, after_s: float, own_clock: bool
) -> Optional[float]:
    """Return a time of the log's clock: a time of day is the first one from `after_s` on."""
    if not isinstance(when, str):
        return when if when is None or own_clock else trace.span_s[0] + when
    clock = trace.clocks[0]
    offset_s = clock.get("wall_s", 0.0) - clock.get("monotonic_s", 0.0)
    if trace.reading and trace.reading.zone.endswith(STAMPED):
        stamped = datetime.strptime(trace.reading.zone, "UTC%z" + STAMPED)
        offset_s += (stamped.utcoffset() or timedelta()).total_seconds()
    if not has_clock(trace):
        raise HarnessError(
            f"{trace.name}: its times are no clock, so {when} is not in it",
            "give seconds after its first row: --from 10",
        )
    hour, minute, second = [*map(float, when.split(":")), 0.0][:3]
    of_day = hour * 3600 + minute * 60 + second
    found = float(after_s + (of_day - (after_s + offset_s)) % 86400.0)
    if found - trace.span_s[1] > 43200.0:
        ends = (time.gmtime((time_s + offset_s) % 86400.0) for time_s in trace.span_s)
        first, last = (time.strftime("%H:%M:%S", end) for end in ends)
        raise HarnessError(
            f"{trace.name}: {when} is not in it", f"it runs from {first} to {last} of its clock"
        )
    return found


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
    args: Namespace, trace: PowerTrace, windows: List[Given], results: Dict[str, Energy]
) -> Dict[str, Any]:
    """Return the result as JSON values."""
    return {
        "log": args.log,
        "source": trace.source.get("name"),
        "scope": trace.scope,
        "words": words_of_all(results),
        "windows": [{"begin_s": begin, "end_s": end} for begin, end, _ in windows],
        "problems": trace.problems(),
        "notes": [*args.evidence, *(trace.reading.because if trace.reading else ())],
        "reading": trace.reading.as_dict() if trace.reading else None,
        "energies": {name: one.as_dict() for name, one in results.items()},
    }


def words_of_all(results: Dict[str, Energy]) -> List[str]:
    """Return the words of some energies, each once."""
    return list(dict.fromkeys(word for one in results.values() for word in one.words))


def as_text(
    args: Namespace, trace: PowerTrace, windows: List[Given], results: Dict[str, Energy]
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
    notes = (f"note: {text}" for text in (*doubts, *args.evidence, *trace.problems()))
    reading = [trace.reading.as_text()] if trace.reading else []
    return "\n".join([*lines, *rows, *parts, *reading, *notes])
