"""Find out how a log is to be read from the names, units and numbers in it, or refuse."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from joulebird.harness.core.errors import HarnessError
from joulebird.reports.logs.importers import cells
from joulebird.reports.logs.importers.reading import REMEDY, Column, Rail, Reading
from joulebird.reports.logs.importers.sheet import Sheet, is_number, no_sample
from joulebird.reports.logs.importers.streams import (
    joules_of,
    marks_of,
    quantity,
    rail_values,
    times_of,
)

SAME = 0.01  # readings that differ by more are two
_PLAUSIBLE_W = (0.1, 20_000.0)  # of a board, a rack
_STATED_W = (1e-7, 1e5)  # beyond, the unit that is stated is a mistaken one
_COARSE_S, _FINE = 3600.0, 10.0  # a step from 10 on may count seconds or milliseconds
_SHORT_S = 1e-3  # a shorter one may count days, as spreadsheets do
_MAINS_V = 60.0
_NEAR = 0.05  # evidence for a unit: the next one is 1000 times off
_MANY, _GROWS = 10, 20.0  # rows of a counter, and its growth, that a rising load has not
_GROUPED = 0.25  # of the steps between rows, which are far shorter than the others
_TOTALS = {"total", "tot", "sum", "overall"}
_PARTS = {"gpu", "gpus", "uuid", "pci"}  # of a machine; any "device" may hold another one
_DEVICES = {*_PARTS, "device", "index", "card", "idx"}
_COUNTERS = {"total", "counter", "cumulative", "cum", "consumed", "accumulated", "acc", "uj"}
_STEPS = {"delta", "interval", "per", "diff", "step"}


def infer(sheet: Sheet) -> Reading:
    """Return the only admissible reading; raises HarnessError with the candidates for several."""
    kinds = [cells.kind_of(sheet.name(i), unit) for i, unit in _units(sheet)]
    if not sheet.header or "t" not in kinds or not set(kinds) & set("wvj?"):
        raise _unknown(sheet)
    if not sheet.rows:
        raise no_sample(sheet.path, sheet.lost)
    time, seconds, zone = _time(sheet, kinds)
    rails, total, why = _rails(sheet, kinds, time, seconds)
    key = rails[0].columns[0].key
    rule = {"j": "counter", "dj": "mean"}.get(key, "line")
    if zone == "s" and not time.unit:
        step = _step(seconds)
        why = (f"{time.name!r} in s: no unit is stated, and its rows are {step:.3g} apart", *why)
    columns = [column for rail in rails for column in rail.columns]
    commas = [c.name for c in columns if "," in marks_of(sheet, c.indices)]
    why = (*why, f"decimal comma in {', '.join(map(repr, commas))}") if commas else why
    reading = Reading(time, rails, total, rule, zone=zone, because=why)
    reading = _long_form(sheet, reading, seconds)
    if rule == "line" and not reading.by:
        refuse_groups(sheet, reading, seconds[np.isfinite(seconds)])
        _held(sheet, reading, seconds)
    return reading


def _units(sheet: Sheet) -> Iterator[tuple[int, str]]:
    for index in range(sheet.width):
        below = sheet.units[index] if sheet.units else ""
        cell = next((row[index] for row in sheet.rows[:20] if row[index]), "")
        yield index, below or cells.number(cell)[1]


def _unknown(sheet: Sheet) -> HarnessError:
    known = ", ".join(sheet.header[:12]) or "without names"
    shown = known if known.isprintable() else "not text"
    return HarnessError(
        f"{sheet.path}: not a power log that is known here (columns: {shown})", REMEDY
    )


def ambiguous(sheet: Sheet, problem: str, readings: Sequence[str]) -> HarnessError:
    """Return the refusal with the maps to choose from."""
    lines = " or ".join(f"--map '{text}'" for text in readings[:4])
    return HarnessError(f"{sheet.path}: {problem}", f"type one of: {lines}" if lines else REMEDY)


def _time(sheet: Sheet, kinds: list[str]) -> tuple[Column, np.ndarray, str]:
    """Return the time column, its seconds and zone; several must agree on the length."""
    found = [i for i, kind in enumerate(kinds) if kind == "t"]
    power = ",".join(c.as_map() for c in _of(sheet, kinds, "w")) or "w=COL"
    names = {i: cells.words_in(sheet.name(i)) for i in found}
    dates = [i for i in found if "date" in names[i] and "time" not in names[i]]
    clocks = [i for i in found if "time" in names[i] and "date" not in names[i]]
    options = [Column("t", (i,), sheet.name(i), sheet.unit(i, "t")) for i in found]
    if len(dates) == len(clocks) == 1:
        pair = (dates[0], clocks[0])
        milli = [i for i in found if "millisecond" in names[i] or "milliseconds" in names[i]]
        joined = "+".join(sheet.name(i) for i in (*pair, *milli))
        options = [Column("t", (*pair, *milli), joined, "")] + [
            option for option in options if option.indices[0] not in (*pair, *milli)
        ]
    spans = []
    for option in options:
        times = times_of(sheet, option)
        known = times.seconds[np.isfinite(times.seconds)]
        if len(known) * 2 >= max(len(sheet.rows), 1) and len(known):
            sure = bool(option.unit) or not times.numeric or times.zone != "s"
            spans.append((sure, option, times, float(known[-1] - known[0])))
    spans = [span for span in spans if span[3] or len(spans) == 1]
    spans = [span for span in spans if span[0]] or spans
    if not spans:
        return options[0], times_of(sheet, options[0]).seconds, ""
    if _differ([span[3] for span in spans]):
        raise ambiguous(
            sheet,
            "its columns of time disagree: "
            + ", ".join(f"{option.name!r} spans {span:.6g} s" for _, option, _, span in spans),
            [f"{option.as_map()},{power}" for _, option, _, _ in spans],
        )
    sure, option, times, _ = max(spans, key=lambda span: len(np.unique(span[2].seconds)))
    if not sure:
        option = _counted_time(sheet, option, times.seconds, power)
        times = times_of(sheet, option)
    return option, times.seconds, times.zone


def _step(times: np.ndarray) -> float:
    """Return the median step between rows of different times; 0 for none."""
    steps = np.abs(np.diff(times[np.isfinite(times)]))
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0


def _counted_time(sheet: Sheet, option: Column, values: np.ndarray, power: str) -> Column:
    """Return a time without a unit as seconds, unless whole steps may as well be milliseconds."""
    step, strange = _step(values), cells.BRACKETS.search(option.name)
    if not strange and (not step or _SHORT_S <= step < _FINE):
        return option
    named = {unit: option._replace(unit=unit).as_map() for unit in ("s", "ms", "us", "days")}
    units = ("s", "days") if step < _SHORT_S else ("s", "ms") if step <= _COARSE_S else ("ms", "us")
    raise ambiguous(
        sheet,
        f"the unit of {option.name!r} is not stated, and its rows are {step:.6g} apart",
        [f"{named[unit]},{power}" for unit in units],
    )


def _differ(values: Sequence[float]) -> bool:
    low, high = min(values), max(values)
    return high - low > SAME * max(abs(low), abs(high))


def _of(sheet: Sheet, kinds: list[str], kind: str) -> list[Column]:
    return [
        Column(kind, (i,), sheet.name(i), sheet.unit(i, kind))
        for i, found in enumerate(kinds)
        if found == kind and np.isfinite(cells.numbers(sheet.column(i), kind, ".,")[0]).any()
    ]


def _stated(sheet: Sheet, column: Column) -> bool:
    """Return whether the unit of a column stands in its name, its row of units or its cells."""
    if column.unit:
        return True
    own = cells.numbers(sheet.column(column.indices[0]), column.key, ".,")[1]
    return bool(np.isfinite(own).any())


def _rails(
    sheet: Sheet, kinds: list[str], time: Column, seconds: np.ndarray
) -> tuple[tuple[Rail, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the rails, those of the total, and the evidence for each choice."""
    powers, volts, amps, energies = (_of(sheet, kinds, kind) for kind in "wvaj")
    means = [sheet.name(i) for i, kind in enumerate(kinds) if kind == "?"]
    pairs = _pairs(volts[0], amps[0], sheet) if len(volts) == len(amps) == 1 else []
    if not powers and not pairs and not energies:
        problem = f"{', '.join(means)}: a mean may be of any length of time"
        maps = [f'{time.as_map()},w="{name}"[W]' for name in means]
        if volts and amps:
            problem, maps = "several voltages and currents", [f"{time.as_map()},v=COL,a=COL"]
        raise ambiguous(sheet, problem, maps) if maps else _unknown(sheet)
    if not powers and not pairs:
        return _energy(sheet, time, seconds, energies)
    if powers:
        rails, why = _with_units(sheet, time, seconds, powers, pairs, energies)
    else:
        rails, why = _volts_amperes(sheet, time, seconds, pairs, energies)
    if len(rails) == 1:
        stated = pairs[0] if powers and len(pairs) == 1 else None
        _compare(sheet, time, seconds, rails[0], stated, energies)
    total, more = _total(sheet, rails)
    return rails, total, (*why, *more)


