"""joulebird energy LOG: energy of a window of a power log.

LOG is ours or foreign (any CSV, tegrastats, PTDaemon).

A window that was recorded for less than 95 % has no number: it is void, and the exit code is 6.
"""

import contextlib
import os
from typing import Any, Dict, List, Optional, Tuple

from joulebird.harness.cli.arguments import Namespace, form, own
from joulebird.harness.cli.output import answer, plural
from joulebird.harness.cli.values import instant, word
from joulebird.harness.core import exit_codes
from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.events import attempts
from joulebird.harness.core.records import STAGE, is_done, read_events, read_stage
from joulebird.harness.core.sensor import parts_text
from joulebird.reports.logs.energy import Energy, total_energy
from joulebird.reports.logs.trace import PowerTrace

Window = Tuple[Optional[float], Optional[float], Optional[str]]  # begin, end, boot
LOADED = "foreign load"
EXAMPLES = """examples:
  joulebird energy power.csv
  joulebird energy log.csv --from 10 --to 70 --map t=Time,w=Power
  joulebird energy runs/stages/ID/power.csv --events runs/stages/ID/events.jsonl
"""


ARGUMENTS = (
    own("log", metavar="LOG", help="a power log"),
    own(
        "--from",
        dest="begin",
        type=instant,
        metavar="S",
        help="begin of the window, seconds after the log's first row",
    ),
    own(
        "--to",
        dest="end",
        type=instant,
        metavar="S",
        help="end of the window, seconds after the log's first row",
    ),
    own("--clock", action="store_true", help="--from and --to are times of the log's own clock"),
    own("--events", metavar="FILE", help="take the windows from a stage's events.jsonl"),
    own(
        "--map",
        type=word,
        metavar="t=COL,w=COL",
        help="name the columns of a foreign CSV that hold time and power",
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
    trace, words = PowerTrace.load(args.log, args.map), stage_words(args.log)
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
    answer(args, facts(args, trace, windows, results), as_text(args, trace, windows, results))
    first = next(iter(results.values()))
    if first.void:
        cure = (
            "sort the rows by time and leave doubled ones out, or choose a window (--from, --to)"
            if trace.steps_back
            else "choose a window without the gap (--from, --to), or record again"
        )
        raise HarnessError(
            f"{args.log}: this window has no energy: {first.void_reason}", cure, exit_codes.CHECK
        )
    return 0


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
    zero = 0.0 if args.clock else trace.span_s[0]
    return [
        (
            None if args.begin is None else zero + args.begin,
            None if args.end is None else zero + args.end,
            None,
        )
    ]


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
        "notes": list(trace.notes),
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
    notes = (f"note: {text}" for text in [*trace.notes, *trace.problems()])
    return "\n".join([*lines, *rows, *parts, *notes])
