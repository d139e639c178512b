"""Read power logs written by others: any table, tegrastats, Scaphandre, PTDaemon, perf."""

import json
import re
from collections import Counter

from joulebird.harness.core.errors import HarnessError
from joulebird.harness.core.powerlog import MAGIC
from joulebird.reports.logs.blocks import InMemory
from joulebird.reports.logs.importers.csvlog import read_table
from joulebird.reports.logs.importers.reading import Column, Rail, Reading
from joulebird.reports.logs.importers.sheet import Sheet, read_sheet
from joulebird.reports.logs.powerlog import widened

_RAIL = re.compile(r"\b([A-Z][A-Z0-9_]*) (\d+)(?:mW)?/\d+(?:mW)?(?=\s|$)")
_STAMP = re.compile(r"^\s*(\d\d-\d\d-\d{4} \d\d:\d\d:\d\d)\s")
_PTDAEMON = re.compile(r"Time,[^,]*\d[^,]*,Watts,")
_REPORT = re.compile(r'\s*\[?\s*\{\s*"host"\s*:\s*\{\s*"consumption"\s*:')
_EACH_REPORT = re.compile(r'\{\s*"host"\s*:\s*\{')
_PERF = re.compile(r"^\s*(\d+\.\d+)[\s,;]+([\d.,]+|<not \w+>)[\s,;]+Joules[\s,;]+(power/[\w-]+/)")
# the rails of a Jetson that make the whole module: TX1, TX2, Xavier NX, Orin NX and Nano; Nano;
# AGX Orin (VDDQ_VDD2_1V8AO hangs on VIN_SYS_5V0); AGX Xavier
_MODULE = (
    ("VDD_IN",),
    ("POM_5V_IN",),
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
)


def read_foreign(
    path: str, data: bytes, columns: str | None = None, step_s: float | None = None
) -> tuple[InMemory, Reading] | bytes:
    """Return the rows of a foreign log, in nanowatts, and how it was read.

    `columns` is a map (joulebird.reports.logs.importers.reading), `step_s` the interval of rows
    without times. Raises HarnessError for an empty log, an unknown or ambiguous form, an absent
    column, or an impossible value. An edited copy of our own log is returned with its widths.
    """
    text = _text(path, data)
    report = columns is None and bool(_REPORT.match(text))
    lines, cut = ([], 0) if report else _lines(path, text)
    first = lines[:20] if columns is None else []
    if any(line.startswith(MAGIC.decode().strip()) for line in first):
        return widened(lines)
    sheet, reading = None, None
    if report:
        sheet, reading = scaphandre(path, text)
    elif any("RAM " in line and _RAIL.search(line) for line in first):
        sheet, reading = tegrastats(path, lines)
    elif any(map(_PTDAEMON.match, first)):
        sheet, reading = ptdaemon(path, lines)
    elif any(map(_PERF.match, lines[:50])) and columns is None:
        sheet = _matched(path, lines, _PERF, ["perf", "joules", "event"], ("Joules",))
    sheet = sheet or read_sheet(path, lines)
    if cut:
        sheet = sheet._replace(lost=[*sheet.lost, len(lines) + 1])
    return read_table(sheet, columns, step_s, reading)


_REMEDY = "record again, or give a log with at least one sample"


def _text(path: str, data: bytes) -> str:
    if not data.strip():
        raise HarnessError(f"{path}: the log is empty", _REMEDY)
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    return data.decode("utf-16" if wide else "utf-8-sig", "replace")


def _lines(path: str, text: str) -> tuple[list[str], int]:
    """Return the whole lines of a log, and 1 if a last line without its newline was left out.

    Such a line may end inside a number.
    """
    *lines, rest = text.split("\n")
    if not lines:
        raise HarnessError(f"{path}: not one whole line", _REMEDY)
    return [line.rstrip("\r") for line in lines], int(bool(rest.strip()))