def _pairs(volt: Column, amp: Column, sheet: Sheet) -> list[Rail]:
    """Return the rails that a voltage and a current may be: one for each unit not stated."""
    choices = [
        ("V", "mV") if not _stated(sheet, volt) else (volt.unit,),
        ("A", "mA", "uA") if not _stated(sheet, amp) else (amp.unit,),
    ]
    return [
        Rail("power", (volt._replace(unit=v), amp._replace(unit=a)))
        for v, a in itertools.product(*choices)
    ]


def _volts_amperes(
    sheet: Sheet, time: Column, seconds: np.ndarray, pairs: list[Rail], energies: list[Column]
) -> tuple[tuple[Rail, ...], tuple[str, ...]]:
    """Return the rail of volts x amperes; units that are not stated follow from evidence alone."""
    found, because = pairs, ""
    joules = [joules_of(seconds, rail_values(sheet, rail)) for rail in pairs]
    if len(pairs) > 1 and len(energies) == 1 and _stated(sheet, energies[0]):
        wanted, because = _gained(quantity(sheet, energies[0]))[0], "as the energy grows"
        near = [abs(joule - wanted) <= _NEAR * abs(wanted) for joule in joules]
        found = list(itertools.compress(pairs, near))
    elif len(pairs) > 1:
        found = [rail for rail in pairs if _plausible(rail_values(sheet, rail))]
        because = "the only plausible units"
    if not found or _differ([joules[pairs.index(rail)] for rail in found]):
        raise ambiguous(
            sheet,
            "the units of volts and amperes are not stated",
            [",".join(c.as_map() for c in (time, *rail.columns)) for rail in found or pairs],
        )
    volts, amps = found[0].columns
    if _MAINS_V < _usual(quantity(sheet, volts)) < cells.MAX_W:
        raise ambiguous(
            sheet,
            "volts x amperes of an alternating voltage are no watts; of a direct one name them",
            [",".join(c.as_map() for c in (time, volts, amps))],
        )
    names = f"{volts.name!r} in {volts.unit}, {amps.name!r} in {amps.unit}"
    return (found[0],), (f"{names}: {because}",) if because else ()


