"""The notes under a table: what the numbers cover, how they were counted, and what to doubt about them."""

from typing import Any

from joulebird.reports.runs import cross
from joulebird.reports.runs.accounting import idle_power
from joulebird.reports.runs.grid import Grid
from joulebird.reports.runs.labels import BASELINES, is_early_bird, ratio_label
from joulebird.reports.runs.records import Run, unique_stages
from joulebird.reports.tables import published as published_data
from joulebird.reports.tables.units import digits, si

EXCLUDED = {
    "module": "not in it: carrier board, fan, losses of the power supply, host",
    "board": "not in it: losses of the power supply, host",
    "dc": "not in it: losses of the power supply, host",
    "wall": "everything behind the meter is in it",
    "gpu": "not in it: processors, memory, mainboard, power supply",
    "package": "not in it: accelerator, drives, mainboard, power supply",
}
WORDS = {
    "simulated": "simulated: no sensor measured these energies; a simulated board followed the load of the processor",
    "replayed": "replayed: the energies come from a log that was recorded elsewhere",
}
MODES = {
    "measured": "measured: the power log of every stage of a run, integrated; a stage that runs share counts in full in each of them",
    "per-epoch": "per-epoch: the mean recorded epoch of each network structure, times the epochs it was trained; "
    "a stage without epochs as measured",
}


def table2_notes(
    grid: Grid, units: Any, energy: str, net: bool, accuracy: str, published: bool = False
) -> list[str]:
    """All notes of Table 2, the most important first."""
    words = sorted({word for cell in grid.cells.values() for word in cell.words})
    notes = [
        _scope(grid),
        f"Energy is {MODES[energy]}{'; the idle power is subtracted' if net else ''}.",
    ]
    notes += [f"{WORDS[word][0].upper()}{WORDS[word][1:]}." for word in words if word in WORDS]
    if "estimated" in words:
        notes.append(
            "Estimated: rows in low precision ran on full-precision arithmetic that imitates 8 bits; "
            "their energy is not that of 8-bit hardware."
        )
    notes += [
        _flops(units),
        _accuracy(grid, accuracy),
        *_improvement(grid),
        *_tickets(grid),
        *drawn_notes(grid),
    ]
    notes += [
        *cross.notes(unique_stages(grid.runs)),
        *_idle(grid.runs, net),
        *_quality(grid),
        *_void(grid),
        *_repeated(grid),
    ]
    return notes + (_published(grid) if published else []) + warning_notes(grid.runs)


def _scope(grid: Grid) -> str:
    scope = grid.scope
    if not scope:
        return "Energy: no power was recorded."
    mode = f", power mode {scope['power mode']}" if scope["power mode"] else ""
    excluded = EXCLUDED.get(scope["scope"], "what it covers is not stated")
    return f"Energy: {scope['rails']} ({scope['scope']}) on {scope['board']} by {scope['source']}{mode}; {excluded}."


def _flops(units: Any) -> str:
    unit = (
        "x0.05P = 5e13 = 50 000 images x 1 GFLOP"
        if units.flops_name == "x0.05P"
        else f"in {units.flops_name}"
    )
    rounded = (
        "forward FLOPs rounded to 0.01 G as the paper does" if units.rounded else "exact count"
    )
    return (
        f"FLOPs of training = 3 x forward FLOPs of an image (the authors' counter, {rounded}) x images x epochs, {unit}; "
        "testing, scoring and pruning are not in them."
    )


def _accuracy(grid: Grid, rule: str) -> str:
    seeds = sorted({len(cell.runs) for cell in grid.cells.values()})
    told = {
        "best": "the best test accuracy over the epochs of the last training (the paper's way)",
        "last": "the test accuracy after the last epoch",
    }[rule]
    many = (
        "one seed"
        if seeds == [1]
        else f"{seeds[0]} to {seeds[-1]} seeds"
        if len(seeds) > 1
        else f"{seeds[0]} seeds"
    )
    spread = "" if seeds == [1] else "; ± is the standard deviation over seeds"
    return f"Accuracy: {told}; {many}{spread}."


def _improvement(grid: Grid) -> list[str]:
    both = [
        any(map(is_early_bird, methods)) and bool(set(methods) & set(BASELINES))
        for methods in map(grid.methods_of, grid.settings)
    ]
    if not any(both):
        return []
    return [
        "Improv.: against the strongest of LT, SNIP, NS and ThiNet in that cell, named in brackets; each row is one method."
    ]