def tegrastats(path: str, lines: list[str]) -> tuple[Sheet, Reading]:
    """Return the sheet of tegrastats and its reading: instant milliwatts of each rail.

    Lines without the log's usual rails are lost, but for one header.
    """
    texts = {number: line for number, line in enumerate(lines, 1) if line.strip()}
    found = {number: dict(_RAIL.findall(line)) for number, line in texts.items()}
    rails = Counter(tuple(one) for one in found.values() if one).most_common(1)[0][0]
    total = next((names for names in _MODULE if set(names) <= set(rails)), None)
    if total is None:
        raise HarnessError(
            f"{path}: tegrastats shows no input rail, only {', '.join(rails)}",
            "its rails nest, so their sum is not the board: record VDD_IN too",
        )
    kept = [number for number, one in found.items() if tuple(one) == rails]
    stamps = {number: "".join(_STAMP.findall(texts[number])) for number in kept}
    rows = [[stamps[number], *found[number].values()] for number in kept]
    lost = [number for number in texts if number not in stamps]
    if lost and lost[0] < kept[0] and not texts[lost[0]].startswith("RAM"):
        lost = lost[1:]
    sheet = Sheet(path, ["time", *rails], [], rows, kept, lost, [])
    columns = (Rail(name, (Column("w", (i,), name, "mW"),)) for i, name in enumerate(rails, 1))
    time = Column("t", (0,), "time", "") if all(stamps.values()) else None
    facts = (("name", "tegrastats"), ("scope", "module"))
    return sheet, Reading(time, tuple(columns), total, origin="tegrastats", facts=facts)


def scaphandre(path: str, text: str) -> tuple[Sheet, Reading]:
    """Return the sheet of Scaphandre's JSON reports and its reading: mean microwatts of the host.

    Reports follow one another without a mark between them; one that is torn is lost.
    """
    decoder, rows, lines, lost = json.JSONDecoder(), [], [], []
    line, at = 1, 0
    for begin in (match.start() for match in _EACH_REPORT.finditer(text)):
        line, at = line + text.count("\n", at, begin), begin
        try:
            host = decoder.raw_decode(text, begin)[0]["host"]
            rows.append([str(host["timestamp"]), str(host["consumption"])])
            lines.append(line)
        except (ValueError, KeyError, TypeError, RecursionError):
            lost.append(line)
    sheet = Sheet(path, ["timestamp", "host"], [], rows, lines, lost, [])
    rails = (Rail("host", (Column("w", (1,), "host", "uW"),)),)
    facts = (("name", "Scaphandre"), ("scope", "package"))
    time = Column("t", (0,), "timestamp", "s")
    return sheet, Reading(time, rails, ("host",), "mean", origin="Scaphandre", facts=facts)


def ptdaemon(path: str, lines: list[str]) -> tuple[Sheet, Reading]:
    """Return the sheet of PTDaemon's log and its reading; readings of -1 are failed reads."""
    texts = {number: line.split(",") for number, line in enumerate(lines, 1) if line.strip()}
    found = {n: dict(zip(one[::2], one[1::2], strict=False)) for n, one in texts.items()}
    rows = {
        number: [
            cells["Time"],
            re.sub(r"^\s*-.*", "", cells.get("Watts", "")),
            cells.get("Mark", ""),
        ]
        for number, cells in found.items()
        if "Time" in cells
    }
    lost = [number for number in found if number not in rows]
    header = ["Time", "Watts", "Mark"]
    sheet = Sheet(path, header, [], list(rows.values()), list(rows), lost, [])
    rails = (Rail("Watts", (Column("w", (1,), "Watts", "W"),)),)
    facts = (("name", "ptdaemon"), ("scope", "wall"))
    time = Column("t", (0,), "Time", "")
    return sheet, Reading(time, rails, ("Watts",), "mean", origin="PTDaemon", facts=facts)


def _matched(
    path: str, lines: list[str], pattern: re.Pattern[str], header: list[str], needs: tuple[str, ...]
) -> Sheet:
    """Return the sheet of the lines that match a pattern; others with `needs` in them are lost."""
    found = {number: pattern.match(line) for number, line in enumerate(lines, 1)}
    rows = {number: list(match.groups()) for number, match in found.items() if match}
    lost = [n for n, line in enumerate(lines, 1) if n not in rows and any(w in line for w in needs)]
    return Sheet(path, header, [], list(rows.values()), list(rows), lost, [])