def _usual(watts: np.ndarray) -> float:
    known = np.abs(watts[np.isfinite(watts)])
    return float(np.median(known)) if len(known) else 0.0


def _plausible(watts: np.ndarray) -> bool:
    return _PLAUSIBLE_W[0] <= _usual(watts) < _PLAUSIBLE_W[1]


def _with_units(
    sheet: Sheet,
    time: Column,
    seconds: np.ndarray,
    powers: list[Column],
    pairs: list[Rail],
    energies: list[Column],
) -> tuple[tuple[Rail, ...], tuple[str, ...]]:
    """Return a rail for each power; a unit that is not stated follows from evidence alone."""
    rails, why = [], []
    for column in powers:
        usual = _usual(quantity(sheet, column))
        zero = not np.nan_to_num(quantity(sheet, column)).any()
        odd = 0 < usual < _STATED_W[0] or _STATED_W[1] < usual <= cells.MAX_W
        if _stated(sheet, column) and not odd:
            rails.append(Rail(column.name, (column,)))
            continue
        choices = [column._replace(unit=unit) for unit in ("W", "mW", "uW")]
        joules = [joules_of(seconds, quantity(sheet, choice)) for choice in choices]
        wanted, because, fitting = [], "all are zero", choices[:zero]
        if len(energies) == len(powers) == 1 and _stated(sheet, energies[0]):
            wanted, because = [_gained(quantity(sheet, energies[0]))[0]], "as the energy grows"
        elif pairs and len(powers) == 1:
            powers_w = [rail_values(sheet, rail) for rail in pairs]
            likely = [watts for watts in powers_w if len(pairs) == 1 or _plausible(watts)]
            wanted, because = [joules_of(seconds, w) for w in likely], "as volts x amperes"
        if any(wanted):
            fitting = [
                choice
                for choice, j in zip(choices, joules, strict=True)
                if any(abs(j - joule) <= _NEAR * abs(joule) for joule in wanted)
            ]
        if not fitting and not _stated(sheet, column):
            fitting = [c for c in choices if _plausible(quantity(sheet, c))]
            because = "the only plausible unit"
        if len(fitting) != 1:
            raise ambiguous(
                sheet,
                f"the unit of {column.name!r} is not stated, or wrong, and {usual:g} may be any",
                [f"{time.as_map()},{c.as_map()}" for c in fitting or choices],
            )
        rails.append(Rail(column.name, (fitting[0],)))
        why.append(f"{column.name!r} in {fitting[0].unit}: {because}")
    return tuple(rails), tuple(why)