def _tickets(grid: Grid) -> list[str]:
    """Both ways to say when a ticket was drawn."""
    found: dict[str, list[str]] = {}
    for (setting, method, ratio), cell in grid.cells.items():
        tickets = [run.ticket for run in cell.runs if run.ticket]
        if tickets:
            searched, paper = (
                ", ".join(str(ticket[name]) for ticket in tickets)
                for name in ("search_epochs", "paper_n")
            )
            found.setdefault(f"{setting} {method}", []).append(
                f"{ratio_label(ratio)} {searched} ({paper})"
            )
    rows = "; ".join(f"{row} {', '.join(cells)}" for row, cells in found.items())
    return (
        [f"Tickets: epochs trained in the search (in brackets the paper's N): {rows}."]
        if found
        else []
    )


def drawn_notes(grid: Grid) -> list[str]:
    """What a table says of the runs it leaves to Tables 1 and 4."""
    return (
        [f"Not in this table: {grid.drawn} runs of tickets drawn at given epochs (tables 1 and 4)."]
        if grid.drawn
        else []
    )


def _idle(runs: list[Run], net: bool) -> list[str]:
    sessions = {(stage.root, stage.record.session) for stage in unique_stages(runs)}
    known = [power[0] for power in (idle_power(*session) for session in sessions) if power]
    if not known:
        return ["Idle power was not recorded; energies are gross."]
    middle = sum(known) / len(known)
    return [
        f"Idle power {si(middle, 'W')} ({len(known)} session{'s' if len(known) > 1 else ''}, before and after); "
        f"energies are {'net of it' if net else 'gross, as a meter shows them'}."
    ]


def _quality(grid: Grid) -> list[str]:
    energies = [
        energy
        for cell in grid.cells.values()
        for energy in cell.energies
        if not energy.void and energy.joules
    ]
    if not energies:
        return []
    worst, gap = (
        min(energy.coverage for energy in energies),
        max(energy.worst_gap_s for energy in energies),
    )
    u = max(energy.u_joules / abs(energy.joules) for energy in energies)
    own = max(energy.own_u_joules / abs(energy.joules) for energy in energies)
    stated = any(energy.u_gain_j or energy.u_offset_j for energy in energies)
    known = "" if stated else " The sensor's own accuracy is not stated, and not in it."
    return [
        f"Worst coverage {100 * worst:.2f} %, longest gap {digits(gap, 3)} s. Uncertainty of an energy at most {100 * u:.2g} % (95 %), "
        f"of which {100 * own:.2g} % is not shared by all rows.{known}"
    ]


def _void(grid: Grid) -> list[str]:
    found: dict[str, list[str]] = {}
    for (_, method, ratio), cell in grid.cells.items():
        for energy in cell.energies:
            if energy.void:
                found.setdefault(energy.void_reason or "", []).append(
                    f"{method} {ratio_label(ratio)}"
                )
    return [
        f"Void: {', '.join(dict.fromkeys(cells))}: {reason}." for reason, cells in found.items()
    ]


def _repeated(grid: Grid) -> list[str]:
    lost = [
        (run.id, cost.repeated.measured_j)
        for cell in grid.cells.values()
        for run, cost in zip(cell.runs, cell.costs, strict=True)
        if cost.repeated.measured_j
    ]
    if not lost:
        return []
    most = max(lost, key=lambda pair: pair[1])
    return [
        f"Not in the energies: what killed attempts did after their last checkpoint, at most {si(float(most[1]), 'J')} ({most[0]})."
    ]


def _published(grid: Grid) -> list[str]:
    doubts = [
        d
        for d in published_data.doubts()
        if d.table == "2"
        and d.setting in grid.settings
        and d.ratio in grid.ratios
        and d.method in (*grid.methods, "EB Train Improv.")
    ]
    return [
        f"† published {d.setting} {d.method} {ratio_label(d.ratio or 0)} {d.published}: {d.why}"
        f"{'; probably ' + d.probably if d.probably else ''}."
        for d in doubts
    ]


def warning_notes(runs: list[Run]) -> list[str]:
    """The warnings of some runs, each once with how many stages had it, and its remedy."""
    found: dict[str, tuple[int, str]] = {}
    for stage in unique_stages(runs):
        for warning in stage.record.warnings:
            text = str(warning.get("text") or warning.get("name", "")).rstrip(".")
            remedy = str(warning.get("remedy") or "")
            count = found.get(text, (0, ""))[0] + 1
            found[text] = (count, remedy)
    lines = []
    for text, (count, remedy) in found.items():
        cure = f"; remedy: {remedy}" if remedy and not remedy.startswith("none needed") else ""
        lines.append(f"Warning ({count} stage{'s' if count > 1 else ''}): {text}{cure}.")
    return lines
