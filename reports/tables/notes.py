"""The notes under a table: the extent of the numbers, how they were counted, and doubts."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from joulebird.harness.core.sensor import ALIASED, UNSTATED
from joulebird.reports.runs.accounting import idle_power, idle_sessions, idle_words
from joulebird.reports.runs.cross import sightings
from joulebird.reports.runs.grid import Grid
from joulebird.reports.runs.labels import is_early_bird, ratio_label
from joulebird.reports.runs.names import BASELINES
from joulebird.reports.runs.records import BUSY, LOADED, FinishedRun, unique_stages
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.table import digits, si, worded

EXCLUDED = {
    "module": "not in it: carrier board, fan, losses of the power supply, host",
    "board": "not in it: losses of the power supply, host",
    "dc": "not in it: losses of the power supply, host",
    "wall": "everything behind the meter is in it",
    "gpu": "not in it: processors, memory, mainboard, power supply",
    "package": "not in it: accelerator, drives, mainboard, power supply",
}
WORDS = {
    "simulated": "Simulated: no sensor measured these energies; a simulated board followed the "
    "load of the processor.",
    "replayed": "Replayed: the energies come from a log that was recorded elsewhere.",
    "estimated": "Estimated: rows in low precision ran on full-precision arithmetic that imitates "
    "8 bits; their energy is not that of 8-bit hardware.",
    LOADED: "Foreign load: other processes used the machine while this was measured; the energy is "
    "not that of the training alone.",
    ALIASED: "Aliased?: readings on a fixed grid, between which the power may have moved in step; "
    "sample at random intervals, or use a source that averages or counts.",
}
MODES = {
    "measured": "measured: the power log of every stage of a run, integrated; a stage that runs "
    "share counts in full in each of them",
    "per-epoch": "per-epoch: the mean recorded epoch of each network structure, times the epochs "
    "it was trained; a stage without epochs as measured",
}
RULES = {
    "best": "the best test accuracy over the epochs of the last training (the paper's way)",
    "last": "the test accuracy after the last epoch",
}


def loaded(words: Iterable[str]) -> list[str]:
    """Return the words that stand beside single energies, and in no title or heading."""
    return [word for word in words if word in (LOADED, ALIASED)]


def table2_notes(
    grid: Grid,
    units: Any,
    energy: str,
    net: bool,
    accuracy: str,
    published: bool = False,
    rail: str | None = None,
) -> list[str]:
    """Return all notes of Table 2, the most important first."""
    words = sorted(set(grid.words) & set(WORDS), key=list(WORDS).index)
    return [
        _scope(grid, rail),
        f"Energy is {MODES[energy]}{'; the idle power is subtracted' if net else ''}.",
        *(WORDS[word] for word in words),
        _flops(units),
        _accuracy(grid, accuracy),
        *_improvement(grid),
        *_tickets(grid),
        *drawn_notes(grid),
        *(f"Beside it: {seen.text()}." for seen in sightings(unique_stages(grid.runs))),
        _idle(grid.runs, net),
        *_quality(grid),
        *_void(grid),
        *_repeated(grid),
        *(_published(grid) if published else []),
        *warning_notes(grid.runs),
    ]


def _scope(grid: Grid, rail: str | None) -> str:
    scope = grid.scope
    if "rails" not in scope:
        return "Energy: no power was recorded."
    mode = f", power mode {scope['power mode']}" if scope["power mode"] else ""
    supply = f"{scope['rails']} ({scope['scope']})"
    excluded = EXCLUDED.get(scope["scope"], "its extent is not stated")
    if rail:
        supply, excluded = f"the rail {rail}", "not in it: all that other rails supply"
    where = f"{supply} on {scope['board']} by {scope['source']}{mode}"
    return f"Energy: {where}; {excluded}."


def _flops(units: Any) -> str:
    paper = units.flops_name == "x0.05P"
    unit = "x0.05P = 5e13 = 50 000 images x 1 GFLOP" if paper else f"in {units.flops_name}"
    count = "forward FLOPs rounded to 0.01 G as the paper does" if units.rounded else "exact count"
    return (
        f"FLOPs of training = 3 x forward FLOPs of an image (the authors' counter, {count}) "
        f"x images x epochs, {unit}; testing, scoring and pruning are not in them."
    )


def _accuracy(grid: Grid, rule: str) -> str:
    seeds = sorted({len(cell.runs) for cell in grid.cells.values()})
    if seeds == [1]:
        return f"Accuracy: {RULES[rule]}; one seed."
    count = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    return f"Accuracy: {RULES[rule]}; {count} seeds; ± is the standard deviation over seeds."


def _improvement(grid: Grid) -> list[str]:
    rows = map(grid.methods_of, grid.settings)
    note = (
        "Improv.: against the strongest of LT, SNIP, NS and ThiNet in that cell, named in "
        "brackets; each row is one method."
    )
    compared = any(any(map(is_early_bird, row)) and set(row) & set(BASELINES) for row in rows)
    return [note] if compared else []


def _tickets(grid: Grid) -> list[str]:
    """Return both counts of the epochs at which tickets were drawn."""
    rows: dict[str, list[str]] = {}
    for (setting, method, ratio), cell in grid.cells.items():
        tickets = [run.ticket for run in cell.runs if run.ticket]
        if tickets:
            searched, paper = (
                ", ".join(str(ticket[key]) for ticket in tickets)
                for key in ("search_epochs", "paper_n")
            )
            row = rows.setdefault(f"{setting} {method}", [])
            row.append(f"{ratio_label(ratio)} {searched} ({paper})")
    text = "; ".join(f"{row} {', '.join(cells)}" for row, cells in rows.items())
    note = f"Tickets: epochs trained in the search (in brackets the paper's N): {text}."
    return [note] if rows else []


def drawn_notes(grid: Grid) -> list[str]:
    """Return the note about the runs that a table leaves to Tables 1 and 4."""
    left_out = f"{grid.drawn} runs of tickets drawn at given epochs (tables 1 and 4)"
    return [f"Not in this table: {left_out}."] if grid.drawn else []


def _idle(runs: list[FinishedRun], net: bool) -> str:
    sessions = idle_sessions(unique_stages(runs))
    powers = (idle_power(*session, like=source) for session, source in sessions.items())
    known = [power[0] for power in powers if power]
    if not known:
        return "Idle power was not recorded; energies are gross."
    words = {word for session in sessions for word in idle_words(*session)}
    mean = worded(si(sum(known) / len(known), "W"), words)
    count = f"{len(known)} session{'s' if len(known) > 1 else ''}, before and after"
    kind = "net of it" if net else "gross, as a meter shows them"
    return f"Idle power {mean} ({count}); energies are {kind}."


def _quality(grid: Grid) -> list[str]:
    energies = [energy for cell in grid.cells.values() for energy in cell.energies if energy.joules]
    if not energies:
        return []
    coverage = min(energy.coverage for energy in energies)
    gap_s = max(energy.worst_gap_s for energy in energies)
    u = max((energy.u_joules or 0.0) / abs(energy.joules or 1.0) for energy in energies)
    own = max((energy.own_u_joules or 0.0) / abs(energy.joules or 1.0) for energy in energies)
    unstated = not all(energy.stated for energy in energies)
    alone = any(len(cell.known) < 2 for cell in grid.cells.values())
    only = ", sensor and sampling only: some cells were not repeated" if alone else ""
    return [
        f"Worst coverage {100 * coverage:.2f} %, longest gap {digits(gap_s, 3)} s. "
        f"Uncertainty of an energy at most {100 * u:.2g} % (95 %{only}), "
        f"of which {100 * own:.2g} % is not shared by all rows."
        + f" {UNSTATED.capitalize()}, and not in it."
        * unstated
    ]


def _void(grid: Grid) -> list[str]:
    cells: dict[str, dict[str, None]] = {}
    for (_, method, ratio), cell in grid.cells.items():
        for reason in filter(None, (energy.void_reason for energy in cell.energies)):
            cells.setdefault(reason, {})[f"{method} {ratio_label(ratio)}"] = None
    return [f"Void: {', '.join(names)}: {reason}." for reason, names in cells.items()]


def _repeated(grid: Grid) -> list[str]:
    lost = [
        (cost.repeated, run.id)
        for cell in grid.cells.values()
        for run, cost in zip(cell.runs, cell.costs, strict=True)
        if cost.repeated.measured_j
    ]
    worst = sorted(lost, key=lambda pair: pair[0].measured_j, reverse=True)[:1]
    return [
        "Not in the energies: the work of killed attempts after their last checkpoint, at most "
        f"{worded(si(float(energy.measured_j), 'J'), loaded(energy.words))} ({run_id})."
        for energy, run_id in worst
    ]


def _published(grid: Grid) -> list[str]:
    methods = {"EB Train Improv.", *(method for _, method, _ in grid.cells)}
    return [
        f"{doubt_note(doubt)}{'; probably ' + doubt.probably if doubt.probably else ''}."
        for doubt in published_data.doubts()
        if doubt.table == "2"
        and doubt.setting in grid.settings
        and doubt.ratio in grid.ratios
        and doubt.method in methods
    ]


def doubt_note(doubt: published_data.Doubt) -> str:
    """Return the note about a doubtful published cell, without its full stop."""
    place = f"{doubt.setting} {doubt.method} {ratio_label(doubt.ratio or 0)}"
    return f"{published_data.MARK} published {place} {doubt.published}: {doubt.why}"


def spoilt_notes(runs: list[FinishedRun]) -> list[str]:
    """Return a note about each stage without an energy for its conditions or epochs."""
    spoilt = (stage for stage in unique_stages(runs) if stage.spoilt)
    return [
        *(f"Void, and the accuracy marked: {stage.id}: {stage.spoilt}." for stage in spoilt),
        *(f"The accuracy is marked: {run.id}: {run.misstated}." for run in runs if run.misstated),
    ]


def warning_notes(runs: list[FinishedRun]) -> list[str]:
    """Return the warnings of some runs, each once, with the number of its stages and its remedy.

    The stages whose work is spoilt come first.
    """
    counts: Counter[str] = Counter()
    remedies: dict[str, str] = {}
    for warning in (warning for stage in unique_stages(runs) for warning in stage.record.warnings):
        text = str(warning.get("text") or warning.get("name", "")).rstrip(".")
        text = text.partition(" (")[0] if warning.get("name") == BUSY else text  # one for all
        counts[text] += 1
        remedies[text] = str(warning.get("remedy") or "none needed")
    return spoilt_notes(runs) + [
        f"Warning ({count} stage{'s' if count > 1 else ''}): {text}"
        + ("." if remedies[text].startswith("none needed") else f"; remedy: {remedies[text]}.")
        for text, count in counts.items()
    ]