def _gained(joules: np.ndarray) -> tuple[float, str, float]:
    """Return the joules of an energy column, its key (j or dj), and its smallest step."""
    known = joules[np.isfinite(joules)]
    steps = np.diff(known)
    if len(known) > 1 and (steps >= 0).all():
        return float(known[-1] - known[0]), "j", float(steps[steps > 0].min(initial=np.inf))
    return float(known[1:].sum()), "dj", 0.0


def _compare(
    sheet: Sheet,
    time: Column,
    seconds: np.ndarray,
    rail: Rail,
    pair: Rail | None,
    energies: list[Column],
) -> None:
    """Refuse a power that disagrees with volts x amperes (of a direct voltage), or an energy."""
    joules = joules_of(seconds, rail_values(sheet, rail))
    others = []
    if pair:
        volts = float(np.nanmax(np.abs(quantity(sheet, pair.columns[0]))))
        if volts <= _MAINS_V:
            others.append((pair, joules_of(seconds, rail_values(sheet, pair)), 0.0))
    if len(energies) == 1 and _stated(sheet, energies[0]):
        wanted, key, quantum = _gained(quantity(sheet, energies[0]))
        column = energies[0]._replace(key=key)
        others.append((Rail(column.name, (column,)), wanted, 2 * min(quantum, abs(wanted))))
    for other, wanted, slack in others:
        if abs(joules - wanted) > SAME * max(abs(joules), abs(wanted)) + slack:
            names = " x ".join(repr(column.name) for column in other.columns)
            raise ambiguous(
                sheet,
                f"{rail.name!r} gives {joules:.4g} J, but {names} {wanted:.4g} J",
                [",".join(c.as_map() for c in (time, *one.columns)) for one in (rail, other)],
            )


def _total(sheet: Sheet, rails: tuple[Rail, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the rails of the total: the only one, the one so named, or the sum of the others."""
    if len(rails) == 1:
        return (rails[0].name,), ()
    values = [np.nan_to_num(rail_values(sheet, rail)) for rail in rails]
    every = np.sum(values, axis=0)
    sums = [
        rail.name
        for rail, own in zip(rails, values, strict=True)
        if own.any() and float(np.abs(every - 2 * own).sum()) <= SAME * float(np.abs(own).sum())
    ]
    named = [rail.name for rail in rails if cells.words_in(rail.name) & _TOTALS]
    if len(named) == 1 and len(sums) == 1 and named != sums:
        return (), ()
    if len(named) == 1:
        return (named[0],), (f"total {named[0]!r} by its name",)
    if len(sums) == 1:
        return (sums[0],), (f"total {sums[0]!r}: the sum of the others",)
    return (), ()


def _energy(
    sheet: Sheet, time: Column, seconds: np.ndarray, energies: list[Column]
) -> tuple[tuple[Rail, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the rails of energy columns: counters, or joules since the row before."""
    rails, why = [], []
    for column in energies:
        key, because = _counts(sheet, column, seconds)
        if not key or not _stated(sheet, column):
            known_unit = column.unit or "J"
            both = [column._replace(key=key, unit=known_unit).as_map() for key in ("j", "dj")]
            raise ambiguous(
                sheet,
                f"{column.name!r} may count joules from a start, or since the row before, "
                "and its unit must be stated",
                [f"{time.as_map()},{item}" for item in both],
            )
        rails.append(Rail(column.name, (column._replace(key=key),)))
        why.append(f"{column.name!r} {because}")
    if len({rail.columns[0].key for rail in rails}) > 1:
        raise ambiguous(sheet, "it has counters beside joules of intervals", [])
    return tuple(rails), (rails[0].name,) if len(rails) == 1 else (), tuple(why)


def _counts(sheet: Sheet, column: Column, seconds: np.ndarray) -> tuple[str, str]:
    """Return "j" for a counter, "dj" for joules since the row before, and the evidence; or "".

    A rising energy may be either: a load that grows steadily spends more in each interval.
    """
    words = cells.words_in(column.name)
    joules = quantity(sheet, column)
    good = np.isfinite(joules) & np.isfinite(seconds)
    known, spent = joules[good], seconds[good]
    steps = np.diff(known)
    falls = int((steps < 0).sum())
    counted = bool(words & _COUNTERS) and not words & _STEPS
    wraps = counted and falls * 50 <= len(steps) + 49
    if (not falls or wraps) and (steps > 0).any() and not words & _STEPS:
        if counted:
            return "j", "counts up, by its name"
        if len(known) >= _MANY and known[-1] > _GROWS * known[0]:
            return "j", f"counts up: it grows more than {_GROWS:g} times"
        span = float(np.ptp(spent))
        if len(known) >= _MANY and known.sum() > _PLAUSIBLE_W[1] * span:
            return "j", f"counts up: no interval has {known.sum() / max(span, 1e-9):.3g} W"
    elif falls and (words & _STEPS or falls > len(steps) / 5):
        return "dj", "falls too: joules since the row before"
    return "", ""


def _long_form(sheet: Sheet, reading: Reading, seconds: np.ndarray) -> Reading:
    """Return the reading by device, when one column makes the times of each device rise."""
    known = seconds[np.isfinite(seconds)]
    rising = len(known) < 2 or bool((np.diff(known) > 0).all())
    used = {i for c in (reading.time, *reading.rails[0].columns) if c for i in c.indices}
    found = [i for i in range(sheet.width) if i not in used and divides(sheet, i, seconds)]
    named = [i for i in found if _takes_turns(sheet, i, rising)]
    if not found or (rising and not named):
        return reading
    index = (named or found)[0]
    values = {row[index] for row in sheet.rows}
    totals = {value for value in values if cells.words_in(value) & (_TOTALS | {"all"})}
    alike = len({re.sub(r"\d+", "", value) for value in values}) == 1
    words = cells.words_in(sheet.name(index))
    sums = not totals and bool(words & _PARTS or (words & _DEVICES and alike))
    total = ("*",) if sums else tuple(totals) if len(totals) == 1 else ()
    because = "the sum of all" if sums else f"total {total[0]!r} by its name" if total else ""
    why = (*reading.because, f"devices by {sheet.name(index)!r}: {because or 'none is the total'}")
    return replace(reading, total=total, by=(index,), by_name=sheet.name(index), because=why)


def _takes_turns(sheet: Sheet, index: int, rising: bool) -> bool:
    """Return whether a column names the devices of the rows: it is so called, or words alternate.

    Where all times rise, a column of numbers must go round its values.
    """
    labels, words = sheet.column(index), cells.words_in(sheet.name(index))
    device = bool(words & _DEVICES) and words <= _DEVICES | {"id", "name", "number", "no", "bus"}
    if not any(map(is_number, labels)):
        changes = sum(a != b for a, b in zip(labels, labels[1:], strict=False))
        return device or changes > 0.3 * len(labels)
    round_ = zip(labels, labels[len(set(labels)) :], strict=False)
    return device and (not rising or all(a == b for a, b in round_))


def divides(sheet: Sheet, index: int, seconds: np.ndarray) -> bool:
    """Return whether the times rise among the rows of each value of a column, of 2 to 64."""
    labels, groups = np.unique(np.array(sheet.column(index)), return_inverse=True)
    if not 2 <= len(labels) <= min(64, len(sheet.rows) / 2):
        return False
    order = np.argsort(groups, kind="stable")
    steps, same = np.diff(seconds[order]), np.diff(groups[order]) == 0
    counts = np.bincount(groups)
    return bool((steps[same] > 0).all()) and int(counts.min()) * 4 >= int(counts.max())


def refuse_groups(sheet: Sheet, reading: Reading, seconds: np.ndarray) -> None:
    """Raise HarnessError for rows that stand close together in groups, as those of devices do."""
    steps = np.diff(np.sort(seconds))
    steps = steps[steps > 0]
    if len(steps) < 2 * _MANY:
        return
    usual = float(np.quantile(steps, 0.97))
    share = float(np.mean(steps < usual / 10))
    if share > _GROUPED:
        raise ambiguous(
            sheet,
            f"{100 * share:.0f} % of its rows stand close behind another one, in steps of "
            f"{usual:.3g} s: several devices without a name?",
            [f"{reading.as_map()},by=COL", reading.as_map()],
        )


def _held(sheet: Sheet, reading: Reading, seconds: np.ndarray) -> None:
    """Refuse rows that seem to be written when the value changes, if that matters."""
    for rail in reading.rails:
        watts = rail_values(sheet, rail)
        good = np.isfinite(seconds) & np.isfinite(watts)
        steps, power = np.diff(seconds[good]), watts[good]
        if len(steps) < 3 or (steps <= 0).any() or (np.diff(power) == 0).any():
            continue
        held = joules_of(seconds, watts, "hold")
        usual = float(np.median(steps))
        uneven = float(np.mean(np.abs(steps - usual) > usual / 2)) > 0.2
        if uneven and _differ([joules_of(seconds, watts), held]):
            raise ambiguous(
                sheet,
                "the rows are uneven and no value repeats: written when the value changes?",
                [f"{reading.as_map()},rule={rule}" for rule in ("hold", "line")],
            )
